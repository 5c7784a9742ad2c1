"""A page for every record of the atlas, and one that lists them."""

from __future__ import annotations

from collections.abc import Iterator

from ipiu import atlas
from ipiu.atlas.card import Card, Fact, Piece
from ipiu.atlas.record import Record
from ipiu.book.layout import INDEX
from ipiu.book.markdown import link, literal

KINDS = {"models": "Models", "datasets": "Data sets", "metrics": "Metrics", "challenges": "Dimensions"}

_INTRODUCTION = """\
Every model, data set, metric and dimension of the atlas has a page of its own: what is known of it, where each fact was
seen, and what no source confirmed. The search box finds them, too."""


def record_pages() -> dict[str, str]:
    """Path from the root -> Markdown, for the pages of all records and for their index."""
    pages = {
        f"book/atlas/{kind}/{record.id}.md": _page(record) for kind in KINDS for record in getattr(atlas, kind).values()
    }
    return pages | {f"{INDEX}.md": _index()}


def record_docs() -> list[str]:
    """The same pages as documents, without suffix."""
    return [INDEX, *(record.page.removesuffix(".html") for kind in KINDS for record in getattr(atlas, kind).values())]


def _page(record: Record) -> str:
    """One record's page."""
    card = Card(record)
    lines = [
        "---",
        "orphan: true",
        "html_theme.sidebar_secondary.remove: true",
        "---",
        "",
        f"# {literal(record.name)}",
        "",
    ]
    lines += [_lead(record), ""]
    formula = record.stated.get("definition")
    if formula:
        lines += ["```{math}", formula, "```", ""]
    lines += ["```{list-table}", ":class: ipiu-facts", ":widths: 1 3", ""]
    for fact in card.facts:
        if fact.field not in ("definition", "question"):  # they stand above
            lines += [f"* - {literal(fact.label)}", f"  - {_said(fact)}{_marks(card, fact)}"]
    if card.unconfirmed:
        lines += ["* - Not confirmed", f"  - {literal(', '.join(card.unconfirmed))}"]
    for label, said in _pointing(record):
        lines += [f"* - {label}", f"  - {said}"]
    lines += ["```", "", f'In a notebook: `ipiu.atlas.{record.kind}["{record.id}"]`', ""]
    lines += ["## Sources", "", *(f"{number}. {link(url, url)}" for number, url in enumerate(card.sources, 1)), ""]
    if record.checked:
        lines += [
            f"Last read in {record.checked}. A mistake, or something missing? [How to mend a record](records).",
            "",
        ]
    return "\n".join(lines)


def _lead(record: Record) -> str:
    """The sentence under the title: the work, with its entry in the references, or the question."""
    if record.kind == "challenges":
        return literal(record.question)
    title = record.stated.get("title")
    if not title:
        return ""
    cited = f" {{cite:p}}`{record.key}`" if record.key else ""
    work = f" {link(record.link.removeprefix('https://'), record.link)}" if record.doi or record.arxiv else ""
    return f"*{literal(title)}*{cited}{work}"


def _said(fact: Fact) -> str:
    """A fact's parts as Markdown; long ones one below the other."""
    between = "<br>" if fact.field in ("measurable", "works") else ", "
    return between.join(_piece(piece) for piece in fact.pieces)


def _piece(piece: Piece) -> str:
    """One part, as a link where it leads somewhere."""
    if piece.record and piece.record.kind == "works":
        return f"{literal(piece.text)} {{cite:p}}`{piece.record.key}`"
    if piece.record:
        return f"[{literal(piece.text)}](../{piece.record.kind}/{piece.record.id}.md)"
    if piece.code:
        return "`" + piece.text.replace("`", "'") + "`"
    return link(piece.text, piece.url) if piece.url else literal(piece.text)


def _marks(card: Card, fact: Fact) -> str:
    """The numbers of a fact's sources as links, or that it is our reading."""
    marks = ", ".join(link(str(number), url) for number, url in card.marks(fact))
    return f" <sup>{marks}</sup>" if marks else " <small>our reading</small>"


def _pointing(record: Record) -> Iterator[tuple[str, str]]:
    """What a data set's page says of the records that point to it."""
    pointers = (
        ("Models pretrained on it", atlas.models, "pretrained_on"),
        ("Models tested on it", atlas.models, "evaluated_on"),
        ("Its cases are in", atlas.datasets, "contains"),
    )
    for label, records, field in pointers if record.kind == "datasets" else ():
        found = [other for other in records.values() if record.id in (getattr(other, field) or ())]
        if found:
            yield label, ", ".join(_piece(Piece(other.name, record=other)) for other in found)


def _index() -> str:
    """The page that lists all records."""
    lines = ["# All records", "", _INTRODUCTION, ""]
    for kind, title in KINDS.items():
        lines += [f"## {title}", "", *_listed(kind), ""]
    return "\n".join(lines)


def _listed(kind: str) -> Iterator[str]:
    """The records of a kind by name, in one paragraph."""
    records = sorted(getattr(atlas, kind).values(), key=lambda record: record.name.lower())
    yield " · ".join(f"[{literal(record.name)}]({kind}/{record.id}.md)" for record in records)
