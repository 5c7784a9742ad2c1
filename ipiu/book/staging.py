"""The folder that Jupyter Book reads: the book's pages, the executed copies, the status page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ipiu.book.files import files_below, remove_others, write_if_changed
from ipiu.book.key import read_notebook, source_of, stored_parameters
from ipiu.book.layout import INDEX, Book, Chapter
from ipiu.book.records import record_pages
from ipiu.book.result import Result
from ipiu.book.status import status_page


def book_files(book: Book) -> list[Path]:
    """The files under ``book/`` that make pages, without the scripts that npm installs."""
    return list(files_below(book.root / "book", leave_out=("scripts",)))


def stage(book: Book, results: Mapping[Chapter, Result], *, preset: str) -> Path:
    """Bring ``_build/site`` up to date, touching only what changed, and return it.

    The environment variable ``IPIU_REPOSITORY`` replaces the repository's address in the configuration, so that a
    copy of the book published elsewhere links to itself.
    """
    site = book.build / "site"
    contents: dict[str, bytes | str] = {
        path.relative_to(book.root).as_posix(): path.read_bytes() for path in book_files(book)
    }
    contents["_config.yml"] = _config(book)
    contents["book/status.md"] = status_page(results, preset=preset)
    if INDEX in book.docs:
        contents |= record_pages()
    for chapter in results:
        contents[f"{chapter.doc}.ipynb"] = _page_copy(book.executed(chapter, preset).notebook)
    changed = [name for name, content in contents.items() if write_if_changed(site / name, content)]
    if any(name.endswith(".ipynb") for name in changed):
        _touch_glued(site, contents)
    remove_others(site, {site / name for name in contents})
    return site


def _touch_glued(site: Path, contents: Mapping[str, bytes | str]) -> None:
    """Make Sphinx read the pages again that show results of other pages, which it does not track."""
    for name, content in contents.items():
        text = content.decode(errors="ignore") if isinstance(content, bytes) else content
        if name.endswith((".md", ".ipynb")) and "{glue" in text and ":doc:" in text:
            (site / name).touch()


def _config(book: Book) -> str:
    """The configuration, with another repository's address where one is given."""
    text = book.config.read_text(encoding="utf-8")
    url = os.environ.get("IPIU_REPOSITORY")
    if not url:
        return text
    import yaml

    config = yaml.safe_load(text)
    config.setdefault("repository", {})["url"] = url
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _page_copy(executed: Path) -> str:
    """An executed copy without papermill's notes, which hold times and this machine's paths.

    The cell of injected parameters is left out where it sets nothing but what the notebook says anyway.
    """
    notebook = read_notebook(executed)
    notebook["metadata"].pop("papermill", None)
    stored = stored_parameters(notebook)
    cells = []
    for cell in notebook["cells"]:
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k not in ("papermill", "execution")}
        injected = "injected-parameters" in cell["metadata"].get("tags", [])
        if not (injected and source_of(cell).items() <= stored.items()):
            cells.append(cell)
    notebook["cells"] = cells
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
