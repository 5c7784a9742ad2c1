"""Where the parts of a book lie, and which chapters it has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ipiu.errors import IpiuError

PRESETS = ("smoke", "cpu", "gpu")
INDEX = "book/atlas/index"  # of the pages of the atlas's records
GENERATED = ("book/status", INDEX)  # pages the builder writes itself


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book: ``doc`` is its path from the root without the suffix, ``path`` the file."""

    doc: str
    path: Path

    @property
    def name(self) -> str:
        """The file's name without suffix, for progress bars."""
        return self.path.stem


@dataclass(frozen=True)
class Executed:
    """The files one chapter leaves behind when it is executed at a preset."""

    folder: Path
    doc: str

    @property
    def notebook(self) -> Path:
        """The executed copy."""
        return self.folder / f"{self.doc}.ipynb"

    @property
    def result(self) -> Path:
        """What is known of the run; written last, so its presence says that the copy is whole."""
        return self.folder / f"{self.doc}.json"

    @property
    def failed(self) -> Path:
        """The copy of a run that failed, up to the failing cell."""
        return self.folder / f"{self.doc}.failed.ipynb"

    @property
    def log(self) -> Path:
        """What the worker itself printed."""
        return self.folder / f"{self.doc}.log"

    @property
    def lock(self) -> Path:
        """Held by the one worker that executes this chapter."""
        return self.folder / f"{self.doc}.lock"

    @property
    def pages(self) -> Path:
        """Where the viewers of all chapters write their volumes, named by content."""
        return self.folder / "pages"


@dataclass(frozen=True)
class Book:
    """A book in the folder ``root``, with ``_config.yml``, ``book/_toc.yml`` and ``notebooks/``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from ipiu.book.layout import Book
    >>> book = Book.find(Path.cwd())
    >>> book.chapters[0].doc
    'notebooks/0-start/five-minutes'
    """

    root: Path

    @classmethod
    def find(cls, start: Path) -> Book:
        """The book whose root is ``start`` or the nearest folder above it.

        Raises
        ------
        IpiuError
            Where no folder up to the disk's root holds ``book/_toc.yml``.
        """
        for folder in (start.resolve(), *start.resolve().parents):
            if (folder / "book" / "_toc.yml").is_file():
                return cls(folder)
        msg = f"{start}: no book/_toc.yml lies here or in a folder above; change to the book's folder first"
        raise IpiuError(msg)

    @property
    def config(self) -> Path:
        """Jupyter Book's configuration."""
        return self.root / "_config.yml"

    @property
    def toc(self) -> Path:
        """The table of contents, whose entries are paths from the root without suffix."""
        return self.root / "book" / "_toc.yml"

    @property
    def build(self) -> Path:
        """Everything that is made, and nothing else."""
        return self.root / "_build"

    @property
    def html(self) -> Path:
        """The published pages."""
        return self.build / "html"

    def executed(self, chapter: Chapter, preset: str) -> Executed:
        """The files of ``chapter`` executed at ``preset``."""
        return Executed(self.build / "executed" / preset, chapter.doc)

    @cached_property
    def docs(self) -> tuple[str, ...]:
        """Every page in the order of the table of contents, as paths from the root without suffix.

        Raises
        ------
        IpiuError
            Where the table of contents cannot be read or names a page that has no file.
        """
        from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

        try:
            docs = tuple(parse_toc_yaml(self.toc))
        except (MalformedError, OSError) as error:
            msg = f"{self.toc}: the table of contents cannot be read ({error}); see CONTRIBUTING.md for its form"
            raise IpiuError(msg) from error
        for doc in docs:
            if doc not in GENERATED and not any(
                (self.root / f"{doc}{suffix}").is_file() for suffix in (".md", ".ipynb")
            ):
                msg = f"{self.toc}: the entry {doc!r} has no file; write {doc}.md or {doc}.ipynb, or take the entry out"
                raise IpiuError(msg)
        return docs

    @cached_property
    def chapters(self) -> tuple[Chapter, ...]:
        """The notebooks, in the order of the table of contents.

        Raises
        ------
        IpiuError
            Where a notebook under ``notebooks/`` is not in the table of contents.
        """
        found = [Chapter(doc, self.root / f"{doc}.ipynb") for doc in self.docs]
        chapters = tuple(chapter for chapter in found if chapter.path.is_file())
        listed = {chapter.path for chapter in chapters}
        for path in sorted((self.root / "notebooks").rglob("*.ipynb")):
            if path not in listed and ".ipynb_checkpoints" not in path.parts:
                entry = path.relative_to(self.root).with_suffix("").as_posix()
                msg = f"{path}: the notebook is not in {self.toc}; add the entry `- file: {entry}` or move it away"
                raise IpiuError(msg)
        return chapters
