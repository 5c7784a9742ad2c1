import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from ipiu import Cohort
from ipiu.errors import IpiuError
from ipiu.view.survival import _estimate, survival

pytest.importorskip("sksurv")

# Freireich and others 1963, weeks in remission of leukaemia (doi:10.1182/blood.V21.6.699.699): the textbook example
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
SEEN = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
WEEKS = TREATED + PLACEBO
EVENTS = SEEN + [1] * 21
ARM = ["6-MP"] * 21 + ["placebo"] * 21


def drawing(figure) -> ET.Element:
    return ET.fromstring(figure.html[figure.html.index("<svg") : figure.html.index("</svg>") + 6])


def words(figure) -> list[str]:
    return [text.text for text in drawing(figure).iter("text")]


def product_limit(time, event):
    """Survival after each time at which an event was seen, as exact products."""
    time, event, left, steps = np.array(time), np.array(event, dtype=bool), 1.0, {}
    for moment in np.unique(time[event]):
        left *= 1 - np.sum((time == moment) & event) / np.sum(time >= moment)
        steps[moment] = left
    return steps


def log_rank(time, event, group):
    """Mantel's statistic of two groups with the hypergeometric variance."""
    time, event, group = np.array(time), np.array(event, dtype=bool), np.array(group)
    first = group == group[0]
    gap = variance = 0.0
    for moment in np.unique(time[event]):
        at_risk, mine = np.sum(time >= moment), np.sum((time >= moment) & first)
        died = np.sum((time == moment) & event)
        gap += np.sum((time == moment) & event & first) - died * mine / at_risk
        if at_risk > 1:
            variance += died * (mine / at_risk) * (1 - mine / at_risk) * (at_risk - died) / (at_risk - 1)
    return gap**2 / variance


def test_estimate_is_the_product_limit():
    curve = _estimate("treated", np.array(TREATED, float), np.array(SEEN, bool))
    expected = product_limit(TREATED, SEEN)
    assert expected[6] == pytest.approx(0.857, abs=5e-4)  # as printed in textbooks
    for moment, left in expected.items():
        assert curve.survival[np.flatnonzero(curve.steps == moment)[0]] == pytest.approx(left)


def test_medians_are_the_published_ones():
    table = survival(WEEKS, EVENTS, groups=ARM).table
    assert table["median"].to_dict() == {"6-MP": 23.0, "placebo": 8.0}
    assert table["n"].to_dict() == {"6-MP": 21, "placebo": 21}
    assert table["events"].to_dict() == {"6-MP": 9, "placebo": 21}


def test_interval_of_the_median_is_where_the_band_crosses_one_half():
    from scipy.stats import norm

    table = survival(WEEKS, EVENTS, groups=ARM).table
    for name, time, event in (("6-MP", TREATED, SEEN), ("placebo", PLACEBO, [1] * 21)):
        time, event = np.array(time), np.array(event, dtype=bool)
        inside, greenwood, left = [], 0.0, 1.0
        for moment in np.unique(time[event]):
            at_risk, died = np.sum(time >= moment), np.sum((time == moment) & event)
            left *= 1 - died / at_risk
            if at_risk == died:
                break
            greenwood += died / (at_risk * (at_risk - died))
            # the interval holds the times at which one half is not rejected on the log-log scale
            z = (np.log(-np.log(left)) - np.log(-np.log(0.5))) / (np.sqrt(greenwood) / abs(np.log(left)))
            inside.append((moment, z))
        limit = norm.ppf(0.975)
        lower = next((float(m) for m, z in inside if z >= -limit), np.nan)
        upper = next((float(m) for m, z in inside if z >= limit), np.nan)
        np.testing.assert_equal([table.loc[name, "lower"], table.loc[name, "upper"]], [lower, upper])


def test_log_rank_agrees_with_mantel():
    from scipy.stats import chi2

    statistic = log_rank(WEEKS, EVENTS, ARM)
    assert statistic == pytest.approx(16.79, abs=0.005)  # as printed in textbooks
    shown = survival(WEEKS, EVENTS, groups=ARM)
    assert shown.table.attrs["log-rank p"] == pytest.approx(chi2.sf(statistic, 1))
    assert "log-rank p < 0.001" in words(shown)


def test_band_is_that_of_scikit_survival():
    from sksurv.nonparametric import kaplan_meier_estimator

    time, event = np.array(TREATED, float), np.array(SEEN, bool)
    steps, _, band = kaplan_meier_estimator(event, time, conf_type="log-log")
    curve = _estimate("treated", time, event)
    np.testing.assert_allclose(np.stack([curve.low, curve.high])[:, 1:], band)
    np.testing.assert_array_equal(curve.steps[1:], steps)


