"""FHIR R4 resources as rows of a record: when, what, how much."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

Resource = dict[str, Any]
Row = dict[str, Any]

# short names of the code systems met most, as the FHIR terminology lists their addresses
SYSTEMS = {
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "http://www.whocc.no/atc": "ATC",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode": "ActCode",
}
# where each kind of event keeps its time, the one nearest to the event itself first
TIMES = {
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"),
    "Condition": ("onsetDateTime", "onsetPeriod", "recordedDate"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod", "dateAsserted"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "Encounter": ("period",),
    "Immunization": ("occurrenceDateTime",),
    "AllergyIntolerance": ("onsetDateTime", "onsetPeriod", "recordedDate"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod", "issued"),
}
NOT_DONE = {"entered-in-error", "not-done", "cancelled", "refuted"}
# fields that R4 does not have and another version has
OTHER_VERSIONS = {
    ("MedicationRequest", "medication"): "R5",
    ("MedicationStatement", "medication"): "R5",
    ("MedicationAdministration", "medication"): "R5",
    ("Encounter", "actualPeriod"): "R5",
    ("Procedure", "occurrenceDateTime"): "R5",
    ("Procedure", "occurrencePeriod"): "R5",
    ("Condition", "assertedDate"): "STU3",
    ("Condition", "context"): "STU3",
    ("Observation", "context"): "STU3",
    ("Procedure", "context"): "STU3",
    ("Condition", "patient"): "DSTU2",
    ("Procedure", "patient"): "STU3 or DSTU2",
}
DATE_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d))?)?)?")


def other_version(resource: Resource) -> str | None:
    """The FHIR version a resource gives away, where it is not R4."""
    kind = resource["resourceType"]
    if kind == "MedicationOrder":
        return "DSTU2"
    return next((version for (name, key), version in OTHER_VERSIONS.items() if kind == name and key in resource), None)


def not_done(resource: Resource) -> bool:
    """Whether a resource says that it never happened or was an error."""
    verification = resource.get("verificationStatus") or {}
    codes = {coding.get("code") for coding in verification.get("coding", [])}
    return bool(NOT_DONE & ({resource.get("status")} | codes))


def event_time(resource: Resource) -> pd.Timestamp:
    """When it happened, in UTC; the start of a period; NaT where nothing says so."""
    for key in TIMES[resource["resourceType"]]:
        value = resource.get(key)
        if isinstance(value, dict):
            value = value.get("start")
        if value is not None:
            return moment(value)
    return pd.NaT


def moment(text: str) -> pd.Timestamp:
    """A FHIR date or dateTime in UTC; a partial date is its first instant."""
    if not DATE_TIME.fullmatch(text):
        msg = f"the time {text!r} is not a FHIR dateTime (2026, 2026-11, 2026-11-23 or 2026-11-23T18:30:00Z)"
        raise ValueError(msg)
    return pd.Timestamp(text).tz_localize("UTC") if "T" not in text else pd.Timestamp(text).tz_convert("UTC")


def precision(resource: Resource) -> str:
    """How finely the time is stated: year, month, day or second; empty where there is none."""
    for key in TIMES[resource["resourceType"]]:
        value = resource.get(key)
        if isinstance(value, dict):
            value = value.get("start")
        if value is not None:
            return {4: "year", 7: "month", 10: "day"}.get(len(value), "second")
    return ""


def rows_of(resource: Resource, medication: Callable[[Resource], Resource]) -> list[Row]:
    """The rows of one event; ``medication`` finds the Medication that a resource refers to."""
    kind = resource["resourceType"]
    base = {"time": event_time(resource), "kind": kind, "precision": precision(resource)}
    if kind == "Observation":
        parts = [resource, *resource.get("component", [])]
        rows = [{**base, **concept(part.get("code")), **observed(part)} for part in parts]
        # a panel such as blood pressure carries its values in components only
        rows = [row for n, row in enumerate(rows) if n or row["value"] is not None or len(rows) == 1]
    else:
        rows = [{**base, **concept(_what(resource, medication)), **_amount(resource)}]
    for row in rows:
        _check_types(row)
    return rows


def _check_types(row: Row) -> None:
    """Refuse a row whose parts are objects or lists where FHIR has text or a number."""
    texts = (row["code"], row["display"], row["unit"] or "")
    if not all(isinstance(text, str) for text in texts) or not isinstance(row["value"], (float, str, type(None))):
        msg = "a part of the event has the wrong type"
        raise TypeError(msg)


def concept(found: Resource | None) -> Row:
    """Code and display of a CodeableConcept or Coding: the first coding that has a code, else its text."""
    found = found or {}
    for coding in found.get("coding", [found] if "code" in found else []):
        if coding.get("code"):
            system = coding.get("system", "")
            name = SYSTEMS.get(system, system)
            code = f"{name}:{coding['code']}" if name else coding["code"]
            return {"code": code, "display": coding.get("display") or found.get("text") or ""}
    return {"code": found.get("text") or "", "display": found.get("text") or ""}


def observed(part: Resource) -> Row:
    """Value and unit of an Observation or of one of its components."""
    if "valueQuantity" in part:
        return quantity(part["valueQuantity"])
    if "valueCodeableConcept" in part:
        found = concept(part["valueCodeableConcept"])
        return {"value": found["display"] or found["code"], "unit": None}
    for key in ("valueInteger", "valueBoolean", "valueString", "valueDateTime", "valueTime"):
        if key in part:
            value = part[key]
            if isinstance(value, bool):
                value = str(value).lower()
            return {"value": float(value) if isinstance(value, int) else value, "unit": None}
    return {"value": None, "unit": None}


def quantity(found: Resource) -> Row:
    """A Quantity; with a comparator such as "<" the value is text, as it is no measured number."""
    value = found.get("value")
    if value is not None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            msg = "a quantity must be a number"
            raise TypeError(msg)
        value = f"{found['comparator']}{value:g}" if "comparator" in found else float(value)
    return {"value": value, "unit": found.get("code") or found.get("unit")}


def report_text(resource: Resource) -> tuple[str, int]:
    """The text of a DiagnosticReport, and the number of its attachments that are not plain text."""
    texts, others = [], 0
    for form in resource.get("presentedForm", []):
        if form.get("contentType", "").split(";")[0].strip() == "text/plain" and "data" in form:
            try:
                texts.append(base64.b64decode(form["data"], validate=True).decode("utf-8"))
            except (binascii.Error, UnicodeDecodeError) as error:
                msg = "an attached text is not base64 of UTF-8"
                raise ValueError(msg) from error
        else:
            others += 1
    if not texts and resource.get("conclusion"):
        texts.append(resource["conclusion"])
    return "\n\n".join(text.strip() for text in texts), others


def _what(resource: Resource, medication: Callable[[Resource], Resource]) -> Resource | None:
    """What an event is about: the concept that names it."""
    kind = resource["resourceType"]
    if kind.startswith("Medication"):
        if "medicationReference" in resource:
            return medication(resource).get("code")
        return resource.get("medicationCodeableConcept")
    if kind == "Encounter":
        return (resource.get("type") or [resource.get("class")])[0]
    return resource.get("vaccineCode" if kind == "Immunization" else "code")


def _amount(resource: Resource) -> Row:
    """The dose of a medication; nothing for other events."""
    kind = resource["resourceType"]
    if kind == "MedicationAdministration":
        return quantity(resource.get("dosage", {}).get("dose", {}))
    if kind == "Immunization":
        return quantity(resource.get("doseQuantity", {}))
    dosages = resource.get("dosageInstruction" if kind == "MedicationRequest" else "dosage")
    if kind in {"MedicationRequest", "MedicationStatement"} and dosages:
        doses = dosages[0].get("doseAndRate") or [{}]
        return quantity(doses[0].get("doseQuantity", {}))
    return {"value": None, "unit": None}
