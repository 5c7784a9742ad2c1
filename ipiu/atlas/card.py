"""What the atlas knows of one record, fact by fact, each with its sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from ipiu.atlas.record import Record
from ipiu.atlas.vocabulary import VOCABULARIES

# kind -> (field, what people read, vocabulary its words are from)
ROWS = {
    "models": (
        ("category", "Category", "category"),
        ("year", "First public in", None),
        ("modalities", "Data", "modality"),
        ("dimensionality", "Dimensions", "dimensionality"),
        ("tasks", "Tasks", "task"),
        ("prompts", "Steered by", "prompt"),
        ("architecture", "Architecture", None),
        ("parameters", "Parameters", None),
        ("pretraining", "Pretraining", None),
        ("scale", "Amount of data", None),
        ("pretrained_on", "Pretrained on", None),
        ("evaluated_on", "Tested on", None),
        ("headline", "Reported result", None),
        ("code", "Code", None),
        ("code_license", "Licence of the code", None),
        ("weights", "Weights", None),
        ("weights_access", "Access to the weights", "access"),
        ("weights_license", "Licence of the weights", None),
        ("license_note", "On the licences", None),
        ("checkpoint", "Loads as", None),
    ),
    "datasets": (
        ("year", "First public in", None),
        ("holds", "Holds", "holds"),
        ("modalities", "Data", "modality"),
        ("dimensionality", "Dimensions", "dimensionality"),
        ("tasks", "Tasks", "task"),
        ("size", "Size", None),
        ("subjects", "People", None),
        ("access", "Access", "access"),
        ("license", "Licence", None),
        ("license_note", "On the licence", None),
        ("homepage", "Home", None),
        ("loader", "Read with", None),
        ("contains", "Has cases of", None),
    ),
    "metrics": (
        ("family", "Measures", None),
        ("tasks", "Tasks", "task"),
        ("definition", "Definition", None),
        ("range", "Range", None),
        ("direction", "Better is", None),
        ("suits", "Made for", "situation"),
        ("fails", "Misleads with", "situation"),
        ("pitfalls", "Traps", None),
        ("library", "Computed by", None),
    ),
    "challenges": (
        ("origin", "Origin", None),
        ("question", "Question", None),
        ("measurable", "What can be measured", None),
        ("works", "To read", None),
    ),
    "works": (("year", "Year", None), ("venue", "Venue", None)),
}

# not confirmed is said of these only: elsewhere an empty field is an answer
_EXPECTED = {
    "models": (
        "architecture", "parameters", "pretraining", "scale", "code", "code_license", "weights", "weights_access",
        "weights_license",
    ),
    "datasets": ("size", "subjects", "access", "license", "loader"),
    "metrics": ("library",),
    "challenges": (),
    "works": (),
}  # fmt: skip


class Piece(NamedTuple):
    """A part of a fact: text, the address or the record it leads to, and whether it is LaTeX or code."""

    text: str
    url: str | None = None
    record: Record | None = None
    formula: bool = False
    code: bool = False


@dataclass(frozen=True)
class Fact:
    """One line of a card."""

    field: str
    label: str
    pieces: tuple[Piece, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """A record as people read it."""

    record: Record

    @property
    def facts(self) -> list[Fact]:
        """The facts that are stated, in the order of the card."""
        stated = self.record.stated
        return [
            Fact(field, label, tuple(_pieces(field, stated[field], words)), tuple(self.record.sources(field)))
            for field, label, words in ROWS[self.record.kind]
            if field in stated
        ]

    @property
    def unconfirmed(self) -> list[str]:
        """Labels of the facts that one would expect and no source confirmed."""
        stated = self.record.stated
        return [
            label
            for field, label, _ in ROWS[self.record.kind]
            if field in _EXPECTED[self.record.kind] and field not in stated
        ]

    @property
    def sources(self) -> list[str]:
        """All pages behind the record, in the order they are first needed."""
        told = [url for fact in self.facts for url in fact.sources]
        rest = [url for item in self.record.stated.get("evidence", []) for url in item.sources]
        return list(dict.fromkeys([*told, *rest]))

    def marks(self, fact: Fact) -> list[tuple[int, str]]:
        """Number and address of a fact's sources; a fact without any is our reading."""
        number = {url: place for place, url in enumerate(self.sources, 1)}
        return [(number[url], url) for url in fact.sources]

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.record.stated.get("name") or self.record.stated.get("title", self.record.id))

    def _repr_html_(self) -> str:
        rows = "".join(_row(fact.label, f"{_html(fact.pieces)}{self._said(fact)}") for fact in self.facts)
        missing = _row("Not confirmed", escape(", ".join(self.unconfirmed))) if self.unconfirmed else ""
        links = "".join(f"<li><a href='{escape(url)}'>{escape(url)}</a></li>" for url in self.sources)
        sources = f"<details><summary>{len(self.sources)} sources</summary><ol>{links}</ol></details>" if links else ""
        return (
            f"<div class='ipiu-record'><table class='ipiu-case'><caption><strong>{escape(self.name)}</strong> "
            f"{escape(self.record.cite())}</caption>{rows}{missing}</table>{sources}</div>"
        )

    def _said(self, fact: Fact) -> str:
        """The numbers of a fact's sources as links, or that it is our reading."""
        if self.record.kind == "works":
            return ""
        marks = ", ".join(f"<a href='{escape(url)}'>{number}</a>" for number, url in self.marks(fact))
        return f" <sup>{marks}</sup>" if marks else " <small>our reading</small>"

    def __repr__(self) -> str:
        lines = [self.name, self.record.cite()]
        for fact in self.facts:
            numbers = ", ".join(str(number) for number, _ in self.marks(fact)) or "our reading"
            mark = "" if self.record.kind == "works" else f" [{numbers}]"
            lines.append(f"{fact.label}: {', '.join(piece.text for piece in fact.pieces)}{mark}")
        if self.unconfirmed:
            lines.append(f"Not confirmed: {', '.join(self.unconfirmed)}")
        return "\n".join([*lines, *(f"[{number}] {url}" for number, url in enumerate(self.sources, 1))])


