"""The digital torso: reproducible, of human size, one person at every spacing, each disease to be seen."""

import hashlib
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from nibabel.orientations import aff2axcodes
from scipy import ndimage

from ipiu.cases.digital.site import SITES
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream
from ipiu.cases.digital.torso import LABELS, make_torso
from ipiu.errors import IpiuError

COARSE = 8.0
CODE = {name: code for code, name in LABELS.items()}
CHEST = ("emphysema", "heart failure", "cardiomegaly", "consolidation", "pneumothorax", "lung nodule", "lung cancer")
WELL = dict.fromkeys((*CHEST, "pleural effusion", "liver lesion", "kidney stone"), 0.0)
LOBES = ("right lung upper lobe", "right lung middle lobe", "right lung lower lobe", "left lung upper lobe")
LOBES += ("left lung lower lobe",)


@lru_cache(maxsize=32)
def make(index=3, spacing=COARSE, site="reference", **do):
    """State, HU, labels and millilitres a voxel of one patient, well but for what ``do`` says."""
    state = draw_state(5, index, do={**WELL, **{name.replace("_", " "): value for name, value in do.items()}})
    ct, labels = make_torso(state, stream(5, index, "torso"), spacing=spacing, site=site)
    return state, ct.numpy()[0], labels.numpy()[0], float(np.prod(ct.pixdim.numpy())) / 1000


def volume(labels, ml, *names):
    return float(np.isin(labels, [CODE[name] for name in names]).sum()) * ml


@pytest.fixture(scope="module")
def patients():
    return [make(index) for index in range(12)]


def test_torso_is_a_ct_and_a_label_map_on_one_grid():
    state = draw_state(5, 0)
    ct, labels = make_torso(state, stream(5, 0, "torso"), spacing=(9, 9, 10))
    assert ct.shape == labels.shape == (1, 48, 48, 48)
    assert str(ct.dtype) == "torch.int16"
    assert str(labels.dtype) == "torch.uint8"
    assert aff2axcodes(ct.affine.numpy()) == ("R", "A", "S")
    np.testing.assert_array_equal(ct.affine.numpy(), labels.affine.numpy())
    np.testing.assert_allclose(ct.affine.numpy()[:3, 3], [-211.5, -211.5, -235])  # the middle of the view is at 0
    assert ct.meta["unit"] == "HU"
    assert set(np.unique(labels.numpy())) <= {0, *labels.meta["labels"]}


def test_same_stream_gives_the_same_bytes():
    state = draw_state(5, 2)
    made = [make_torso(state, stream(5, 2, "torso"), spacing=COARSE) for _ in range(2)]
    assert (
        len({hashlib.sha256(ct.numpy().tobytes() + labels.numpy().tobytes()).hexdigest() for ct, labels in made}) == 1
    )


def test_another_patient_is_another_person():
    assert (make(2)[2] != make(3)[2]).mean() > 0.05


def test_spacing_out_of_range_is_refused_with_the_remedy():
    with pytest.raises(IpiuError, match=r"spacing=0\.2 must be 1 to 12 mm"):
        make(spacing=0.2)


@pytest.mark.parametrize(
    ("names", "low", "high"),
    [  # mL; see the datasheet for the studies
        (("liver",), 850, 2700),
        (("spleen",), 60, 420),
        (("right kidney",), 85, 270),
        (("left kidney",), 85, 270),
        (LOBES, 2500, 7000),
        (("heart muscle", "left ventricle", "right ventricle", "left atrium", "right atrium"), 330, 950),
    ],
)
def test_organs_are_of_human_size(patients, names, low, high):
    sizes = [volume(labels, ml, *names) for _, _, labels, ml in patients]
    assert low < min(sizes)
    assert max(sizes) < high


def test_liver_grows_with_body_surface_and_lungs_with_height(patients):
    body = [(state.height * state.weight / 3600) ** 0.5 for state, *_ in patients]
    livers = [volume(labels, ml, "liver") for _, _, labels, ml in patients]
    lungs = [volume(labels, ml, *LOBES) for _, _, labels, ml in patients]
    assert np.corrcoef(body, livers)[0, 1] > 0.5
    assert np.corrcoef([state.height for state, *_ in patients], lungs)[0, 1] > 0.5


