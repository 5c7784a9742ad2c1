"""PTB-XL: twelve-lead ECGs of ten seconds with the statements that cardiologists made of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Literal

import pandas as pd

from ipiu.cases.archive import inside
from ipiu.cases.case import Case, Source
from ipiu.cases.grouped import GroupedCohort
from ipiu.cases.public.download import data_folder
from ipiu.cases.public.physionet import Project
from ipiu.cases.public.tables import check_disjoint, check_unique, find_table, keep_split, read_columns
from ipiu.cases.public.terms import Terms
from ipiu.cases.waveform import read_wfdb
from ipiu.errors import IpiuError

VERSION = "1.0.3"
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
# the folds 1 to 8, 9 and 10 are the authors' proposal for training, validation and test
SPLITS = dict.fromkeys(range(1, 9), "train") | {9: "val", 10: "test"}
SEXES = {"0": "male", "1": "female"}
# the age that stands for everybody above 89
HIDDEN_AGE = 300
# longer than any set of statements, and short enough for Python's parser
LONGEST = 5000
RECORD = re.compile(r"records(100|500)/\d{5}/\d{5}_(lr|hr)")
DATABASE, STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
NEEDS = ("ecg_id", "patient_id", "age", "sex", "report", "scp_codes", "strat_fold", "filename_lr", "filename_hr")


def ptb_xl(
    folder: str | Path | None = None, *, split: str | None = None, rate: Literal[100, 500] = 100
) -> GroupedCohort:
    """PTB-XL 1.0.3 as PhysioNet gives it out: ptbxl_database.csv, scp_statements.csv, records100/ and records500/.

    A case is one recording; ``cohort.split`` and the proposed splits (folds 1 to 8, 9 and 10) keep the recordings of a
    patient together. Without ``folder`` the two tables are fetched, and each recording when it is opened; all of it at
    once is quicker as the zip on the data set's page.

    Parameters
    ----------
    folder
        the folder that holds ptbxl_database.csv; without it, files are fetched to
        :func:`ipiu.cases.public.download.data_folder`
    split
        train (folds 1 to 8), val (9) or test (10); None for all
    rate
        samples a second: the 500 Hz of the recording, or the 100 Hz to which the authors resampled it

    Returns
    -------
    GroupedCohort
        ``signals["ecg"]`` is (12, samples) in mV, ``report`` the cardiologist's text (mostly German). ``labels`` has
        age and sex where they are stated (an age above 89 is hidden and left out), statements (SCP-ECG code ->
        likelihood in %, where 0 means not stated) and, for each of the diagnostic superclasses NORM, MI, STTC, CD and
        HYP, whether one of the statements belongs to it. ``table()`` has the same without the statements.

    Raises
    ------
    IpiuError
        Where a table is damaged, a statement is unknown, or a recording is missing or torn.

    References
    ----------
    Wagner et al. 2020, https://doi.org/10.1038/s41597-020-0495-6

    Examples
    --------
    >>> from ipiu.cases.public.ptb_xl import ptb_xl
    >>> test = ptb_xl(split="test")  # doctest: +SKIP
    >>> test[0].signals["ecg"]  # doctest: +SKIP
    Signal(12 leads, 10.0 s at 100 Hz, mV)
    """
    if rate not in (100, 500):
        msg = f"rate={rate!r} must be 100 or 500, the samples a second that PTB-XL gives out"
        raise ValueError(msg)
    terms = Terms.of("ptb-xl")
    project = None
    if folder is None:
        folder = data_folder() / f"ptb-xl-{VERSION}"
        project = Project("ptb-xl", VERSION, folder, terms=terms)
        for name in (DATABASE, STATEMENTS):
            project.file(name)
    folder = Path(folder)
    table = _recordings(folder, rate)
    opener = _Recording(folder, table, _superclasses(folder), terms.source, project)
    classes = pd.DataFrame([opener.classes(made) for made in table["statements"]], index=table.index)
    shown = table.drop(columns=["report", "statements", "file"]).join(classes)
    cohort = GroupedCohort(
        list(table.index), opener, patients=list(table["patient"]), name=terms.name, source=terms.source, table=shown
    )
    return keep_split(cohort, split)


class _Recording:
    """Opens one recording; a class so that it can go to other processes."""

    each = "recordings"

    def __init__(
        self, folder: Path, table: pd.DataFrame, superclass: dict[str, str], source: Source, project: Project | None
    ):
        self.folder, self.table, self.superclass, self.source, self.project = folder, table, superclass, source, project

    def __call__(self, name: str) -> Case:
        row = self.table.loc[name]
        for suffix in (".hea", ".dat") if self.project else ():
            self.project.file(f"{row['file']}{suffix}", progress=False)
        path = inside(self.folder, f"{row['file']}.hea".split("/"), source=str(self.folder / DATABASE))
        (case,) = read_wfdb(path)
        labels = {key: row[key] for key in ("patient", "split", "sex") if row[key]}
        labels |= {} if pd.isna(row["age"]) else {"age": int(row["age"])}
        labels |= {"statements": dict(row["statements"]), **self.classes(row["statements"])}
        return Case(name, report=row["report"] or None, signals=case.signals, labels=labels, source=self.source)

    def classes(self, statements: dict[str, float]) -> dict[str, bool]:
        """Whether a statement of each superclass was made, with whatever likelihood, as the benchmark counts."""
        unknown = next((code for code in statements if code not in self.superclass), None)
        if unknown is not None:
            msg = f"{self.folder / DATABASE}: the statement {unknown!r} is not in {STATEMENTS}; use both of one version"
            raise IpiuError(msg)
        made = {self.superclass[code] for code in statements}
        return {name: name in made for name in SUPERCLASSES}


def _recordings(folder: Path, rate: int) -> pd.DataFrame:
    """One row a recording, checked."""
    path = find_table(folder, DATABASE)
    raw = read_columns(path, NEEDS)
    check_unique(raw["ecg_id"], path)
    table = pd.DataFrame(
        {
            "patient": [_whole(text, "patient_id", path) for text in raw["patient_id"]],
            "split": [_split(text, path) for text in raw["strat_fold"]],
            "sex": raw["sex"].map(SEXES).fillna(""),
            "age": pd.to_numeric(raw["age"], errors="coerce").where(lambda age: age < HIDDEN_AGE),
            "report": raw["report"],
            "statements": [_statements(text, path) for text in raw["scp_codes"]],
            "file": raw["filename_lr" if rate == 100 else "filename_hr"],
        }
    ).set_index(pd.Index([f"ecg-{_whole(text, 'ecg_id', path):0>5}" for text in raw["ecg_id"]], name="id"))
    odd = [name for name in table["file"] if not RECORD.fullmatch(name)]
    if odd:
        msg = f"{path}: the recording {odd[0][:80]!r} is not of the form records100/00000/00001_lr; correct the table"
        raise IpiuError(msg)
    check_disjoint(list(table["patient"]), list(table["split"]), path)
    return table


def _superclasses(folder: Path) -> dict[str, str]:
    """SCP-ECG code -> diagnostic superclass, "" for statements on form and rhythm."""
    path = find_table(folder, STATEMENTS)
    # the first column has the codes, and no name
    table = read_columns(path, ("", "diagnostic_class")).rename(columns={"": "code"})
    check_unique(table["code"], path)
    odd = sorted(set(table["diagnostic_class"]) - {"", *SUPERCLASSES})
    if odd:
        msg = f"{path}: the diagnostic_class {odd[0]!r} is none of {', '.join(SUPERCLASSES)}; copy it again"
        raise IpiuError(msg)
    return dict(zip(table["code"], table["diagnostic_class"], strict=True))


def _statements(text: str, path: Path) -> dict[str, float]:
    """The statements of a recording, which the table has as a Python dictionary."""
    try:
        found = ast.literal_eval(text) if len(text) <= LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(code, str) and type(sure) in (int, float) and 0 <= sure <= 100 for code, sure in found.items()
    ):
        msg = f"{path}: the scp_codes {text[:80]!r} are not of the form {{'NORM': 100.0, 'SR': 0.0}}; correct the table"
        raise IpiuError(msg)
    return {code: float(sure) for code, sure in found.items()}


def _split(text: str, path: Path) -> str:
    """The split of a fold."""
    fold = int(_whole(text, "strat_fold", path))
    if fold not in SPLITS:
        msg = f"{path}: strat_fold is {fold}, and folds are 1 to 10; correct the table"
        raise IpiuError(msg)
    return SPLITS[fold]


def _whole(text: str, column: str, path: Path) -> str:
    """A whole number as text; pandas wrote some of them as 15709.0."""
    whole = re.fullmatch(r"(\d+)(?:\.0*)?", text.strip())
    if not whole:
        msg = f"{path}: the {column} {text!r} is not a whole number; correct the table"
        raise IpiuError(msg)
    return whole[1]
