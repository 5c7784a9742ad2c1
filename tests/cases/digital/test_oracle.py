import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sksurv.metrics import concordance_index_censored

from ipiu import DigitalCohort, IpiuError

COARSE = 9.0


@pytest.fixture(scope="module")
def cohort():
    return DigitalCohort(1500, seed=8, parts=("outcome",))


def test_no_risk_made_of_the_state_beats_the_true_one(cohort):
    table, values, best = cohort.table(), cohort.oracle.values(), cohort.oracle.c_index()
    for name in values:
        assert concordance_index_censored(table.event, table.time, values[name])[0] < best
    noisy = cohort.oracle.risk() + np.random.default_rng(0).normal(0, 1, len(table))
    assert concordance_index_censored(table.event, table.time, noisy)[0] < best


def test_a_model_that_sees_the_disease_is_perfect_on_clean_labels_and_not_on_noisy_ones():
    clean = DigitalCohort(1500, seed=8, parts=()).oracle
    noisy = DigitalCohort(1500, seed=8, parts=(), label_noise=0.1).oracle
    assert clean.auroc("diabetes") == 1
    prevalence = clean.labels()["diabetes"].mean()
    # with flips at rate e, sensitivity and specificity of the truth against the label follow from Bayes' rule
    e, positive = 0.1, prevalence * 0.9 + (1 - prevalence) * 0.1
    expected = (prevalence * (1 - e) / positive + (1 - prevalence) * (1 - e) / (1 - positive)) / 2
    assert noisy.auroc("diabetes") == pytest.approx(expected, abs=0.03)


def test_no_single_cause_beats_the_probability_given_all_causes(cohort):
    best = cohort.oracle.auroc("diabetes", given="causes")
    states, truth = cohort.oracle.states(), cohort.oracle.labels()["diabetes"]
    assert 0.6 < best < 0.95
    assert all(roc_auc_score(truth, states[name]) < best for name in ("age", "weight", "hypertension"))


def test_dice_is_one_for_a_steady_hand_and_falls_with_an_unsteady_one():
    scores = {}
    for mm in (0.0, 2.0, 6.0):
        oracle = DigitalCohort(2, seed=0, parts=("ct",), spacing=COARSE, contour_noise=mm).oracle
        scores[mm] = oracle.dice("liver", 0)
    assert scores[0.0] == 1
    assert 1 > scores[2.0] > scores[6.0] > 0.5


def test_the_true_masks_are_not_touched_by_the_annotator():
    steady = DigitalCohort(1, 0, parts=("ct",), spacing=COARSE)
    shaky = DigitalCohort(1, 0, parts=("ct",), spacing=COARSE, contour_noise=5.0)
    assert np.array_equal(steady.oracle.masks(0), shaky.oracle.masks(0))
    assert not np.array_equal(shaky[0].images["ct labels"], shaky.oracle.masks(0))
    assert np.array_equal(shaky[0].images["ct"], steady[0].images["ct"])


def test_the_report_speaks_of_what_the_masks_show():
    """Structured truth of the report against the label map: presence and side."""
    cohort = DigitalCohort(40, seed=21, parts=("report", "ct"), spacing=(6, 6, 6))
    compared = 0
    for name in cohort.ids:
        masks = cohort.oracle.masks(name)
        shown = {masks.meta["labels"][code] for code in np.unique(masks) if code}
        for finding in cohort.oracle.findings(name):
            if finding.finding not in {
                "pleural effusion",
                "pneumothorax",
                "consolidation",
                "lung nodule",
                "liver lesion",
                "kidney stone",
            }:
                continue
            marks = {label for label in shown if label.startswith(finding.finding)}
            assert bool(marks) == finding.present, (name, finding)
            if finding.present and finding.finding in {"pleural effusion", "pneumothorax"}:
                sides = {label.rpartition(" ")[2] for label in marks}
                assert sides == ({"right", "left"} if finding.side == "both" else {finding.side}), (name, finding)
            compared += finding.present
    assert compared >= 20


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda oracle: oracle.auroc("nodule"), "did you mean lung nodule"),
        (lambda oracle: oracle.auroc("diabetes", given="image"), "does not know 'image'"),
        (lambda oracle: oracle.dice("livr", 0), "did you mean liver"),
    ],
)
def test_what_is_not_known_is_said(ask, says):
    with pytest.raises(IpiuError, match=says):
        ask(DigitalCohort(3, 0, parts=("ct",), spacing=COARSE).oracle)


def test_bounds_that_need_two_classes_say_so():
    with pytest.raises(IpiuError, match="needs both"):
        DigitalCohort(2, 0, parts=(), do={"diabetes": 0.0}).oracle.auroc("diabetes")


def test_labels_that_are_mostly_wrong_are_as_good_as_those_mostly_right():
    few, most = (DigitalCohort(1500, seed=8, parts=(), label_noise=chance).oracle for chance in (0.2, 0.8))
    assert few.auroc("emphysema") > 0.6
    assert most.auroc("emphysema") > 0.6


def test_a_place_may_be_a_number_of_numpy():
    oracle = DigitalCohort(3, 0, parts=("report",)).oracle
    assert oracle.findings(np.int64(2)) == oracle.findings(2) == oracle.findings("digital-000002")
