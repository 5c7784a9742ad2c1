"""Cohorts on disk: each patient a folder of standard files, written whole or not at all, and streamed back.

A cohort's folder holds ``cohort.json`` (what it is), ``table.parquet`` (one row a patient) and ``cases/000000/`` and so
on. A case's folder holds volumes as NIfTI, pictures as PNG, the record as a FHIR R4 bundle, signals as WFDB, expression
as Parquet, the report as text, and ``case.json`` with what those formats have no field for.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from ipiu.atomic import write_atomic
from ipiu.cases.case import Case, Outcome, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.files import reason
from ipiu.cases.grouped import GroupedCohort
from ipiu.cases.images_on_disk import read_image, write_image
from ipiu.cases.limits import check_claim
from ipiu.cases.parallel import in_order
from ipiu.cases.signals_on_disk import read_signal, write_signal
from ipiu.cases.text import read_rows, read_text
from ipiu.errors import IpiuError, require

FORMAT = 1
ABOUT, TABLE, CASES, CASE = "cohort.json", "table.parquet", "cases", "case.json"
REPORT, FHIR, EVENTS, EXPRESSION = "report.txt", "record.fhir.json", "record.csv", "expression.parquet"


def write_cohort(cohort: Cohort, folder: str | Path, *, workers: int = 1, progress: bool = True) -> Path:
    """Write every case of a cohort, one by one and atomically; what a run before has written is kept.

    Parameters
    ----------
    cohort
        any cohort; it is streamed, and only its ids and its table are held
    folder
        a new or empty folder, or one in which the same cohort was begun
    workers
        processes that make and write cases; the bytes are the same for any number
    progress
        show a bar

    Returns
    -------
    Path
        the folder

    Raises
    ------
    IpiuError
        Where the folder holds something else, or a case has what no file can hold.
    """
    require("pyarrow", extra="cohorts")
    from tqdm.auto import tqdm

    folder = Path(folder)
    about = {
        "format": FORMAT,
        "name": cohort.name,
        "source": cohort.source._asdict(),
        "ids": list(cohort.ids),
        "made": cohort.recipe(),
    }
    _begin(folder, about)
    write = partial(_write_one, cohort, folder / CASES)
    rows = in_order(write, range(len(cohort)), workers=workers, preload=("torch", "monai.data", __name__))
    rows = list(tqdm(rows, total=len(cohort), desc="writing cases", unit="case", disable=not progress))
    _write_table(rows, cohort.ids, folder / TABLE)
    return folder


def open_cohort(folder: str | Path) -> Cohort:
    """A cohort that :func:`write_cohort` wrote; a case is read when it is asked for.

    Raises
    ------
    IpiuError
        Where the folder holds no cohort, a part of one, or one of a newer format.
    """
    folder = Path(folder)
    about = _about(folder)
    if not (folder / TABLE).is_file():
        done = sum(1 for _ in (folder / CASES).glob("*/" + CASE)) if (folder / CASES).is_dir() else 0
        msg = f"{folder}: {done} of {len(about['ids'])} cases are written; call to_disk again to go on"
        raise IpiuError(msg)
    table = _read_parquet(folder / TABLE)
    if list(table.index) != about["ids"]:
        msg = f"{folder / TABLE}: its {len(table)} rows are not those of the cohort's ids; write the cohort again"
        raise IpiuError(msg)
    places = {name: folder / CASES / f"{n:06d}" for n, name in enumerate(about["ids"])}
    options = {"name": about["name"], "source": Source(**about["source"]), "table": table}
    patients = about["made"].get("patients") if isinstance(about.get("made"), dict) else None
    if patients is None:
        return Cohort(about["ids"], partial(_read_place, places), **options)
    if not isinstance(patients, list) or len(patients) != len(places) or not all(isinstance(p, str) for p in patients):
        msg = f"{folder / ABOUT}: its patients do not go with its {len(places)} cases; write the cohort again"
        raise IpiuError(msg)
    return GroupedCohort(about["ids"], partial(_read_place, places), patients=patients, **options)


def is_cohort(folder: Path) -> bool:
    """Whether a folder holds a cohort that was written here."""
    return (folder / ABOUT).is_file() and (folder / CASES).is_dir()


def write_case(case: Case, folder: Path) -> None:
    """Write one case into a folder that is there.

    Raises
    ------
    IpiuError
        Where a part has what its file cannot hold.
    """
    outcome = case.outcome
    images, signals = _file_names(case.images), _file_names(case.signals)
    about: dict[str, Any] = {
        "id": case.id,
        "labels": {name: _plain(value) for name, value in case.labels.items()},
        "outcome": outcome and [float(outcome.time), bool(outcome.event), outcome.unit],
        "source": case.source._asdict(),
        "notes": list(case.notes),
        "images": {name: write_image(image, folder, images[name]) for name, image in case.images.items()},
        "signals": {name: write_signal(signal, folder, signals[name]) for name, signal in case.signals.items()},
    }
    if case.report is not None:
        (folder / REPORT).write_text(case.report, encoding="utf-8", newline="")
    if case.record is not None:
        about["record"] = list(case.record.columns)
        _write_record(case, folder)
    if case.expression is not None:
        about["expression"] = {"name": case.expression.name, "attrs": _plain(dict(case.expression.attrs))}
        frame = case.expression.rename("value").rename_axis("gene").to_frame()
        frame.attrs = {}
        frame.to_parquet(folder / EXPRESSION)
    (folder / CASE).write_text(_dumps(about), encoding="utf-8")


def read_case(folder: Path) -> Case:
    """Read one case's folder.

    Raises
    ------
    IpiuError
        Where a file is missing or damaged, or a name in it points elsewhere.
    """
    about = _json(folder / CASE)
    try:
        _check_case(about)
        case = Case(
            about["id"],
            images={name: read_image(folder, entry) for name, entry in about["images"].items()},
            signals={name: read_signal(folder, entry) for name, entry in about["signals"].items()},
            outcome=None if about["outcome"] is None else Outcome(*about["outcome"]),
            labels=about["labels"],
            source=Source(**about["source"]),
            notes=about["notes"],
        )
        if "expression" in about:
            case.expression = _read_parquet(folder / EXPRESSION)["value"].rename(about["expression"]["name"])
            case.expression.attrs = about["expression"]["attrs"]
        if "record" in about:  # a FHIR bundle says more than the columns that went in
            case.record = _read_record(folder)[about["record"]]
        if (folder / REPORT).is_file():
            check_claim((folder / REPORT).stat().st_size, folder / REPORT)
            case.report = (folder / REPORT).read_bytes().decode("utf-8")
    except IpiuError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        msg = f"{folder / CASE}: is not as it was written ({reason(error)}); write the cohort again"
        raise IpiuError(msg) from error
    for image in case.images.values():
        image.meta["source"] = str(case.source)
    return case


def _check_case(about: dict) -> None:
    """See that what is shown of a case is of the types that were written."""
    texts = [about["id"], *about["source"].values(), *list(about["notes"])]
    if set(about["source"]) != set(Source._fields) or not all(isinstance(text, str) for text in texts):
        msg = "id, source and notes must be text"
        raise TypeError(msg)
    if not isinstance(about["notes"], list) or not isinstance(about["labels"], dict):
        msg = "notes must be a list, and labels a dictionary"
        raise TypeError(msg)
    if about["outcome"] is not None:
        time, event, unit = about["outcome"]
        if not isinstance(time, (int, float)) or not isinstance(event, bool) or not isinstance(unit, str):
            msg = "an outcome must be a number, true or false, and a unit"
            raise TypeError(msg)


def _read_place(places: dict[str, Path], name: str) -> Case:
    """The case of an id, from its folder."""
    return read_case(places[name])


def _begin(folder: Path, about: dict) -> None:
    """Make the folder, or see that it is the same cohort's."""
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / ABOUT).is_file():
            msg = f"{folder}: is not empty and holds no cohort; name a new folder"
            raise IpiuError(msg)
        if _about(folder) != json.loads(_dumps(about)):
            msg = f"{folder}: holds another cohort ({_about(folder)['name']}); name a new folder, or remove that one"
            raise IpiuError(msg)
        for left in folder.glob(f"{CASES}/.writing-*"):
            shutil.rmtree(left, ignore_errors=True)
    (folder / CASES).mkdir(parents=True, exist_ok=True)
    write_atomic(folder / ABOUT, _dumps(about))


