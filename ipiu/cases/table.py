"""Tables of timed events: comma- or tab-separated, one event a row."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from ipiu.cases.case import Case, Source
from ipiu.cases.text import read_rows
from ipiu.errors import IpiuError

COLUMNS = ("time", "code", "value", "unit")
# column names that mean one patient a value; a table with one of them is not taken for a single patient unasked
PATIENT_WORDS = re.compile(r"(patient|subject|person|participant|case|mrn)?(id|identifier|name|no|nr|number)?")


def read_record(
    path: str | Path,
    *,
    columns: dict[str, str | None] | None = None,
    patient: str | bool | None = None,
    format: str | None = None,
    keep_ids: bool = False,
) -> list[Case]:
    """Read a table of timed events.

    Parameters
    ----------
    path
        a .csv, .tsv or .txt file, plain or gzipped, with a header line
    columns
        where ``time``, ``code``, ``value`` and ``unit`` stand, such as ``{"time": "charttime", "unit": None}`` (None:
        the table has no such column); without it they are looked for under these four names
    patient
        the column that tells patients apart; False for a table of one patient
    format
        how times are written, in :func:`datetime.datetime.strptime` codes; without it they must be ISO 8601
        (2026-11-23T18:30), because 03/04/2026 is two different days
    keep_ids
        use the table's own patient ids; otherwise patients are called patient-1, patient-2, ... in order of appearance

    Returns
    -------
    list of Case
        one case a patient. ``record`` has the columns time (UTC; a time without a zone is taken as UTC, which is
        noted), code (str), value (float where it is a number, else str or None) and unit, in the order of time.

    Raises
    ------
    IpiuError
        Where a column is missing, a time cannot be read, or several patients may be mixed.

    Examples
    --------
    >>> from ipiu.cases.table import read_record
    >>> (case,) = read_record("labs.csv", columns={"time": "drawn"})  # doctest: +SKIP
    >>> list(case.record.columns)  # doctest: +SKIP
    ['time', 'code', 'value', 'unit']
    """
    path = Path(path)
    header, rows = read_rows(path)
    places = _places(header, columns or {}, path)
    who = _patient_column(header, patient, path)
    lines = [line for line, _ in rows]
    notes: list[str] = []
    table = pd.DataFrame(
        {
            "time": _times([row[places["time"]].strip() for _, row in rows], lines, format, path, notes),
            "code": [row[places["code"]].strip() for _, row in rows],
            "value": pd.Series([number(_cell(row, places["value"])) for _, row in rows], dtype=object),
            "unit": pd.Series([_cell(row, places["unit"]) for _, row in rows], dtype=object),
        }
    )
    unread = len(header) - len([p for p in places.values() if p is not None]) - (who is not None)
    if unread:
        notes.append(f"{unread} other columns were left out")
    ids = [row[who].strip() for _, row in rows] if who is not None else [""] * len(rows)
    if who is not None and "" in ids:
        msg = f"{path}: line {lines[ids.index('')]} names no patient; fill in the column {header[who]!r}"
        raise IpiuError(msg)
    source = Source("own file", path.name)
    cases = []
    for n, name in enumerate(dict.fromkeys(ids), start=1):
        own = table[[i == name for i in ids]].sort_values("time", kind="stable", ignore_index=True)
        cases.append(Case(name if keep_ids and name else f"patient-{n}", record=own, source=source, notes=list(notes)))
    if not cases:
        msg = f"{path}: has a header and no rows; there is nothing to read"
        raise IpiuError(msg)
    return cases


def _places(header: list[str], columns: dict[str, str | None], path: Path) -> dict[str, int | None]:
    """Where each of the four columns stands in the table."""
    if not isinstance(columns, dict):
        msg = f"columns={columns!r} must say where each column stands, such as {{'time': 'charttime'}}"
        raise TypeError(msg)
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        msg = f"columns= takes {', '.join(COLUMNS)}; {unknown[0]!r} is not among them"
        raise ValueError(msg)
    low = [name.lower() for name in header]
    places: dict[str, int | None] = {}
    for wanted in COLUMNS:
        name = columns.get(wanted, wanted)
        if name is None and wanted in {"value", "unit"}:
            places[wanted] = None
        elif name in header:
            places[wanted] = header.index(name)
        elif wanted not in columns and low.count(wanted) == 1:
            places[wanted] = low.index(wanted)
        else:
            msg = (
                f"{path}: has no column {name!r} for {wanted}; its columns are {', '.join(header)}: "
                f'say which with columns={{"{wanted}": ...}}'
            )
            raise IpiuError(msg)
    return places


def _patient_column(header: list[str], patient: str | bool | None, path: Path) -> int | None:
    """Where the patients' ids stand, or None for a table of one patient."""
    if patient is False:
        return None
    if isinstance(patient, str):
        if patient in header:
            return header.index(patient)
        msg = f"{path}: has no column {patient!r}; its columns are {', '.join(header)}"
        raise IpiuError(msg)
    likely = next((name for name in header if name and PATIENT_WORDS.fullmatch(_letters(name))), None)
    if likely:
        msg = (
            f"{path}: its column {likely!r} may tell patients apart; say patient={likely!r}, "
            "or patient=False where all rows are one patient's"
        )
        raise IpiuError(msg)
    return None


def _times(texts: list[str], lines: list[int], format: str | None, path: Path, notes: list[str]) -> pd.Series:
    """Times in UTC, every one of them read."""
    known = pd.Series(texts, dtype=object)
    # pandas reads "20260304" and "2026" as ISO 8601 too, and a bare number may be hours or days
    plain = known.str.fullmatch(r"[-+]?\d*\.?\d*") & (format is None)
    times = pd.to_datetime(known.mask(plain), format=format or "ISO8601", utc=True, errors="coerce")
    bad = times.isna().to_numpy().nonzero()[0]
    if len(bad):
        first = bad[0]
        how = f"as {format!r}" if format else "as ISO 8601; say how times are written, such as format='%d/%m/%Y %H:%M'"
        msg = f"{path}: line {lines[first]} has the time {texts[first]!r} ({len(bad)} such lines), not readable {how}"
        raise IpiuError(msg)
    zoned = known.str.contains(r"(?:[zZ]|[-+]\d{2}:?\d{2})$", regex=True) & known.str.contains(":", regex=False)
    if format is None or "%z" not in format.lower():
        bare = int((~zoned).sum())
        if bare:
            notes.append(f"{bare} times have no time zone and were taken as UTC")
    return times


def _cell(row: list[str], place: int | None) -> str | None:
    """One cell, None where it is empty or the table has no such column."""
    return (row[place].strip() or None) if place is not None else None


def number(text: str | None) -> float | str | None:
    """The number a cell holds, else its text; None where it is empty."""
    text = (text or "").strip()
    try:
        value = float(text) if text and "_" not in text else math.nan
    except ValueError:
        return text
    return value if math.isfinite(value) else text or None


def _letters(name: str) -> str:
    """A column's name in small letters without what stands between its words."""
    return re.sub(r"[\W_]", "", name.lower())


def looks_like_record(header: list[str]) -> bool:
    """Whether a table's header has the columns of timed events under their own names."""
    counts = Counter(name.lower() for name in header)
    return counts["time"] == 1 and counts["code"] == 1
