from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import gaussian_filter, map_coordinates

from ipiu.cases.digital.detector import PLATES, count, expose, scattered
from ipiu.cases.digital.projector import attenuation
from ipiu.cases.digital.radiograph import CHANNELS, cardiothoracic_ratio, make_radiograph, project, retake
from ipiu.cases.digital.site import Site
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream
from ipiu.cases.digital.torso import make_torso
from ipiu.errors import IpiuError

SPACING = np.array([4.5, 4.5, 5.0])
SHAPE = (96, 96, 96)
# NIST SRD 126: mass attenuation in cm2/g of water and cortical bone, at 60 keV ("pa") and 50 keV ("ap")
WATER = {"pa": 0.2059, "ap": 0.2269}
BONE = {"pa": 0.3148, "ap": 0.4242}
NAMES = {1: "muscle", 2: "spine", 3: "right lung upper lobe", 4: "left lung lower lobe", 5: "heart muscle"}
NAMES |= {6: "pleural effusion right", 7: "pneumothorax left", 8: "consolidation", 9: "lung nodule"}
UPRIGHT = replace(draw_state(0, 1), portable=False)
PORTABLE = replace(UPRIGHT, portable=True)


def volume(values, spacing=SPACING, **meta):
    """A volume about the origin, axes RAS+."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -(np.array(values.shape) - 1) / 2 * spacing
    return MetaTensor(torch.from_numpy(values[None]), affine=torch.from_numpy(affine), meta=meta)


def points(shape=SHAPE, spacing=SPACING):
    return np.meshgrid(*((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij")


def ellipsoid(centre, radii):
    return sum(((p - c) / r) ** 2 for p, c, r in zip(points(), centre, radii, strict=True)) < 1


def chest(**present):
    """A box-and-ellipsoid patient: CT and labels."""
    x, y, z = points()
    labels = np.zeros(SHAPE, np.uint8)
    hu = np.full(SHAPE, -1000, np.int16)
    parts = [(1, ((x / 170) ** 2 + (y / 110) ** 2 < 1) & (np.abs(z) < 215), 40)]
    parts += [(2, (x**2 + (y + 75) ** 2 < 18**2) & (np.abs(z) < 215), 500)]
    parts += [(3, ellipsoid((75, 0, 30), (58, 85, 130)), -850), (4, ellipsoid((-75, 0, 30), (58, 85, 130)), -850)]
    parts += [(5, ellipsoid((-25, 30, -20), (65, 45, 50)), 40)]
    lung = parts[2][1] | parts[3][1]
    parts += [(6, (labels == 0) & parts[2][1] & (z < -40) & (y < 0), 10)] * ("effusion" in present)
    parts += [(7, parts[3][1] & (z > 90), -1000)] * ("pneumothorax" in present)
    parts += [(8, lung & ellipsoid((75, -20, 60), (35, 35, 35)), 0)] * ("consolidation" in present)
    parts += [(9, ellipsoid((80, -30, 60), (9, 9, 9)), 40)] * ("nodule" in present)
    for code, where, value in parts:
        labels[where], hu[where] = code, value
    return volume(hu), volume(labels, labels=NAMES)


CT, LABELS = chest()


def pixels(image):
    """Where the pixels of a picture lie: (x, y, z) of each in RAS+ mm, worked out from its affine and meta."""
    affine, (x, _, z) = np.asarray(image.affine), image.meta["focus"]
    down = affine[0, 0] * np.arange(image.shape[1]) + affine[0, 3]
    across = affine[1, 1] * np.arange(image.shape[2]) + affine[1, 3]
    grid = np.meshgrid(z - down, x - across, indexing="ij")
    return np.stack([grid[1], np.full_like(grid[0], image.meta["detector"]), grid[0]], axis=-1)


def hit(image, point):
    """The (row, column) at which the ray through a point in mm meets the detector."""
    source = np.array(image.meta["focus"])
    stretch = (image.meta["detector"] - source[1]) / (point[1] - source[1])
    x, _, z = source + stretch * (np.array(point) - source)
    affine = np.asarray(image.affine)
    return (source[2] - z - affine[0, 3]) / affine[0, 0], (source[0] - x - affine[1, 3]) / affine[1, 1]


@pytest.mark.parametrize("view", ["pa", "ap"])
def test_attenuation_of_water_air_and_bone_is_that_of_the_nist_table(view):
    # cortical bone as a CT at about 70 keV sees it, halfway between the table's 60 and 80 keV
    bone_hu = 1000 * (1.92 * np.sqrt(0.3148 * 0.2229) / np.sqrt(0.2059 * 0.1837) - 1)
    per_cm = 10 * attenuation(np.array([0.0, -1000.0, bone_hu]), view)
    np.testing.assert_allclose(per_cm, [WATER[view], 0, 1.92 * BONE[view]], rtol=0.005, atol=1e-6)


@pytest.mark.parametrize("view", ["pa", "ap"])
def test_a_slab_of_water_attenuates_by_its_thickness_over_the_cosine_of_the_ray(view):
    hu = np.full(SHAPE, -1000, np.int16)
    hu[:, 40:60] = 0
    lines = project(volume(hu), view=view)
    ray = pixels(lines) - np.array(lines.meta["focus"])
    slant = np.linalg.norm(ray, axis=-1) / np.abs(ray[..., 1])
    # rays that leave the slab by its sides are set aside
    inside = (np.abs(pixels(lines)[..., 0]) < 190) & (np.abs(pixels(lines)[..., 2]) < 200)
    assert slant[inside].max() > 1.005
    np.testing.assert_allclose(np.asarray(lines)[0][inside], (9 * WATER[view] * slant)[inside], rtol=1e-4)


@pytest.mark.parametrize("view", ["pa", "ap"])
def test_a_ball_of_water_shows_its_chords(view):
    centre, radius, fine = np.array([60.0, 20.0, -50.0]), 70.0, 3
    ball = np.zeros(SHAPE)
    for shift in np.ndindex(fine, fine, fine):  # partial volume by counting points in each voxel
        offset = ((np.array(shift) + 0.5) / fine - 0.5) * SPACING
        ball += sum((p + o - c) ** 2 for p, o, c in zip(points(), offset, centre, strict=True)) < radius**2
    lines = project(volume((ball / fine**3 * 1000 - 1000).astype(np.float32)), view=view)
    source = np.array(lines.meta["focus"])
    ray = pixels(lines) - source
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    along = ray @ (centre - source)
    distance2 = ((centre - source) ** 2).sum() - along**2
    chord = 2 * np.sqrt(np.maximum(radius**2 - distance2, 0))
    error = np.asarray(lines)[0] / (WATER[view] / 10) - chord
    assert np.abs(error).mean() < 0.5
    assert np.abs(error[distance2 < (0.9 * radius) ** 2]).max() < 2.5  # about half a voxel


@pytest.mark.parametrize("view", ["pa", "ap"])
def test_random_rays_agree_with_marching_through_the_volume(view):
    rng = np.random.default_rng(0)
    hu = gaussian_filter(rng.normal(size=SHAPE), 3)
    hu = np.pad(hu[2:-2, 2:-2, 2:-2] / hu.std() * 200 - 100, 2, constant_values=-1000).astype(np.float32)
    ct = volume(hu)
    lines = project(ct, view=view, aim=(12.0, -20.0))
    source, places = np.array(lines.meta["focus"]), pixels(lines)
    mu, origin = attenuation(hu, view), np.asarray(ct.affine)[:3, 3]
    for row, column in rng.integers(20, 172, (60, 2)):
        target = places[row, column]
        length = np.linalg.norm(target - source)
        count = int(length / 0.5)
        at = source + (np.arange(count) + 0.5)[:, None] / count * (target - source)
        at = ((at - origin) / SPACING).T
        marched = map_coordinates(mu, at, order=1, mode="constant").sum() * length / count
        assert float(lines[0, row, column]) == pytest.approx(marched, rel=0.003)


@pytest.mark.parametrize("view", ["pa", "ap"])
def test_a_bead_lies_where_geometry_magnifies_it_to(view):
    hu = np.full(SHAPE, -1000, np.int16)
    hu[:, 24:72] = -900  # too thin to be skin, so that the detector stays behind or in front of the whole box
    voxel = (70, 30, 80)
    hu[voxel] = 2000
    ct = volume(hu)
    lines = project(ct, view=view)
    distance = abs(lines.meta["detector"] - lines.meta["focus"][1])
    assert distance == pytest.approx({"pa": 1800, "ap": 1000}[view])
    shown = np.asarray(lines)[0] - np.median(np.asarray(lines)[0])
    shown[shown < 0.5 * shown.max()] = 0
    centre = [(np.indices(shown.shape)[n] * shown).sum() / shown.sum() for n in (0, 1)]
    mm = np.asarray(ct.affine) @ [*voxel, 1]
    np.testing.assert_allclose(centre, hit(lines, mm[:3]), atol=0.25)
    # upper right of the patient: upper left of the picture
    assert centre[0] < shown.shape[0] / 2
    assert centre[1] < shown.shape[1] / 2


def test_the_detector_faces_the_skin_at_a_small_distance():
    front, back = 110, -110
    pa, ap = project(CT, view="pa").meta, project(CT, view="ap").meta
    assert 20 < pa["detector"] - front < 60
    assert pa["focus"][1] < back
    assert 10 < back - ap["detector"] < 40
    assert ap["focus"][1] > front


def test_noise_and_a_tube_in_air_are_not_taken_for_skin():
    noisy = CT.clone()
    noisy[0] += torch.from_numpy(np.random.default_rng(0).normal(0, 40, SHAPE).astype(np.int16))
    noisy[0, 40:50, 94, 50] = 300
    assert project(noisy).meta["detector"] == project(CT).meta["detector"]


def test_pixel_and_aim_move_the_grid_and_not_the_patient():
    coarse, fine = project(CT), project(CT, pixel=1.5, aim=(0.0, 0.0))
    assert coarse.meta["pixel"] == 2.25
    assert coarse.shape == (1, 192, 192)
    assert fine.shape == (1, 287, 287)
    for point in ((0.0, 0.0, 0.0), (80.0, 20.0, -100.0)):
        values = [
            map_coordinates(np.asarray(p)[0], np.array(hit(p, point))[:, None], order=1)[0] for p in (coarse, fine)
        ]
        assert values[0] == pytest.approx(values[1], rel=0.01)


def test_the_heart_is_magnified_more_from_the_front_than_from_the_back():
    ratios, widths = {}, {}
    for view, state in (("pa", UPRIGHT), ("ap", PORTABLE)):
        image, masks = make_radiograph(CT, LABELS, state, stream(0, 1, "radiograph"))
        assert image.meta["view"] == view
        _, first, _, last = masks.meta["boxes"]["heart"]
        # the ellipsoid's width between tangents, by the magnification at its middle
        magnified = abs(image.meta["detector"] - image.meta["focus"][1]) / abs(30 - image.meta["focus"][1])
        widths[view] = (last - first) * image.meta["pixel"]
        assert widths[view] == pytest.approx(130 * magnified, abs=8)
        ratios[view] = cardiothoracic_ratio(masks)
    assert widths["ap"] > 1.08 * widths["pa"]
    assert ratios["ap"] > ratios["pa"]


def test_counts_in_air_are_poisson():
    measured = count(np.ones((400, 400)), 18_000, np.random.default_rng(0)) * 18_000
    assert measured.mean() == pytest.approx(18_000, rel=1e-4)
    assert measured.var() == pytest.approx(18_000, rel=0.02)
    assert (count(np.full((50, 50), 1e-9), 1000, np.random.default_rng(0)) > 0).all()


def test_noise_falls_with_the_root_of_the_dose():
    spread = []
    for dose in (0.25, 1.0, 4.0):
        image, _ = make_radiograph(CT, LABELS, UPRIGHT, stream(0, 1, "radiograph"), site=Site(dose=dose))
        clean = np.asarray(retake(CT, image)).astype(float)
        shown = (clean > 200) & (clean < 3900)
        spread.append((np.asarray(image) - clean)[shown].std())
    np.testing.assert_allclose(np.array(spread[:2]) / spread[1:], 2, rtol=0.05)


def test_a_grid_takes_scatter_away_and_matter_makes_it():
    lines = np.asarray(project(CT))[0, 20:150, 20:170]
    scatter = scattered(lines, pixel=2.25)
    fraction = {view: PLATES[view].scatter * scatter for view in PLATES}
    fraction = {view: s / (s + np.exp(-lines)) for view, s in fraction.items()}
    lung, middle = (60, 35), (80, 80)
    # measured in patients: a half or so behind lung and 0.8 to 0.9 behind the mediastinum; about a half with a grid
    assert 0.35 < fraction["ap"][lung] < fraction["ap"][middle]
    assert 0.7 < fraction["ap"][middle] < 0.95
    assert 0.4 < fraction["pa"][middle] < 0.7
    assert scattered(np.zeros((50, 50)), pixel=2.25).max() == 0
    assert expose(lines, view="ap", pixel=2.25) == pytest.approx(np.exp(-lines) + scatter, abs=0.01)


@pytest.mark.parametrize("state", [UPRIGHT, PORTABLE])
def test_the_radiograph_is_the_projection_developed_as_documented(state):
    image, _ = make_radiograph(CT, LABELS, state, stream(0, 1, "radiograph"))
    meta, field = image.meta, image.meta["field"]
    lines = np.asarray(project(CT, view=meta["view"], pixel=meta["pixel"], aim=meta["aim"]))[0]
    lines = lines[field[0] : field[2], field[1] : field[3]]
    shade = -np.log(expose(lines, view=meta["view"], pixel=meta["pixel"]))
    shade = shade + 0.7 * (shade - gaussian_filter(shade, 10 / meta["pixel"], mode="nearest", truncate=3))
    dark, bright = meta["shades"]
    level = 4095 / (1 + np.exp(-4 * (shade - (dark + bright) / 2) / (bright - dark)))
    clean, _ = make_radiograph(CT, LABELS, state, stream(0, 1, "radiograph"), site=Site(dose=1e8))
    assert np.abs(np.asarray(clean)[0] - level).max() < 2
    np.testing.assert_array_equal(np.asarray(retake(CT, image))[0], np.rint(level))
    assert np.corrcoef(np.asarray(image)[0].ravel(), level.ravel())[0, 1] > 0.99
    np.testing.assert_array_equal(retake(CT, image).affine, image.affine)


def test_the_picture_is_12_bit_with_dark_lungs_and_bright_bone():
    image, masks = make_radiograph(CT, LABELS, UPRIGHT, stream(0, 1, "radiograph"))
    grey = np.asarray(image)[0]
    assert grey.dtype == np.uint16
    assert image.meta["unit"] == "grey level"
    channels = dict(zip(masks.meta["channels"], np.asarray(masks) > 0, strict=True))
    lung = grey[channels["right lung"] & ~channels["heart"]]
    assert np.median(lung) < 1400
    assert np.median(grey[channels["heart"]]) > 2000
    row, column = (round(n) for n in hit(image, (0, -75, 120)))
    assert grey[row, column] > grey[row, column - 14]
    assert grey.min() >= 0
    assert grey.max() <= 4095
    assert (grey == 4095).mean() < 0.01


def test_masks_lie_in_the_picture_where_the_labels_of_the_ct_are():
    ct, labels = chest(effusion=1, pneumothorax=1, consolidation=1, nodule=1)
    for state in (UPRIGHT, PORTABLE):
        image, masks = make_radiograph(ct, labels, state, stream(0, 2, "radiograph"))
        assert masks.meta["channels"] == tuple(CHANNELS)
        assert masks.shape == (len(CHANNELS), *image.shape[1:])
        assert set(np.unique(masks)) == {0, 1}
        np.testing.assert_array_equal(masks.affine, image.affine)
        where = {6: "pleural effusion right", 7: "pneumothorax left", 8: "consolidation", 9: "lung nodule"}
        where |= {3: "right lung", 4: "left lung", 5: "heart"}
        assert set(masks.meta["boxes"]) == set(where.values())
        for code, name in where.items():
            mask = np.asarray(masks)[list(CHANNELS).index(name)]
            row0, column0, row1, column1 = masks.meta["boxes"][name]
            rows, columns = np.nonzero(mask)
            assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (row0, column0, row1, column1)
            voxels = np.argwhere(np.asarray(labels)[0] == code)
            mm = voxels * SPACING + np.asarray(labels.affine)[:3, 3]
            hits = np.array([hit(image, point) for point in mm[:: max(1, len(mm) // 300)]])
            near = (hits > [row0 - 4, column0 - 4]) & (hits < [row1 + 3, column1 + 3])
            assert near.all(axis=1).mean() > 0.97
            on = mask[tuple(np.clip(np.rint(hits).astype(int), 0, np.array(mask.shape) - 1).T)]
            assert on.mean() > (0.5 if name == "lung nodule" else 0.8)


def test_a_pixel_belongs_to_a_finding_where_its_ray_runs_far_enough_through_it():
    ct, labels = chest(nodule=1)
    _, masks = make_radiograph(ct, labels, UPRIGHT, stream(0, 2, "radiograph"))
    image, _ = make_radiograph(ct, labels, UPRIGHT, stream(0, 2, "radiograph"))
    line = np.asarray(masks)[0, round(hit(image, (75, 0, 30))[0])]
    # a lung of half-axes 58 and 85 mm: its chord falls to 10 mm just within its border
    reach = 58 * np.sqrt(1 - (5 / 85) ** 2)
    outer = hit(image, (75 + reach, 0, 30))[1]
    assert np.flatnonzero(line)[0] == pytest.approx(outer, abs=1.5)


def test_findings_change_the_picture_the_way_they_do_in_patients():
    _, masks = make_radiograph(*chest(effusion=1, pneumothorax=1, consolidation=1), UPRIGHT, stream(0, 3, "radiograph"))
    lines = {}
    for name in ("", "effusion", "pneumothorax", "consolidation"):
        ct, labels = chest(**{name: 1} if name else {})
        image, found = make_radiograph(ct, labels, UPRIGHT, stream(0, 3, "radiograph"), site=Site(dose=1e6))
        lines[name] = np.asarray(project(ct, aim=image.meta["aim"]))[0]
    field = image.meta["field"]
    lines = {name: line[field[0] : field[2], field[1] : field[3]] for name, line in lines.items()}
    channels = dict(zip(masks.meta["channels"], np.asarray(masks) > 0, strict=True))
    assert (lines["effusion"] - lines[""])[channels["pleural effusion right"]].mean() > 0.3
    assert (lines["consolidation"] - lines[""])[channels["consolidation"]].mean() > 0.3
    assert (lines["pneumothorax"] - lines[""])[channels["pneumothorax left"]].mean() < -0.05
    assert "pleural effusion right" not in found.meta["boxes"]
    # airless lung belongs to the lung of its side
    assert channels["right lung"][channels["consolidation"]].mean() > 0.99
    assert not channels["left lung"][channels["consolidation"]].any()


def test_the_right_of_the_patient_is_on_the_left_of_the_picture():
    for state in (UPRIGHT, PORTABLE):
        _, masks = make_radiograph(CT, LABELS, state, stream(0, 4, "radiograph"))
        boxes = masks.meta["boxes"]
        assert boxes["right lung"][3] < (boxes["left lung"][1] + boxes["left lung"][3]) / 2
        assert boxes["right lung"][1] < boxes["heart"][1]
        # the heart lies low in the chest and to the left
        assert boxes["heart"][0] - boxes["left lung"][0] > boxes["left lung"][2] - boxes["heart"][2]


def test_the_field_holds_the_lungs_with_some_room_and_varies():
    fields, rooms = set(), set()
    for n in range(12):
        state = (UPRIGHT, PORTABLE)[n % 2]
        image, masks = make_radiograph(CT, LABELS, state, stream(n, 4, "radiograph"))
        fields.add(image.meta["field"])
        rooms.add(masks.meta["boxes"]["right lung"][0])
        lungs = np.asarray(masks)[:2].any(axis=0)
        border = np.concatenate([lungs[0], lungs[-1], lungs[:, 0], lungs[:, -1]])
        assert not border.any()
        assert image.shape[1] < 192
    assert len(fields) > 8
    assert max(rooms) - min(rooms) > 4


def test_the_same_stream_gives_the_same_radiograph():
    first, second = (make_radiograph(CT, LABELS, PORTABLE, stream(0, 5, "radiograph")) for _ in range(2))
    other, _ = make_radiograph(CT, LABELS, PORTABLE, stream(0, 6, "radiograph"))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
        assert {k: v for k, v in one.meta.items() if k != "affine"} == {
            k: v for k, v in two.meta.items() if k != "affine"
        }
    assert other.shape != first[0].shape or (np.asarray(other) != np.asarray(first[0])).any()


@pytest.mark.parametrize("state", [UPRIGHT, PORTABLE])
def test_the_marker_is_a_bright_letter_in_the_corner_and_nothing_else_changes(state):
    plain, masks = make_radiograph(CT, LABELS, state, stream(0, 5, "radiograph"))
    marked, same = make_radiograph(CT, LABELS, state, stream(0, 5, "radiograph"), marker=True)
    assert (plain.meta["marker"], marked.meta["marker"]) == (False, True)
    np.testing.assert_array_equal(masks, same)
    changed = np.argwhere(np.asarray(plain)[0] != np.asarray(marked)[0])
    mm = changed * marked.meta["pixel"]
    assert 60 < len(changed) < 0.02 * plain[0].numel()
    assert mm.max() < 60
    assert (np.asarray(marked)[0][tuple(changed.T)] == 4095).all()
    assert np.median(np.asarray(plain)[0][tuple(changed.T)]) < 3000
    np.testing.assert_array_equal(retake(CT, marked), retake(CT, plain))


def test_cardiothoracic_ratio_is_the_hearts_reach_over_the_widest_chest():
    masks = np.zeros((len(CHANNELS), 20, 40), np.uint8)
    names = list(CHANNELS)
    masks[names.index("right lung"), 2:18, 4:14] = 1
    masks[names.index("left lung"), 2:18, 22:32] = 1
    masks[names.index("left lung"), 10, 22:34] = 1
    masks[names.index("heart"), 8:10, 12:20] = 1
    masks[names.index("heart"), 12:14, 16:27] = 1
    found = MetaTensor(torch.from_numpy(masks), meta={"channels": tuple(names)})
    assert cardiothoracic_ratio(found) == 15 / 30
    # fluid and air in the pleural space belong to the chest
    found[names.index("pleural effusion left"), 10, 34:36] = 1
    assert cardiothoracic_ratio(found) == 15 / 32
    found[names.index("heart")] = 0
    with pytest.raises(IpiuError, match="do not hold a heart and both lungs"):
        cardiothoracic_ratio(found)


def test_what_cannot_be_projected_is_refused():
    with pytest.raises(IpiuError, match="there is no view 'lateral'; there are pa, ap"):
        project(CT, view="lateral")
    turned = MetaTensor(CT.as_tensor(), affine=np.diag([-4.5, 4.5, 5.0, 1.0]))
    with pytest.raises(IpiuError, match=r"axes along RAS\+"):
        project(turned)
    with pytest.raises(IpiuError, match="lie on another grid"):
        make_radiograph(CT, LABELS[:, :-1], UPRIGHT, stream(0, 1, "radiograph"))
    no_lungs = LABELS.clone()
    no_lungs[(no_lungs == 3) | (no_lungs == 4)] = 1
    with pytest.raises(IpiuError, match="lacks a lung"):
        make_radiograph(CT, no_lungs, UPRIGHT, stream(0, 1, "radiograph"))


def test_air_leaves_the_beam_as_it_was():
    lines = project(volume(np.full(SHAPE, -1000, np.int16)))
    assert not np.asarray(lines).any()
    assert expose(np.asarray(lines)[0], view="pa", pixel=2.25) == pytest.approx(1)


def test_diseases_of_a_digital_patient_show_on_the_radiograph():
    ratios, boxes = [], {}
    for severity in (0.0, 0.5, 1.0):
        state = draw_state(0, 1, do={"cardiomegaly": severity, "consolidation": severity, "pneumothorax": 1 - severity})
        ct, labels = make_torso(state, stream(0, 1, "torso"), spacing=6.0)
        _, masks = make_radiograph(ct, labels, replace(state, portable=False), stream(0, 1, "radiograph"))
        ratios.append(cardiothoracic_ratio(masks))
        boxes[severity] = {name.removesuffix(" right").removesuffix(" left") for name in masks.meta["boxes"]}
    assert 0.35 < ratios[0] < ratios[1] < ratios[2] < 0.75
    assert ratios[2] > 0.5
    assert boxes[0.0] == {"right lung", "left lung", "heart", "pneumothorax"}
    assert "consolidation" in boxes[0.5] & boxes[1.0]
    assert "pneumothorax" not in boxes[1.0]
