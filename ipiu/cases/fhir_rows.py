"""Rows of a record as FHIR R4 resources: the way back from :mod:`ipiu.cases.fhir_events`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from ipiu.cases.fhir_events import SYSTEMS, TIMES, Resource
from ipiu.errors import IpiuError

UCUM = "http://unitsofmeasure.org"
ADDRESSES = {name: system for system, name in SYSTEMS.items()}
# what FHIR requires and a record does not say
ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
# what a code is about where the record has no column kind
KINDS = {
    "LOINC": "Observation",
    "ICD-10": "Condition",
    "ICD-10-CM": "Condition",
    "ICD-9-CM": "Condition",
    "RxNorm": "MedicationStatement",
    "ATC": "MedicationStatement",
    "NDC": "MedicationStatement",
    "CVX": "Immunization",
    "CPT": "Procedure",
    "ActCode": "Encounter",
}
# units that are UCUM codes as they stand; any other is written as text only, as nobody said that it is one
_UNITS = (
    "% /min 10*3/uL 10*6/uL 10*9/L 10*12/L Cel [IU] [IU]/L [degF] [in_i] [lb_av] cm fL fmol g g/L g/dL h kPa kg kg/m2 "
    "kU/L m[IU]/L mL mL/min mL/min/{1.73_m2} meq/L mg mg/L mg/dL mm[Hg] mmol mmol/L mmol/mol mol/L mosm/kg ng/L ng/mL "
    "nmol/L pg pg/mL pmol/L s u[IU]/mL ug ug/L ug/dL ukat/L umol/L U/L min a mo wk d"
)
UNITS = frozenset(_UNITS.split())
SYSTOLIC, DIASTOLIC, PRESSURE = "LOINC:8480-6", "LOINC:8462-4", "LOINC:85354-9"
# kinds that carry a number: where they keep it
_DOSES = {
    "MedicationRequest": lambda dose: {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": dose}]}]},
    "MedicationStatement": lambda dose: {"dosage": [{"doseAndRate": [{"doseQuantity": dose}]}]},
    "MedicationAdministration": lambda dose: {"dosage": {"dose": dose}},
    "Immunization": lambda dose: {"doseQuantity": dose},
}
# what each kind must say besides; a row that is there was done, and nothing else is known of its state
_STATED: dict[str, Resource] = {
    "Observation": {"status": "unknown"},
    "Condition": {},
    "MedicationRequest": {"status": "unknown", "_intent": ABSENT},
    "MedicationStatement": {"status": "unknown"},
    "MedicationAdministration": {"status": "unknown"},
    "Procedure": {"status": "unknown"},
    "Encounter": {"status": "unknown"},
    "Immunization": {"status": "completed"},
    "AllergyIntolerance": {"clinicalStatus": ABSENT},
}
_BOUND = re.compile(r"(<=|>=|<|>)(\d+(?:\.\d+)?(?:e[-+]\d+)?)")
_CODE = re.compile(r"\S+(?:\s\S+)*")
_ADDRESS = re.compile(r"(?:https?://|urn:)\S+")


class Row(NamedTuple):
    """One event, as it stands in a record; ``number`` counts from 1.

    ``display`` is None where the record does not say what its codes are called.
    """

    number: int
    time: pd.Timestamp
    code: str
    value: float | str | None
    unit: str | None
    kind: str
    display: str | None
    precision: str


def rows_in(record: pd.DataFrame) -> list[Row]:
    """The rows of a record, each checked: what FHIR cannot say is refused.

    Raises
    ------
    IpiuError
        Where a column is missing, times have no zone, or a row holds what no resource can express.
    """
    missing = [name for name in ("time", "code", "value", "unit") if name not in record.columns]
    if missing:
        msg = f"the record has no column {missing[0]!r}; it needs time, code, value and unit"
        raise IpiuError(msg)
    if not isinstance(record["time"].dtype, pd.DatetimeTZDtype):
        msg = f"the record's times are {record['time'].dtype} and not in UTC; use pandas.to_datetime(times, utc=True)"
        raise IpiuError(msg)
    empty = [None] * len(record)
    columns = [record[name].tolist() for name in ("code", "value", "unit")]
    columns += [record[name].tolist() if name in record.columns else empty for name in ("kind", "display", "precision")]
    times = record["time"].dt.tz_convert("UTC").tolist()
    return [_row(n, time, *cells) for n, (time, *cells) in enumerate(zip(times, *columns, strict=True), start=1)]


def resources_of(rows: list[Row], names: dict[str, str]) -> Iterator[tuple[Row, Resource]]:
    """One resource an event, with its first row; a systolic and a diastolic pressure of one time are one panel.

    ``names`` says what codes are called, for records that do not.
    """
    paired = False
    for n, row in enumerate(rows):
        if paired:
            paired = False
            continue
        paired = n + 1 < len(rows) and _is_pressure(row, rows[n + 1])
        yield row, _panel(row, rows[n + 1], names) if paired else _resource(row, names)


def concept(row: Row, names: dict[str, str]) -> Resource:
    """The CodeableConcept of a row's code."""
    coding = _coding(row.code)
    if row.display is None:
        name = names.get(row.code)
        return {"coding": [coding], **({"text": name} if name else {})} if "system" in coding else {"text": row.code}
    if "system" not in coding and row.display == row.code:
        return {"text": row.code}
    return {"coding": [{**coding, **({"display": row.display} if row.display else {})}]}


