import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from ipiu.cases.digital.course import draw_course
from ipiu.cases.digital.diagnoses import ACUTE, COURSES, DRUGS, ICD, codes_of
from ipiu.cases.digital.labs import LABS, ckd_epi, creatinine_of
from ipiu.cases.digital.record import NAMES, REFERENCE_RANGES, make_record, name_of
from ipiu.cases.digital.site import Site
from ipiu.cases.digital.state import DISEASES, EQUATIONS, State, draw_state
from ipiu.cases.digital.streams import stream
from ipiu.cases.digital.visits import LAST_INDEX, REASONS, draw_visits, rate
from ipiu.cases.fhir_rows import UNITS
from ipiu.errors import IpiuError

N = 150


@cache
def patients() -> list[tuple[State, pd.DataFrame]]:
    found = []
    for index in range(N):
        state = draw_state(11, index)
        found.append((state, make_record(state, stream(11, index, "record"))))
    return found


@cache
def made(disease: str, severity: float, size: int = 40) -> list[tuple[State, pd.DataFrame]]:
    """The same people with a disease of one severity."""
    found = []
    for index in range(size):
        state = draw_state(5, index, do={disease: severity})
        found.append((state, make_record(state, stream(5, index, "record"))))
    return found


def values(record: pd.DataFrame, loinc: str) -> list[float]:
    return record.value[record.code == f"LOINC:{loinc}"].astype(float).tolist()


def pooled(pairs, loinc: str, *, last_day: bool = False) -> np.ndarray:
    found = []
    for _, record in pairs:
        if last_day:
            record = record[record.time > record.time.iloc[-1] - pd.Timedelta(days=1)]
        found += values(record, loinc)
    return np.array(found)


def visits_a_year(record: pd.DataFrame) -> float:
    days = record.time.dt.normalize()
    return days.nunique() / max((days.iloc[-1] - days.iloc[0]).days / 365.25, 1.0)


def test_the_table_has_the_form_that_the_readers_give():
    for _, record in patients()[:40]:
        assert list(record.columns) == ["time", "code", "value", "unit"]
        assert str(record.time.dtype) == "datetime64[us, UTC]"
        assert record.time.is_monotonic_increasing
        assert record.index.equals(pd.RangeIndex(len(record)))
        assert {type(value) for value in record.value} <= {float, str, type(None)}
        assert {type(unit) for unit in record.unit} <= {str, type(None)}
        assert all(math.isfinite(value) for value in record.value if isinstance(value, float))


