"""CheXpert: chest radiographs with fourteen findings, each of them present, absent, uncertain or not mentioned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pandas as pd

from ipiu.cases.case import Case, Source
from ipiu.cases.grouped import GroupedCohort
from ipiu.cases.public.pictures import picture
from ipiu.cases.public.tables import check_disjoint, keep_split, read_columns
from ipiu.cases.public.terms import Terms
from ipiu.errors import IpiuError

FINDINGS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
# the only form of a path in the tables; nothing else can be meant, and nothing else is opened
PATH = re.compile(
    r"CheXpert-v1\.0[\w.-]*/(train|valid|test)/(patient\d+)/(study\d+)/(view\d+_(?:frontal|lateral)\.(?:jpg|png))"
)
SPLITS = {"train": "train", "valid": "val", "test": "test"}
LAYOUT = "train.csv, valid.csv and train/patient00001/study1/view1_frontal.jpg"
UNCERTAIN = {"keep": -1.0, "positive": 1.0, "negative": 0.0, "missing": float("nan")}


def chexpert(
    folder: str | Path | None = None,
    *,
    split: str | None = None,
    uncertain: Literal["keep", "positive", "negative", "missing"] = "keep",
) -> GroupedCohort:
    """CheXpert v1.0 (or its small version) from a folder of your own; it is given out after signing, never fetched.

    A case is one study, because the findings are those of a study's report; ``cohort.split`` and the data set's own
    splits keep the studies of a patient together. A finding is 1 (present), 0 (absent), -1 (uncertain), or not among
    the labels where the report does not mention it.

    Parameters
    ----------
    folder
        the folder that holds train.csv and valid.csv (test.csv, where you have it, is read too)
    split
        train, val or test; None for all
    uncertain
        what becomes of -1: it is kept, taken as present ("positive") or absent ("negative"), or left out ("missing")

    Returns
    -------
    GroupedCohort
        ``images`` has one picture a view, such as ``"view1_frontal"``: (1, row, column) float32, grey levels;
        modality is CR for either kind of plain radiograph, as the files do not say which. ``table()`` has patient,
        split, sex, age (years), views and the findings (NaN where not mentioned).

    Raises
    ------
    IpiuError
        Where no folder is given, a table is damaged, a path in it is of another form, or splits share a patient.

    References
    ----------
    Irvin et al. 2019, https://doi.org/10.1609/aaai.v33i01.3301590

    Examples
    --------
    >>> from ipiu.cases.public.chexpert import chexpert
    >>> cohort = chexpert("CheXpert-v1.0-small", split="val", uncertain="positive")  # doctest: +SKIP
    >>> cohort[0].labels["Cardiomegaly"]  # doctest: +SKIP
    1
    """
    if uncertain not in UNCERTAIN:
        msg = f"uncertain={uncertain!r} must be one of {', '.join(UNCERTAIN)}"
        raise ValueError(msg)
    terms = Terms.of("chexpert")
    if folder is None:
        terms.refuse(LAYOUT)
    folder = Path(folder)
    tables = [path for path in (folder / f"{name}.csv" for name in SPLITS) if path.is_file()]
    if not tables:
        msg = f"{folder}: has neither train.csv nor valid.csv; give the folder that holds {LAYOUT}"
        raise IpiuError(msg)
    studies = pd.concat([_studies(path, UNCERTAIN[uncertain]) for path in tables])
    check_disjoint(list(studies["patient"]), list(studies["split"]), folder)
    cohort = GroupedCohort(
        list(studies.index),
        _Study(folder, studies, terms.source),
        patients=list(studies["patient"]),
        name=terms.name,
        source=terms.source,
        table=studies,
    )
    return keep_split(cohort, split)


class _Study:
    """Opens one study; a class so that it can go to other processes."""

    each = "studies"

    def __init__(self, folder: Path, studies: pd.DataFrame, source: Source):
        self.folder, self.studies, self.source = folder, studies, source

    def __call__(self, name: str) -> Case:
        row = self.studies.loc[name]
        images = {}
        for view in row["views"].split("|"):
            path, _, taken = view.partition(" ")
            images[Path(path).stem] = picture(
                self.folder,
                path,
                listed_in=self.folder,
                source=self.source,
                modality="CR",
                name=f"{Path(path).stem.partition('_')[2]} {taken}".strip(),
            )
        labels = {key: row[key] for key in ("patient", "split", "sex") if row[key]}
        labels |= {} if pd.isna(row["age"]) else {"age": int(row["age"])}
        labels |= {finding: int(row[finding]) for finding in FINDINGS if not pd.isna(row[finding])}
        return Case(name, images=images, labels=labels, source=self.source)


def _studies(path: Path, uncertain: float) -> pd.DataFrame:
    """One row a study of one table."""
    table = read_columns(path, ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS))
    matches = [PATH.fullmatch(text) for text in table["Path"]]
    if None in matches:
        row = matches.index(None)
        msg = (
            f"{path}: row {row + 1} has the Path {table['Path'].iloc[row][:120]!r}, which is not of the form "
            "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg; correct the table"
        )
        raise IpiuError(msg)
    twice = table["Path"].duplicated()
    if twice.any():
        msg = f"{path}: the Path {table['Path'][twice].iloc[0]!r} stands more than once; correct the table"
        raise IpiuError(msg)
    parts = pd.DataFrame([match.groups() for match in matches], columns=["split", "patient", "study", "view"])
    findings = table[list(FINDINGS)].apply(_finding, path=path)
    files = parts["split"] + "/" + parts["patient"] + "/" + parts["study"] + "/" + parts["view"]
    rows = pd.DataFrame(
        {
            "id": parts["patient"] + "/" + parts["study"],
            "patient": parts["patient"],
            "split": parts["split"].map(SPLITS),
            "sex": table["Sex"].replace("Unknown", ""),
            "age": pd.to_numeric(table["Age"], errors="coerce"),
            "views": (files + " " + table["AP/PA"]).str.strip(),
        }
    ).join(findings)
    studies = rows.drop(columns="views").drop_duplicates().set_index("id")
    twice = studies.index.duplicated()
    if twice.any():
        msg = f"{path}: the views of {studies.index[twice][0]} differ in their findings, sex or age; correct the table"
        raise IpiuError(msg)
    studies.insert(4, "views", rows.groupby("id", sort=False)["views"].agg("|".join))
    studies[list(FINDINGS)] = studies[list(FINDINGS)].replace(-1.0, uncertain)
    return studies


def _finding(column: pd.Series, path: Path) -> pd.Series:
    """1, 0, -1 or NaN (not mentioned)."""
    values = pd.to_numeric(column.where(column != ""), errors="coerce")
    odd = (column != "") & ~values.isin((1, 0, -1))
    if odd.any():
        row = int(odd.to_numpy().argmax())
        msg = f"{path}: row {row + 1} has {column.name} = {column.iloc[row]!r}; correct it to 1, 0, -1 or blank"
        raise IpiuError(msg)
    return values.astype(float)