def stated(time: pd.Timestamp, precision: str) -> str:
    """A time as FHIR writes it, as finely as it was stated where that is its first instant."""
    text = time.isoformat()
    for name, length, rest in (("year", 4, "-01-01T00:00:00"), ("month", 7, "-01T00:00:00"), ("day", 10, "T00:00:00")):
        if precision == name and text == f"{text[:length]}{rest}+00:00":
            return text[:length]
    return text.replace("+00:00", "Z")


def _row(number: int, time: Any, code: Any, value: Any, unit: Any, kind: Any, display: Any, precision: Any) -> Row:
    """One row with every cell of the type it must have."""
    unit, kind, display, precision = (None if _is_missing(x) else x for x in (unit, kind, display, precision))
    value = None if _is_missing(value) else value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = float(value)
    said = f"row {number} of the record"
    if not isinstance(code, str) or not code.strip():
        msg = f"{said} has the code {code!r}; every event of a FHIR bundle needs one, as text"
        raise IpiuError(msg)
    if not isinstance(value, (float, str, type(None))) or (isinstance(value, float) and not math.isfinite(value)):
        msg = f"{said} has the value {value!r}, which FHIR cannot hold; give a finite number, text or None"
        raise IpiuError(msg)
    if not isinstance(unit, (str, type(None))) or any(isinstance(x, str) and not x.strip() for x in (value, unit)):
        msg = f"{said} has the value {value!r} and the unit {unit!r}; give text that is not empty, or None"
        raise IpiuError(msg)
    row = Row(number, time, code, value, unit, kind or _kind(code, value), display, precision or "")
    if row.kind not in _STATED:
        what = f"is of the kind {row.kind!r}" if kind else f"has the code {code!r} and no value"
        msg = f"{said} {what}; a column kind must say which of {', '.join(_STATED)} it is"
        raise IpiuError(msg)
    if row.kind not in {"Observation", *_DOSES} and (value is not None or unit is not None):
        msg = f"{said} is a {row.kind} with the value {value!r}, which FHIR has no place for; make it an Observation"
        raise IpiuError(msg)
    if isinstance(value, str) and (unit is not None or row.kind != "Observation") and _bound(value) is None:
        where = f"with the unit {unit!r}" if unit is not None else f"as the dose of a {row.kind}"
        msg = f"{said} has the text {value!r} {where}; FHIR takes a number there, or a bound such as '<0.01'"
        raise IpiuError(msg)
    return row


