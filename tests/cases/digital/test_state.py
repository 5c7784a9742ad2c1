import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from statsmodels.duration.hazard_regression import PHReg

from ipiu import DigitalCohort
from ipiu.cases.digital.outcome import ACCRUAL, LOSS, STUDY, survival
from ipiu.cases.digital.site import SITES
from ipiu.cases.digital.state import DISEASES, EQUATIONS, HAZARD, draw_state
from ipiu.cases.digital.streams import stream


@pytest.fixture(scope="module")
def states():
    return [draw_state(1, n) for n in range(4000)]


def test_the_same_patient_is_drawn_again_and_others_are_others():
    assert draw_state(0, 7) == draw_state(0, 7)
    assert draw_state(0, 7) != draw_state(0, 8) != draw_state(1, 8)


def test_streams_of_different_names_seeds_and_patients_are_independent():
    draws = np.array([stream(s, i, n).random(400) for s in (0, 1) for i in (0, 1) for n in ("torso", "ecg")])
    between = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert np.abs(between).max() < 0.2


def test_every_disease_is_drawn_with_the_probability_it_states(states):
    for disease in DISEASES:
        chance = np.array([s.probability[disease] for s in states])
        seen = np.array([s.has(disease) for s in states])
        error = np.sqrt((chance * (1 - chance)).sum())
        assert abs(seen.sum() - chance.sum()) < 4 * error, disease


def test_logistic_regression_on_the_causes_recovers_the_equation_of_diabetes(states):
    from sklearn.linear_model import LogisticRegression

    names = list(EQUATIONS["diabetes"].coefficients)
    x = np.array([[s.values[name] for name in names] for s in states])
    y = [s.has("diabetes") for s in states]
    model = LogisticRegression(C=np.inf).fit(x, y)
    p = model.predict_proba(x)[:, 1]
    design = np.column_stack([np.ones(len(x)), x])
    error = np.sqrt(np.diag(np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)))
    found = np.array([model.intercept_[0], *model.coef_[0]])
    true = np.array([EQUATIONS["diabetes"].intercept, *EQUATIONS["diabetes"].coefficients.values()])
    assert (np.abs(found - true) < 3 * error).all()


def test_an_intervention_changes_what_it_causes_and_nothing_before_it():
    for n in range(200):
        usual, treated = draw_state(0, n), draw_state(0, n, do={"heart failure": 0.0})
        for disease in DISEASES[: DISEASES.index("heart failure")]:
            assert treated.severity[disease] == usual.severity[disease]
        assert treated.probability["pleural effusion"] <= usual.probability["pleural effusion"]
        assert treated.age == usual.age
        assert not treated.has("heart failure")


def test_lung_cancer_is_a_nodule_that_is_malignant(states):
    for state in states:
        nodules = [lesion for lesion in state.lesions if lesion.kind == "lung nodule"]
        assert bool(nodules) == state.has("lung nodule")
        assert any(lesion.malignant for lesion in nodules) == state.has("lung cancer")


def test_lesions_stand_in_their_organ_on_one_side(states):
    for lesion in (lesion for state in states for lesion in state.lesions):
        assert all(0 <= p <= 1 for p in lesion.position)
        assert lesion.side in {"right", "left"} if lesion.kind != "liver lesion" else lesion.side == ""
        assert lesion.place != "middle lobe" or lesion.side == "right"


def test_retinopathy_needs_diabetes_and_goes_with_its_severity(states):
    frame = pd.DataFrame({"grade": s.retinopathy, "diabetes": s.severity["diabetes"]} for s in states)
    assert not frame.grade[frame.diabetes == 0].any()
    assert frame[frame.diabetes > 0].corr(method="spearman").loc["grade", "diabetes"] > 0.4


def test_a_site_has_its_own_population_scanners_and_share_of_portables():
    old = np.mean([draw_state(0, n, site=SITES["bedside"]).age for n in range(500)])
    assert old - np.mean([draw_state(0, n).age for n in range(500)]) == pytest.approx(8, abs=1)
    assert np.mean([draw_state(0, n, site=SITES["bedside"]).portable for n in range(500)]) > 0.8


def test_a_cox_model_on_the_latent_state_recovers_every_coefficient():
    cohort = DigitalCohort(4000, seed=11, parts=("outcome",))
    table = cohort.table()
    values = cohort.oracle.values()
    fitted = PHReg(table.time, values, status=table.event).fit()
    true = pd.Series(HAZARD)[list(values)]
    z = (fitted.params - true) / fitted.bse
    assert (z.abs() < 3).all(), z
    # eleven coefficients: their squared errors together follow chi-square, whose 99th percentile is 24.7
    assert (z**2).sum() < 24.7
    assert (true.abs() > 0.1).all()


def test_the_survival_function_is_that_of_the_times_drawn():
    cohort = DigitalCohort(3000, seed=5, parts=("outcome",))
    table, risk = cohort.table(), cohort.oracle.risk()
    # under the truth, S(T) is uniform for those seen; with censoring, compare the events with what is expected
    expected = -np.log(survival(risk.to_numpy(), table.time.to_numpy()))  # cumulative hazard up to each one's end
    assert table.event.sum() == pytest.approx(expected.sum(), abs=3 * np.sqrt(expected.sum()))


def test_censoring_does_not_depend_on_the_hazard():
    cohort = DigitalCohort(3000, seed=6, parts=("outcome",))
    table, risk = cohort.table(), cohort.oracle.risk()
    # of those without an event long before the study can end, the share lost is that of the constant rate
    early = STUDY - ACCRUAL
    low = table[risk < risk.quantile(0.25)]
    lost = ((low.time < early) & ~low.event).mean()
    assert lost == pytest.approx(1 - np.exp(-LOSS * early), abs=0.05)


def test_ages_follow_the_population_of_the_site(states):
    ages = np.array([s.age for s in states])
    inner = ages[(ages > 25) & (ages < 90)]
    assert kstest((inner - 59) / 16, "norm").statistic < 0.06
