"""The network's grid over an image, against SimpleITK and against functions whose values are known."""

import itertools

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor

from ipiu.models.resample import Grid, resized

LPS = np.diag([-1.0, -1, 1, 1])
WIDTHS = (0.9, 1.3, 3.0)


def affine_of(codes: str, shape=(40, 32, 18), widths=WIDTHS, tilt: float = 0.0) -> np.ndarray:
    """The affine of an image stored along ``codes``, turned by ``tilt`` about an axis of no symmetry."""
    start = nib.orientations.axcodes2ornt(tuple(codes))
    turn = np.zeros((3, 3))
    for axis, (to, sign) in enumerate(start):
        turn[int(to), axis] = sign
    axis = np.array([1.0, 2.0, -1.5]) / np.linalg.norm([1.0, 2.0, -1.5])
    cross = np.cross(np.eye(3), axis)
    spun = np.eye(3) + np.sin(tilt) * cross + (1 - np.cos(tilt)) * cross @ cross
    affine = np.eye(4)
    affine[:3, :3] = spun @ turn @ np.diag(widths)
    affine[:3, 3] = [12.5, -31.0, 77.0]
    return affine


def ramp(affine: np.ndarray, shape: tuple[int, ...], slope=(0.7, -1.1, 0.4)) -> torch.Tensor:
    """A linear function of the place in the patient."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return torch.from_numpy((nib.affines.apply_affine(affine, index) @ np.array(slope)).astype(np.float32))[None]


def itk_image(values: torch.Tensor, affine: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(values[0].numpy().transpose(2, 1, 0))
    place(image, affine)
    return image


def place(image: sitk.Image, affine: np.ndarray) -> None:
    moved = LPS @ affine
    widths = np.linalg.norm(moved[:3, :3], axis=0)
    image.SetSpacing(widths.tolist())
    image.SetDirection((moved[:3, :3] / widths).ravel().tolist())
    image.SetOrigin(moved[:3, 3].tolist())


def itk_on(image: sitk.Image, grid: Grid) -> np.ndarray:
    """The image on the grid, by SimpleITK."""
    wanted = sitk.Image(*grid.shape, sitk.sitkFloat32)
    place(wanted, grid.affine)
    found = sitk.Resample(image, wanted, sitk.Transform(), sitk.sitkLinear, np.nan, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(found).transpose(2, 1, 0)


ORDERS = ("RAS", "LPS", "LAI", "SRP", "AIR")
INNER = (slice(2, -2),) * 3


@pytest.mark.parametrize("tilt", [0.0, 0.4])
@pytest.mark.parametrize("codes", ORDERS)
@pytest.mark.parametrize("spacing", [(2.0, 1.7, 4.5), (0.8, 0.8, 0.8)], ids=["coarser", "finer"])
def test_a_linear_function_of_the_patient_is_itself_on_the_grid(codes, tilt, spacing):
    affine = affine_of(codes, tilt=tilt)
    image = MetaTensor(ramp(affine, (40, 32, 18)), affine=torch.from_numpy(affine))
    grid = Grid.over(image, spacing)
    expected = ramp(grid.affine, grid.shape)
    found = grid.into(image.as_tensor())
    assert found.shape[1:] == grid.shape
    step = np.abs(np.diff(expected[0].numpy(), axis=0)).max()
    difference = np.abs((found - expected)[0].numpy()[INNER]).max()
    # the weights of a mean are sampled at voxels, so that its middle is off by some hundredths of one
    allowed = 0.1 if max(spacing) > 1 else 0.001
    assert difference < allowed * step, f"{difference / step:.3f} voxels"


@pytest.mark.parametrize("tilt", [0.0, 0.3])
@pytest.mark.parametrize("codes", ORDERS)
def test_values_on_a_finer_grid_are_those_of_simpleitk(codes, tilt):
    affine = affine_of(codes, tilt=tilt)
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 20, 16, 12)).astype(np.float32))
    grid = Grid.over(MetaTensor(values, affine=torch.from_numpy(affine)), (0.55, 0.55, 0.55))
    theirs = itk_on(itk_image(values, affine), grid)
    inside = ~np.isnan(theirs)
    assert inside.mean() > 0.8
    # half a grid voxel in from the edge, where SimpleITK has a value and the grid repeats the outermost
    np.testing.assert_allclose(grid.into(values)[0].numpy()[inside], theirs[inside], atol=2e-4)


@pytest.mark.parametrize("codes", ORDERS)
def test_the_grid_is_stored_as_the_network_wants_and_covers_the_image_edge_on_edge(codes):
    affine = affine_of(codes, tilt=0.2)
    image = MetaTensor(torch.zeros(1, 40, 32, 18), affine=torch.from_numpy(affine))
    grid = Grid.over(image, (2.0, 2.0, 2.0))
    assert nib.aff2axcodes(grid.affine) == ("R", "A", "S")
    corners = np.array(list(itertools.product((0, 1), repeat=3)))
    ours = nib.affines.apply_affine(grid.affine, corners * np.array(grid.shape) - 0.5)
    theirs = nib.affines.apply_affine(affine, corners * np.array((40, 32, 18)) - 0.5)
    far = np.linalg.norm(ours[:, None] - theirs[None], axis=-1).min(1)
    assert far.max() < 1e-6


@pytest.mark.parametrize("codes", ORDERS)
def test_a_point_lies_at_the_same_place_of_the_patient_on_both_grids(codes):
    affine = affine_of(codes, tilt=0.5)
    grid = Grid.over(MetaTensor(torch.zeros(1, 40, 32, 18), affine=torch.from_numpy(affine)), (1.9, 2.3, 4.0))
    points = torch.tensor([[3.0, 7.0, 2.0], [39.0, 0.0, 17.0], [20.5, 15.25, 9.0]])
    there = nib.affines.apply_affine(grid.affine, grid.places(points).numpy())
    np.testing.assert_allclose(there, nib.affines.apply_affine(affine, points.numpy()), atol=1e-4)


def ball(affine: np.ndarray, shape: tuple[int, ...], centre: np.ndarray, radius: float) -> torch.Tensor:
    """1 inside a ball, 0 outside, a smooth step of 4 mm between."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    far = np.linalg.norm(nib.affines.apply_affine(affine, index) - centre, axis=-1)
    return torch.from_numpy(np.clip((radius - far) / 4 + 0.5, 0, 1).astype(np.float32))[None]


