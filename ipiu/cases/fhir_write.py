"""A case written as a FHIR R4 bundle, which :func:`ipiu.open` reads back as it was."""

from __future__ import annotations

import base64
import json
import re
import uuid
from pathlib import Path

import pandas as pd

from ipiu.atomic import write_atomic
from ipiu.cases.case import Case
from ipiu.cases.fhir import GENDERS
from ipiu.cases.fhir_events import Resource
from ipiu.cases.fhir_rows import Row, resources_of, rows_in
from ipiu.errors import IpiuError

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TERMS = "http://terminology.hl7.org/CodeSystem/"
# answers to LOINC 72166-2 in SNOMED CT
_SMOKING = {
    "Never smoker": "266919005",
    "Former smoker": "8517006",
    "Current every day smoker": "449868002",
}


def write_fhir(case: Case, path: str | Path) -> Path:
    """Write a case's record and report as one FHIR R4 Bundle of the type collection.

    Reading the file with :func:`ipiu.open` gives the same record: times, codes, values and units, and kind, display and
    precision where the record has these columns. Rows come in the order of time, those without one last. What FHIR
    requires and a record does not say is stated as unknown, never made up; images, signals, expression and outcome stay
    out. Of labels ``sex``, ``deceased`` and a year of birth (``birth_year``) are written.

    Of a digital patient everything is known: results are final and come with the reference range of its laboratory and
    H, L or N; diagnoses are confirmed, and active or resolved; a medicine's last prescription is active; the year of
    birth follows from the age; and the bundle is labelled as test data (HTEST), so that no one takes it for a person's.

    Parameters
    ----------
    case
        any case with a record, a report, or both; its id becomes that of the Patient
    path
        a .json file; it is written at once or not at all

    Returns
    -------
    pathlib.Path
        the file

    Raises
    ------
    IpiuError
        Where the id, the file's name or a row of the record cannot be expressed in FHIR.

    References
    ----------
    HL7 FHIR Release 4, http://hl7.org/fhir/R4/bundle.html

    Examples
    --------
    >>> import ipiu
    >>> from ipiu.cases.fhir_write import write_fhir
    >>> path = write_fhir(ipiu.DigitalCohort(1, parts=("record",))[0], "patient.json")  # doctest: +SKIP
    >>> ipiu.open(path).record.code.iloc[0]  # doctest: +SKIP
    'ICD-10-CM:R07.9'
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        msg = f"{path}: FHIR bundles are written as JSON; give a name that ends in .json"
        raise IpiuError(msg)
    write_atomic(path, json.dumps(to_bundle(case), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return path


def to_bundle(case: Case) -> Resource:
    """The bundle that :func:`write_fhir` writes, as a tree of dictionaries and lists."""
    if not _ID.fullmatch(case.id):
        msg = f"the id {case.id!r} cannot be a FHIR id; use letters, digits, hyphens and dots, 64 at most"
        raise IpiuError(msg)
    rows = rows_in(case.record) if case.record is not None else []
    if not rows and not case.report:
        msg = f"case {case.id} has neither a record nor a report; there is nothing to write"
        raise IpiuError(msg)
    known = _Known(case, rows) if case.source.kind == "digital patient" else None
    resources = [_patient(case, known)]
    for row, resource in resources_of(rows, _names()):
        if known:
            known.complete(row, resource)
        resources.append(resource)
    if case.report:
        resources.append(_report(case.report, "final" if known else "unknown"))
    bundle: Resource = {"resourceType": "Bundle", "type": "collection"}
    if known:
        label = {"system": _TERMS + "v3-ActReason", "code": "HTEST", "display": "test health data"}
        bundle["meta"] = {"security": [label]}
    bundle["entry"] = _entries(case.id, resources)
    return bundle


def _entries(name: str, resources: list[Resource]) -> list[Resource]:
    """Every resource with an address of its own, all pointing to the patient, who comes first."""
    space = uuid.uuid5(uuid.NAMESPACE_URL, f"http://hl7.org/fhir/Patient/{name}")
    address = [f"urn:uuid:{uuid.uuid5(space, str(n))}" for n in range(len(resources))]
    for resource in resources[1:]:
        about = "patient" if resource["resourceType"] in {"Immunization", "AllergyIntolerance"} else "subject"
        resource[about] = {"reference": address[0]}
    return [{"fullUrl": url, "resource": resource} for url, resource in zip(address, resources, strict=True)]


def _patient(case: Case, known: _Known | None) -> Resource:
    """The patient: a pseudonym, and of the labels what has a place here."""
    patient: Resource = {"resourceType": "Patient", "id": case.id}
    if case.labels.get("sex") in GENDERS:
        patient["gender"] = case.labels["sex"]
    # an age in whole years leaves two possible years of birth, so that of other cases is not turned into one
    year = case.labels.get("birth_year", known.birth_year if known else None)
    if isinstance(year, int):
        patient["birthDate"] = f"{year:04d}"
    if isinstance(case.labels.get("deceased"), bool):
        patient["deceasedBoolean"] = case.labels["deceased"]
    return patient


def _report(text: str, status: str) -> Resource:
    """The radiologist's text."""
    code = {"coding": [{"system": "http://loinc.org", "code": "18748-4"}], "text": "Diagnostic imaging study"}
    form = {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(text.encode()).decode()}
    return {"resourceType": "DiagnosticReport", "status": status, "code": code, "presentedForm": [form]}


