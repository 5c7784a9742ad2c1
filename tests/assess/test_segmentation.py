import time

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from ipiu import IpiuError
from ipiu.assess.segmentation import scores, summary

SPACING = (1.5, 2.0, 3.0)


def label_map(values, spacing=SPACING):
    return MetaTensor(torch.from_numpy(values)[None], affine=np.diag([*spacing, 1.0]))


def ellipsoid(centre, radii, shape=(40, 36, 30)):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return (((grid - centre) / radii) ** 2).sum(-1) <= 1


@pytest.fixture(scope="module")
def pair():
    truth, predicted = np.zeros((2, 40, 36, 30), np.uint8)
    truth[ellipsoid((12, 12, 12), (8, 6, 7))], predicted[ellipsoid((13, 12, 11), (7, 7, 7))] = 1, 1
    truth[ellipsoid((30, 26, 20), (5, 6, 4))], predicted[ellipsoid((31, 24, 20), (5, 6, 5))] = 7, 7
    return label_map(predicted), label_map(truth)


def image(mask):
    found = sitk.GetImageFromArray(np.ascontiguousarray(mask.T.astype(np.uint8)))
    found.SetSpacing(SPACING)
    return found


def surface_distances(of, to):
    """Distances in mm from the border of one mask to that of the other, by SimpleITK."""
    border = sitk.LabelContour(image(to), fullyConnected=False)
    far = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(border, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    )
    return np.abs(far)[sitk.GetArrayFromImage(sitk.LabelContour(image(of), fullyConnected=False)) > 0]


@pytest.mark.parametrize("value", [1, 7])
def test_dice_is_that_of_simpleitk(pair, value):
    predicted, truth = (np.asarray(mask[0]) == value for mask in pair)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(image(predicted), image(truth))
    assert scores(*pair).loc[str(value), "Dice"] == pytest.approx(overlap.GetDiceCoefficient())


@pytest.mark.parametrize("value", [1, 7])
def test_distances_are_those_of_simpleitk(pair, value):
    predicted, truth = (np.asarray(mask[0]) == value for mask in pair)
    there, back = surface_distances(predicted, truth), surface_distances(truth, predicted)
    row = scores(*pair, tolerance=2.0).loc[str(value)]
    assert row["HD95"] == pytest.approx(max(np.quantile(there, 0.95), np.quantile(back, 0.95)), abs=1e-3)
    close = ((there <= 2 + 1e-4).sum() + (back <= 2 + 1e-4).sum()) / (len(there) + len(back))
    assert row["NSD"] == pytest.approx(close, abs=1e-6)


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges")
def test_one_pass_gives_what_the_two_metrics_of_monai_give(pair):
    predicted, truth = (mask.as_tensor()[None] == 1 for mask in pair)
    row = scores(*pair, tolerance=2.0).loc["1"]
    options = {"include_background": True, "spacing": SPACING}
    assert row["HD95"] == pytest.approx(float(compute_hausdorff_distance(predicted, truth, percentile=95, **options)))
    assert row["NSD"] == pytest.approx(float(compute_surface_dice(predicted, truth, [2.0], **options)))


def test_a_slab_moved_by_two_voxels_is_that_far_away():
    truth, predicted = np.zeros((2, 30, 20, 20), np.uint8)
    truth[5:15], predicted[7:17] = 1, 1
    row = scores(label_map(predicted), label_map(truth), tolerance=2.0).loc["1"]
    assert row["HD95"] == pytest.approx(2 * SPACING[0])
    assert row["Dice"] == pytest.approx(0.8)


def test_pictures_are_measured_in_their_plane():
    truth, predicted = np.zeros((2, 30, 30), np.uint8)
    truth[5:15, 5:15], predicted[5:15, 8:18] = 1, 1
    found = [MetaTensor(torch.from_numpy(mask)[None], affine=np.diag([0.5, 0.25, 1.0])) for mask in (predicted, truth)]
    assert scores(*found).loc["1", "HD95"] == pytest.approx(0.75)


def test_empty_masks_follow_the_rules_that_are_stated(pair):
    predicted, truth = pair[0].clone(), pair[1]
    predicted[predicted == 7] = 0
    table = scores(predicted, truth, labels={1: "liver", 7: "spleen", 9: "stomach"})
    assert table.loc["spleen", ["Dice", "NSD", "HD95"]].tolist() == [0, 0, np.inf]
    assert table.loc["stomach", ["Dice", "NSD", "HD95"]].isna().all()


def test_the_summary_counts_misses_and_never_rewards_them(pair):
    predicted, truth = pair
    names = {1: "liver", 7: "spleen", 9: "stomach"}
    missed, invented = predicted.clone(), truth.clone()
    missed[missed == 7], invented[invented == 7] = 0, 0
    each = [scores(predicted, truth, labels=names), scores(missed, truth, labels=names)]
    each += [scores(predicted, truth, labels=names), scores(predicted, invented, labels=names)]
    table = summary(dict(zip("abcd", each, strict=True)), n=200)
    good = each[0].loc["spleen"]
    assert table.loc["spleen", "Dice"].value == pytest.approx(good["Dice"] / 2)
    assert table.loc["spleen", "HD95"].value == np.inf
    assert table.loc["liver", "HD95"].value == each[0].loc["liver", "HD95"]
    assert table.loc["spleen", ["n", "missed", "invented"]].tolist() == [4, 1, 1]
    assert table.loc["stomach", "n"] == 0


def test_dice_alone_leaves_out_the_distances(pair):
    assert list(scores(*pair, distances=False).columns) == ["Dice", "truth", "predicted"]


def test_names_come_from_the_reference(pair):
    predicted, truth = pair[0], pair[1].clone()
    truth.meta["labels"] = {1: "liver"}
    assert list(scores(predicted, truth).index) == ["liver"]


@pytest.mark.parametrize("other", ["shape", "spacing", "place"])
def test_a_mask_of_another_geometry_is_refused(pair, other):
    predicted, truth = pair[0].clone(), pair[1]
    if other == "shape":
        predicted = predicted[:, :-1]
    elif other == "spacing":
        predicted.affine = np.diag([1.5, 2.0, 2.9, 1.0])
    else:
        predicted.affine = np.array([[1.5, 0, 0, 4], [0, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1.0]])
    with pytest.raises(IpiuError, match=r"the mask (has the shape|lies at).*resample"):
        scores(predicted, truth)


def test_probabilities_are_no_mask(pair):
    with pytest.raises(IpiuError, match="the predicted mask holds values that are no whole numbers"):
        scores(pair[0] * 0.5, pair[1])


def test_a_torso_of_24_labels_takes_about_a_second():
    draw = np.random.default_rng(0)
    truth = np.zeros((96, 96, 96), np.uint8)
    for value in range(1, 25):
        truth[ellipsoid(draw.integers(20, 76, 3), draw.integers(6, 18, 3), truth.shape)] = value
    predicted = np.roll(truth, 1, axis=0)
    began = time.process_time()
    table = scores(label_map(predicted), label_map(truth))
    assert time.process_time() - began < 5
    assert len(table) > 15
