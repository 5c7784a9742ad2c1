"""Jupyter Book's run over the staged folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tqdm.auto import tqdm

from ipiu.atomic import write_atomic
from ipiu.book.files import files_below
from ipiu.book.key import environment_digest
from ipiu.book.layout import Book, Chapter
from ipiu.book.publish import is_published, publish, used_volumes
from ipiu.book.result import Result
from ipiu.book.staging import book_files, stage
from ipiu.book.status import title
from ipiu.errors import IpiuError

_START = (
    "from ipiu.book.child import end_with_builder; end_with_builder(); from jupyter_book.cli.main import main; main()"
)
_STEP = re.compile(r"(reading sources|writing output)\.\.\. \[\s*(\d+)%\] (\S+)")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def make_pages(book: Book, results: Mapping[Chapter, Result], *, preset: str) -> bool:
    """Write the pages of ``results`` to ``_build/html``, unless they stand there already.

    One builder at a time writes; the pages of the last good build stay until the new ones are complete.

    Returns
    -------
    bool
        whether anything was written

    Raises
    ------
    IpiuError
        Where Jupyter Book warns, a page of the table of contents is missing afterwards, or a page loads something
        from another host.
    """
    from filelock import FileLock

    book.build.mkdir(parents=True, exist_ok=True)
    with FileLock(book.build / "pages.lock"):
        digest = _digest(book, results, preset)
        if is_published(book, digest):
            return False
        pages = _jupyter_book(book, stage(book, results, preset=preset))
        publish(book, pages, used_volumes(book, results, preset=preset), digest)
        return True


def first_page(book: Book) -> Path:
    """The page to open."""
    return book.html / f"{book.docs[0]}.html"


def _digest(book: Book, results: Mapping[Chapter, Result], preset: str) -> str:
    """SHA-256 over everything the pages are made of."""
    facts = {
        "preset": preset,
        "repository": os.environ.get("IPIU_REPOSITORY", ""),
        "environment": environment_digest(book),
        "results": {chapter.doc: asdict(result) for chapter, result in results.items()},
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    scripts = book.root / "book" / "scripts" / "package-lock.json"
    for path in [book.config, *book_files(book), *([scripts] if scripts.is_file() else [])]:
        digest.update(path.relative_to(book.root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _frame_digest(book: Book, site: Path) -> str:
    """SHA-256 over what stands on every page: styles, scripts, and the sidebar's titles.

    Sphinx writes a page again only where the page itself changed, and copies static files only where it wrote a page.
    """
    digest = hashlib.sha256(environment_digest(book).encode())
    for path in [site / "_config.yml", book.toc, *files_below(book.root / "book" / "_static")]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for doc in book.docs:
        page = book.root / f"{doc}.md"
        text = page.read_text(encoding="utf-8") if page.is_file() else ""
        heading = re.search(r"^# .+$", text, re.MULTILINE)
        notebook = book.root / f"{doc}.ipynb"
        digest.update((heading[0] if heading else title(notebook) if notebook.is_file() else doc).encode() + b"\0")
    return digest.hexdigest()


def _jupyter_book(book: Book, site: Path) -> Path:
    """Run Jupyter Book with nitpicks and warnings as errors; return the folder of its pages.

    After a run that did not end well, and where what stands on every page changed, all is made anew: Sphinx takes a
    page for done as soon as its file is newer than its source, half-written ones included, does not repeat the
    warnings of a page that it keeps, and leaves files behind whose sources are gone.
    """
    work = book.build / "sphinx"
    mark, frame = work / "frame", _frame_digest(book, site)
    if not mark.is_file() or mark.read_text() != frame:
        shutil.rmtree(work, ignore_errors=True)
    mark.unlink(missing_ok=True)
    command = ["build", str(site), "--toc", str(site / "book" / "_toc.yml"), "--path-output", str(work)]
    code, log = _run([*command, "-n", "-W", "--keep-going"])
    write_atomic(work / "log.txt", log)
    if code:
        lines = log.replace(f"{site}{os.sep}", "").splitlines()
        faults = list(dict.fromkeys(line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)))
        listed = "\n  ".join(faults or lines[-15:])
        head = f"the pages were not published: Jupyter Book ended with {len(faults)} warnings"
        msg = f"{head}\n  {listed}\nIts whole output is in {work / 'log.txt'}"
        raise IpiuError(msg)
    write_atomic(mark, frame)
    return work / "_build" / "html"


def _run(arguments: list[str]) -> tuple[int, str]:
    """Run jupyter-book with a progress bar over reading and writing; return its exit code and its output."""
    command = [sys.executable, "-P", "-c", _START, *arguments]
    pipe = subprocess.PIPE
    lines = []
    with (
        tqdm(total=200, desc="Pages", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} {postfix}") as bar,
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        ) as process,
    ):
        for line in process.stdout:
            lines.append(_COLOUR.sub("", line))
            step = _STEP.search(lines[-1])
            if step:
                bar.n = int(step[2]) + 100 * (step[1] == "writing output")
                bar.set_postfix_str(step[3])
        code = process.wait()
    return code, "".join(lines)
