"""Record files as they are written: YAML with the line each field stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ipiu.errors import IpiuError

# the C parser where PyYAML was built with it: ten times faster
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Fault:
    """Something wrong with a record: where, and what to do about it."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Entry:
    """One record of a file."""

    path: Path
    data: dict
    lines: dict[tuple, int] = field(repr=False)

    @property
    def id(self) -> str:
        """Its id, or a question mark where it has none."""
        return str(self.data.get("id", "?"))

    def line(self, place: tuple = ()) -> int:
        """The line of a field, as (name, index, ...), or of the nearest thing around it."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines[place]

    def fault(self, message: str, place: tuple = ()) -> Fault:
        """A fault of this record."""
        named = ".".join(map(str, place))
        return Fault(self.path, self.line(place), f"{self.id}: {f'{named}: ' if named else ''}{message}")


def read(path: Path) -> tuple[list[Entry], list[Fault]]:
    """The records of a file, and what is wrong with the file's form."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, _Loader)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the records cannot be read ({error}); restore the file"
        raise IpiuError(msg) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        return [], [Fault(path, line, f"no valid YAML ({getattr(error, 'problem', error)}); mend the line or quote it")]
    if not isinstance(root, yaml.SequenceNode):
        return [], [Fault(path, 1, "the file has to be a list of records, each beginning with `- id:`")]
    entries, faults = [], []
    for node in root.value:
        if not isinstance(node, yaml.MappingNode):
            faults.append(
                Fault(path, node.start_mark.line + 1, "a record has to be a mapping that begins with `- id:`")
            )
            continue
        try:
            faults += [Fault(path, line, f"{name!r} is stated twice; keep one") for name, line in _repeated(node)]
            entries.append(Entry(path, _value(node), dict(_lines(node))))
        except (yaml.YAMLError, ValueError, TypeError) as error:
            line = node.start_mark.line + 1
            faults.append(Fault(path, line, f"a value of this record is none of YAML's ({error}); put it in quotes"))
    return entries, faults


def _value(node: yaml.Node):
    """The Python value of a node."""
    constructor = yaml.constructor.SafeConstructor()
    return constructor.construct_document(node)


def _lines(node: yaml.Node, place: tuple = ()) -> Iterator[tuple[tuple, int]]:
    """(place, line) of a node and of everything inside it."""
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, key.value), key.start_mark.line + 1
            inner = _lines(value, (*place, key.value))
            next(inner)  # the field's own line is that of its name
            yield from inner
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines(value, (*place, number))


def _repeated(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """(name, line) of every field that stands twice in one mapping."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)
