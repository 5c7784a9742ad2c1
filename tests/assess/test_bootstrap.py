import numpy as np
import pytest
from scipy import stats

from ipiu import IpiuError
from ipiu.assess.bootstrap import Estimate, bootstrap


@pytest.fixture
def values():
    return np.random.default_rng(3).normal(5, 2, size=60)


def test_the_interval_is_that_of_scipy(values):
    ours = bootstrap(np.median, values, n=500, seed=7)
    theirs = stats.bootstrap(
        (values,), np.median, n_resamples=500, vectorized=False, method="percentile", rng=np.random.default_rng(7)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_the_interval_of_a_mean_is_as_wide_as_theory_says(values):
    found = bootstrap(np.mean, values, n=4000)
    wide = 2 * 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert found.high - found.low == pytest.approx(wide, rel=0.06)


def test_rows_of_one_patient_are_drawn_together(values):
    # each patient ten times over: the interval must not shrink
    rows, patients = np.repeat(values, 10), np.repeat(np.arange(60), 10)
    grouped, single = bootstrap(np.mean, rows, groups=patients), bootstrap(np.mean, values)
    assert (grouped.low, grouped.high) == pytest.approx((single.low, single.high))
    naive = bootstrap(np.mean, rows)
    assert naive.high - naive.low < 0.5 * (grouped.high - grouped.low)


def test_patients_may_have_different_numbers_of_rows_and_names_of_any_kind():
    found = bootstrap(len, [1.0, 2.0, 3.0, 4.0], groups=["a", "a", "a", "b"], n=300)
    assert (found.value, found.low, found.high) == (4, 2, 6)


def test_paired_arrays_stay_paired(values):
    assert bootstrap(lambda a, b: np.abs(a - b).max(), values, values) == Estimate(0, 0, 0)


def test_resamples_without_an_answer_are_left_out():
    found = bootstrap(lambda a: np.nan if a.all() else a.mean(), [True, True, False])
    assert found.high == pytest.approx(2 / 3)


def test_infinity_stays_infinity():
    found = bootstrap(np.median, [1.0, 2.0, 3.0, np.inf, np.inf])
    assert (found.value, found.low, found.high) == (3, 1, np.inf)


def test_one_patient_has_no_interval():
    found = bootstrap(np.mean, [0.5, 0.7], groups=["a", "a"])
    assert found.value == pytest.approx(0.6)
    assert np.isnan([found.low, found.high]).all()


def test_the_level_widens_the_interval(values):
    half, most = (bootstrap(np.mean, values, level=level) for level in (0.5, 0.99))
    assert most.low < half.low < half.high < most.high


def test_an_estimate_prints_as_in_a_paper():
    assert str(Estimate(0.8712, 0.8398, 0.9)) == "0.87 (0.84 to 0.90)"
    assert f"{Estimate(0.8712, 0.8398, 0.9):.3f}" == "0.871 (0.840 to 0.900)"


@pytest.mark.parametrize("arrays", [([1, 2], [1]), ([],)])
def test_arrays_that_do_not_fit_are_refused(arrays):
    with pytest.raises(IpiuError, match="rows; give equally many, at least one"):
        bootstrap(np.mean, *arrays)
    with pytest.raises(IpiuError, match="2 and 3 rows"):
        bootstrap(np.mean, [1, 2], groups=[1, 2, 3])