def _row(label: str, said: str) -> str:
    """One line of a card; a notebook would set it to the right."""
    left = "style='text-align:left'"
    return f"<tr><th scope='row' {left}>{escape(label)}</th><td {left}>{said}</td></tr>"


def _pieces(field: str, value: Any, words: str | None) -> Iterator[Piece]:
    """The parts of a field's value."""
    from ipiu import atlas

    if words:
        for word in value if isinstance(value, list) else [value]:
            yield Piece(VOCABULARIES[words][word][0])
    elif field in ("pretrained_on", "evaluated_on", "contains"):
        yield from (Piece(atlas.datasets[id].name, record=atlas.datasets[id]) for id in value)
    elif field == "works":
        yield from (Piece(atlas.works[id].cite(), record=atlas.works[id]) for id in value)
    elif field == "measurable":
        yield from (Piece(f"{item.quantity} ({item.method})") for item in value)
    elif field == "definition":
        yield Piece(value, formula=True)
    elif field == "parameters":
        yield Piece(f"{value.millions:,g} million" + (f" ({value.variant})" if value.variant else ""))
    elif field == "scale":
        count = f"{value.count:,.0f} {VOCABULARIES['unit'][value.unit][0]}" if value.count and value.unit else ""
        yield Piece("; ".join(part for part in (count, value.note) if part))
    elif field == "headline":
        yield Piece(f"{value.metric} {value.value} on {value.dataset} ({value.task}), as its source reports it")
    elif field == "checkpoint":
        yield from _checkpoint(value)
    elif field in ("loader", "library"):
        yield from (Piece(part.strip(), code=True) for part in value.split(";"))
    elif field in ("code", "weights", "homepage"):
        yield Piece(value.removeprefix("https://"), url=value)
    else:
        yield Piece(f"{value:,}" if field == "subjects" else str(value))


def _checkpoint(value: Any) -> Iterator[Piece]:
    """Hub id and class."""
    url = f"https://huggingface.co/{value.id}" if value.hub == "huggingface" else None
    yield Piece(value.id, url=url)
    yield Piece(f"with {value.loader}" + (" and the code beside the weights" if value.remote_code else ""))


def _html(pieces: tuple[Piece, ...]) -> str:
    """The parts of a fact as HTML."""
    said = []
    for piece in pieces:
        url = piece.url or (piece.record and piece.record.link)
        text = escape(piece.text)
        if piece.formula or piece.code:
            text = rf"\({text}\)" if piece.formula else f"<code>{text}</code>"
        said.append(f"<a href='{escape(url)}'>{text}</a>" if url else text)
    return ", ".join(said)