def _names() -> dict[str, str]:
    """What the codes of digital patients are called; the codes are public, so the names hold for other records too."""
    from ipiu.cases.digital.record import NAMES

    return NAMES


class _Known:
    """What is known of a digital patient beyond the record's columns."""

    def __init__(self, case: Case, rows: list[Row]):
        self.sex = case.labels.get("sex")
        self.last = {row.code: row.number for row in rows}
        age, times = case.labels.get("age"), [row.time for row in rows if row.time is not pd.NaT]
        # the age is that at the index date, on which the record ends
        self.birth_year = (max(times) - pd.Timedelta(days=age * 365.25)).year if age is not None and times else None

    def complete(self, row: Row, resource: Resource) -> None:
        """Add to a resource what is known."""
        if row.kind == "Observation":
            resource["status"] = "final"
            category = {"system": _TERMS + "observation-category", "code": _category(row.code)}
            resource["category"] = [{"coding": [category]}]
            for part in resource.get("component", [resource]):
                self._compare(part)
            if row.code == "LOINC:72166-2" and resource.get("valueString") in _SMOKING:
                said = resource.pop("valueString")
                coding = {"system": "http://snomed.info/sct", "code": _SMOKING[said], "display": said}
                resource["valueCodeableConcept"] = {"coding": [coding]}
        elif row.kind == "Condition":
            from ipiu.cases.digital.diagnoses import ACUTE

            over = "resolved" if row.code.removeprefix("ICD-10-CM:") in ACUTE else "active"
            resource["clinicalStatus"] = {"coding": [{"system": _TERMS + "condition-clinical", "code": over}]}
            sure = {"system": _TERMS + "condition-ver-status", "code": "confirmed"}
            resource["verificationStatus"] = {"coding": [sure]}
        elif row.kind == "MedicationStatement":
            self._prescribe(row, resource)

    def _prescribe(self, row: Row, resource: Resource) -> None:
        """A digital patient's medicines are prescriptions, each of which ends the one before."""
        resource |= {"resourceType": "MedicationRequest", "intent": "order"}
        resource["status"] = "active" if self.last[row.code] == row.number else "completed"
        for before, now in (("effectiveDateTime", "authoredOn"), ("dosage", "dosageInstruction")):
            if before in resource:
                resource[now] = resource.pop(before)

    def _compare(self, part: Resource) -> None:
        """Add reference range and interpretation to a result that has a range."""
        from ipiu.cases.digital.record import REFERENCE_RANGES

        amount, coding = part.get("valueQuantity", {}), part["code"].get("coding", [{}])[0]
        ranges = REFERENCE_RANGES.get(f"LOINC:{coding.get('code')}", {})
        if self.sex not in ranges or "value" not in amount or "comparator" in amount:
            return
        value, (low, high) = amount["value"], ranges[self.sex]
        unit = {key: amount[key] for key in ("unit", "system", "code") if key in amount}
        ends = {name: {"value": end, **unit} for name, end in (("low", low), ("high", high)) if end is not None}
        sign = "L" if low is not None and value < low else "H" if high is not None and value > high else "N"
        meaning = {"system": _TERMS + "v3-ObservationInterpretation", "code": sign}
        part |= {"referenceRange": [ends], "interpretation": [{"coding": [meaning]}]}


def _category(code: str) -> str:
    """The category of an observation of a digital patient."""
    from ipiu.cases.digital.vitals import VITALS

    loinc = code.removeprefix("LOINC:")
    if loinc == "72166-2":
        return "social-history"
    return "vital-signs" if loinc in VITALS else "laboratory"
