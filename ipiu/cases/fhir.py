"""FHIR R4 bundles: what is recorded of each patient, without what names the patient."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from ipiu.cases import fhir_events as events
from ipiu.cases.case import Case, Source
from ipiu.cases.files import reason
from ipiu.cases.text import read_text
from ipiu.errors import IpiuError

# the codes of Patient.gender; other text may be anything
GENDERS = ("male", "female", "other", "unknown")
COLUMNS = ["time", "code", "value", "unit", "kind", "display", "precision"]


def read_fhir(path: str | Path) -> list[Case]:
    """Read a FHIR R4 Bundle in JSON.

    Of the Patient resource only sex, age and whether the patient died are kept, never a name, identifier, address or
    birth date. Observations, conditions, medications, procedures, encounters, immunisations and allergies become rows
    of the record; the text of diagnostic reports becomes the report. Events marked as entered in error, cancelled,
    refuted or not done are left out, and so are events that point to no patient of the bundle; notes count both.

    Parameters
    ----------
    path
        a .json file, plain or gzipped

    Returns
    -------
    list of Case
        one case a patient, called patient-1, patient-2, ... in the bundle's order. ``record`` has the columns time
        (UTC; a partial date stands as its first instant, and NaT where none is stated), code ("LOINC:718-7"), value
        (float, str or None), unit (UCUM where stated), kind (the resource), display, and precision (how finely the
        time is stated: year, month, day or second). ``labels`` has sex, age (whole years at the first event) and
        deceased, each where it is known.

    Raises
    ------
    IpiuError
        Where the file is not such a bundle, another FHIR version shows, a key or a reference stands twice, or a time
        cannot be read.

    References
    ----------
    HL7 FHIR Release 4, http://hl7.org/fhir/R4/bundle.html

    Examples
    --------
    >>> from ipiu.cases.fhir import read_fhir
    >>> (case,) = read_fhir("bundle.json")  # doctest: +SKIP
    >>> case.record[case.record.code == "LOINC:718-7"].value.iloc[0]  # doctest: +SKIP
    7.2
    """
    path = Path(path)
    bundle = _parse(path)
    _check_kind(bundle, path)
    index, resources = _index(bundle, path)
    patients = {id(r): [] for r in resources if r["resourceType"] == "Patient"}
    people = [r for r in resources if r["resourceType"] == "Patient"]
    if not people:
        msg = f"{path}: the bundle has no Patient; export it together with the patient its events belong to"
        raise IpiuError(msg)
    dropped: Counter = Counter()
    for number, resource in enumerate(resources, start=1):
        if resource["resourceType"] not in events.TIMES:
            continue
        with _Entry(path, number, resource["resourceType"]):
            if events.not_done(resource):
                dropped["events marked as wrong, cancelled or not done were left out"] += 1
                continue
            owner = index.get(_target(resource.get("subject") or resource.get("patient")))
            if owner is None or id(owner) not in patients:
                dropped["events point to no patient of the bundle and were left out"] += 1
                continue
            patients[id(owner)].append((number, resource))
    other = Counter(
        r["resourceType"] for r in resources if r["resourceType"] not in {*events.TIMES, "Patient", "Medication"}
    )
    notes = [f"{count} {what}" for what, count in dropped.items()]
    if other:
        notes.append(
            "resources not read: " + ", ".join(f"{count} {kind[:40]}" for kind, count in sorted(other.items()))
        )
    return [_case(n, person, patients[id(person)], index, path, notes) for n, person in enumerate(people, start=1)]


class _Entry:
    """Turns whatever a malformed resource makes Python raise into one sentence that names the entry."""

    def __init__(self, path: Path, number: int, kind: str):
        self.where = f"{path}: entry {number} ({kind})"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> None:
        if isinstance(error, ValueError) and not isinstance(error, IpiuError):
            msg = f"{self.where} is not valid: {reason(error)}; correct the bundle"
            raise IpiuError(msg) from error
        if isinstance(error, (AttributeError, TypeError, KeyError, IndexError, OverflowError)):
            msg = f"{self.where} is not shaped as FHIR R4 says; validate the bundle and export it again"
            raise IpiuError(msg) from error


def _parse(path: Path) -> Any:
    """The JSON tree, every key of an object once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            msg = f"the key {twice[:40]!r} stands twice in one object"
            raise ValueError(msg)
        return found

    def number(text: str):
        msg = f"{text} is not a JSON number"
        raise ValueError(msg)

    try:
        return json.loads(read_text(path), object_pairs_hook=once, parse_constant=number)
    except (ValueError, RecursionError) as error:
        if isinstance(error, IpiuError):
            raise
        said = "it is nested too deeply" if isinstance(error, RecursionError) else reason(error)
        msg = f"{path}: is not valid JSON ({said}); one Bundle a file is read, so split NDJSON exports"
        raise IpiuError(msg) from error


