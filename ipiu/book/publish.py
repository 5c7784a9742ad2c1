"""Publishing: pages, scripts and volumes together in one folder, complete or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ipiu.atomic import write_atomic
from ipiu.book.files import copy_if_changed, files_below, remove_others
from ipiu.book.layout import INDEX, Book, Chapter
from ipiu.book.offline import missing_resources, remote_resources
from ipiu.book.records import record_docs
from ipiu.book.result import Result
from ipiu.book.scripts import served_scripts, written_scripts
from ipiu.errors import IpiuError


def is_published(book: Book, digest: str) -> bool:
    """Whether the published pages are those of ``digest`` and none of their files is missing."""
    try:
        stamp = json.loads(_stamp(book).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if stamp.get("digest") != digest:
        return False
    files = {book.html / name: size for name, size in stamp["files"].items()}
    return all(path.is_file() and path.stat().st_size == size for path, size in files.items())


def publish(book: Book, pages: Path, volumes: Mapping[str, Path], digest: str) -> None:
    """Bring ``_build/html`` up to date: first what the pages need, then the pages; then remove what is left over.

    Parameters
    ----------
    book
        the book
    pages
        the folder that Jupyter Book wrote
    volumes
        path below the pages -> file, for what the viewers load
    digest
        what the pages are made of, remembered for :func:`is_published`

    Raises
    ------
    IpiuError
        Where a page is missing, loads something from another host, or loads something that is not there.
    """
    copied = {f"_static/scripts/{name}": path for name, path in served_scripts(book).items()}
    copied |= {path.relative_to(pages).as_posix(): path for path in files_below(pages)}
    written = {".nojekyll": ""} | {f"_static/scripts/{name}": text for name, text in written_scripts(book).items()}
    _check(book, pages, {*copied, *written})
    _stamp(book).unlink(missing_ok=True)
    for name, path in volumes.items():
        copy_if_changed(path, book.html / name, link=True)
    for name, text in written.items():
        write_atomic(book.html / name, text)
    for name in sorted(copied, key=lambda name: name.endswith(".html")):
        copy_if_changed(copied[name], book.html / name)
    names = [*copied, *volumes, *written]
    remove_others(book.html, {book.html / name for name in names})
    sizes = {name: (book.html / name).stat().st_size for name in names}
    write_atomic(_stamp(book), json.dumps({"digest": digest, "files": sizes}))


def used_volumes(book: Book, results: Mapping[Chapter, Result], *, preset: str) -> dict[str, Path]:
    """Path below the pages -> file, for the volumes that the chapters' viewers wrote at ``preset``."""
    volumes = {}
    for chapter, result in results.items():
        folder = book.executed(chapter, preset).pages
        volumes |= {name.replace("volumes/", "_volumes/", 1): folder / name for name in result.volumes}
    return volumes


def _stamp(book: Book) -> Path:
    """The file that says what is published; it is there only while the pages are complete."""
    return book.build / "html.json"


def _check(book: Book, pages: Path, names: set[str]) -> None:
    """Refuse pages that are missing, or that need what will not be beside them."""
    docs = [*book.docs, *(record_docs() if INDEX in book.docs else ())]
    missing = [doc for doc in docs if not (pages / f"{doc}.html").is_file()]
    if missing:
        msg = f"Jupyter Book wrote no page for {missing[0]}; its output is in {pages.parents[1] / 'log.txt'}"
        raise IpiuError(msg)
    for page, url in remote_resources(pages):
        msg = f"{page} loads {url} from another host; serve it beside the pages (ipiu/book/scripts.py) or take it out"
        raise IpiuError(msg)
    for page, url in missing_resources(pages, names):
        msg = f"{page} loads {url}, which is not there; add the file or take it out of the page or _config.yml"
        raise IpiuError(msg)
