"""ROCOv2: figures of radiology from open articles, with captions and concepts of the UMLS."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pandas as pd

from ipiu.cases.case import Case, Source
from ipiu.cases.files import reason
from ipiu.cases.grouped import GroupedCohort
from ipiu.cases.public.download import RemoteFile, data_folder, fetch
from ipiu.cases.public.pictures import picture
from ipiu.cases.public.tables import check_unique, find_table, keep_split, read_columns
from ipiu.cases.public.terms import Terms
from ipiu.cases.public.unpack import unpack
from ipiu.errors import IpiuError

RECORD = "10821435"
SERVER = "https://zenodo.org/api/records"
# the record's word -> ours
SPLITS = {"train": "train", "valid": "val", "test": "test"}
NAME = re.compile(r"\w[\w-]*")
CUI = re.compile(r"C\d{7}")


def rocov2(
    folder: str | Path | None = None, *, split: str | None = None, concepts: Literal["all", "manual"] = "all"
) -> GroupedCohort:
    """ROCOv2 as the Zenodo record 10821435 gives it out: captions, concepts, and a folder of pictures a split.

    A case is one figure. The record names no patients; where its licence table is there, the figures of an article
    are kept together by ``cohort.split``, as they often show one patient. The record's own splits need not do so.

    Parameters
    ----------
    folder
        the folder that holds train_captions.csv; without it, everything is fetched (7 GB)
    split
        train, val or test; None for all
    concepts
        "all" of *_concepts.csv (found by a program), or only those of *_concepts_manual.csv (modality, body region and
        direction, made by hand)

    Returns
    -------
    GroupedCohort
        ``images["image"]`` is the figure, ``report`` its caption. ``labels`` has split, concepts (a list of CUIs),
        "concept names" where cui_mapping.csv is there, and article (PMC id) and licence where license_information.csv
        is. The licence differs from figure to figure.

    Raises
    ------
    IpiuError
        Where a table is missing or damaged, or an id could not be a file's name.

    References
    ----------
    Rückert et al. 2024, https://doi.org/10.1038/s41597-024-03496-6

    Examples
    --------
    >>> from ipiu.cases.public.rocov2 import rocov2
    >>> cohort = rocov2("rocov2", split="test")  # doctest: +SKIP
    >>> len(cohort)  # doctest: +SKIP
    9927
    """
    if concepts not in ("all", "manual"):
        msg = f"concepts={concepts!r} must be 'all' or 'manual'"
        raise ValueError(msg)
    terms = Terms.of("rocov2")
    folder = Path(folder) if folder is not None else _fetched(terms)
    suffix = "_concepts.csv" if concepts == "all" else "_concepts_manual.csv"
    parts = [_figures(folder, name, suffix) for name in SPLITS if any(folder.glob(f"{name}_captions.csv*"))]
    if not parts:
        msg = f"{folder}: has no train_captions.csv, valid_captions.csv or test_captions.csv; give the folder with them"
        raise IpiuError(msg)
    table = pd.concat(parts)
    if table.index.has_duplicates:
        msg = f"{folder}: the figure {table.index[table.index.duplicated()][0]} is in two splits; copy the tables again"
        raise IpiuError(msg)
    table = table.join(_licences(folder))
    # without the licence table, nothing is known of what belongs together
    together = table["article"].where(table["article"].notna() & (table["article"] != ""), table.index.to_series())
    cohort = GroupedCohort(
        list(table.index),
        _Figure(folder, table, _names(folder), terms.source),
        patients=list(together),
        name=terms.name,
        source=terms.source,
        table=table.drop(columns=["caption", "place"]),
    )
    return keep_split(cohort, split)


class _Figure:
    """Opens one figure; a class so that it can go to other processes."""

    each = "figures"

    def __init__(self, folder: Path, table: pd.DataFrame, names: dict[str, str], source: Source):
        self.folder, self.table, self.names, self.source = folder, table, names, source

    def __call__(self, name: str) -> Case:
        row = self.table.loc[name]
        image = picture(
            self.folder, f"{row['place']}/{name}.jpg", listed_in=self.folder, source=self.source, name="figure"
        )
        labels = {key: row[key] for key in ("split", "article", "licence") if isinstance(row[key], str) and row[key]}
        labels["concepts"] = list(row["concepts"])
        if self.names:
            labels["concept names"] = [self.names.get(cui, cui) for cui in row["concepts"]]
        return Case(name, images={"image": image}, report=row["caption"], labels=labels, source=self.source)


def _figures(folder: Path, name: str, suffix: str) -> pd.DataFrame:
    """One row a figure of a split."""
    path = find_table(folder, f"{name}_captions.csv")
    captions = read_columns(path, ("ID", "Caption"))
    check_unique(captions["ID"], path)
    odd = [figure for figure in captions["ID"] if not NAME.fullmatch(figure)]
    if odd:
        msg = f"{path}: the ID {odd[0][:80]!r} is not of the form ROCOv2_2023_train_000001; correct the table"
        raise IpiuError(msg)
    where = find_table(folder, f"{name}{suffix}")
    found = read_columns(where, ("ID", "CUIs"))
    check_unique(found["ID"], where)
    concepts = dict(zip(found["ID"], (_concepts(text, where) for text in found["CUIs"]), strict=True))
    places = (f"{name}_images/{name}", f"{name}_images", name, "images")
    return pd.DataFrame(
        {
            "split": SPLITS[name],
            "caption": captions["Caption"].str.strip(),
            "concepts": [concepts.get(figure, ()) for figure in captions["ID"]],
            "place": next((place for place in places if (folder / place).is_dir()), f"{name}_images"),
        }
    ).set_index(captions["ID"].rename("id"))


def _concepts(text: str, path: Path) -> tuple[str, ...]:
    """The concepts of a figure, divided by semicolons."""
    found = tuple(part.strip() for part in text.split(";") if part.strip())
    odd = next((cui for cui in found if not CUI.fullmatch(cui)), None)
    if odd is not None:
        msg = f"{path}: the concept {odd[:40]!r} is not of the form C0040405; correct the table"
        raise IpiuError(msg)
    return found


def _licences(folder: Path) -> pd.DataFrame:
    """Article and licence of each figure, where the table is there."""
    path = folder / "license_information.csv"
    if not path.is_file():
        return pd.DataFrame(columns=["article", "licence"], dtype=object)
    table = read_columns(path, ("ID", "PMCID"), takes=("Attribution",))
    check_unique(table["ID"], path)
    table = table.set_index("ID").rename(columns={"PMCID": "article", "Attribution": "licence"})
    return table.reindex(columns=["article", "licence"])


def _names(folder: Path) -> dict[str, str]:
    """What the concepts are called, where the table is there."""
    path = folder / "cui_mapping.csv"
    if not path.is_file():
        return {}
    table = read_columns(path, ("CUI",), takes=None)
    return dict(zip(table["CUI"], table.iloc[:, 1], strict=True)) if table.shape[1] > 1 else {}


def _fetched(terms: Terms) -> Path:
    """Every file of the record, with the checksums that the record states, and the archives unpacked."""
    folder = data_folder() / "rocov2"
    about = fetch(RemoteFile(f"{SERVER}/{RECORD}", "record.json"), folder, terms=terms, progress=False)
    try:
        files = [
            RemoteFile(file["links"]["self"], file["key"], int(file["size"]), str(file["checksum"]))
            for file in json.loads(about.read_text(encoding="utf-8"))["files"]
        ]
    except (ValueError, LookupError, TypeError) as error:
        msg = f"{about}: is not a record of Zenodo ({reason(error)}); remove it and call again"
        raise IpiuError(msg) from error
    for file in files:
        unpacked = folder / file.name.removesuffix(".zip")
        if file.name.endswith(".csv"):
            fetch(file, folder, terms=terms)
        elif file.name.endswith("_images.zip") and not unpacked.is_dir():
            unpack(fetch(file, folder, terms=terms), unpacked)
    return folder
