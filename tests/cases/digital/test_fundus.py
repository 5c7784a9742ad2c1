"""Fundus photographs of digital patients: anatomy in millimetres, and retinopathy as graded."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from ipiu.cases.digital.fundus import FIELD, LABELS, make_fundus
from ipiu.cases.digital.fundus_lesions import draw_lesions
from ipiu.cases.digital.fundus_vessels import grow_vessels
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream
from ipiu.errors import IpiuError

NUMBER = {name: number for number, name in LABELS.items()}
LESIONS = [number for name, number in NUMBER.items() if number > 3]


@cache
def fundus(index, *, size=256, **change):
    state = replace(draw_state(1, index), **{"retinopathy": 0, "age": 45.0, **change})
    return make_fundus(state, stream(1, index, "fundus"), size=size)


def colours(index, **options):
    return fundus(index, **options)[0].numpy().astype(float)


def label(index, **options):
    return fundus(index, **options)[1][0].numpy()


def millimetres(index, mask, **options):
    """Places of the pixels of a mask, mm down and right of the middle."""
    affine = fundus(index, **options)[1].affine.numpy()
    return np.argwhere(mask) @ affine[:2, :2].T + affine[:2, 3]


def middle(index, name, **options):
    points = millimetres(index, label(index, **options) == NUMBER[name], **options)
    return (points.max(0) + points.min(0)) / 2


def test_picture_and_labels_lie_on_one_grid():
    picture, labels = fundus(0)
    assert (picture.shape, labels.shape) == ((3, 256, 256), (1, 256, 256))
    assert picture.numpy().dtype == labels.numpy().dtype == np.uint8
    assert (picture.meta["modality"], picture.meta["unit"]) == ("OP", "RGB")
    assert labels.meta["labels"] == LABELS
    np.testing.assert_array_equal(picture.affine, labels.affine)
    # the middle of the picture is the origin
    assert picture.affine.numpy()[:2] @ [127.5, 127.5, 0, 1] == pytest.approx([0, 0])


def test_the_same_patient_is_the_same_to_the_last_bit():
    state = replace(draw_state(1, 0), retinopathy=0, age=45.0)
    for one, two in zip(make_fundus(state, stream(1, 0, "fundus")), fundus(0), strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    assert (label(0) != label(1)).mean() > 0.05


def test_disc_and_fovea_have_the_sizes_and_distance_of_an_eye():
    distances, heights, rises = [], [], []
    for index in range(12):
        offset = middle(index, "optic disc") - middle(index, "fovea")
        distances.append(np.hypot(*offset))
        rises.append(-offset[0])
        heights.append(np.ptp(millimetres(index, label(index) == NUMBER["optic disc"])[:, 0]))
    # 4.76 mm with a standard deviation of 0.34, and 2.65 disc diameters (Jonas et al. 2015)
    assert np.mean(distances) == pytest.approx(4.76, abs=0.3)
    assert np.mean(distances) / np.mean(heights) == pytest.approx(2.65, abs=0.3)
    assert 0.2 < np.mean(rises) < 1.0


def test_the_disc_is_on_the_nasal_side():
    sides = set()
    for index in range(10):
        side = fundus(index)[0].meta["laterality"]
        sides.add(side)
        assert (middle(index, "optic disc") > middle(index, "fovea"))[1] == (side == "right")
    assert sides == {"left", "right"}


def test_the_eye_is_the_same_at_every_size():
    large, small = colours(2, size=512), colours(2, size=128)
    reduced = large.reshape(3, 128, 4, 128, 4).mean((2, 4))
    assert np.abs(reduced - small).mean() < 3
    for name in ("optic disc", "fovea"):
        assert middle(2, name, size=512) == pytest.approx(middle(2, name, size=128), abs=0.12)


def test_the_fovea_has_no_vessels():
    for index in range(6):
        vessels = millimetres(index, label(index) == NUMBER["vessels"])
        assert np.hypot(*(vessels - middle(index, "fovea")).T).min() > 0.2


def test_outside_the_field_it_is_dark():
    points = millimetres(0, np.ones((256, 256), bool)).reshape(256, 256, 2)
    outside = np.hypot(*np.moveaxis(points, 2, 0)) > FIELD / 2 + 0.1
    assert colours(0)[:, outside].mean() < 4
    assert (label(0)[outside] == 0).all()
    assert colours(0)[0, ~outside].mean() > 90


def equivalent(widths, factor):
    """The calibre of the vessel that the six come from: the widest joins the narrowest, and so on.

    Knudtson et al. 2003, doi:10.1076/ceyr.27.3.143.16049.
    """
    while len(widths) > 1:
        widths, half = sorted(widths), len(widths) // 2
        joined = [factor * np.hypot(widths[n], widths[-1 - n]) for n in range(half)]
        widths = joined + widths[half : len(widths) - half]
    return widths[0]


def test_vessels_have_the_calibre_of_a_population():
    disc = np.array((4.7, 0.6))
    arteries, veins = [], []
    for index in range(20):
        zone = {True: [], False: []}
        for vessel in grow_vessels(stream(1, index, "fundus"), tuple(disc)):
            at = np.argmax(np.hypot(*(vessel.points - disc).T) > 2.2)  # half a disc diameter from its margin
            if at and np.hypot(*(vessel.points[0] - disc)) < 1.8:
                zone[vessel.artery].append(1000 * vessel.width[at])
        arteries.append(equivalent(sorted(zone[True])[-6:], 0.88))
        veins.append(equivalent(sorted(zone[False])[-6:], 0.95))
    # 225 micrometres at 70 years (Myers et al. 2012, doi:10.1016/j.ophtha.2012.06.038)
    assert np.mean(veins) == pytest.approx(225, abs=25)
    # median ratio 0.81 to 0.84, range 0.56 to 1.08 (Ponto et al. 2017, doi:10.1097/HJH.0000000000001380)
    assert np.mean(arteries) / np.mean(veins) == pytest.approx(0.8, abs=0.08)


def test_hypertension_narrows_the_arteries():
    calm, high = (dict(draw_state(1, 3).severity, hypertension=x) for x in (0.0, 1.0))
    make = [
        make_fundus(replace(draw_state(1, 3), severity=x, retinopathy=0), stream(1, 3, "fundus"), size=512)[1].numpy()
        for x in (calm, high)
    ]
    areas = [(x == NUMBER["vessels"]).sum() for x in make]
    assert 0.75 * areas[0] < areas[1] < 0.97 * areas[0]


def test_each_grade_shows_what_the_international_scale_says():
    found = []
    for grade in range(5):
        lesions = draw_lesions(grade, grow_vessels(stream(1, 4, "v"), (4.7, 0.6)), (4.7, 0.6), stream(1, 4, "l"))
        quadrants = [(spot.x > 0) * 2 + (spot.y > 0) for spot in lesions.haemorrhages]
        found.append((lesions, np.bincount(quadrants, minlength=4) if quadrants else np.zeros(4, int)))
    none, mild, moderate, severe, worst = found
    assert none[0] == ([], [], [], [], [], None, False)
    assert mild[0].microaneurysms
    assert mild[0]._replace(microaneurysms=[]) == none[0]
    assert 0 < moderate[1].min() <= moderate[1].max() <= 20
    assert moderate[0].exudates
    assert moderate[0].cotton_wool
    assert severe[1].min() > 20
    assert severe[0].beading
    assert not severe[0].new_vessels
    assert worst[0].new_vessels
    assert severe[0].haemorrhages == worst[0].haemorrhages[: len(severe[0].haemorrhages)]


def test_lesions_grow_with_the_grade_and_spare_the_rest():
    maps = [label(5, retinopathy=grade) for grade in range(5)]
    areas = [np.isin(x, LESIONS).sum() for x in maps]
    assert areas[0] == 0
    assert np.all(np.diff(areas) > 0)
    rest = ~np.isin(maps[2], LESIONS)
    np.testing.assert_array_equal(maps[0][rest], maps[2][rest])
    assert (maps[4] == NUMBER["neovascularisation"]).any()
    assert not (maps[3] == NUMBER["neovascularisation"]).any()


def test_blood_is_dark_and_exudate_is_bright():
    labels, green = label(6, size=512, retinopathy=3), colours(6, size=512, retinopathy=3)[1]

    def contrast(name):
        mask = labels == NUMBER[name]
        ring = ndimage.binary_dilation(mask, iterations=6) & (labels == 0)
        return green[mask].mean() / green[ring].mean()

    assert contrast("haemorrhage") < 0.7
    assert contrast("microaneurysm") < 0.95
    assert contrast("vessels") < 0.9
    assert contrast("hard exudate") > 1.1
    assert contrast("cotton-wool spot") > 1.1
    assert contrast("optic disc") > 1.2


def test_the_lens_of_the_old_takes_contrast():
    shares = [
        colours(7, age=age)[1][label(7, age=age) == NUMBER["vessels"]].mean()
        / colours(7, age=age)[1][label(7, age=age) == NUMBER["optic disc"]].mean()
        for age in (40.0, 65.0, 90.0)
    ]
    assert np.all(np.diff(shares) > 0.01)


def test_its_colour_is_near_that_of_a_real_photograph():
    pytest.importorskip("skimage")
    import ipiu

    real = ipiu.open("sample:retina").images["fundus"].numpy().astype(float)
    real = real[:, real[0] > 60].mean(1)
    ours = np.mean([colours(index)[:, colours(index)[0] > 60].mean(1) for index in range(8)], axis=0)
    assert ours / ours.sum() == pytest.approx(real / real.sum(), abs=0.09)


@pytest.mark.parametrize("size", [32, 5000])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(IpiuError, match=f"size={size}"):
        make_fundus(draw_state(1, 0), stream(1, 0, "fundus"), size=size)
