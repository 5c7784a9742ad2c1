"""The adapter of volumes, with networks whose answers are known, and with the classes that it is made for."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.networks import nets
from torch import nn

from ipiu.errors import IpiuError
from ipiu.models.contract import Contract
from ipiu.models.stock import build
from ipiu.models.volumetric import Volumetric

CONTRACT = Contract("volumetric", 3, unit="HU", window=(-1000, 1000), spacing=(3, 3, 3), labels={1: "bright"})
ORGANS = {1: "left kidney", 2: "right kidney", 3: "liver"}


class SegResNetThreshold(nn.Module):
    """Water and denser is foreground: a network that cannot be wrong, named like those that read in one pass."""

    def __init__(self, factor: int = 1):
        super().__init__()
        self.factor, self.seen = nn.Parameter(torch.tensor(float(factor))), []

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        return torch.cat([(0.5 - x) * 9, (x - 0.5) * 9], 1)

    def shape_factor(self):
        return [4, 4, 4]


class Threshold(SegResNetThreshold):
    """The same, read in windows."""


def body(shape=(44, 40, 36), affine=None, centre=None, radius=22.0) -> MetaTensor:
    """Air with a ball of +400 HU in a larger ball of -200 HU, with a smooth step, in HU."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    place = nib.affines.apply_affine(affine, index)
    centre = nib.affines.apply_affine(affine, np.array(shape) / 2 - 0.5) if centre is None else centre
    far = np.linalg.norm(place - centre, axis=-1)
    values = -1000 + 800 * (far < radius + 10) + 600 * np.clip((radius - far) / 6 + 0.5, 0, 1)
    image = MetaTensor(torch.from_numpy(values[None].astype(np.float32)), affine=torch.from_numpy(affine))
    image.meta |= {"unit": "HU", "modality": "CT"}
    return image


