"""Full text over all records, offline: SQLite's own search engine on what each record says."""

from __future__ import annotations

import re
import sqlite3
from functools import cache

from ipiu.atlas.collection import ASKED
from ipiu.atlas.record import Record
from ipiu.atlas.vocabulary import VOCABULARIES
from ipiu.errors import IpiuError
from ipiu.names import plain

KINDS = ("models", "datasets", "metrics", "challenges")

_TEXT = (
    "title", "architecture", "pretraining", "size", "question", "pitfalls", "venue", "loader", "license_note",
    "library",
)  # fmt: skip


class Found(list[Record]):
    """Records, best first, shown with their names."""

    def __repr__(self) -> str:
        return (
            "\n".join(f"{record.kind.removesuffix('s'):<10} {record.id:<28} {record.name}" for record in self)
            or "nothing"
        )

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th scope='row'><a href='{escape(record.link or '')}'>{escape(record.name)}</a></th>"
            f"<td>{record.kind.removesuffix('s')}</td>"
            f"<td>{escape(record.stated.get('title') or record.stated.get('question', ''))}</td></tr>"
            for record in self
        )
        reach = "tabindex='0' role='region' aria-label='found records'"
        return f"<div class='ipiu-records' {reach}><table>{rows}</table></div>"


def find(text: str, *, most: int = 20) -> Found:
    """The records that speak of ``text``: first those with all its words, then those with some.

    Parameters
    ----------
    text
        words, in any order; beginnings of words count
    most
        how many at most

    Returns
    -------
    Found
        a list of records of all kinds, best first

    Raises
    ------
    IpiuError
        Where the text has no word.

    Examples
    --------
    >>> from ipiu import atlas
    >>> atlas.find("3D promptable CT")[0].tasks
    ['segmentation']
    """
    words = re.findall(r"\w+", str(text).lower())
    if not words:
        msg = f"there is nothing to look for in {text!r}; give a word or two"
        raise IpiuError(msg)
    from ipiu import atlas

    # what is named so comes first
    found = {(kind, plain(text)): None for kind in KINDS if plain(text) in getattr(atlas, kind)}
    for join in (" AND ", " OR "):
        query = join.join(f'"{word}"*' for word in words)
        rows = _index().execute(
            # a name weighs most, then the words of the vocabularies, then the running text
            "SELECT kind, id FROM records WHERE records MATCH ? ORDER BY bm25(records, 0, 0, 8, 4, 1) LIMIT ?",
            (query, max(most, 0)),
        )
        found |= dict.fromkeys(rows.fetchall())
    return Found(getattr(atlas, kind)[id] for kind, id in list(found)[: max(most, 0)])


@cache
def _index() -> sqlite3.Connection:
    """What is searched, in memory: kind, id, name, words, text."""
    from ipiu import atlas

    index = sqlite3.connect(":memory:", check_same_thread=False)
    index.execute(
        "CREATE VIRTUAL TABLE records"
        " USING fts5(kind UNINDEXED, id UNINDEXED, name, words, text, tokenize='porter unicode61')"
    )
    rows = [(kind, record.id, *_texts(record)) for kind in KINDS for record in getattr(atlas, kind).values()]
    index.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
    return index


def _texts(record: Record) -> tuple[str, str, str]:
    """Name, words of the vocabularies with their labels and synonyms, and running text."""
    said = record.stated
    words = [record.kind.removesuffix("s")]
    for field, vocabulary in dict(ASKED.values()).items():
        if field == "fails":
            continue  # a metric is not to be found by what it is bad at
        value = said.get(field, [])
        for word in value if isinstance(value, list) else [value]:
            words += [word, *VOCABULARIES[vocabulary][word]]
    if said.get("prompts"):
        words.append("promptable prompt interactive")
    if record.kind == "models" and record.open_weights:
        words.append("open weights")
    if said.get("family"):
        words.append(said["family"])
    names = [record.id, record.name, *(person.split(",")[0] for person in said.get("authors", [])[:1])]
    return " ".join(names), " ".join(words), " ".join(str(said[name]) for name in _TEXT if said.get(name))
