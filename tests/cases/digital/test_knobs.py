import numpy as np
import pytest

from ipiu import DigitalCohort, IpiuError
from ipiu.cases.digital.knobs import Knobs
from ipiu.cases.digital.state import DISEASES


def digital(n=1500, seed=2, **knobs):
    return DigitalCohort(n, seed, parts=(), **knobs)


@pytest.mark.parametrize(
    ("disease", "share"), [("lung nodule", 0.02), ("brain tumour", 0.2), ("pleural effusion", 0.3)]
)
def test_a_disease_is_as_common_as_asked_for(disease, share):
    seen = digital(3000, prevalence={disease: share}).oracle.labels()[disease].mean()
    assert seen == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 3000))


def test_prevalence_leaves_the_causes_as_they_were():
    usual, rare = digital().oracle.states(), digital(prevalence={"heart failure": 0.01}).oracle.states()
    before = list(DISEASES[: DISEASES.index("heart failure")])
    assert usual[["age", *before]].equals(rare[["age", *before]])


def test_two_prevalences_hold_together():
    labels = digital(3000, prevalence={"heart failure": 0.3, "pleural effusion": 0.1}).oracle.labels()
    assert labels["heart failure"].mean() == pytest.approx(0.3, abs=0.035)
    assert labels["pleural effusion"].mean() == pytest.approx(0.1, abs=0.025)


def test_label_noise_flips_labels_and_leaves_the_truth():
    noisy, clean = digital(label_noise=0.2), digital()
    flipped = noisy.table()[list(DISEASES)] != clean.table()[list(DISEASES)]
    assert flipped.to_numpy().mean() == pytest.approx(0.2, abs=0.02)
    assert noisy.oracle.labels().equals(clean.oracle.labels())


def test_label_noise_of_one_disease_leaves_the_others():
    noisy, clean = digital(label_noise={"diabetes": 0.3}), digital()
    changed = (noisy.table() != clean.table()).any()
    assert list(changed[changed].index) == ["diabetes"]


def test_a_marker_is_tied_to_its_disease():
    cohort = digital(marker={"pneumothorax": 0.9})
    patients = [cohort.patient(name) for name in cohort.ids]
    with_it = [p.marker for p in patients if p.state.has("pneumothorax")]
    without = [p.marker for p in patients if not p.state.has("pneumothorax")]
    assert np.mean(with_it) == pytest.approx(0.9, abs=0.12)
    assert np.mean(without) == pytest.approx(0.1, abs=0.03)
    assert not any(digital(20).patient(name).marker for name in digital(20).ids)


def test_missing_parts_are_absent_at_the_rate_asked_for():
    cohort = DigitalCohort(400, 0, parts=("outcome", "report"), missing={"outcome": 0.4})
    cases = list(cohort)
    assert np.mean([case.outcome is None for case in cases]) == pytest.approx(0.4, abs=0.08)
    assert all(case.report for case in cases)
    assert cohort.table().event.isna().mean() == np.mean([case.outcome is None for case in cases])


def test_an_intervention_holds_for_everyone():
    assert digital(100, do={"emphysema": 0.7}).oracle.labels()["emphysema"].all()


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"prevalence": {"nodule": 0.1}}, "did you mean lung nodule"),
        ({"prevalence": {"diabetes": 1.0}}, "use do="),
        ({"prevalence": {"diabetes": 1.2}}, "from 0 to 1"),
        ({"label_noise": 2}, "from 0 to 1"),
        ({"missing": {"mri": 0.1}}, "not known"),
        ({"do": {"emphysema": -1}}, "from 0 to 1"),
        ({"site": "bedsid"}, "did you mean bedside"),
        ({"contour_noise": -1}, "0 to 50 mm"),
        ({"marker": {"pneumothorax": 0.9, "diabetes": 0.9}}, "name one of"),
        ({"prevalence": {"diabetes": 0.1}, "do": {"diabetes": 0.5}}, "both set diabetes"),
    ],
)
def test_what_cannot_be_turned_is_refused_in_one_sentence(knobs, says):
    with pytest.raises(IpiuError, match=says):
        Knobs(**knobs)


def test_a_cancer_more_common_than_nodules_is_refused():
    with pytest.raises(IpiuError, match="raise its causes"):
        digital(10, prevalence={"lung cancer": 0.9}).oracle.labels()