@pytest.mark.parametrize("tilt", [0.0, 0.35])
@pytest.mark.parametrize("codes", ["RAS", "LPS", "SRP"])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (4.5, 4.5, 5.0)])
def test_labels_come_back_to_where_they_were_to_a_tenth_of_a_voxel(codes, tilt, spacing):
    shape = (56, 50, 24)
    affine = affine_of(codes, tilt=tilt)
    centre = nib.affines.apply_affine(affine, np.array(shape) / 2 + [1.3, -2.6, 0.4])
    image = MetaTensor(ball(affine, shape, centre, 16), affine=torch.from_numpy(affine))
    grid = Grid.over(image, spacing)
    share = grid.into(image.as_tensor())
    labels = grid.back(torch.cat([1 - share, share]), [0, 7])
    assert labels.shape == (1, *shape)
    assert labels.dtype == torch.uint8
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(sitk.Cast(itk_image(labels, affine), sitk.sitkUInt8))
    found = np.array(shapes.GetCentroid(7)) * [-1, -1, 1]
    assert np.linalg.norm(found - centre) < 0.1 * min(WIDTHS)
    truth = (image > 0.5).numpy()
    overlap = 2 * (truth & (labels.numpy() == 7)).sum() / (truth.sum() + (labels.numpy() == 7).sum())
    # the mean over a voxel rounds a ball off
    assert overlap > (0.97 if max(spacing) < 3 else 0.94)


def test_a_box_of_the_grid_comes_back_as_the_whole_would():
    random = np.random.default_rng(3)
    image = MetaTensor(torch.zeros(1, 37, 29, 21), affine=torch.from_numpy(affine_of("LPS")))
    grid = Grid.over(image, (2, 2, 2))
    scores = torch.from_numpy(random.normal(size=(4, *grid.shape)).astype(np.float32))
    box = (slice(3, 12), slice(4, 15), slice(2, 20))
    scores[0] += 100
    scores[(0, *box)] -= 100
    whole = grid.back(scores, [0, 1, 5, 300])
    part = grid.back(scores[(slice(None), *box)], [0, 1, 5, 300], [side.start for side in box])
    assert whole.dtype == torch.int16
    assert set(torch.unique(whole).tolist()) == {0, 1, 5, 300}
    # they may differ in the half voxel beyond the box, where the whole saw the background and the box its own edge
    assert (whole == part).float().mean() > 0.9


def test_on_the_image_s_own_grid_the_labels_are_the_winners():
    scores = torch.from_numpy(np.random.default_rng(4).normal(size=(3, 8, 9, 10)).astype(np.float32))
    grid = Grid.over(MetaTensor(scores[:1]), None)
    np.testing.assert_array_equal(grid.back(scores, [0, 1, 2])[0].numpy(), scores.argmax(0).numpy())


def test_a_coarser_voxel_is_the_mean_of_what_it_covers():
    noise = torch.from_numpy(np.random.default_rng(5).normal(size=(1, 64, 64, 64)).astype(np.float32))
    coarse = resized(noise, (16, 16, 16))
    assert abs(float(coarse.mean() - noise.mean())) < 0.01
    # a triangle of twice four voxels keeps a quarter and a little less of the variance along each side
    kept = float(coarse.var() / noise.var())
    assert 0.002 < kept < 0.25**2
