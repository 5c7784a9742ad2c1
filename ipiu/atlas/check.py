"""What is invalid, stale or unlinked in the records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from ipiu.atlas import schema
from ipiu.atlas.source import Entry, Fault, read
from ipiu.atlas.store import FILES, FOLDER
from ipiu.names import nearest

MONTHS = 18  # after which somebody should read a record's sources again

# field -> kind of the records whose ids it holds
POINTERS = {"pretrained_on": "datasets", "evaluated_on": "datasets", "contains": "datasets", "works": "works"}


@dataclass(frozen=True)
class Report:
    """What ``ipiu atlas check`` found."""

    counts: dict[str, int]
    invalid: list[Fault] = field(default_factory=list)
    stale: list[Fault] = field(default_factory=list)
    unlinked: list[Fault] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether nothing has to be mended; what is only stale asks for a look, not for a repair."""
        return not (self.invalid or self.unlinked)


def valid(kind: str, path: Path) -> tuple[list[Entry], list[dict], list[Fault]]:
    """The valid entries of a file, their records with every field of the schema, and what is wrong with the others."""
    entries, faults = read(path)
    good, records = [], []
    for entry in entries:
        try:
            records.append(schema.KINDS[kind].model_validate(entry.data).model_dump())
            good.append(entry)
        except ValidationError as error:
            faults += [_fault(kind, entry, told) for told in error.errors()]
    return good, records, faults


def check(folder: Path = FOLDER, *, today: date | None = None) -> Report:
    """Read every record and say what is wrong.

    Parameters
    ----------
    folder
        where the record files lie
    today
        the day that staleness is counted from; by default the present one

    Returns
    -------
    Report
        ``invalid``: against the schema, ids used twice, ids that no record has, a file of another category;
        ``stale``: sources not read for 18 months; ``unlinked``: no address by which a reader gets to the work
    """
    entries = {kind: [] for kind in FILES}
    invalid, ids = [], {kind: set() for kind in FILES}
    for kind, names in FILES.items():
        for name in names:
            path = folder / f"{name}.yaml"
            found, _, faults = valid(kind, path)
            entries[kind] += found
            invalid += faults
            ids[kind] |= {entry.id for entry in read(path)[0]} if faults else {entry.id for entry in found}
    report = Report({kind: len(found) for kind, found in entries.items()}, invalid)
    for found in entries.values():
        report.invalid.extend(_used_twice(found))
        for entry in found:
            report.invalid.extend(_pointers(entry, ids))
            report.stale.extend(_stale(entry, today or date.today()))
            report.unlinked.extend(_unlinked(entry))
    for entry in entries["models"]:
        category = entry.data["category"]
        if category != entry.path.stem:
            report.invalid.append(entry.fault(f"{category!r} belongs into {category}.yaml; move it", ("category",)))
    return report


def _fault(kind: str, entry: Entry, told: dict) -> Fault:
    """One of pydantic's errors with file, line and remedy."""
    place = told["loc"]
    name = str(place[-1]) if place else ""
    if told["type"] == "extra_forbidden":
        message = f"there is no such field; {nearest(name, schema.fields(kind, place))}"
    elif told["type"] == "missing":
        message = "the field is missing; a record cannot do without it"
    else:
        message = told["msg"].removeprefix("Value error, ")
        first = re.match(r"\w+", message)
        if not place and first and first[0] in entry.data:
            place, message = (first[0],), message.removeprefix(f"{first[0]}: ")
    return entry.fault(message, place)


def _used_twice(entries: list[Entry]) -> Iterator[Fault]:
    """Ids that two records of a kind share."""
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.id, entry)
        if other is not entry:
            where = f"{other.path.name}:{other.line()}"
            yield entry.fault(
                f"the id is used already ({where}); choose another, or make one record of the two", ("id",)
            )


def _pointers(entry: Entry, ids: dict[str, set[str]]) -> Iterator[Fault]:
    """Ids that no record has."""
    for name, kind in POINTERS.items():
        for number, target in enumerate(entry.data.get(name) or ()):
            if ids[kind] and target not in ids[kind]:
                yield entry.fault(
                    f"no record of {kind} has the id {target!r}; {nearest(target, ids[kind])}", (name, number)
                )
            elif target == entry.id and name == "contains":
                yield entry.fault("a data set cannot contain itself; take it out", (name, number))


def _stale(entry: Entry, today: date) -> Iterator[Fault]:
    """Whether the sources were read too long ago."""
    checked = entry.data.get("checked")
    if checked:
        year, month = map(int, checked.split("-"))
        age = (today.year - year) * 12 + today.month - month
        if age > MONTHS:
            yield entry.fault(
                f"its sources were last read {age} months ago; read them again and set the month", ("checked",)
            )


def _unlinked(entry: Entry) -> Iterator[Fault]:
    """Whether nothing leads to the work itself."""
    links = ("doi", "arxiv", "url", "code", "homepage", "weights", "works")
    if "evidence" in entry.data and not any(entry.data.get(name) for name in links):
        yield entry.fault(f"no field leads to the work; state one of {', '.join(links)}")