def test_numbers_at_risk_stand_below_their_ticks():
    shown = survival(TREATED, SEEN)
    texts = [
        (t.text, round(float(t.get("x")), 1), float(t.get("y"))) for t in drawing(shown).iter("text") if t.get("x")
    ]
    ticks = {text: x for text, x, y in texts if text.isdigit() and y < max(y for *_, y in texts) - 20}
    below = {x: text for text, x, y in texts if y == max(y for *_, y in texts)}
    for tick, x in ticks.items():
        assert below[x] == str(sum(t >= float(tick) for t in TREATED))
    assert "0" in ticks
    assert len(below) == len(ticks) >= 4


def test_cohort_brings_time_event_and_groups():
    table = pd.DataFrame({"time": WEEKS, "event": EVENTS, "arm": ARM}, index=[f"p{n}" for n in range(42)])
    cohort = Cohort(list(table.index), lambda i: None, name="trial", table=table)
    from_cohort, from_arrays = survival(cohort, groups="arm"), survival(WEEKS, EVENTS, groups=ARM)
    pd.testing.assert_frame_equal(from_cohort.table, from_arrays.table)
    with pytest.raises(IpiuError, match="cohort 'trial' has no column 'sex'; it has time, event, arm"):
        survival(cohort, groups="sex")


def test_numbers_as_groups_bear_the_name_of_their_column():
    shown = survival(WEEKS, EVENTS, groups=pd.Series([0] * 21 + [1] * 21, name="arm"))
    assert list(shown.table.index) == ["arm = 0", "arm = 1"]


def test_categories_keep_their_order():
    groups = pd.Categorical(ARM, categories=["placebo", "6-MP", "unused"])
    assert list(survival(WEEKS, EVENTS, groups=groups).table.index) == ["placebo", "6-MP"]


def test_nobody_with_an_event_gives_a_flat_curve():
    shown = survival([5, 8, 12], [0, 0, 0])
    assert shown.table.loc["all", ["median", "lower", "upper"]].isna().all()
    assert "median not reached" in shown.alt


def test_groups_without_any_event_have_no_test():
    shown = survival([5, 8, 12], [0, 0, 0], groups=list("aab"))
    assert np.isnan(shown.table.attrs["log-rank p"])
    assert "log-rank" not in shown.html


def test_median_is_reached_where_exactly_one_half_is_left():
    assert survival([1, 2, 3, 4], [1, 1, 1, 1]).table.loc["all", "median"] == 2


def test_interval_is_open_where_it_ends_with_the_last_patient():
    table = survival([1, 2], [1, 1]).table
    assert table.loc["all", "median"] == 1
    assert np.isnan(table.loc["all", "upper"])


def test_all_at_time_zero_are_drawn():
    survival([0, 0], [1, 0])


def test_one_patient_is_drawn():
    survival([3], [1])


def test_horizon_ends_the_axis_and_not_the_estimate():
    shown = survival(TREATED, SEEN, horizon=10)
    assert shown.table.loc["all", "median"] == 23
    assert max(int(w) for w in words(shown) if re.fullmatch(r"\d+", w) and int(w) != 21) < 21


@pytest.mark.parametrize(
    ("time", "event", "options", "said"),
    [
        ([1, -2], [1, 0], {}, "time is -2 for a patient; follow-up cannot be negative"),
        ([1, np.nan], [1, 0], {}, "not finite for 1 of 2 patients"),
        ([1, np.inf], [1, 0], {}, "not finite for 1 of 2 patients"),
        ([1, 2], [1, 2], {}, "event holds 2; it must be 1"),
        ([1, 2], [1, np.nan], {}, "event holds nan"),
        ([1, 2], [1], {}, "time has 2 values and event 1"),
        ([], [], {}, "at least one patient"),
        ([1, 2], [1, 0], {"groups": ["a"]}, "groups has 1 values for 2 patients"),
        ([1, 2], [1, 0], {"groups": ["a", None]}, "groups is missing for 1 of 2 patients"),
        (range(8), [1] * 8, {"groups": range(8)}, "groups has 8 different values, at most 6"),
        ([1, 2], [1, 0], {"horizon": 0}, "horizon=0 must be above 0"),
    ],
)
def test_what_cannot_be_estimated_is_refused(time, event, options, said):
    with pytest.raises(ValueError, match=said):
        survival(time, event, **options)


def test_event_is_asked_for_with_arrays():
    with pytest.raises(TypeError, match="event is missing"):
        survival([1, 2])


def test_names_of_groups_stay_text():
    shown = survival(WEEKS, EVENTS, groups=["<script>"] * 21 + ["$\\frac$"] * 21)
    assert "<script>" not in shown.html
    assert "$\\frac$" in words(shown)
