import copy
import json
import re

import pandas as pd
import pytest
from fhir.resources.R4B.bundle import Bundle

import ipiu
from ipiu.cases.case import Case, Source
from ipiu.cases.digital.record import REFERENCE_RANGES, make_record
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream
from ipiu.cases.fhir import read_fhir
from ipiu.cases.fhir_write import to_bundle, write_fhir
from ipiu.cases.table import read_record
from ipiu.errors import IpiuError

FORM = ["time", "code", "value", "unit"]


def digital(index=0, **do):
    state = draw_state(4, index, do=do)
    record = make_record(state, stream(4, index, "record"))
    labels = {"sex": state.sex, "age": float(state.age)}
    source = Source("digital patient", "test", "CC0-1.0")
    return Case(
        f"digital-{index:06d}", record=record, report="Heart enlarged.\n\nNo effusion.", labels=labels, source=source
    )


def own(*rows, **columns):
    """A case whose record has rows (time, code, value, unit) and perhaps further columns."""
    record = pd.DataFrame(
        {
            "time": pd.to_datetime([row[0] for row in rows], utc=True, format="ISO8601"),
            "code": [row[1] for row in rows],
            "value": pd.Series([row[2] for row in rows], dtype=object),
            "unit": pd.Series([row[3] for row in rows], dtype=object),
            **columns,
        }
    )
    return Case("p-1", record=record)


def resources(case, kind):
    return [e["resource"] for e in to_bundle(case)["entry"] if e["resource"]["resourceType"] == kind]


def again(case, tmp_path):
    """The case, written, validated and read."""
    path = write_fhir(case, tmp_path / "case.json")
    Bundle.model_validate(json.loads(path.read_text(encoding="utf-8")))
    return ipiu.open(path)


@pytest.mark.parametrize("index", range(3))
def test_a_digital_patient_comes_back_as_it_was(tmp_path, index):
    case = digital(index, diabetes=0.7, emphysema=0.6)
    found = again(case, tmp_path)
    pd.testing.assert_frame_equal(found.record[FORM], case.record)
    assert found.report == case.report
    assert found.labels["sex"] == case.labels["sex"]
    assert found.notes == []


def test_a_case_read_from_fhir_comes_back_with_all_its_columns(tmp_path):
    rows = [
        ("2026-06-01T08:00:00.25Z", "LOINC:718-7", 7.2, "g/dL"),
        ("2026-06-02T08:00:00Z", "LOINC:8462-4", 92.0, "mm[Hg]"),
        ("2026-06-02T08:00:00Z", "LOINC:8480-6", 151.0, "mm[Hg]"),
        ("2026-06-02T08:00:00Z", "LOINC:85354-9", None, None),
        ("2026-06-03", "LOINC:6598-7", "<0.01", "ng/mL"),
        ("2026-07-01", "LOINC:72166-2", "Ex-smoker", None),
        ("2027-01-01", "SNOMED:22298006", None, None),
        ("2027-01-02T01:00:00Z", "RxNorm:243670", 81.0, "mg"),
        ("2027-01-02T02:00:00Z", "ATC:A10BA02", None, None),
        ("2027-01-02T03:00:00Z", "http://acme.org/drugs:x y", ">5", "mg"),
        ("2027-01-03T01:00:00Z", "SNOMED:415070008", None, None),
        ("2027-01-04T01:00:00Z", "ActCode:IMP", None, None),
        ("2027-01-05T01:00:00Z", "SNOMED:185345009", None, None),
        ("2027-01-06T01:00:00Z", "CVX:140", 0.5, "mL"),
        ("2027-01-07T01:00:00Z", "our own code", "two words", None),
        ("2027-01-08T01:00:00Z", "short", 3.0, "my unit"),
        (None, "SNOMED:91936005", None, None),
        (None, "CVX:141", None, None),
        (None, "RxNorm:1", None, None),
    ]
    kinds = ["Observation"] * 6 + ["Condition", "MedicationRequest", "MedicationStatement", "MedicationAdministration"]
    kinds += ["Procedure", "Encounter", "Encounter", "Immunization", "Observation", "Observation"]
    kinds += ["AllergyIntolerance", "Immunization", "MedicationAdministration"]
    display = ["Hemoglobin", "", "Systolic", "Panel"] + [""] * 10 + ["our own code", "Shown"] + [""] * 3
    precision = ["second"] * 4 + ["day", "month", "year"] + ["second"] * 9 + [""] * 3
    case = own(*rows, kind=kinds, display=display, precision=precision)
    found = again(case, tmp_path)
    pd.testing.assert_frame_equal(found.record, case.record, check_dtype=False)
    pd.testing.assert_frame_equal(again(found, tmp_path).record, found.record)


def test_a_case_read_from_a_table_comes_back(tmp_path):
    path = tmp_path / "labs.csv"
    path.write_text("time,code,value,unit\n2026-01-02T10:00,creatinine,1.10,mg/dL\n2026-01-01T10:00,note,unwell,\n")
    (case,) = read_record(path)
    pd.testing.assert_frame_equal(again(case, tmp_path).record[FORM], case.record)


