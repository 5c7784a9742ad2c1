import base64
import copy
import json
import traceback

import numpy as np
import pandas as pd
import pytest
from fhir.resources.R4B.bundle import Bundle

from ipiu.cases.fhir import read_fhir
from ipiu.errors import IpiuError

LOINC, UCUM, SNOMED = "http://loinc.org", "http://unitsofmeasure.org", "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
JANE = {"reference": "Patient/jane"}
JOHN = {"reference": "urn:uuid:0d1cf0ee-0000-4000-8000-000000000001"}


def code(system, value, display=None):
    return {"coding": [{"system": system, "code": value, **({"display": display} if display else {})}]}


def quantity(value, unit, **more):
    return {"value": value, "unit": unit, "system": UCUM, "code": unit, **more}


def observation(number, subject=JANE, **more):
    return {"resourceType": "Observation", "id": f"o{number}", "status": "final", "subject": subject, **more}


def resources():
    jane = {
        "resourceType": "Patient",
        "id": "jane",
        "identifier": [{"system": "urn:mrn", "value": "MRN-4711"}],
        "name": [{"family": "Doe", "given": ["Jane"]}],
        "gender": "female",
        "birthDate": "1970-06-02",
        "address": [{"city": "Springfield"}],
        "telecom": [{"system": "phone", "value": "555-0199"}],
    }
    john = {"resourceType": "Patient", "id": "john", "gender": "male", "deceasedDateTime": "2026-08-01"}
    hb = observation(1, code=code(LOINC, "718-7", "Hemoglobin"), effectiveDateTime="2026-06-01T08:00:00+02:00")
    hb["valueQuantity"] = quantity(7.2, "g/dL")
    pressure = observation(2, code=code(LOINC, "85354-9"), effectivePeriod={"start": "2026-06-02T08:00:00Z"})
    pressure["component"] = [
        {"code": code(LOINC, "8480-6", "Systolic"), "valueQuantity": quantity(151, "mm[Hg]")},
        {"code": code(LOINC, "8462-4", "Diastolic"), "valueQuantity": quantity(92, "mm[Hg]")},
    ]
    smoker = observation(3, code=code(LOINC, "72166-2"), effectiveDateTime="2026-06")
    smoker["valueCodeableConcept"] = code(SNOMED, "8517006", "Ex-smoker")
    troponin = observation(4, code=code(LOINC, "6598-7"), effectiveDateTime="2026-06-03")
    troponin["valueQuantity"] = quantity(0.01, "ng/mL", comparator="<")
    wrong = observation(5, code=code(LOINC, "718-7"), valueQuantity=quantity(99, "g/dL"))
    wrong |= {"status": "entered-in-error", "effectiveDateTime": "2026-06-01"}
    pulse = observation(6, JOHN, code=code(LOINC, "8867-4"), valueQuantity=quantity(80, "/min"))
    pulse["effectiveDateTime"] = "2026-07-01T00:00:00Z"
    stray = observation(7, {"reference": "Patient/nobody"}, code=code(LOINC, "8867-4"))
    return [
        jane,
        john,
        hb,
        pressure,
        smoker,
        troponin,
        wrong,
        pulse,
        stray,
        {
            "resourceType": "Condition",
            "id": "c1",
            "subject": JANE,
            "code": code(SNOMED, "22298006", "Myocardial infarction"),
            "onsetDateTime": "2026-06-01T07:00:00Z",
        },
        {"resourceType": "Medication", "id": "m1", "code": code(RXNORM, "243670", "aspirin 81 MG")},
        {
            "resourceType": "MedicationRequest",
            "id": "r1",
            "status": "active",
            "intent": "order",
            "subject": JANE,
            "medicationReference": {"reference": "Medication/m1"},
            "authoredOn": "2026-06-04T10:00:00Z",
            "dosageInstruction": [{"doseAndRate": [{"doseQuantity": quantity(81, "mg")}]}],
        },
        {
            "resourceType": "Procedure",
            "id": "p1",
            "status": "completed",
            "subject": JANE,
            "code": code(SNOMED, "415070008", "PCI"),
            "performedPeriod": {"start": "2026-06-01T09:00:00Z", "end": "2026-06-01T10:00:00Z"},
        },
        {
            "resourceType": "Encounter",
            "id": "e1",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": JANE,
            "period": {"start": "2026-06-01T07:30:00Z"},
        },
        {
            "resourceType": "Immunization",
            "id": "i1",
            "status": "completed",
            "patient": JANE,
            "vaccineCode": code("http://hl7.org/fhir/sid/cvx", "140", "Influenza"),
            "occurrenceDateTime": "2025-10-01",
        },
        {
            "resourceType": "AllergyIntolerance",
            "id": "a1",
            "patient": JANE,
            "code": code(SNOMED, "91936005", "Penicillin allergy"),
        },
        {
            "resourceType": "DiagnosticReport",
            "id": "d1",
            "status": "final",
            "subject": JANE,
            "code": code(LOINC, "36643-5", "Chest X-ray"),
            "effectiveDateTime": "2026-06-01T08:30:00Z",
            "presentedForm": [
                {"contentType": "text/plain", "data": base64.b64encode(b"No pneumothorax.").decode()},
                {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF").decode()},
            ],
        },
        {
            "resourceType": "DiagnosticReport",
            "id": "d2",
            "status": "final",
            "subject": JANE,
            "code": code(LOINC, "18748-4"),
            "effectiveDateTime": "2026-05-01",
            "conclusion": "Normal heart size.",
        },
        {"resourceType": "Organization", "id": "org", "name": "General Hospital"},
    ]


def bundle(items=None):
    entries = []
    for resource in resources() if items is None else items:
        own = JOHN["reference"] if resource.get("id") == "john" else None
        url = own or f"http://example.org/fhir/{resource['resourceType']}/{resource['id']}"
        entries.append({"fullUrl": url, "resource": resource})
    return copy.deepcopy({"resourceType": "Bundle", "type": "collection", "entry": entries})


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def cases(tmp_path):
    return read_fhir(write(tmp_path / "bundle.json", bundle()))


def row(case, wanted):
    (found,) = case.record[case.record.code == wanted].to_dict("records")
    return found


def test_the_bundle_of_these_tests_is_valid_fhir():
    Bundle.model_validate(copy.deepcopy(bundle()))


def test_every_patient_becomes_a_case(cases):
    assert [case.id for case in cases] == ["patient-1", "patient-2"]
    assert cases[0].labels == {"sex": "female", "age": 55}
    assert cases[1].labels == {"sex": "male", "deceased": True}
    assert cases[1].record.code.tolist() == ["LOINC:8867-4"]


def test_an_observation_gives_time_code_value_and_unit(cases):
    found = row(cases[0], "LOINC:718-7")
    assert found["time"] == pd.Timestamp("2026-06-01T06:00:00Z")
    assert (found["value"], found["unit"], found["kind"], found["display"]) == (
        7.2,
        "g/dL",
        "Observation",
        "Hemoglobin",
    )
    assert found["precision"] == "second"
    assert str(cases[0].record.time.dt.tz) == "UTC"


def test_components_stand_in_place_of_their_panel(cases):
    codes = cases[0].record.code.tolist()
    assert "LOINC:85354-9" not in codes
    assert row(cases[0], "LOINC:8480-6")["value"] == 151
    assert row(cases[0], "LOINC:8462-4")["time"] == pd.Timestamp("2026-06-02T08:00:00Z")


def test_coded_and_bounded_values_are_text(cases):
    assert row(cases[0], "LOINC:72166-2")["value"] == "Ex-smoker"
    assert row(cases[0], "LOINC:6598-7")["value"] == "<0.01"


def test_partial_dates_stand_as_their_first_instant_and_say_so(cases):
    smoker = row(cases[0], "LOINC:72166-2")
    assert (smoker["time"], smoker["precision"]) == (pd.Timestamp("2026-06-01", tz="UTC"), "month")
    assert row(cases[0], "LOINC:6598-7")["precision"] == "day"


def test_other_kinds_of_events_become_rows(cases):
    record = cases[0].record.set_index("code")
    assert record.loc["SNOMED:22298006", "kind"] == "Condition"
    assert record.loc["SNOMED:415070008", "time"] == pd.Timestamp("2026-06-01T09:00:00Z")
    assert record.loc["ActCode:IMP", "kind"] == "Encounter"
    assert record.loc["CVX:140", "kind"] == "Immunization"
    aspirin = record.loc["RxNorm:243670"]
    assert (aspirin["value"], aspirin["unit"], aspirin["display"]) == (81, "mg", "aspirin 81 MG")


def test_events_stand_in_order_of_time_and_untimed_ones_last(cases):
    times = cases[0].record.time
    assert times.iloc[:-1].is_monotonic_increasing
    assert cases[0].record.code.iloc[-1] == "SNOMED:91936005"
    assert times.iloc[-1] is pd.NaT
    assert "1 events state no time; they stand last, as NaT" in cases[0].notes


def test_reports_are_joined_in_order_of_time(cases):
    assert cases[0].report == "Normal heart size.\n\nNo pneumothorax."
    assert "1 report attachments that are not plain text were left out" in cases[0].notes
    assert cases[1].report is None


def test_what_was_left_out_is_counted(cases):
    notes = cases[0].notes
    assert "1 events marked as wrong, cancelled or not done were left out" in notes
    assert "1 events point to no patient of the bundle and were left out" in notes
    assert "resources not read: 1 Organization" in notes
    assert 99 not in cases[0].record.value.tolist()


def test_nothing_that_names_a_patient_reaches_a_case(cases):
    shown = "".join(repr(c) + c._repr_html_() + c.record.to_string() + repr(c.labels) + repr(c.notes) for c in cases)
    for secret in ("Doe", "Jane", "jane", "4711", "1970", "Springfield", "555"):
        assert secret not in shown


def test_a_contained_medication_is_found(tmp_path):
    items = resources()
    (request,) = (r for r in items if r["resourceType"] == "MedicationRequest")
    request["contained"] = [{"resourceType": "Medication", "id": "in", "code": code(RXNORM, "1", "inside")}]
    request["medicationReference"] = {"reference": "#in"}
    Bundle.model_validate(copy.deepcopy(bundle(items)))
    first = read_fhir(write(tmp_path / "a.json", bundle(items)))[0]
    assert "RxNorm:1" in first.record.code.tolist()


def test_references_by_full_url_and_version_are_resolved(tmp_path):
    items = resources()
    items[2]["subject"] = {"reference": "http://example.org/fhir/Patient/jane"}
    items[3]["subject"] = {"reference": "Patient/jane/_history/3"}
    record = read_fhir(write(tmp_path / "a.json", bundle(items)))[0].record
    assert {"LOINC:718-7", "LOINC:8480-6"} <= set(record.code)


def change(edit):
    content = bundle()
    edit(content)
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{", "is not valid JSON"),
        ('{"resourceType": "Patient"}\n{"resourceType": "Patient"}', "split NDJSON exports"),
        ("[1]", "JSON without a FHIR resourceType"),
        ({"resourceType": "Patient"}, "is a FHIR Patient, not a Bundle"),
        ({"resourceType": "Bundle", "entry": []}, "has no entries"),
        ({"resourceType": "Bundle", "entry": [{"resource": {}}]}, "entry 1 has no resource"),
        (bundle(resources()[2:]), "has no Patient"),
        ('{"resourceType": "Bundle", "resourceType": "Bundle"}', "the key 'resourceType' stands twice"),
        ('{"value": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
        (change(lambda b: b["entry"].append(b["entry"][0])), "entries 1 and 20 have the same id"),
        (
            change(lambda b: b["entry"][2]["resource"].update(effectiveDateTime="06/01/2026")),
            r"entry 3 \(Observation\)",
        ),
        (
            change(lambda b: b["entry"][2]["resource"].update(effectiveDateTime="2026-06-01T08:00")),
            "is not a FHIR dateTime",
        ),
        (
            change(lambda b: b["entry"][2]["resource"].update(effectiveDateTime="2026-02-31")),
            r"entry 3 \(Observation\)",
        ),
        (change(lambda b: b["entry"][2]["resource"].update(code="718-7")), "is not shaped as FHIR R4 says"),
        (change(lambda b: b["entry"][2]["resource"].update(valueQuantity=[7])), "is not shaped as FHIR R4 says"),
        (change(lambda b: b["entry"][2]["resource"].update(subject="jane")), "is not shaped as FHIR R4 says"),
        (change(lambda b: b["entry"][0]["resource"].update(birthDate="1970-99-99")), "its birthDate is not a date"),
        (change(lambda b: b["entry"][11]["resource"].update(medication={})), "is written in FHIR R5"),
        (change(lambda b: b["entry"][9]["resource"].update(assertedDate="2026")), "is written in FHIR STU3"),
        (
            change(lambda b: b["entry"][9]["resource"].update(resourceType="MedicationOrder")),
            "is written in FHIR DSTU2",
        ),
        (change(lambda b: b["entry"][16]["resource"]["presentedForm"][0].update(data="$$")), "not base64"),
    ],
)
def test_what_is_no_r4_bundle_gets_one_sentence(tmp_path, content, message):
    path = write(tmp_path / "a.json", content)
    with pytest.raises(IpiuError, match=rf"a\.json: .*{message}") as caught:
        read_fhir(path)
    assert "\n" not in str(caught.value)
    assert "1970" not in str(caught.value)


def test_a_huge_bundle_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_MAX_GIB", "0.00001")
    with pytest.raises(IpiuError, match="above the limit"):
        read_fhir(write(tmp_path / "a.json", bundle()))


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_to_the_tree_gives_cases_or_one_sentence(tmp_path, seed):
    rng = np.random.default_rng(seed)
    content = bundle()
    for _ in range(3):
        node = content["entry"][int(rng.integers(len(content["entry"])))]["resource"]
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = keys[int(rng.integers(len(keys)))]
            if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.6:
                node = node[key]
                continue
            node[key] = [None, 1, "x", [], {}, True, [[]]][int(rng.integers(7))]
            break
    try:
        found = read_fhir(write(tmp_path / "a.json", content))
    except IpiuError as error:
        found = str(error)
    assert found


def test_a_sex_that_is_no_code_of_fhir_is_left_out(tmp_path):
    items = [{"resourceType": "Patient", "id": "a", "gender": "Jane Roe"}]
    (case,) = read_fhir(write(tmp_path / "a.json", bundle(items)))
    assert case.labels == {}


def test_a_number_beyond_floating_point_gets_one_sentence(tmp_path):
    items = resources()
    items = [*items, observation(99, code=code(LOINC, "718-7"), valueQuantity={"value": 10**400})]
    with pytest.raises(IpiuError, match=r"\(Observation\) is not shaped as FHIR R4 says"):
        read_fhir(write(tmp_path / "a.json", bundle(items)))


def test_a_birth_date_stands_in_no_traceback(tmp_path):
    items = [
        {"resourceType": "Patient", "id": "jane", "birthDate": "19611103xx"},
        observation(1, code=code(LOINC, "718-7"), effectiveDateTime="2026-01-02"),
    ]
    with pytest.raises(IpiuError, match="its birthDate is not a date") as caught:
        read_fhir(write(tmp_path / "a.json", bundle(items)))
    assert "19611103" not in "".join(traceback.format_exception(caught.value))
