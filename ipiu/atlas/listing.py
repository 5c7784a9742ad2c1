"""A collection as the table people filter and sort."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ipiu.atlas.vocabulary import VOCABULARIES

if TYPE_CHECKING:
    import pandas as pd

    from ipiu.atlas.collection import Collection
    from ipiu.view.table import Table

# kind -> column -> (what people read above it, vocabulary of its words)
SHOWN = {
    "models": {
        "name": ("Model", None),
        "category": ("Category", "category"),
        "year": ("Year", None),
        "modalities": ("Data", "modality"),
        "dimensionality": ("Dimensions", "dimensionality"),
        "tasks": ("Tasks", "task"),
        "prompts": ("Steered by", "prompt"),
        "weights_access": ("Weights", None),
        "weights_license": ("Licence of weights", None),
        "parameters": ("Parameters (M)", None),
    },
    "datasets": {
        "name": ("Data set", None),
        "year": ("Year", None),
        "holds": ("Holds", "holds"),
        "modalities": ("Data", "modality"),
        "tasks": ("Tasks", "task"),
        "subjects": ("People", None),
        "access": ("Access", None),
        "license": ("Licence", None),
        "loader": ("Read with", None),
    },
    "metrics": {
        "name": ("Metric", None),
        "family": ("Measures", None),
        "tasks": ("Tasks", "task"),
        "suits": ("Made for", None),
        "fails": ("Misleads with", None),
        "direction": ("Better is", None),
        "library": ("Computed by", None),
    },
    "challenges": {"name": ("Dimension", None), "origin": ("Origin", None), "question": ("Question", None)},
    "works": {"title": ("Title", None), "year": ("Year", None), "venue": ("Venue", None)},
}

FILTERS = {
    "models": ("category", "modalities", "dimensionality", "tasks", "prompts", "weights_access"),
    "datasets": ("holds", "modalities", "tasks", "access"),
    "metrics": ("family", "tasks", "suits"),
    "challenges": ("origin",),
    "works": (),
}


def show(records: Collection, *, title: str | None = None) -> Table:
    """The records as a table with lists to choose from; a name leads to the record's page, or to the work itself.

    Parameters
    ----------
    records
        a collection, or what :meth:`Collection.where` made of one
    title
        caption; by default how many there are

    Returns
    -------
    Table
        shown in a notebook and on a page

    Raises
    ------
    ImportError
        Where itables is not installed.

    Examples
    --------
    >>> from ipiu import atlas
    >>> atlas.show(atlas.models.where(modality="ecg"), title="Models that take an ECG")
    """
    from ipiu.view.table import table

    columns = SHOWN[records.kind]
    return table(
        frame(records),
        title=title or f"{len(records)} {records.kind.replace('datasets', 'data sets')} of the atlas",
        filters=[columns[name][0] for name in FILTERS[records.kind]],
        links=links(records),
    )


def links(records: Collection) -> dict[str, str]:
    """Id -> address, for tables of one's own: the record's page on a page of the book, elsewhere the work itself."""
    from ipiu.view.chart import FROM_CHAPTER

    on_a_page = os.environ.get("IPIU_PAGES") and records.kind != "works"
    found = {id: f"{FROM_CHAPTER}{record.page}" if on_a_page else record.link for id, record in records.items()}
    return {id: address for id, address in found.items() if address}


def frame(records: Collection) -> pd.DataFrame:
    """The table in the words people read."""
    columns = SHOWN[records.kind]
    raw = records.table(*columns)
    for name, (_, words) in columns.items():
        if words:
            labels = {word: label for word, (label, _) in VOCABULARIES[words].items()}
            raw[name] = raw[name].map(lambda cell, labels=labels: _labelled(cell, labels), na_action="ignore")
    return raw.rename(columns={name: label for name, (label, _) in columns.items()})


def _labelled(cell: str, labels: dict[str, str]) -> str:
    """Words with commas between them, as people read them; a comma inside a label would look like two."""
    return ", ".join(labels[word].split(",")[0] for word in cell.split(", "))
