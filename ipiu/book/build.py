"""Building the book: execute what has to run, then write the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ipiu.book.execute import execute
from ipiu.book.layout import PRESETS, Book, Chapter
from ipiu.book.result import Result
from ipiu.errors import IpiuError


@dataclass(frozen=True)
class Built:
    """What a build did: ``ran`` of the chapters in ``results``; ``pages`` says whether the pages are up to date now."""

    results: dict[Chapter, Result] = field(default_factory=dict)
    ran: int = 0
    pages: bool = False

    @property
    def failed(self) -> dict[Chapter, Result]:
        """The chapters that failed."""
        return {chapter: result for chapter, result in self.results.items() if result.failure}


def build(
    book: Book,
    *,
    preset: str = "cpu",
    jobs: int | None = None,
    only: Sequence[str] = (),
    force: bool = False,
    pages: bool = True,
) -> Built:
    """Execute the chapters that changed and publish the pages.

    Parameters
    ----------
    book
        the book
    preset
        ``"smoke"`` (seconds), ``"cpu"`` or ``"gpu"``; passed to every notebook as its parameter ``preset``
    jobs
        how many chapters run at once; by default as many as cores and memory allow
    only
        patterns for paths or names of the chapters wanted; by default all
    force
        run chapters that are done, too
    pages
        write the pages; they are not written where a chapter failed, nor where ``only`` left one out that is not done

    Returns
    -------
    Built
        the results and what was written

    Raises
    ------
    IpiuError
        Where an argument or the book's layout is wrong, or the pages cannot be published.

    Examples
    --------
    >>> from pathlib import Path
    >>> built = build(Book.find(Path.cwd()), preset="smoke", pages=False)
    >>> built.failed
    {}
    """
    if preset not in PRESETS:
        msg = f"preset {preset!r} is not one of {', '.join(PRESETS)}"
        raise IpiuError(msg)
    folder = book.build / "executed" / preset
    wanted = select(book, only)
    results, ran = execute(book, wanted, parameters={"preset": preset}, folder=folder, jobs=jobs, force=force)
    built = Built(results, ran)
    if built.failed or not pages or len(wanted) < len(book.chapters):
        return built
    from ipiu.book.pages import make_pages

    make_pages(book, results, preset=preset)
    return Built(results, ran, pages=True)


def select(book: Book, patterns: Sequence[str]) -> list[Chapter]:
    """The chapters whose path from the root, or name, matches one of ``patterns``; all where there is no pattern.

    Raises
    ------
    IpiuError
        Where a pattern matches no chapter.
    """
    chosen = [chapter for chapter in book.chapters if not patterns or any(_matches(book, chapter, p) for p in patterns)]
    for pattern in patterns:
        if not any(_matches(book, chapter, pattern) for chapter in chosen):
            names = ", ".join(chapter.name for chapter in book.chapters)
            msg = f"{pattern!r} matches no chapter; the chapters are {names}"
            raise IpiuError(msg)
    return chosen


def _matches(book: Book, chapter: Chapter, pattern: str) -> bool:
    """Whether a pattern names a chapter: by its name, its path with or without suffix, or a file on the disk."""
    if Path(pattern).resolve() == chapter.path.resolve():
        return True
    return any(fnmatch(name, pattern) for name in (chapter.name, chapter.doc, f"{chapter.doc}.ipynb"))
