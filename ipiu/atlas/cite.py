"""References: a key for every work, BibTeX entries, and lines of text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from ipiu.atlas.record import Record

KINDS = ("works", "models", "datasets", "metrics")  # challenges point to works

_CONFERENCE = re.compile(
    r"\b(AAAI|ACL|AISTATS|BioNLP|CHIL|COLING|CVPR|EACL|ECCV|EMNLP|ICASSP|ICCV|ICLR|ICML|IJCAI|IJCNN|IPMI|ISBI|KDD|MICCAI|MIDL"
    r"|ML4H|MLHC|NAACL|NeurIPS|WACV|WBIR|Interspeech)\b|Conference|Proceedings|Symposium|Workshop"
)
_PREPRINT = re.compile(r"^(arXiv|bioRxiv|medRxiv|Research Square|model release|Zenodo|PhysioNet)\b", re.IGNORECASE)
_DULL = {"from", "with", "towards", "toward", "using", "into", "that", "this", "over"}


def key(record: Record) -> str | None:
    """The BibTeX key of a record's work; None where it names none. The same work has one key in all records."""
    return _keys().get((record.kind, record.id))


def bibtex(records: Iterable[Record]) -> str:
    """The records' works as BibTeX, sorted by key; a work that several records name stands once."""
    entries = {record.key: record for record in reversed(list(records)) if record.key}
    return "\n".join(_entry(name, entries[name]) for name in sorted(entries))


def cite(record: Record) -> str:
    """Authors, title, venue, year and identifier in one line."""
    said = record.stated
    parts = [_people(said.get("authors", [])), said.get("title") or said.get("name", "")]
    venue = " ".join(str(part) for part in (said.get("venue"), said.get("volume")) if part)
    year = said.get("published") or said.get("year")
    parts.append(" ".join(part for part in (venue, f"({year})" if year else "") if part))
    parts.append(record.link or "")
    return " ".join(f"{part.rstrip('.')}." if part and not part.startswith("http") else part for part in parts if part)


def everything() -> str:
    """All works of the atlas as one BibTeX file: ``book/references.bib``."""
    from ipiu import atlas

    head = "% Written by `ipiu atlas bib` from the records in ipiu/atlas/records; edit those instead.\n\n"
    return head + bibtex(record for kind in KINDS for record in getattr(atlas, kind).values())


@cache
def _keys() -> dict[tuple[str, str], str]:
    """(kind, id) -> key."""
    from ipiu import atlas

    keys: dict[tuple[str, str], str] = {}
    known: dict[tuple[str, str], str] = {}  # (identifier, its value) -> key
    taken: set[str] = set()
    for kind in KINDS:
        for record in getattr(atlas, kind).values():
            if not (record.title and record.authors):
                continue
            marks = _marks(record)
            name = next((known[mark] for mark in marks if mark in known), None)
            if name is None:
                name = record.id if kind == "works" else _free(_key(record), taken)
                taken.add(name)
            known |= dict.fromkeys(marks, name)
            keys[kind, record.id] = name
    return keys


def _marks(record: Record) -> list[tuple[str, str]]:
    """What tells a work from another: any of its identifiers, or its title."""
    marks = [(name, getattr(record, name).lower()) for name in ("doi", "arxiv") if getattr(record, name)]
    return [*marks, ("title", re.sub(r"\W+", " ", record.title.lower()).strip())]


def _key(record: Record) -> str:
    """Family name, year, and the first telling word of the title."""
    family = _ascii(record.authors[0].split(",")[0].split()[-1])
    words = [_ascii(word) for word in re.split(r"[^\w]+", record.title) if word]
    word = next((word for word in words if len(word) > 3 and word not in _DULL), words[0])
    return f"{family}{record.year or record.published or ''}{word}"


def _free(name: str, taken: set[str]) -> str:
    """A key nobody has yet."""
    letters = (f"{name}{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")
    return name if name not in taken else next(other for other in letters if other not in taken)


def _ascii(text: str) -> str:
    """Small letters and digits only."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", plain)


def _entry(name: str, record: Record) -> str:
    """One BibTeX entry."""
    said = record.stated
    venue = said.get("venue", "")
    kind = said.get("kind") or _kind(venue)
    fields = {
        "author": " and ".join(_tex(_braced(person)) for person in said["authors"]),
        "title": "{" + _tex(said["title"]) + "}",
        {"article": "journal", "inproceedings": "booktitle"}.get(kind, "howpublished"): _tex(venue),
        "volume": said.get("volume"),
        "number": said.get("number"),
        "pages": said.get("pages", "").replace("--", "-").replace("–", "-").replace("-", "--"),
        "edition": said.get("edition"),
        "publisher": _tex(said.get("publisher", "")),
        "year": said.get("published") or said.get("year"),
        "doi": said.get("doi"),
        "note": _tex(said.get("note", "")),
    }
    if said.get("arxiv"):
        fields |= {"eprint": said["arxiv"], "archiveprefix": "arXiv"}
    if not (said.get("doi") or said.get("arxiv")):
        fields["url"] = record.link
    lines = [f"  {field} = {{{value}}}," for field, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{name},", *lines, "}", ""])


def _kind(venue: str) -> str:
    """The kind of BibTeX entry that a venue makes."""
    if not venue or _PREPRINT.match(venue):
        return "misc"
    return "inproceedings" if _CONFERENCE.search(venue) else "article"


def _people(authors: list[str]) -> str:
    """Up to three family names, then et al."""
    families = [person.split(",")[0] for person in authors if person != "others"]
    if not families:
        return ""
    if len(families) > 3 or "others" in authors:
        return f"{families[0]} et al."
    return f"{', '.join(families[:-1])} and {families[-1]}" if len(families) > 1 else "".join(families)


def _braced(person: str) -> str:
    """An institution stays in one piece."""
    return "{" + person + "}" if "," not in person and " " in person else person


def _tex(text: str) -> str:
    """Text with the signs that TeX would read."""
    return re.sub(r"([&%$#_])", r"\\\1", text)