def _is_missing(cell: Any) -> bool:
    """Whether a cell is empty: None, NaN or pandas' NA."""
    return cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell))


def _kind(code: str, value: float | str | None) -> str:
    """The kind of resource that a code belongs into; "" where neither its system nor a value says."""
    known = KINDS.get(code.partition(":")[0])
    return known or ("Observation" if value is not None else "")


def _coding(code: str) -> Resource:
    """System and code of what the readers write as "LOINC:718-7"; no system where there is none."""
    name, _, rest = code.partition(":")
    if name in ADDRESSES and _CODE.fullmatch(rest):
        return {"system": ADDRESSES[name], "code": rest}
    system, _, rest = code.rpartition(":")
    if _ADDRESS.fullmatch(system) and _CODE.fullmatch(rest):
        return {"system": system, "code": rest}
    return {"code": code}


def _quantity(value: float | str | None, unit: str | None) -> Resource | None:
    """A Quantity, with a comparator where the value is a bound; None where there is nothing to say."""
    found: Resource = {}
    if isinstance(value, str):
        found["comparator"], value = _bound(value)
    if value is not None:
        found["value"] = int(value) if value == int(value) and abs(value) < 1e15 else value
    if unit is not None:
        found["unit"] = unit
        if unit in UNITS:
            found |= {"system": UCUM, "code": unit}
    return found or None


def _bound(text: str) -> tuple[str, float] | None:
    """Comparator and number of a bound such as "<0.01" that a reader would write the same way."""
    match = _BOUND.fullmatch(text)
    if match is None or f"{match[1]}{float(match[2]):g}" != text:
        return None
    return match[1], float(match[2])


def _is_pressure(row: Row, after: Row) -> bool:
    """Whether two rows are one measurement of blood pressure."""
    same = row.kind == after.kind == "Observation" and row.precision == after.precision
    valued = isinstance(row.value, float) and isinstance(after.value, float)
    return {row.code, after.code} == {SYSTOLIC, DIASTOLIC} and row.time == after.time and same and valued


def _panel(row: Row, after: Row, names: dict[str, str]) -> Resource:
    """A blood pressure as FHIR's profile of vital signs wants it: one panel, the two values as its components."""
    parts = [{"code": concept(part, names), "valueQuantity": _quantity(part.value, part.unit)} for part in (row, after)]
    code = {"coding": [_coding(PRESSURE)], "text": "Blood pressure"}
    return {**_head(row), "code": code, "component": parts}


def _resource(row: Row, names: dict[str, str]) -> Resource:
    """A single row's resource."""
    what = concept(row, names)
    if row.kind == "Observation" and row.unit is None and isinstance(row.value, str):
        return {**_head(row), "code": what, "valueString": row.value}
    amount = _quantity(row.value, row.unit)
    if row.kind == "Observation":
        return {**_head(row), "code": what, **({"valueQuantity": amount} if amount else {})}
    dose = _DOSES[row.kind](amount) if amount else {}
    if row.kind.startswith("Medication"):
        return {**_head(row), "medicationCodeableConcept": what, **dose}
    if row.kind == "Encounter":
        is_class = row.code.startswith("ActCode:") and "coding" in what
        return {**_head(row), **({"class": what["coding"][0]} if is_class else {"class": ABSENT, "type": [what]})}
    return {**_head(row), "vaccineCode" if row.kind == "Immunization" else "code": what, **dose}


def _head(row: Row) -> Resource:
    """Kind, state and time of a resource."""
    head = {"resourceType": row.kind, **_STATED[row.kind]}
    key = TIMES[row.kind][0]
    if row.time is not pd.NaT:
        time = stated(row.time, row.precision)
        return {**head, key: {"start": time} if key == "period" else time}
    # these two must say a time or that there is none
    if row.kind == "Immunization":
        head["occurrenceString"] = "unknown"
    elif row.kind == "MedicationAdministration":
        head["effectivePeriod"] = ABSENT
    return head
