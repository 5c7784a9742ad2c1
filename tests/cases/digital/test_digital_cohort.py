import hashlib
import pickle

import numpy as np
import pytest

from ipiu import DigitalCohort, IpiuError
from ipiu.cases.digital.knobs import PARTS

COARSE = 12.0  # mm; a torso of 36 x 36 x 40 voxels


def digest(case):
    """Every byte of a case but its id, by which alone all patients would differ."""
    found = hashlib.sha256(repr((sorted(case.labels.items()), case.report, case.outcome)).encode())
    for name, image in case.images.items():
        found.update(name.encode() + image.numpy().tobytes() + np.asarray(image.affine).tobytes())
        found.update(repr({k: v for k, v in image.meta.items() if k in ("labels", "boxes", "channels")}).encode())
    for name, signal in case.signals.items():
        found.update(name.encode() + signal.values.tobytes())
    if case.record is not None:
        found.update(case.record.to_csv().encode())
    if case.expression is not None:
        found.update(case.expression.to_csv().encode())
    return found.hexdigest()


@pytest.fixture(scope="module")
def cohort():
    return DigitalCohort(6, seed=3, parts=PARTS, spacing=COARSE)


@pytest.fixture(scope="module")
def forwards(cohort):
    return [digest(case) for case in cohort]


def test_backwards_gives_the_same_bytes_as_forwards(cohort, forwards):
    assert [digest(cohort[n]) for n in reversed(range(6))] == forwards[::-1]


@pytest.mark.slow
def test_four_workers_give_the_same_bytes_as_one(cohort, forwards):
    assert list(cohort.map(digest, workers=4)) == forwards


def test_patients_differ_from_one_another(forwards):
    assert len(set(forwards)) == 6


def test_a_longer_cohort_begins_with_the_same_patients(forwards):
    longer = DigitalCohort(60, seed=3, parts=PARTS, spacing=COARSE)
    assert digest(longer[5]) == forwards[5]


def test_another_seed_gives_other_patients(forwards):
    assert digest(DigitalCohort(1, seed=4, parts=PARTS, spacing=COARSE)[0]) != forwards[0]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_the_same_with_and_without_the_others(cohort, part):
    alone, together = DigitalCohort(6, 3, parts=(part,), spacing=COARSE)[2], cohort[2]
    for name, image in alone.images.items():
        assert np.array_equal(image.numpy(), together.images[name].numpy())
    for name, signal in alone.signals.items():
        assert np.array_equal(signal.values, together.signals[name].values)
    for name in ("report", "outcome"):
        assert getattr(alone, name) in (None, getattr(together, name))
    assert alone.record is None or alone.record.equals(together.record)
    assert alone.expression is None or alone.expression.equals(together.expression)
    assert set(alone.present) == {
        {
            "report": "report",
            "record": "record",
            "expression": "expression",
            "outcome": "outcome",
            "ecg": "signals",
            "ppg": "signals",
        }.get(part, "images"),
        "labels",
    }


def test_nothing_is_made_before_it_is_asked_for(monkeypatch):
    def fail(*args, **options):
        raise AssertionError

    monkeypatch.setattr("ipiu.cases.digital.torso.make_torso", fail)
    cohort = DigitalCohort(10**5, parts=("ct",))
    assert len(cohort) == 10**5
    assert len(cohort[:3].table()) == 3


def test_a_split_is_by_patient_and_keeps_the_oracle(cohort):
    train, test = DigitalCohort(50, 0, parts=("outcome",)).split(0.7, seed=0)
    assert not set(train.ids) & set(test.ids)
    assert list(test.oracle.labels().index) == list(test.ids)
    assert train[0].id == train.ids[0]


def test_a_cohort_goes_to_another_process_and_still_makes_the_same(cohort, forwards):
    assert digest(pickle.loads(pickle.dumps(cohort))[1]) == forwards[1]


def test_every_figure_can_say_digital_patient(cohort):
    case = cohort[0]
    assert str(case.source).startswith("digital patient")
    assert all(image.meta["source"].startswith("digital patient") for image in case.images.values())


def test_the_table_has_labels_features_of_the_ecg_and_outcome_without_signals(monkeypatch):
    monkeypatch.setattr("ipiu.cases.digital.ecg.make_ecg", None)
    table = DigitalCohort(5, 0, parts=("ecg", "outcome")).table()
    assert {"age", "sex", "diabetes", "ecg_heart_rate", "ecg_qtc", "time", "event"} <= set(table.columns)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n": -1}, "whole numbers"),
        ({"n": 2, "seed": 1.5}, "whole numbers"),
        ({"n": 2, "seed": float("nan")}, "whole numbers"),
        ({"n": 2, "seed": 2**32 * 7}, r"below 2\*\*32"),  # its first patient would be the eighth of seed 0
        ({"n": 2, "parts": ("ctt",)}, "did you mean ct"),
        ({"n": 2, "spacing": 0.01}, "1 to 12 mm"),
        ({"n": 2, "spacing": (3, 3)}, "one number or three"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(options, says):
    with pytest.raises(IpiuError, match=says):
        DigitalCohort(**options)


def test_a_patient_of_another_cohort_is_refused():
    cohort = DigitalCohort(5, 0, parts=())
    for name in ("digital-000005", "patient/1", ""):
        with pytest.raises(KeyError, match="its first id is 'digital-000000'"):
            cohort.patient(name)
    with pytest.raises(KeyError, match="has no patient"):
        cohort[:2].oracle.findings("digital-000003")


def test_a_spacing_may_be_any_kind_of_number():
    assert DigitalCohort(1, spacing=np.int64(3)).spacing == DigitalCohort(1, spacing=np.float32(3)).spacing == 3.0
