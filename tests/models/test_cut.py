import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from ipiu.errors import IpiuError
from ipiu.models.cut import across, cut, depth, stack
from ipiu.view import planes


def volume(turn="RAS"):
    values = torch.arange(4 * 5 * 6, dtype=torch.float32).reshape(1, 4, 5, 6)
    image = MetaTensor(values, affine=np.diag([2.0, 3.0, 4.0, 1.0]), meta={"unit": "HU", "window": (0.0, 10.0)})
    return Orientation(turn, labels=None)(image)


@pytest.mark.parametrize("turn", ["RAS", "LPS", "SAR", "PIL"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_pictures_are_those_of_the_viewer_however_the_volume_is_stored(turn, plane):
    image = volume(turn)
    shown = planes.stack(image, axis=plane, window=(59.5, 119.0))
    assert depth(image, plane) == len(shown)
    for index in range(len(shown)):
        picture = cut(image, plane, index)
        grey = np.rint(picture[0].numpy() / 119 * 255).astype(np.uint8)
        assert np.array_equal(grey, shown.pixels(index)[..., 0])
        assert picture.meta["window"] == (0.0, 10.0)


@pytest.mark.parametrize("turn", ["RAS", "LPS", "SAR", "PIL"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slices_go_back_to_where_they_came_from(turn, plane):
    image = volume(turn)
    masks = {index: cut(image, plane, index)[0].numpy() > 70 for index in range(depth(image, plane))}
    back = stack(masks, image, plane)
    assert np.array_equal(back.numpy(), (image.numpy() > 70).astype(np.uint8))
    np.testing.assert_allclose(back.affine, image.affine)
    one = stack({2: masks[2]}, image, plane)
    assert one.sum() == masks[2].sum()


def test_voxels_of_labels_are_counted_slice_by_slice():
    labels = MetaTensor(torch.zeros(1, 4, 5, 6, dtype=torch.uint8), affine=np.eye(4))
    labels[0, 1, 2, 3], labels[0, 1, 2, 4], labels[0, 0, 0, 3] = 7, 8, 9
    assert across(labels, "axial", (7, 8)).tolist() == [0, 0, 0, 1, 1, 0]
    assert across(labels, "sagittal", (7, 8, 9)).tolist() == [1, 2, 0, 0]


def test_a_picture_is_no_volume():
    with pytest.raises(IpiuError, match=r"of shape \(1, 5, 6\) is no volume"):
        cut(torch.zeros(1, 5, 6), "axial", 0)