def test_the_same_stream_gives_the_same_record_and_others_give_others():
    state = draw_state(0, 3)
    first, again, other = (make_record(state, stream(seed, 3, "record")) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_records_span_years_and_end_at_an_index_date_before_july_2025():
    ends = [record.time.iloc[-1] for _, record in patients()]
    assert max(ends) <= pd.Timestamp(LAST_INDEX, unit="s", tz="UTC") + pd.Timedelta(days=1)
    assert min(ends) > pd.Timestamp("2023-06-01", tz="UTC")
    spans = [(record.time.iloc[-1] - record.time.iloc[0]).days / 365.25 for _, record in patients()]
    assert max(spans) <= 8.01
    assert 3.5 < float(np.median(spans)) < 6.5


def test_every_code_has_a_name_and_every_unit_is_ucum():
    for _, record in patients():
        assert set(record.code) <= set(NAMES)
        assert set(record.unit.dropna()) <= UNITS
    assert name_of("ICD-10-CM:I10") == "Hypertension"
    with pytest.raises(IpiuError, match=r"no digital patient's record has the code 'LOINC:718-8'; did you mean"):
        name_of("LOINC:718-8")


def test_the_equation_is_that_of_inker_2021_written_as_printed():
    for creatinine in (0.4, 0.7, 0.9, 1.3, 4.0):
        for age in (20, 63, 90):
            woman = 142 * min(creatinine / 0.7, 1) ** -0.241 * max(creatinine / 0.7, 1) ** -1.2 * 0.9938**age * 1.012
            man = 142 * min(creatinine / 0.9, 1) ** -0.302 * max(creatinine / 0.9, 1) ** -1.2 * 0.9938**age
            assert ckd_epi(creatinine, age, "female") == pytest.approx(woman)
            assert ckd_epi(creatinine, age, "male") == pytest.approx(man)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_creatinine_is_the_inverse_of_the_equation(sex):
    for age in (20, 45, 70, 95):
        for egfr in (8, 30, 59, 88, 120):
            assert ckd_epi(creatinine_of(egfr, age, sex), age, sex) == pytest.approx(egfr)


def test_reported_egfr_follows_from_the_creatinine_of_the_same_sample():
    for state, record in patients()[:60]:
        end = record.time.iloc[-1]
        for time, rows in record[record.code.isin(["LOINC:2160-0", "LOINC:98979-8"])].groupby("time"):
            creatinine, egfr = rows.value
            # an age is rounded down to whole years, and the index date may be a day off
            ages = [math.floor(state.age - (end - time).days / 365.25 + slack) for slack in (-0.01, 0.01)]
            assert egfr in {float(round(ckd_epi(creatinine, age, state.sex))) for age in ages}


def test_the_last_creatinine_shows_the_state_and_the_laboratory_s_bias():
    shown = {1.0: [], 1.2: []}
    for factor, errors in shown.items():
        for index in range(50):
            state = draw_state(2, index)
            record = make_record(state, stream(2, index, "record"), site=Site(creatinine=factor))
            truth = creatinine_of(state.egfr, state.age, state.sex)
            recent = record[record.time > record.time.iloc[-1] - pd.Timedelta(days=60)]
            errors += [math.log(value / truth) for value in values(recent, "2160-0")]
    assert abs(np.mean(shown[1.0])) < 0.02
    assert abs(np.mean(shown[1.2]) - math.log(1.2)) < 0.02
    assert np.std(shown[1.0]) < 0.08


def test_haemoglobin_a1c_is_near_the_state_at_the_index_date():
    near = []
    for state, record in made("diabetes", 0.7):
        recent = record[record.time > record.time.iloc[-1] - pd.Timedelta(days=120)]
        near += [value - state.hba1c for value in values(recent, "4548-4")]
    assert len(near) > 15
    assert abs(np.mean(near)) < 0.15
    assert np.max(np.abs(near)) < 1.0


def test_most_results_of_the_healthy_are_within_the_reference_range():
    healthy = [(s, r) for s, r in patients() if not any(s.severity.values()) and s.age < 70]
    assert len(healthy) > 5
    for lab in LABS:
        if lab.name in {"Glucose", "LDL cholesterol", "C-reactive protein"}:  # meals, habits, and colds
            continue
        inside = []
        for state, record in healthy:
            low, high = REFERENCE_RANGES[f"LOINC:{lab.loinc}"][state.sex]
            results = values(record, lab.loinc)
            inside += [(low is None or x >= low) and (high is None or x <= high) for x in results]
        assert not inside or np.mean(inside) > 0.85, lab.name


@pytest.mark.parametrize(
    ("disease", "loinc", "times", "last_day"),
    [
        ("heart failure", "33762-6", 4.0, False),  # NT-proBNP
        ("diabetes", "2345-7", 1.3, False),  # glucose
        ("consolidation", "1988-5", 8.0, True),  # C-reactive protein
        ("consolidation", "6690-2", 1.3, True),  # leukocytes
        ("consolidation", "9279-1", 1.15, True),  # respiratory rate
        ("hypertension", "8480-6", 1.1, False),  # systolic pressure
    ],
)
def test_a_disease_shows_in_its_results_the_more_the_worse_it_is(disease, loinc, times, last_day):
    levels = [np.median(pooled(made(disease, severity), loinc, last_day=last_day)) for severity in (0.0, 0.4, 0.9)]
    assert levels[0] < levels[1] < levels[2]
    assert levels[2] > times * levels[0]


def test_oxygen_falls_and_temperature_rises_with_pneumonia():
    mild, severe = (made("consolidation", severity) for severity in (0.0, 0.9))
    assert pooled(severe, "2708-6", last_day=True).mean() < pooled(mild, "2708-6", last_day=True).mean() - 2
    assert pooled(severe, "8310-5", last_day=True).mean() > pooled(mild, "8310-5", last_day=True).mean() + 0.7


def test_men_have_more_haemoglobin_and_creatinine_than_women():
    by_sex = {sex: [pair for pair in patients() if pair[0].sex == sex] for sex in ("female", "male")}
    for loinc, least in (("718-7", 1.0), ("2160-0", 0.1)):
        own = {
            sex: [np.median(found) for _, r in pairs if (found := values(r, loinc))] for sex, pairs in by_sex.items()
        }
        assert np.median(own["male"]) > np.median(own["female"]) + least


def test_blood_pressures_and_body_measures_agree_with_each_other():
    for state, record in patients()[:80]:
        assert all(low < high for high, low in zip(values(record, "8480-6"), values(record, "8462-4"), strict=True))
        (height,) = values(record, "8302-2")
        for weight, bmi in zip(values(record, "29463-7"), values(record, "39156-5"), strict=True):
            assert bmi == round(weight / (height / 100) ** 2, 1)
            assert 0.8 < weight / state.weight < 1.2


def test_no_disease_begins_before_those_that_cause_it():
    for index in range(400):
        state = draw_state(3, index)
        course = draw_course(state, stream(3, index, "record").random(100).tolist())
        assert list(course.onset) == [disease for disease in DISEASES if state.has(disease)]
        for disease, began in course.onset.items():
            parents = [name for name in EQUATIONS[disease].coefficients if name in course.onset]
            assert all(course.onset[parent] > began for parent in parents)


def test_hypertension_is_written_before_the_heart_failure_it_leads_to():
    both = 0
    for state, record in made("heart failure", 0.8):
        codes = record.code.tolist()
        if "ICD-10-CM:I10" in codes and state.has("hypertension") and "ICD-10-CM:I11.0" in codes:
            both += 1
            assert codes.index("ICD-10-CM:I10") < codes.index("ICD-10-CM:I11.0")
            assert codes.index("ICD-10-CM:I11.0") < min(
                n for n, code in enumerate(codes) if code in {"ICD-10-CM:I50.22", "ICD-10-CM:I50.32"}
            )
    assert both > 6


def test_lasting_diagnoses_are_written_once_and_only_where_the_disease_is():
    for state, record in patients():
        codes = record.code[record.code.str.startswith("ICD")].str.removeprefix("ICD-10-CM:").tolist()
        assert set(codes) <= set(ICD)
        assert all(codes.count(code) == 1 for code in set(codes) - ACUTE)
        for disease in ("hypertension", "diabetes", "heart failure", "atrial fibrillation", "lung cancer"):
            for code in codes_of(disease, state):
                assert codes.count(code) <= int(state.has(disease))
        if not state.has("heart failure"):
            assert not any(code.startswith("I50") for code in codes)


def test_some_disease_is_not_known():
    ill = [(s, r) for s, r in patients() if s.has("hypertension")]
    known = np.mean([(r.code == "ICD-10-CM:I10").any() for _, r in ill])
    assert 0.6 < known < 0.95


def test_codes_that_were_split_are_used_from_the_day_of_the_split():
    for _, record in patients():
        back = record[record.code.isin(["ICD-10-CM:M54.5", "ICD-10-CM:M54.50"])]
        new = back.time >= pd.Timestamp("2021-10-01", tz="UTC")
        assert (new == (back.code == "ICD-10-CM:M54.50")).all()


def test_medicines_are_given_for_known_diseases_and_not_before():
    given = 0
    for _, record in patients():
        codes = record.code.tolist()
        if "ATC:A10BA02" in codes:
            given += 1
            assert codes.index("ICD-10-CM:E11.9") < codes.index("ATC:A10BA02")
        for code, value, unit in zip(record.code, record.value, record.unit, strict=True):
            if code.startswith("ATC:"):
                drug = (DRUGS | COURSES)[code.removeprefix("ATC:")]
                assert value in drug.doses
                assert unit == drug.unit
    assert given > 5


def test_metformin_is_not_given_to_failing_kidneys():
    state = draw_state(5, 1, do={"diabetes": 0.9})
    for index in range(30):
        record = make_record(replace(state, egfr=20.0), stream(8, index, "record"))
        assert "ATC:A10BA02" not in record.code.tolist()


def test_visits_are_irregular_and_more_frequent_the_sicker_somebody_is():
    gaps = np.concatenate(
        [np.diff(r.time.dt.normalize().unique()).astype("timedelta64[D]").astype(int) for _, r in patients()]
    )
    assert np.std(gaps) > 0.7 * np.mean(gaps)
    frequency = [np.mean([visits_a_year(r) for _, r in made("heart failure", severity)]) for severity in (0, 0.4, 0.9)]
    assert frequency[0] < frequency[1] < frequency[2]


def test_visits_come_as_often_as_their_rate_says_and_more_so_near_the_index_date():
    state = draw_state(5, 4, do={"heart failure": 0.8})
    count, expected, times = 0, 0.0, []
    for index in range(120):
        rng = stream(9, index, "record")
        course = draw_course(state, rng.random(60).tolist())
        visits = [visit for visit in draw_visits(course, rng) if visit.reason != "index" and 0.05 < visit.years < 3]
        count += len(visits)
        times += [visit.years for visit in visits]
        expected += np.trapezoid([rate(course, years) for years in np.linspace(0.05, 3, 60)], np.linspace(0.05, 3, 60))
    # days are kept apart, which takes a few off
    assert 0.9 < count / expected < 1.03
    counts = np.histogram(times, bins=[0.05, 0.3, 2.0, 2.25])[0]
    assert counts[0] > 1.8 * counts[2]


def test_visits_come_for_each_reason_as_often_as_the_diseases_say():
    course = draw_course(draw_state(5, 4, do={"heart failure": 0.8}), [0.9] * 60)
    kinds: list[str] = []
    for index in range(80):
        kinds += [v.reason for v in draw_visits(course, stream(10, index, "record")) if 0.5 < v.years < 3]
    years = 80 * 2.5
    failing = REASONS["failure"].diseases["heart failure"] * course.at(1.75)["heart failure"]
    assert course.onset["heart failure"] > 3
    assert kinds.count("back") / years == pytest.approx(REASONS["back"].rate * 1.05, rel=0.3)
    assert kinds.count("failure") / years == pytest.approx(failing, rel=0.3)
    assert kinds.count("colic") == 0
    assert kinds.count("infection") < kinds.count("")


def test_planned_visits_fall_on_working_days():
    state = draw_state(5, 4)
    for index in range(60):
        rng = stream(9, index, "record")
        for visit in draw_visits(draw_course(state, rng.random(60).tolist()), rng):
            if visit.reason == "":
                time = pd.Timestamp(visit.time, unit="s")
                assert time.weekday() < 5
                assert 7 <= time.hour < 17


@pytest.mark.parametrize(
    ("disease", "loinc", "ratio"),
    [("heart failure", "33762-6", 3), ("diabetes", "4548-4", 3), ("consolidation", "1988-5", 1.3)],
)
def test_whether_a_test_was_done_tells_who_is_ill(disease, loinc, ratio):
    counts = [np.mean([len(values(r, loinc)) for _, r in made(disease, severity)]) for severity in (0.0, 0.8)]
    assert counts[1] > ratio * counts[0]


def test_what_is_not_measured_is_absent_and_nothing_is_imputed():
    never = [np.mean([not values(r, loinc) for _, r in patients()]) for loinc in ("33762-6", "67151-1", "4548-4")]
    assert all(0.1 < share < 0.9 for share in never)


def test_a_disease_that_is_taken_away_leaves_the_visits_it_did_not_cause():
    """Counterfactual patients share their chance events."""
    for (state, ill), (_, well) in zip(made("pneumothorax", 0.9), made("pneumothorax", 0.0), strict=True):
        if not state.has("emphysema"):
            before = ill.time.iloc[-1] - pd.Timedelta(days=10)
            pd.testing.assert_frame_equal(ill[ill.time < before], well[well.time < before])


def test_smoking_status_is_text_and_agrees_with_the_pack_years():
    for state, record in patients():
        (status,) = record.value[record.code == "LOINC:72166-2"]
        assert status in ("Never smoker", "Former smoker", "Current every day smoker")
        assert (status == "Never smoker") == (state.pack_years == 0)