def _check_kind(bundle: Any, path: Path) -> None:
    """Refuse what is not a Bundle with entries."""
    kind = bundle.get("resourceType") if isinstance(bundle, dict) else None
    if kind != "Bundle":
        what = f"a FHIR {kind[:40]}" if isinstance(kind, str) else "JSON without a FHIR resourceType"
        msg = f"{path}: is {what}, not a Bundle; put the patient and the events into one Bundle"
        raise IpiuError(msg)
    if not isinstance(bundle.get("entry"), list) or not bundle["entry"]:
        msg = f"{path}: the bundle has no entries; there is nothing to read"
        raise IpiuError(msg)


def _index(bundle: dict, path: Path) -> tuple[dict[str, dict], list[dict]]:
    """Every resource by what references call it, and all of them in order."""
    index: dict[str, dict] = {}
    resources = []
    for number, entry in enumerate(bundle["entry"], start=1):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            msg = f"{path}: entry {number} has no resource with a resourceType; validate the bundle and export it again"
            raise IpiuError(msg)
        version = events.other_version(resource)
        if version:
            msg = f"{path}: entry {number} is written in FHIR {version}; export the bundle as R4 (4.0.1)"
            raise IpiuError(msg)
        resources.append(resource)
        url = entry.get("fullUrl")
        names = {
            url if isinstance(url, str) else None,
            f"{resource['resourceType']}/{resource['id']}" if "id" in resource else None,
        }
        for name in names - {None}:
            if name in index:
                first = next(n for n, r in enumerate(resources, start=1) if r is index[name])
                msg = f"{path}: entries {first} and {number} have the same id; keep one of them"
                raise IpiuError(msg)
            index[name] = resource
    return index, resources


def _target(reference: dict | None) -> str | None:
    """What a reference calls its target, without a version."""
    if reference is None or reference.get("reference") is None:
        return None
    return reference["reference"].split("/_history/")[0]


def _medication(resource: dict, index: dict[str, dict]) -> dict:
    """The Medication that a resource refers to, inside it or in the bundle; empty where it is not there."""
    target = _target(resource["medicationReference"]) or ""
    if target.startswith("#"):
        return next((r for r in resource.get("contained", []) if r.get("id") == target[1:]), {})
    return index.get(target, {})


def _case(number: int, person: dict, own: list[tuple[int, dict]], index: dict, path: Path, notes: list[str]) -> Case:
    """One patient with all events that point to it."""
    rows, reports, attached = [], [], 0
    for entry, resource in own:
        with _Entry(path, entry, resource["resourceType"]):
            if resource["resourceType"] == "DiagnosticReport":
                text, others = events.report_text(resource)
                attached += others
                if text:
                    reports.append((events.event_time(resource), text))
            else:
                rows += events.rows_of(resource, lambda r: _medication(r, index))
    notes = list(notes)
    if attached:
        notes.append(f"{attached} report attachments that are not plain text were left out")
    record = _record(rows) if rows else None
    if record is not None and (untimed := int(record.time.isna().sum())):
        notes.append(f"{untimed} events state no time; they stand last, as NaT")
    reports.sort(key=lambda pair: (pair[0] is pd.NaT, pair[0]))
    with _Entry(path, 1, "Patient"):
        labels = _labels(person, record)
    report = "\n\n".join(text for _, text in reports) or None
    source = Source("own file", path.name)
    return Case(f"patient-{number}", report=report, record=record, labels=labels, source=source, notes=notes)


def _record(rows: list[dict]) -> pd.DataFrame:
    """The rows in the order of time."""
    record = pd.DataFrame(rows, columns=COLUMNS)
    record["time"] = pd.to_datetime(record["time"], utc=True)
    record["value"] = pd.Series([row["value"] for row in rows], dtype=object)
    record["unit"] = pd.Series([row["unit"] for row in rows], dtype=object)
    return record.sort_values("time", kind="stable", na_position="last", ignore_index=True)


def _labels(person: dict, record: pd.DataFrame | None) -> dict[str, Any]:
    """Sex, age in whole years at the first event, and whether the patient died, each where it is known."""
    labels: dict[str, Any] = {}
    if person.get("gender") in GENDERS:
        labels["sex"] = person["gender"]
    birth = person.get("birthDate")
    first = record.time.min() if record is not None else pd.NaT
    if isinstance(birth, str) and len(birth) == 10 and first is not pd.NaT:
        try:
            born = pd.Timestamp(birth)
        except ValueError:
            msg = "its birthDate is not a date"
            raise ValueError(msg) from None  # pandas quotes it
        labels["age"] = first.year - born.year - ((first.month, first.day) < (born.month, born.day))
    if "deceasedDateTime" in person or isinstance(person.get("deceasedBoolean"), bool):
        labels["deceased"] = "deceasedDateTime" in person or person["deceasedBoolean"]
    return labels
