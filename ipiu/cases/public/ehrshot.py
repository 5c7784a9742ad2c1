"""EHRSHOT: records of 6,739 patients of Stanford Medicine, and fifteen tasks with their times of prediction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from ipiu.cases.case import Case, Source
from ipiu.cases.grouped import GroupedCohort
from ipiu.cases.public.chexpert import FINDINGS
from ipiu.cases.public.events import Event, EventStore, event_store
from ipiu.cases.public.tables import cached, check_unique, find_table, keep_split, read_columns, stream_rows
from ipiu.cases.public.terms import Terms
from ipiu.cases.table import number
from ipiu.errors import IpiuError

TASKS = (
    "guo_los",
    "guo_readmission",
    "guo_icu",
    "lab_thrombocytopenia",
    "lab_hyperkalemia",
    "lab_hypoglycemia",
    "lab_hyponatremia",
    "lab_anemia",
    "new_hypertension",
    "new_hyperlipidemia",
    "new_pancan",
    "new_celiac",
    "new_lupus",
    "new_acutemi",
    "chexpert",
)
SPLITS = ("train", "val", "test")
LAYOUT = "data/ehrshot.csv, splits/person_id_map.csv and benchmark/guo_los/labeled_patients.csv"
# vocabularies of OMOP under the names that FHIR codes have here
SYSTEMS = {"ICD10CM": "ICD-10-CM", "ICD9CM": "ICD-9-CM", "CPT4": "CPT"}
KINDS = {
    "condition_occurrence": "Condition",
    "drug_exposure": "MedicationStatement",
    "measurement": "Observation",
    "observation": "Observation",
    "procedure_occurrence": "Procedure",
    "visit_occurrence": "Encounter",
}
# the fourteen findings in the order of the bits of a label; two of CheXpert's are the other way round here
BITS = tuple({"Lung Opacity": "Lung Lesion", "Lung Lesion": "Lung Opacity"}.get(name, name) for name in FINDINGS)


def ehrshot(
    folder: str | Path | None = None,
    *,
    task: str | None = None,
    split: str | None = None,
    cache: str | Path | None = None,
) -> GroupedCohort:
    """EHRSHOT from a folder of your own (EHRSHOT_ASSETS of the Redivis download); it is never fetched.

    Without a task, a case is a patient with all events. With one, a case is a prediction: the patient's events up to
    the time of prediction, and the label that was to be predicted. The splits are the data set's own, by patient, and
    so are those of ``cohort.split``.

    When the first case is opened, the 41 million events are sorted by patient into one file of some 3 GB, which takes
    some ten minutes once.

    Parameters
    ----------
    folder
        the folder that holds data/, splits/ and benchmark/
    task
        such as ``"guo_icu"``; see :data:`TASKS`
    split
        train, val or test; None for all
    cache
        where the events sorted by patient go; ``folder`` without it

    Returns
    -------
    GroupedCohort
        ``record`` has time (the start, UTC), code (``"LOINC:718-7"``), value, unit, kind and display. ``labels`` and
        ``table()`` have patient and split; with a task also "prediction time" and the label under the task's name: True
        or False, a whole number for the laboratory tasks (0 normal to 3 severe), and for chexpert the fourteen
        findings as 0 or 1.

    Raises
    ------
    IpiuError
        Where no folder is given, a table is missing or damaged, or a patient is in no split.

    References
    ----------
    Wornow et al. 2023, https://arxiv.org/abs/2307.02028; layout as on https://github.com/som-shahlab/ehrshot-benchmark

    Examples
    --------
    >>> from ipiu.cases.public.ehrshot import ehrshot
    >>> cohort = ehrshot("EHRSHOT_ASSETS", task="guo_icu", split="test")  # doctest: +SKIP
    >>> cohort[0].labels["guo_icu"]  # doctest: +SKIP
    False
    """
    if task is not None and task not in TASKS:
        msg = f"task={task!r} is none of {', '.join(TASKS)}"
        raise ValueError(msg)
    terms = Terms.of("ehrshot")
    if folder is None:
        terms.refuse(LAYOUT)
    folder = Path(folder)
    table = _patients(folder)
    if task is not None:
        table = _predictions(folder, task, table["split"])
    opener = _Patient(folder, table, terms.source, Path(cache) if cache else folder)
    cohort = GroupedCohort(
        list(table.index), opener, patients=list(table["patient"]), name=terms.name, source=terms.source, table=table
    )
    return keep_split(cohort, split)


class _Patient:
    """Opens one patient or prediction; a class so that it can go to other processes."""

    def __init__(self, folder: Path, table: pd.DataFrame, source: Source, cache: Path):
        self.folder, self.table, self.source, self.cache = folder, table, source, cache
        self.each = "predictions" if "prediction time" in table else "patients"

    def __call__(self, name: str) -> Case:
        labels = self.table.loc[name].to_dict()
        record, untimed = self.store.record(labels["patient"], until=labels.get("prediction time"))
        notes = [f"{untimed} events state no time and were left out"] if untimed else []
        return Case(name, record=record, labels=labels, source=self.source, notes=notes)

    @cached_property
    def store(self) -> EventStore:
        """The events sorted by patient, made when the first case is opened."""
        path = find_table(self.folder / "data", "ehrshot.csv")
        file = cached("ipiu-events.sqlite", self.folder, self.cache)
        return event_store(file, tables=[path], events=lambda: _events(path))

    def __getstate__(self) -> dict:
        # each process looks for the file itself
        return {name: value for name, value in self.__dict__.items() if name != "store"}


def _patients(folder: Path) -> pd.DataFrame:
    """One row a patient."""
    path = find_table(folder / "splits", "person_id_map.csv")
    table = read_columns(path, ("omop_person_id", "split"))
    check_unique(table["omop_person_id"], path)
    odd = sorted(set(table["split"]) - set(SPLITS))
    if odd:
        msg = f"{path}: the split {odd[0]!r} is none of {', '.join(SPLITS)}; copy the table again"
        raise IpiuError(msg)
    people = table["omop_person_id"]
    return pd.DataFrame({"patient": people, "split": table["split"]}).set_index(people.rename("id"))


def _predictions(folder: Path, task: str, splits: pd.Series) -> pd.DataFrame:
    """One row a labelled time of prediction."""
    path = find_table(folder / "benchmark" / task, "labeled_patients.csv")
    raw = read_columns(path, ("patient_id", "prediction_time", "value", "label_type"))
    unknown = ~raw["patient_id"].isin(splits.index)
    if unknown.any():
        msg = f"{path}: patient {raw['patient_id'][unknown].iloc[0]} is in no split; use the tables of one version"
        raise IpiuError(msg)
    odd = pd.to_datetime(raw["prediction_time"], format="ISO8601", errors="coerce").isna()
    if odd.any():
        row = int(odd.to_numpy().argmax())
        msg = f"{path}: row {row + 1} has the time {raw['prediction_time'].iloc[row]!r}, not ISO 8601; copy it again"
        raise IpiuError(msg)
    raw = raw.sort_values(["patient_id", "prediction_time"], kind="stable", ignore_index=True)
    turn = raw.groupby("patient_id").cumcount() + 1
    table = pd.DataFrame(
        {
            "patient": raw["patient_id"],
            "split": raw["patient_id"].map(splits),
            "prediction time": raw["prediction_time"],
        }
    )
    values = [_label(text, task, path) for text in raw["value"]]
    labels = pd.DataFrame(values) if task == "chexpert" else pd.DataFrame({task: values})
    return table.join(labels).set_index((raw["patient_id"] + "-" + turn.astype(str)).rename("id"))


def _label(text: str, task: str, path: Path) -> Any:
    """A label as what it is; that of chexpert has one bit a finding, the first finding in the highest."""
    if task.startswith(("guo_", "new_")) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    value = number(text)
    top = 1 << len(BITS) if task == "chexpert" else 4 if task.startswith("lab_") else 2
    if not isinstance(value, float) or value != int(value) or not 0 <= value < top:
        msg = f"{path}: the label {text!r} is none that {task} has; copy the table again from its source"
        raise IpiuError(msg)
    if task == "chexpert":
        return {name: int(value) >> (len(BITS) - 1 - bit) & 1 for bit, name in enumerate(BITS)}
    return int(value) if task.startswith("lab_") else bool(value)


def _events(path: Path) -> Iterator[Event]:
    """Every event of the table."""
    rows = stream_rows(path, ("patient_id", "start", "code", "value", "unit"), takes=("omop_table",))
    for patient, start, code, value, unit, omop in rows:
        yield Event(_whole(patient), start, _code(code), value, unit, KINDS.get(omop, ""))


@lru_cache
def _whole(patient: str) -> str:
    """A patient's id without the ``.0`` that pandas writes."""
    return re.sub(r"\.0$", "", patient)


@lru_cache(100_000)
def _code(code: str) -> str:
    """``LOINC/718-7`` as ``LOINC:718-7``."""
    system, slash, rest = code.partition("/")
    return f"{SYSTEMS.get(system, system)}:{rest}" if slash else code