def test_events_come_back_in_the_order_of_time(tmp_path):
    case = own(
        ("2026-01-02T00:00:00Z", "LOINC:718-7", 1.0, "g/dL"), ("2026-01-01T00:00:00Z", "LOINC:718-7", 2.0, "g/dL")
    )
    assert again(case, tmp_path).record.value.tolist() == [2.0, 1.0]


def test_numbers_keep_every_digit(tmp_path):
    numbers = [0.1 + 0.2, 1e-7, 1e22, -0.0, 123456789012345.0, 5.0]
    case = own(*[(f"2026-01-0{n + 1}T00:00:00Z", "LOINC:718-7", x, None) for n, x in enumerate(numbers)])
    assert again(case, tmp_path).record.value.tolist() == numbers


def test_results_carry_unit_range_and_interpretation():
    case = digital(2, diabetes=0.9)
    (row, *_) = [r for r in resources(case, "Observation") if "4548-4" in json.dumps(r["code"])]
    value = row["valueQuantity"]["value"]
    assert row["valueQuantity"]["code"] == "%"
    assert row["valueQuantity"]["system"] == "http://unitsofmeasure.org"
    low, high = REFERENCE_RANGES["LOINC:4548-4"][case.labels["sex"]]
    (limits,) = row["referenceRange"]
    assert (limits["low"]["value"], limits["high"]["value"]) == (low, high)
    sign = row["interpretation"][0]["coding"][0]["code"]
    assert sign == ("L" if value < low else "H" if value > high else "N")


def test_results_are_said_to_be_low_high_or_normal():
    signs = set()
    for index in range(4):
        for result in resources(digital(index), "Observation"):
            for part in result.get("component", [result]):
                if "interpretation" not in part:
                    continue
                sign, value = part["interpretation"][0]["coding"][0]["code"], part["valueQuantity"]["value"]
                limits = part["referenceRange"][0]
                assert (sign == "L") == ("low" in limits and value < limits["low"]["value"])
                assert (sign == "H") == ("high" in limits and value > limits["high"]["value"])
                signs.add(sign)
    assert signs == {"L", "H", "N"}


def test_blood_pressure_is_one_panel_with_two_components():
    panels = [o for o in resources(digital(), "Observation") if "component" in o]
    assert panels
    for panel in panels:
        assert panel["code"]["coding"][0]["code"] == "85354-9"
        assert [part["code"]["coding"][0]["code"] for part in panel["component"]] == ["8480-6", "8462-4"]
        assert "valueQuantity" not in panel
        assert all(part["interpretation"] for part in panel["component"])


def test_diagnoses_and_medicines_of_a_digital_patient_say_how_they_stand():
    case = digital(3, **{"heart failure": 0.9})
    status = {
        r["code"]["coding"][0]["code"]: r["clinicalStatus"]["coding"][0]["code"] for r in resources(case, "Condition")
    }
    assert {"active", "resolved"} == set(status.values())
    assert all(status.get(code, "resolved") == "resolved" for code in ("J06.9", "I50.33", "R06.02"))
    assert all(status.get(code, "active") == "active" for code in ("I11.0", "I10", "I50.32"))
    drugs: dict = {}
    for request in resources(case, "MedicationRequest"):
        drugs.setdefault(request["medicationCodeableConcept"]["coding"][0]["code"], []).append(request["status"])
        assert request["intent"] == "order"
    assert drugs
    assert all(states == ["completed"] * (len(states) - 1) + ["active"] for states in drugs.values())
    assert all(r["status"] == "final" for r in resources(case, "Observation"))


def test_a_digital_patient_s_bundle_says_that_it_is_test_data():
    case = digital()
    assert to_bundle(case)["meta"]["security"][0]["code"] == "HTEST"
    assert "meta" not in to_bundle(Case("a", report="x"))
    (patient,) = resources(case, "Patient")
    born = case.record.time.iloc[-1] - pd.Timedelta(days=case.labels["age"] * 365.25)
    assert patient == {
        "resourceType": "Patient",
        "id": "digital-000000",
        "gender": case.labels["sex"],
        "birthDate": str(born.year),
    }


