"""Timed events of many patients, sorted once into a file from which one patient's are read."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from filelock import FileLock
from tqdm.auto import tqdm

from ipiu.cases.files import reason
from ipiu.cases.table import number
from ipiu.errors import IpiuError

FORMAT = 1
COLUMNS = ["time", "code", "value", "unit", "kind", "display"]


class Event(NamedTuple):
    """One row of a published table, all of it text as it stands there.

    ``kind`` is the FHIR resource it would be (Observation, Condition, ...), ``display`` what the code means.
    """

    patient: str
    time: str
    code: str
    value: str = ""
    unit: str = ""
    kind: str = ""
    display: str = ""


class EventStore:
    """The events of a cohort on disk. It holds a path only, so it can go to other processes.

    Parameters
    ----------
    path
        a file that :func:`event_store` wrote
    """

    def __init__(self, path: Path):
        self.path = path

    def record(self, patient: str, *, until: str | None = None) -> tuple[pd.DataFrame, int]:
        """One patient's events in the order of time.

        Parameters
        ----------
        patient
            the id in the published tables
        until
            ISO 8601; later events are left out, so that nothing from after a prediction is seen

        Returns
        -------
        record
            columns time (UTC; tables without time zones are taken as UTC), code, value (float where it is a number,
            else text or None), unit, kind and display
        untimed
            number of events that were left out because they state no time

        Raises
        ------
        IpiuError
            Where a time cannot be read.
        """
        rows = self._rows(patient)
        timed = [row for row in rows if row[0]]
        record = pd.DataFrame(timed, columns=COLUMNS, dtype=object)
        record["value"] = pd.Series([number(value) for value in record["value"]], dtype=object)
        record["unit"] = pd.Series([unit or None for unit in record["unit"]], dtype=object)
        texts = record["time"]
        record["time"] = pd.to_datetime(texts.astype(str), format="ISO8601", utc=True, errors="coerce")
        bad = record["time"].isna()
        if bad.any():
            msg = (
                f"{self.path}: patient {patient} has the time {texts[bad].iloc[0]!r}, which is not ISO 8601; "
                "copy the tables again from their source"
            )
            raise IpiuError(msg)
        if until is not None:
            record = record[record["time"] <= pd.to_datetime(until, utc=True)]
        return record.sort_values("time", kind="stable", ignore_index=True), len(rows) - len(timed)

    def patients(self) -> list[str]:
        """Every patient with an event, sorted as text."""
        with _read(self.path) as base:
            return [name for (name,) in base.execute("SELECT DISTINCT patient FROM event ORDER BY patient")]

    def _rows(self, patient: str) -> list[tuple]:
        """The patient's rows in the order of the tables."""
        asked = (
            "SELECT time, code, value, unit, kind, display FROM event JOIN what USING (number) "
            "WHERE patient = ? ORDER BY event.rowid"
        )
        try:
            with _read(self.path) as base:
                return base.execute(asked, (patient,)).fetchall()
        except sqlite3.Error as error:
            msg = f"{self.path}: cannot be read ({reason(error)}); remove it, and it is made again"
            raise IpiuError(msg) from error


def event_store(path: Path, *, tables: Iterable[Path], events: Callable[[], Iterator[Event]]) -> EventStore:
    """The events of published tables, sorted by patient in one file; made once, and again where a table has changed.

    Making it reads every table once (some 100,000 events a second) and takes about as much disk as the unpacked
    tables; memory does not grow with them.

    Parameters
    ----------
    path
        where the file is, or goes
    tables
        the files that the events come from
    events
        called where the file has to be made

    Raises
    ------
    IpiuError
        Where a table is damaged, or the file cannot be written.
    """
    made_from = json.dumps([FORMAT, *([t.name, t.stat().st_size, t.stat().st_mtime_ns] for t in tables)])
    try:
        if not _fresh(path, made_from):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock")):
                if not _fresh(path, made_from):
                    _write(path, made_from, events())
    except (OSError, sqlite3.Error) as error:
        msg = f"{path}: cannot be written ({reason(error)}); free some space, or pass cache= with another folder"
        raise IpiuError(msg) from error
    return EventStore(path)


class _read:
    """A connection that only reads, closed at the end (sqlite3's own context manager leaves it open)."""

    def __init__(self, path: Path):
        self.base = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)

    def __enter__(self) -> sqlite3.Connection:
        return self.base

    def __exit__(self, *_) -> None:
        self.base.close()


def _fresh(path: Path, made_from: str) -> bool:
    """Whether the file is there and made from these very tables."""
    if not path.is_file():
        return False
    try:
        with _read(path) as base:
            return base.execute("SELECT made_from FROM about").fetchone() == (made_from,)
    except sqlite3.Error:
        return False


def _write(path: Path, made_from: str, events: Iterator[Event]) -> None:
    """Write beside the file and put it in its place when it is whole."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    base = sqlite3.connect(part, isolation_level=None)
    try:
        base.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE;"
            "CREATE TABLE about (made_from TEXT);"
            # what an event is repeats often, so it is kept once
            "CREATE TABLE what (number INTEGER PRIMARY KEY, code TEXT, unit TEXT, kind TEXT, display TEXT);"
            "CREATE TABLE event (patient TEXT, time TEXT, number INTEGER, value TEXT);"
        )
        known: dict[tuple, int] = {}
        base.execute("BEGIN")
        shown = tqdm(events, desc="sorting events by patient", unit=" events", delay=2)
        base.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", _numbered(shown, known))
        base.executemany("INSERT INTO what VALUES (?, ?, ?, ?, ?)", ((n, *what) for what, n in known.items()))
        base.execute("INSERT INTO about VALUES (?)", (made_from,))
        base.execute("CREATE INDEX by_patient ON event (patient)")
        base.execute("COMMIT")
        base.close()
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        base.close()
        part.unlink(missing_ok=True)
        raise


def _numbered(events: Iterable[Event], known: dict[tuple, int]) -> Iterator[tuple]:
    """Rows with what they are replaced by its number."""
    for event in events:
        what = (event.code, event.unit, event.kind, event.display)
        yield event.patient, event.time, known.setdefault(what, len(known)), event.value
