import numpy as np
import pytest

import ipiu
from ipiu.cases.digital import brain, fundus, tissues
from ipiu.models.cut import cut
from ipiu.models.structures import SMALLEST, STRUCTURES, examples, objects

NAMES = {"ct": tissues.LABELS, "brain": brain.LABELS, "fundus": fundus.LABELS}


@pytest.fixture(scope="module")
def case():
    cohort = ipiu.DigitalCohort(1, seed=5, parts=("ct", "radiograph", "fundus"), spacing=(4.5, 4.5, 5.0))
    return cohort[0]


@pytest.mark.parametrize("part", ["ct", "brain", "fundus"])
def test_every_structure_is_made_of_labels_that_exist(part):
    for structure in STRUCTURES:
        if structure.part == part:
            assert set(structure.labels) <= set(NAMES[part])


def test_the_names_are_those_of_the_label_maps():
    told = {(structure.part, structure.name): structure.labels for structure in STRUCTURES}
    for part, labels in NAMES.items():
        for value, name in labels.items():
            if (part, name) in told:
                assert value in told[part, name]


def test_what_is_held_out_shares_no_label_with_what_was_trained():
    for part in ("ct", "radiograph", "brain", "fundus"):
        trained, held = (
            {v for s in STRUCTURES if s.part == part and s.held_out is out for v in s.labels} for out in (False, True)
        )
        assert held
        # the whole head and the whole brain hold the ventricles, as they hold everything
        whole = {v for s in STRUCTURES if s.name in ("head", "brain") for v in s.labels}
        assert not trained & held - (whole if part == "brain" else set())


def test_a_mask_is_one_piece():
    labels = np.zeros((60, 60), np.uint8)
    labels[5:20, 5:20] = labels[40:50, 40:50] = 51
    (structure, mask), *others = objects("ct", labels)
    assert structure.name == "spleen"
    assert not others
    assert mask.sum() == 225


def test_what_is_smaller_than_a_patch_is_left_out_whatever_the_size_of_the_picture():
    for side in (128, 256):
        labels = np.zeros((side, side), np.uint8)
        edge = int(SMALLEST**0.5 * side / 128)
        labels[:edge, :edge] = 50
        assert len(list(objects("ct", labels))) == 1
        labels[0, 0] = 0
        assert not list(objects("ct", labels))


def test_the_disc_is_whole_where_vessels_cross_it():
    row, column = np.ogrid[:128, :128]
    labels = np.where(np.hypot(row - 60, column - 60) < 12, 1, 0).astype(np.uint8)
    whole = (labels == 1).sum()
    labels[:, 59:62] = np.where(labels[:, 59:62] == 1, 2, labels[:, 59:62])
    (mask,) = [mask for structure, mask in objects("fundus", labels) if structure.name == "optic disc"]
    assert mask.sum() > 0.97 * whole


def test_examples_show_what_they_name(case):
    found = list(examples(case, np.random.default_rng(0)))
    named = {(structure.part, structure.name) for structure, _, _ in found}
    assert {("ct", "liver"), ("ct", "spleen"), ("radiograph", "heart"), ("fundus", "optic disc")} <= named
    values = {("ct", "liver"): (-20, 120), ("ct", "right lung"): (-1000, -500), ("ct", "spleen"): (-20, 120)}
    for structure, picture, mask in found:
        assert mask.shape == picture.shape[-2:]
        if (structure.part, structure.name) in values:
            low, high = values[structure.part, structure.name]
            assert low < picture[0].numpy()[mask].mean() < high


def test_the_same_seed_shows_the_same_pictures(case):
    one, two = (list(examples(case, np.random.default_rng(3))) for _ in range(2))
    for (s, p, m), (t, q, n) in zip(one, two, strict=True):
        assert s is t
        assert np.array_equal(p.numpy(), q.numpy())
        assert np.array_equal(m, n)


def test_masks_of_slices_lie_on_their_pictures(case):
    labels = cut(case.images["ct labels"], "axial", 40)[0].numpy()
    for structure, mask in objects("ct", labels):
        assert np.isin(labels[mask], structure.labels).all()