def _write_one(cohort: Cohort, folder: Path, n: int) -> dict:
    """Write the case of a place, unless it is there, and return its row of the table."""
    target = folder / f"{n:06d}"
    if (target / CASE).is_file():
        about = _json(target / CASE)
        outcome = about["outcome"] and Outcome(*about["outcome"])
        return _row(about["labels"], outcome)
    if target.exists():
        msg = f"{target}: is not a case that was written whole; remove it and call to_disk again"
        raise IpiuError(msg)
    case = cohort[n]
    work = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    try:
        write_case(case, work)
        work.chmod(0o755)
        work.replace(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return _row(case.labels, case.outcome)


def _row(labels: dict, outcome: Outcome | None) -> dict:
    """A case's row of the table, the same whether the case was made or read again."""
    row = {name: _plain(value) for name, value in labels.items()}
    return row if outcome is None else {**row, "time": float(outcome.time), "event": bool(outcome.event)}


def _write_table(rows: list[dict], ids: tuple[str, ...], path: Path) -> None:
    """The table in one atomic step: a folder with a table is complete."""
    import io

    import pandas as pd

    buffer = io.BytesIO()
    pd.DataFrame(rows, index=pd.Index(ids, name="id")).to_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def _read_parquet(path: Path):
    """A Parquet file, unless what it claims to hold passes the memory limit."""
    import pandas as pd

    parquet = require("pyarrow.parquet", extra="cohorts")
    try:
        found = parquet.read_metadata(path)
        check_claim(found.num_rows * max(found.num_columns, 1) * 8, path)
        return pd.read_parquet(path)
    except IpiuError:
        raise
    except Exception as error:  # pyarrow raises its own and the file system's errors
        msg = f"{path}: cannot be read as Parquet; write the cohort again"
        raise IpiuError(msg) from error


def _write_record(case: Case, folder: Path) -> None:
    """A FHIR bundle, or a table where a column or a row has no place in FHIR."""
    from ipiu.cases.fhir import COLUMNS
    from ipiu.cases.fhir_write import write_fhir

    name = re.sub(r"[^A-Za-z0-9.-]+", "-", case.id)[:64] or "patient"  # what FHIR takes as an id
    bare = Case(name, record=case.record, labels=case.labels, source=case.source)
    if set(case.record.columns) <= set(COLUMNS):
        try:
            write_fhir(bare, folder / FHIR)
        except IpiuError:
            pass
        else:
            return
    case.record.to_csv(folder / EVENTS, index=False)


def _read_record(folder: Path):
    """The record, from whichever file holds it."""
    import pandas as pd

    from ipiu.cases.fhir import read_fhir
    from ipiu.cases.table import number

    if (folder / FHIR).is_file():
        return read_fhir(folder / FHIR)[0].record
    header, rows = read_rows(folder / EVENTS)
    record = pd.DataFrame([[cell or None for cell in row] for _, row in rows], columns=header, dtype=object)
    record["time"] = pd.to_datetime(record["time"], format="ISO8601", utc=True)
    record["value"] = pd.Series([number(text) for text in record["value"]], dtype=object)
    return record


def _about(folder: Path) -> dict:
    """``cohort.json``, checked."""
    if not (folder / ABOUT).is_file():
        msg = f"{folder}: holds no cohort ({ABOUT} is missing); give the folder that to_disk wrote"
        raise IpiuError(msg)
    about = _json(folder / ABOUT)
    if isinstance(about, dict) and about.get("format") != FORMAT:
        msg = f"{folder}: is of format {about.get('format')!r}, this version reads {FORMAT}; update ipiu"
        raise IpiuError(msg)
    try:
        ids, stated = about["ids"], about["source"]
        texts = [about["name"], *ids, *stated.values()]
        sound = isinstance(ids, list) and set(stated) == set(Source._fields) and len(set(ids)) == len(ids)
        if not sound or not all(isinstance(text, str) for text in texts):
            msg = "ids, name and source must be text, each id once"
            raise TypeError(msg)
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{folder / ABOUT}: is not as it was written ({reason(error)}); write the cohort again"
        raise IpiuError(msg) from error
    return about


def _json(path: Path) -> Any:
    """A JSON file, or a sentence on why not."""
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path}: cannot be read ({type(error).__name__}); write the cohort again"
        raise IpiuError(msg) from error


def _dumps(about: dict) -> str:
    """JSON as it is written here; arrays become lists, and what JSON cannot hold is refused."""

    def other(value: Any) -> Any:
        if hasattr(value, "tolist"):
            return value.tolist()
        msg = f"{value!r:.80} is a {type(value).__name__}, which JSON cannot hold; give text, numbers or lists of them"
        raise IpiuError(msg)

    return json.dumps(about, indent=1, default=other)


def _file_names(names: Iterable[str]) -> dict[str, str]:
    """A file's name for each image or signal, whatever it is called, and no two the same."""
    found: dict[str, str] = {}
    for name in names:
        stem = first = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:80] or "unnamed"
        more = count(2)
        while stem in found.values():
            stem = f"{first}_{next(more)}"
        found[name] = stem
    return found


def _plain(value: Any) -> Any:
    """A value as JSON has it; numpy's numbers as Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.item() if hasattr(value, "item") else value
