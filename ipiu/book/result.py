"""What is known of one run of one chapter, and where it is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ipiu.atomic import write_atomic
from ipiu.book.layout import Executed


@dataclass(frozen=True)
class Failure:
    """Why a run failed: ``cell`` counts code cells from 1, and is 0 where no cell is to blame."""

    cell: int
    source: str
    error: str
    traceback: str = ""

    def text(self, path: Path) -> str:
        """The report on the terminal."""
        where = f"{path}, code cell {self.cell}" if self.cell else f"{path}"
        parts = [where, self.error, _indented("> ", self.source), _indented("  ", self.traceback)]
        return "\n".join(part for part in parts if part)


@dataclass(frozen=True)
class Result:
    """One run of one chapter.

    Attributes
    ----------
    key
        what the run depended on (:func:`ipiu.book.key.chapter_key`)
    seconds
        wall-clock time from the start of the kernel to its end
    memory_mb
        peak resident memory of the kernel in MB (10^6 bytes); 0 where the system does not tell
    sources
        the data the chapter opened, in order
    versions
        package -> version, for Python and the packages that the chapter imports
    volumes
        names of the files its viewers wrote
    failure
        why it failed; None where it did not
    """

    key: str
    seconds: float = 0.0
    memory_mb: float = 0.0
    sources: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    failure: Failure | None = None

    def save(self, path: Path) -> None:
        """Write the result as JSON."""
        write_atomic(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Result | None:
    """The result kept in a file, or None where there is none that can be read."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        failure = fields.pop("failure")
        return Result(**fields, failure=Failure(**failure) if failure else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def finished(files: Executed, key: str) -> Result | None:
    """The result of an earlier run that still holds: same key, nothing failed, all of its files present."""
    result = load(files.result)
    if result is None or result.key != key or result.failure or not files.notebook.is_file():
        return None
    return result if all((files.pages / name).is_file() for name in result.volumes) else None


def _indented(prefix: str, text: str) -> str:
    """Every line of a text behind a prefix."""
    return "\n".join(prefix + line for line in text.splitlines())