def test_nothing_is_made_up_for_other_cases():
    """What FHIR requires is stated as unknown, and ranges of one laboratory are no other's."""
    rows = [
        ("2026-01-01T00:00:00Z", "LOINC:718-7", 7.2, "g/dL"),
        ("2026-01-01T00:00:00Z", "LOINC:8867-4", None, None),
        ("2026-01-02T00:00:00Z", "ICD-10:I10", None, None),
        ("2026-01-03T00:00:00Z", "RxNorm:1", 5.0, "tablet"),
        ("2026-01-04T00:00:00Z", "RxNorm:2", None, None),
    ]
    case = own(*rows, kind=["Observation", "Observation", "Condition", "MedicationStatement", "MedicationRequest"])
    case.labels = {"age": 55, "sex": "Jane Roe"}
    (patient,) = resources(case, "Patient")
    assert patient == {"resourceType": "Patient", "id": "p-1"}
    first, second = resources(case, "Observation")
    assert first["status"] == "unknown"
    assert not {"referenceRange", "interpretation", "category"} & set(first)
    assert not [key for key in second if key.startswith("value")]
    assert not {"clinicalStatus", "verificationStatus"} & set(resources(case, "Condition")[0])
    assert resources(case, "MedicationStatement")[0]["dosage"][0]["doseAndRate"][0]["doseQuantity"] == {
        "value": 5,
        "unit": "tablet",  # nobody said that it is a UCUM code
    }
    assert resources(case, "MedicationRequest")[0]["_intent"]["extension"][0]["valueCode"] == "unknown"
    text = json.dumps(to_bundle(case))
    assert "final" not in text
    assert "confirmed" not in text


def test_a_year_of_birth_and_death_are_written_where_they_are_known(tmp_path):
    case = own(("2026-01-01T00:00:00Z", "LOINC:718-7", 7.2, "g/dL"))
    case.labels = {"birth_year": 1950, "deceased": True, "sex": "female"}
    (patient,) = resources(case, "Patient")
    assert patient["birthDate"] == "1950"
    assert again(case, tmp_path).labels == {"sex": "female", "deceased": True}


def test_a_report_alone_is_written(tmp_path):
    found = again(Case("a", report="Größe normal; 37 °C."), tmp_path)
    assert found.report == "Größe normal; 37 °C."
    assert found.record is None


def test_all_resources_point_to_the_patient_and_have_addresses_of_their_own():
    bundle = to_bundle(digital())
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    for entry in bundle["entry"][1:]:
        assert entry["resource"]["subject"]["reference"] == urls[0]
    assert to_bundle(digital()) == bundle


def test_no_time_is_finer_than_it_was_stated():
    case = own(
        ("2026-01-01", "LOINC:718-7", 1.0, None),
        ("2026-05-04", "LOINC:718-7", 1.0, None),
        ("2026-05-04T03:00:00Z", "LOINC:718-7", 1.0, None),
        precision=["year", "day", "day"],
    )
    times = [o["effectiveDateTime"] for o in resources(case, "Observation")]
    assert times == ["2026", "2026-05-04", "2026-05-04T03:00:00Z"]


T = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Case("a b", report="x"), "the id 'a b' cannot be a FHIR id"),
        (Case("a", report=""), "neither a record nor a report"),
        (own((T, "", 1.0, None)), "row 1 of the record has the code ''"),
        (own((T, "LOINC:1", 1.0, None), (T, "LOINC:1", float("inf"), None)), "row 2 of the record has the value inf"),
        (own((T, "LOINC:1", True, None)), "has the value True, which FHIR cannot hold"),
        (own((T, "LOINC:1", "", None)), "give text that is not empty, or None"),
        (own((T, "LOINC:1", 1.0, " ")), "give text that is not empty, or None"),
        (own((T, "LOINC:1", "high", "mg/dL")), "has the text 'high' with the unit 'mg/dL'"),
        (own((T, "LOINC:1", "<0.010", "mg/dL")), "a bound such as '<0.01'"),
        (own((T, "ATC:A10BA02", "one tablet", None)), "as the dose of a MedicationStatement"),
        (own((T, "ICD-10:I10", 1.0, None)), "is a Condition with the value 1.0"),
        (own((T, "fever", None, None)), "has the code 'fever' and no value; a column kind must say"),
        (own((T, "LOINC:1", 1.0, None), kind=["Specimen"]), "is of the kind 'Specimen'"),
    ],
)
def test_what_fhir_cannot_say_gets_one_sentence(tmp_path, case, message):
    with pytest.raises(IpiuError, match=re.escape(message)) as caught:
        write_fhir(case, tmp_path / "a.json")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_tables_of_another_form_are_refused(tmp_path):
    case = own((T, "LOINC:1", 1.0, None))
    case.record["time"] = case.record["time"].dt.tz_localize(None)
    with pytest.raises(IpiuError, match=r"not in UTC; use pandas\.to_datetime"):
        write_fhir(case, tmp_path / "a.json")
    with pytest.raises(IpiuError, match="has no column 'unit'"):
        to_bundle(Case("a", record=case.record.drop(columns="unit")))
    with pytest.raises(IpiuError, match=r"give a name that ends in \.json"):
        write_fhir(digital(), tmp_path / "a.xml")


def test_a_file_that_was_there_survives_a_refusal(tmp_path):
    path = tmp_path / "a.json"
    write_fhir(Case("a", report="kept"), path)
    with pytest.raises(IpiuError):
        write_fhir(own((T, "fever", None, None)), path)
    assert read_fhir(path)[0].report == "kept"


def test_the_case_is_left_as_it_was():
    case = digital()
    before = copy.deepcopy(case.record)
    to_bundle(case)
    pd.testing.assert_frame_equal(case.record, before)