def test_fat_grows_with_body_mass_index(patients):
    fat = [volume(labels, ml, "subcutaneous fat") for _, _, labels, ml in patients]
    assert np.corrcoef([state.bmi for state, *_ in patients], fat)[0, 1] > 0.8


@pytest.mark.parametrize(
    ("name", "plain", "enhanced"),
    [
        ("subcutaneous fat", (-115, -75), (-115, -75)),
        ("muscle", (30, 75), (40, 85)),
        ("liver", (25, 70), (75, 140)),
        ("spleen", (38, 60), (90, 150)),
        ("aorta", (30, 55), (100, 200)),
        ("spine", (130, 420), (130, 420)),
        ("left lung upper lobe", (-920, -800), (-920, -800)),
        ("trachea", (-1010, -700), (-1010, -700)),
    ],
)
def test_tissues_have_their_attenuation(patients, name, plain, enhanced):
    for state, hu, labels, _ in patients:
        low, high = enhanced if state.contrast else plain
        assert low < np.median(hu[labels == CODE[name]]) < high


@pytest.mark.parametrize("name", ["liver", "spleen", "right kidney", "left kidney", "aorta"])
def test_organ_is_in_one_piece(patients, name):
    for _, _, labels, _ in patients:
        pieces, count = ndimage.label(labels == CODE[name], np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        assert count == 1 or sizes.max() > 0.97 * sizes.sum()


def test_right_is_right(patients):
    """In RAS+ x grows towards the patient's right, where the liver is; the heart and the spleen are on the left."""
    for _, _, labels, _ in patients:
        x = {name: np.argwhere(labels == CODE[name])[:, 0].mean() for name in ("liver", "spleen", "left ventricle")}
        middle = labels.shape[0] / 2
        assert x["liver"] > middle + 3
        assert x["spleen"] < middle - 5
        assert x["left ventricle"] < middle
        for kidney in ("right kidney", "left kidney"):
            assert (np.argwhere(labels == CODE[kidney])[:, 0].mean() > middle) == kidney.startswith("right")


def test_organs_stand_in_their_order_from_head_to_foot(patients):
    for _, _, labels, _ in patients:
        z = [
            np.argwhere(labels == CODE[n])[:, 2].mean() for n in ("trachea", "left ventricle", "liver", "right kidney")
        ]
        assert z == sorted(z, reverse=True)


def test_same_person_at_every_spacing():
    fine, coarse = make(4, spacing=4.0)[2], make(4, spacing=8.0)[2]
    for name, least in (("liver", 0.93), ("heart muscle", 0.7), ("left lung upper lobe", 0.9), ("left kidney", 0.83)):
        a = fine == CODE[name]
        b = np.kron(coarse == CODE[name], np.ones((2, 2, 2), bool))
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > least
        assert a.sum() / b.sum() == pytest.approx(1, abs=0.12)


def test_same_person_at_every_site():
    reference, other = make(4), make(4, site="low-dose")
    np.testing.assert_array_equal(reference[2], other[2])
    inside = ndimage.binary_erosion(reference[2] == CODE["liver"], iterations=2)
    assert np.std(other[1][inside]) > 1.5 * np.std(reference[1][inside])


def test_noise_is_that_of_the_site_and_falls_with_the_voxels():
    """The difference of two sites with one kernel holds nothing but noise."""
    quiet, loud = (replace(SITES["reference"], ct_noise=level) for level in (0.0, 20.0))
    state, clean, labels, _ = make(4, spacing=6.0, site=quiet)
    noise = (make(4, spacing=6.0, site=loud)[1] - clean)[labels == CODE["liver"]]
    assert noise.std() == pytest.approx(20 / 8**0.5 * (state.bmi / 26) ** 0.6, rel=0.2)
    assert abs(noise.mean()) < 1


@pytest.mark.parametrize(
    "disease", ["pleural effusion", "pneumothorax", "consolidation", "kidney stone", "liver lesion"]
)
def test_absent_disease_leaves_no_label_and_a_mild_one_leaves_its_own(disease):
    assert not [LABELS[code] for code in np.unique(make()[2]) if code >= 70]
    for severity, spacing in ((0.08, 4.5), (0.9, COARSE)):
        _, _, labels, _ = make(spacing=spacing, **{disease: severity})
        found = {LABELS[code] for code in np.unique(labels) if code >= 70}
        assert found
        assert all(name.startswith(disease) for name in found)


@pytest.mark.parametrize("disease", ["pleural effusion", "pneumothorax", "consolidation"])
def test_worse_is_more_and_on_the_side_of_the_state(disease):
    for index in (1, 4):
        sizes = []
        for severity in (0.1, 0.4, 0.8):
            state, _, labels, ml = make(index, **{disease: severity})
            mine = np.isin(labels, [code for code, name in LABELS.items() if name.startswith(disease)])
            sizes.append(mine.sum() * ml)
            x = np.argwhere(mine)[:, 0]
            middle = (labels.shape[0] - 1) / 2
            sides = {"right": (x > middle).all(), "left": (x < middle).all(), "both": np.ptp(np.sign(x - middle)) == 2}
            assert sides[state.side[disease]]
        assert sizes == sorted(sizes)
        assert sizes[-1] > 2 * sizes[0] > 30


def test_fluid_lies_behind_and_gas_in_front():
    _, hu, labels, _ = make(4, pleural_effusion=0.4, pneumothorax=0.4)
    code = {name: [c for c, label in LABELS.items() if label.startswith(name)] for name in ("pleural", "pneumothorax")}
    fluid, gas = np.isin(labels, code["pleural"]), np.isin(labels, code["pneumothorax"])
    assert np.argwhere(fluid)[:, 1].mean() < np.argwhere(gas)[:, 1].mean() - 8
    assert -10 < np.median(hu[fluid]) < 30
    assert np.percentile(hu[gas], 25) < -940


def test_consolidation_is_dense_and_in_its_lobe():
    state, hu, labels, _ = make(4, consolidation=0.5)
    name = f"{state.side['consolidation']} lung {state.lobe['consolidation']}"
    before = make(4)[2]
    mine = labels == CODE["consolidation"]
    assert (before[mine] == CODE[name]).mean() > 0.99
    assert np.median(hu[mine]) > 0
    assert (hu[mine] < -200).any()  # bronchi stay open


def test_heart_widens_with_cardiomegaly_and_its_muscle_with_hypertrophy():
    chambers = ("heart muscle", "left ventricle", "right ventricle", "left atrium", "right atrium")
    widths, muscles = [], []
    for severity in (0.0, 0.4, 0.9):
        labels = make(4, cardiomegaly=severity)[2]
        heart = np.isin(labels, [CODE[name] for name in chambers])
        widths.append(np.ptp(np.flatnonzero(heart.any((1, 2)))) + 1)
        _, _, labels, ml = make(4, left_ventricular_hypertrophy=severity)
        muscles.append(volume(labels, ml, "heart muscle"))
    assert widths[0] < widths[1] < widths[2]
    assert muscles == sorted(muscles)
    assert muscles[-1] > 1.15 * muscles[0]


def test_emphysema_lowers_density_above_all_in_the_upper_zones():
    lungs = [CODE[name] for name in LOBES]
    shares = []
    for severity in (0.0, 0.5, 0.95):
        _, hu, labels, _ = make(4, emphysema=severity)
        inside = np.isin(labels, lungs)
        shares.append((hu[inside] < -950).mean())
    z = np.argwhere(inside)[:, 2]
    high = z > np.median(z)
    low_density = hu[inside] < -950
    assert shares[0] < 0.03 < shares[1] < shares[2]
    assert low_density[high].mean() > 1.2 * low_density[~high].mean()


def test_heart_failure_makes_the_lungs_denser():
    lungs = [CODE[name] for name in LOBES]
    means = []
    for severity in (0.0, 0.4, 0.9):
        _, hu, labels, _ = make(4, heart_failure=severity)
        means.append(hu[np.isin(labels, lungs)].mean())
    assert means[0] + 15 < means[1] < means[2] - 15


def test_nodule_has_its_size_lobe_and_side():
    checked = 0
    for index in range(5):
        (nodule,) = [x for x in make(index, lung_nodule=0.5)[0].lesions if x.kind == "lung nodule"]
        if nodule.size >= 9 and not checked:
            _, _, labels, ml = make(index, spacing=3.0, lung_nodule=0.5)
        else:
            _, _, labels, ml = make(index, lung_nodule=0.5)
        mine = labels == CODE["lung nodule"]
        assert mine.any()
        x, y, z = np.argwhere(mine).mean(0).round().astype(int)
        around = labels[x - 3 : x + 4, y - 3 : y + 4, z - 3 : z + 4]
        counts = np.bincount(around[np.isin(around, [CODE[name] for name in LOBES])], minlength=30)
        assert LABELS[int(counts.argmax())] == f"{nodule.side} lung {nodule.place}"
        if nodule.size >= 9 and checked < 1:
            diameter = (6 * mine.sum() * ml * 1000 / np.pi) ** (1 / 3)
            assert diameter == pytest.approx(nodule.size, rel=0.15)
            checked += 1
    assert checked


def test_liver_lesions_and_stones_have_their_volume_and_place():
    for index in (1,):
        state, hu, labels, ml = make(index, spacing=3.0, liver_lesion=0.6, kidney_stone=0.9)
        stone = next(lesion for lesion in state.lesions if lesion.kind == "kidney stone")
        mine = labels == CODE["kidney stone"]
        assert (6 * mine.sum() * ml * 1000 / np.pi) ** (1 / 3) == pytest.approx(stone.size, rel=0.15)
        assert (np.argwhere(mine)[:, 0].mean() > labels.shape[0] / 2) == (stone.side == "right")
        assert hu[mine].max() > 400
        lesions = [lesion for lesion in state.lesions if lesion.kind == "liver lesion"]
        mine = labels == CODE["liver lesion"]
        wanted = sum(np.pi / 6 * lesion.size**3 / 1000 for lesion in lesions)
        assert mine.sum() * ml <= 1.5 * wanted
        if len(lesions) == 1:
            assert mine.sum() * ml == pytest.approx(wanted, rel=0.4)
        shell = ndimage.binary_dilation(mine, iterations=2) & ~mine
        assert (labels[shell] == CODE["liver"]).mean() > 0.6
        assert np.median(hu[mine]) < np.median(hu[labels == CODE["liver"]]) - 10


def test_disease_of_the_chest_leaves_the_abdomen_as_it_was():
    before, after = make(4)[2], make(4, pleural_effusion=0.6, consolidation=0.5)[2]
    for name in ("liver", "left kidney", "spine", "muscle", "subcutaneous fat"):
        np.testing.assert_array_equal(before == CODE[name], after == CODE[name])


def test_bones_lie_inside_the_body(patients):
    """No bone reaches the air around the patient."""
    bones = [CODE[name] for name in ("spine", "ribs", "sternum", "scapula", "clavicle", "pelvis")]
    for _, _, labels, _ in patients:
        air = labels == 0
        pieces, _ = ndimage.label(air)
        outside = pieces == pieces[0, -1, 0]
        touching = ndimage.binary_dilation(outside) & np.isin(labels, bones)
        assert touching.sum() <= 0.002 * np.isin(labels, bones).sum()


@pytest.mark.parametrize("index", [6, 28])
def test_every_disease_is_seen_when_a_patient_has_them_all(index):
    everything = {name.replace(" ", "_"): 1.0 for name in WELL}
    state, _, labels, _ = make(index, **everything)
    wanted = {"consolidation", "lung nodule", "liver lesion", "kidney stone"}
    for disease in ("pleural effusion", "pneumothorax"):
        sides = ("right", "left") if state.side[disease] == "both" else (state.side[disease],)
        wanted |= {f"{disease} {side}" for side in sides}
    assert {LABELS[code] for code in np.unique(labels) if code >= 70} == wanted
