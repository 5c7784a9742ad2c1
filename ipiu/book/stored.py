"""Notebooks as they are stored: the printed results and nothing else of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from ipiu.book.execute import execute
from ipiu.book.files import write_if_changed
from ipiu.book.key import read_notebook, stored_parameters
from ipiu.book.layout import Book, Chapter
from ipiu.book.result import Result

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_CELL_METADATA = ("tags", "mystnb")  # mystnb: alternative texts and captions of pictures


def stored_form(notebook: dict) -> dict:
    """The notebook with stdout as its only output, without execution counts and without metadata of tools."""
    return {
        "cells": [_cell(number, cell) for number, cell in enumerate(notebook["cells"])],
        "metadata": deepcopy(_METADATA),
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def record(
    book: Book, chapters: Sequence[Chapter], *, jobs: int | None = None, force: bool = False
) -> tuple[dict[Chapter, Result], list[Chapter]]:
    """Execute chapters at the parameters stored in them and store what they print.

    Runs at a preset are shared with :func:`ipiu.book.build.build`, so a build afterwards finds them done.

    Returns
    -------
    results, changed
        the runs, and the chapters whose files were written; a chapter that failed is left as it is
    """
    results, changed = {}, []
    presets: dict[str, list[Chapter]] = {}
    for chapter in chapters:
        preset = str(stored_parameters(read_notebook(chapter.path)).get("preset", "cpu"))
        presets.setdefault(preset, []).append(chapter)
    for preset, group in presets.items():
        folder = book.build / "executed" / preset
        ran, _ = execute(book, group, parameters={"preset": preset}, folder=folder, jobs=jobs, force=force)
        results |= ran
        for chapter in group:
            if not ran[chapter].failure and _store(chapter.path, book.executed(chapter, preset).notebook):
                changed.append(chapter)
    return results, changed


def is_stored_form(notebook: dict) -> bool:
    """Whether a notebook holds nothing but what :func:`stored_form` leaves."""
    return _joined(notebook) == _joined(stored_form(notebook))


def _store(path: Path, executed: Path) -> bool:
    """Put the printed results of an executed copy into the source notebook; tell whether that changed it."""
    source, copy = read_notebook(path), read_notebook(executed)
    ran = [c for c in copy["cells"] if "injected-parameters" not in c["metadata"].get("tags", [])]
    for cell, twin in zip(source["cells"], ran, strict=True):
        if cell["cell_type"] == "code":
            cell["outputs"] = twin["outputs"]
    text = json.dumps(stored_form(source), indent=1, sort_keys=True, ensure_ascii=False)
    return write_if_changed(path, text + "\n")


def _cell(number: int, cell: dict) -> dict:
    """A cell with what belongs to its source, and its printed output in one piece."""
    metadata = cell.get("metadata", {})
    kept = {
        "cell_type": cell["cell_type"],
        "id": cell.get("id", f"cell-{number}"),
        "metadata": {name: metadata[name] for name in _CELL_METADATA if metadata.get(name)},
        "source": _lines(cell["source"]),
    }
    if "attachments" in cell:
        kept["attachments"] = cell["attachments"]
    if cell["cell_type"] == "code":
        kept |= {"execution_count": None, "outputs": _stdout(cell["outputs"])}
    return kept


def _stdout(outputs: list[dict]) -> list[dict]:
    """All that was printed, as one stream, or nothing."""
    streams = [o for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout"]
    text = "".join("".join(stream["text"]) for stream in streams)
    return [{"name": "stdout", "output_type": "stream", "text": _lines(text)}] if text else []


def _lines(text: str | list[str]) -> list[str]:
    """Text as notebooks keep it, one string a line."""
    return "".join(text).splitlines(keepends=True)


def _joined(notebook: dict) -> dict:
    """A notebook with texts in one piece, so that the two ways to write them compare equal."""
    cells = []
    for cell in notebook["cells"]:
        outputs = [o | {"text": "".join(o["text"])} if "text" in o else o for o in cell.get("outputs", [])]
        cells.append(cell | {"source": "".join(cell["source"]), "outputs": outputs})
    return notebook | {"cells": cells}