def oblique() -> np.ndarray:
    """Rows along the patient's back, turned about all three axes."""
    turn, _ = np.linalg.qr([[0.1, -1.0, 0.2], [1.0, 0.1, 0.3], [-0.2, -0.15, 1.0]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ np.diag([1.4, 2.0, 3.9]), [30, -20, 5]
    return affine


AFFINES = {
    "RAS": np.diag([2.0, 2.0, 2.0, 1.0]),
    "LPS": np.diag([-1.5, -1.5, 4.0, 1.0]),
    "oblique": oblique(),
    "head first along the rows": np.array([[0, 0, 2.2, 0], [0, -1.8, 0, 9], [1.4, 0, 0, -3], [0, 0, 0, 1.0]]),
}


@pytest.mark.parametrize("name", AFFINES)
def test_a_saved_result_lies_where_simpleitk_puts_it(name, tmp_path):
    affine = AFFINES[name]
    widths = np.linalg.norm(affine[:3, :3], axis=0)
    shape = tuple(int(n) for n in np.ceil(72 / widths))
    inner = nib.affines.apply_affine(affine, np.array(shape) / 2 - 0.5) + np.array([1.1, -0.7, 0.9])
    image = body(shape, affine, inner)
    labels = Volumetric(SegResNetThreshold(), CONTRACT).segment(image)
    assert labels.shape == image.shape
    nib.save(nib.Nifti1Image(labels[0].numpy(), labels.affine.numpy()), tmp_path / "labels.nii.gz")
    read = sitk.ReadImage(str(tmp_path / "labels.nii.gz"))
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(sitk.Cast(read, sitk.sitkUInt8))
    found = np.array(shapes.GetCentroid(1)) * [-1, -1, 1]
    assert np.abs(np.linalg.solve(affine[:3, :3], found - inner)).max() < 0.5, "half a voxel"
    # 0 HU lies a third of the way up the step of 6 mm
    assert shapes.GetPhysicalSize(1) == pytest.approx(4 / 3 * np.pi * 23**3, rel=0.03)


def test_the_result_says_what_it_is():
    labels = Volumetric(SegResNetThreshold(), CONTRACT, name="threshold").segment(body())
    assert labels.meta["labels"] == {1: "bright"}
    assert labels.dtype == torch.uint8
    assert labels.meta["modality"] == "CT"
    assert not labels.is_inference()


def test_air_is_skipped_and_the_box_keeps_to_the_strides():
    network = SegResNetThreshold()
    image = body((90, 40, 36), centre=np.array([60.0, 39.0, 35.0]), radius=12)
    model = Volumetric(network, CONTRACT)
    labels = model.segment(image)
    shape = network.seen[0][2:]
    assert np.prod(shape) < 0.5 * 60 * 27 * 24
    assert all(n % 4 == 0 for n in shape)
    assert int(labels.sum()) > 1000


def test_what_is_larger_than_one_pass_goes_through_in_windows_with_the_same_answer():
    image = body()
    whole = Volumetric(SegResNetThreshold(), CONTRACT).segment(image)
    network = Threshold()
    windows = Volumetric(network, Contract(**{**CONTRACT.__dict__, "roi": (16, 16, 16)})).segment(image)
    assert {shape[2:] for shape in network.seen} == {(16, 16, 16)}
    np.testing.assert_array_equal(windows.numpy(), whole.numpy())


def test_windows_are_monai_s_with_gaussian_weights():
    torch.manual_seed(0)
    network = nets.UNet(3, 1, 2, channels=(4, 8), strides=(2,), norm=None).eval()
    image = body((48, 48, 48))
    contract = Contract(**{**CONTRACT.__dict__, "spacing": (2, 2, 2), "roi": (16, 16, 16)})
    model = Volumetric(network, contract)
    model.whole = 0
    seen = model.see(image)
    cut = seen.values[(slice(None), *seen.box)][None]
    with torch.inference_mode():
        expected = SlidingWindowInferer((16, 16, 16), overlap=0.5, mode="gaussian")(cut, network)[0].argmax(0)
    ours = model.segment(image, clean=False)[0]
    np.testing.assert_array_equal(ours.numpy()[seen.box], expected.numpy())


def test_small_parts_are_cleaned_away_and_the_largest_can_be_had_alone():
    image = body()
    image[0, 2:4, 2:4, 2:4] = 400.0  # a speck in the corner
    image[0, 38:43, 2:9, 2:9] = 400.0  # a lump
    model = Volumetric(SegResNetThreshold(), Contract(**{**CONTRACT.__dict__, "spacing": None}))
    everything, cleaned = model.segment(image, clean=False), model.segment(image)
    largest = model.segment(image, clean="largest")
    assert everything[0, 3, 3, 3] == 1
    assert cleaned[0, 3, 3, 3] == 0
    assert largest[0, 40, 5, 5] == 0
    assert cleaned[0, 22, 20, 18] == largest[0, 22, 20, 18] == 1


class Sides(nn.Module):
    """What is bright on the patient's left is the left kidney, on the right the right; the liver is never seen."""

    def forward(self, x):
        left = torch.linspace(-1, 1, x.shape[2]).view(1, 1, -1, 1, 1) < 0
        bright = (x > 0.5).float() * 5
        return torch.cat([torch.full_like(x, 2.0), bright * left, bright * ~left, torch.zeros_like(x)], 1)


def test_a_mirror_exchanges_left_and_right_by_name():
    image = body()
    model = Volumetric(Sides(), Contract(**{**CONTRACT.__dict__, "labels": ORGANS}))
    plain, mirrored = model.segment(image), model.segment(image, mirror=True)
    # seen in a mirror the two change place twice, so that they agree with the plain answer
    np.testing.assert_array_equal(plain.numpy(), mirrored.numpy())


def test_one_class_can_be_asked_for_and_the_others_stay_others():
    image = body()
    model = Volumetric(Sides(), Contract(**{**CONTRACT.__dict__, "labels": ORGANS}))
    everything, right = model.segment(image), model.segment(image, classes=["right kidney"])
    assert right.meta["labels"] == {2: "right kidney"}
    np.testing.assert_array_equal(right.numpy() == 2, everything.numpy() == 2)
    assert set(np.unique(right)) == {0, 2}


SMALL = {
    "SegResNet": {"init_filters": 8, "in_channels": 1, "out_channels": 4},
    "SegResNetDS": {"init_filters": 4, "in_channels": 1, "out_channels": 4, "blocks_down": [1, 1, 1]},
    "SwinUNETR": {"in_channels": 1, "out_channels": 4, "feature_size": 12, "depths": [1, 1, 1, 1]},
    "UNet": {"spatial_dims": 3, "in_channels": 1, "out_channels": 4, "channels": [4, 8, 8], "strides": [2, 2]},
    "DynUNet": {
        "spatial_dims": 3, "in_channels": 1, "out_channels": 4, "kernel_size": [3, 3, 3], "strides": [1, 2, [2, 2, 1]],
        "upsample_kernel_size": [2, [2, 2, 1]], "filters": [4, 8, 8],
    },
    "UNETR": {
        "in_channels": 1, "out_channels": 4, "img_size": [32, 32, 32], "feature_size": 4, "hidden_size": 24,
        "mlp_dim": 48, "num_heads": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_the_stock_segmenters_run_on_a_volume_of_any_size(name):
    torch.manual_seed(0)
    network = build({"_target_": name, **SMALL[name]})
    roi = (64,) * 3 if name == "SwinUNETR" else (32,) * 3
    contract = Contract(**{**CONTRACT.__dict__, "labels": ORGANS, "roi": roi})
    image = body((31, 26, 23), np.diag([-2.0, 3.0, 3.5, 1.0]))
    labels = Volumetric(network, contract).segment(image)
    assert labels.shape == image.shape
    assert set(np.unique(labels)) <= {0, 1, 2, 3}


BAD = {
    "a picture": (lambda: torch.zeros(1, 64, 64), {}, "reads a volume"),
    "no unit": (lambda: MetaTensor(torch.zeros(1, 16, 16, 16)), {}, "states no unit"),
    "another unit": (lambda: told(body(), unit="1/mm"), {}, "this model reads HU"),
    "slices of an inch": (lambda: body((20, 20, 6), np.diag([4.0, 4.0, 25.4, 1.0])), {}, "25.4 mm"),
    "two channels": (lambda: told(MetaTensor(torch.zeros(2, 16, 16, 16)), unit="HU"), {}, "2 channels"),
    "not a number": (lambda: body() * float("nan"), {}, "NaN"),
    "no such class": (body, {"classes": ["liver"]}, "no class 'liver'"),
    "no class": (body, {"classes": []}, "classes is empty"),
    "a point outside": (body, {"points": [(50, 3, 3)]}, "outside the image of 44 x 40 x 36"),
    "a negative point outside": (body, {"points": [(5, 3, 3)], "negative": [(-1, 3, 3)]}, "outside"),
    "a point in two dimensions": (body, {"points": [(5, 3)]}, "give \\(i, j, k\\) each"),
    "points to a network without": (body, {"points": [(5, 3, 3)]}, "takes no points"),
}


def told(image: MetaTensor, **meta) -> MetaTensor:
    image.meta |= meta
    return image


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_answered_with_one_sentence_and_nothing_is_computed(name):
    make, asked, message = BAD[name]
    network = SegResNetThreshold()
    with pytest.raises(IpiuError, match=message) as told_off:
        Volumetric(network, CONTRACT).segment(make(), **asked)
    assert "\n" not in str(told_off.value)
    assert not network.seen
