"""The command ``ipiu``. Each subcommand is a parser and a function; heavy imports wait until one is chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ipiu.errors import IpiuError, require

if TYPE_CHECKING:
    from ipiu.book.layout import Book, Chapter


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 where something failed, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except IpiuError as error:
        print(f"ipiu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ipiu: interrupted; what had finished is kept", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    """All subcommands."""
    parser = argparse.ArgumentParser(prog="ipiu", description="The book on medical foundation models, and its data.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_book(commands)
    _add_atlas(commands)
    samples = commands.add_parser("samples", help="list the real samples that come with the dependencies")
    samples.set_defaults(run=_samples)
    return parser


def _add_book(commands) -> None:
    """``ipiu book`` and what is below it."""
    book = commands.add_parser("book", help="execute the notebooks, build and serve the pages")
    actions = book.add_subparsers(required=True, metavar="ACTION")

    build = actions.add_parser("build", help="execute what changed and write the pages to _build/html")
    build.add_argument(
        "--preset", default="cpu", choices=("smoke", "cpu", "gpu"), help="size of the runs (default: cpu)"
    )
    build.add_argument(
        "--only", metavar="GLOB", action="append", default=[], help="chapters by path or name; repeatable"
    )
    build.add_argument("--no-pages", action="store_true", help="execute only")
    build.set_defaults(run=_build)

    record = actions.add_parser("record", help="store what the notebooks print, to be compared with later")
    record.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="paths or names (default: all)")
    record.add_argument("--check", action="store_true", help="run nothing; say what is wrong with their form")
    record.set_defaults(run=_record)

    for action in (build, record):
        action.add_argument(
            "--jobs", type=int, metavar="N", help="chapters at once (default: as cores and memory allow)"
        )
        action.add_argument("--force", action="store_true", help="run chapters that did not change, too")

    serve = actions.add_parser("serve", help="show the built pages on this machine's loopback address")
    serve.add_argument("--port", type=int, default=8000, help="0 takes any free one (default: 8000)")
    serve.set_defaults(run=_serve)


def _add_atlas(commands) -> None:
    """``ipiu atlas`` and what is below it."""
    atlas = commands.add_parser("atlas", help="ask the records of models, data sets, metrics and challenges")
    actions = atlas.add_subparsers(required=True, metavar="ACTION")

    check = actions.add_parser("check", help="say what is invalid, stale or unlinked")
    check.set_defaults(run=_atlas_check)

    find = actions.add_parser("find", help="search the text of all records")
    find.add_argument("words", nargs="+", metavar="WORD")
    find.add_argument("--most", type=int, default=20, metavar="N", help="how many at most (default: 20)")
    find.set_defaults(run=_atlas_find)

    show = actions.add_parser("show", help="everything that is known of one record")
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=_atlas_show)

    bib = actions.add_parser("bib", help="write book/references.bib from the records")
    bib.set_defaults(run=_atlas_bib)


def _atlas_check(options: argparse.Namespace) -> int:
    from ipiu.atlas.check import check

    report = check()
    for name in ("invalid", "unlinked", "stale"):
        for fault in getattr(report, name):
            print(f"{name}: {fault}")
    counts = ", ".join(f"{count} {kind}" for kind, count in report.counts.items())
    behind = bool(report) and _references_behind()
    if behind:
        print("stale: book/references.bib is behind the records; run `ipiu atlas bib`")
    stale = len(report.stale) + behind
    print(f"{counts}: {len(report.invalid)} invalid, {len(report.unlinked)} unlinked, {stale} stale")
    return 0 if report else 1


def _references_behind() -> bool:
    """Whether the book around the current folder, where there is one, has other references than the records."""
    from ipiu.atlas.cite import everything

    for folder in (Path.cwd(), *Path.cwd().parents):
        path = folder / "book" / "references.bib"
        if path.is_file():
            return path.read_text(encoding="utf-8") != everything()
    return False


def _atlas_find(options: argparse.Namespace) -> int:
    from ipiu import atlas

    print(repr(atlas.find(" ".join(options.words), most=options.most)))
    return 0


def _atlas_show(options: argparse.Namespace) -> int:
    from ipiu import atlas

    kinds = ("models", "datasets", "metrics", "challenges", "works")
    found = [getattr(atlas, kind)[options.id] for kind in kinds if options.id in getattr(atlas, kind)]
    for record in found or [atlas.models[options.id]]:  # where nothing has the id, the error names the nearest models
        print(repr(record.card))
    return 0


def _atlas_bib(options: argparse.Namespace) -> int:
    from ipiu.atlas.cite import everything
    from ipiu.book.files import write_if_changed

    path = _book().root / "book" / "references.bib"
    changed = write_if_changed(path, everything())
    print(f"{path}: {'written' if changed else 'unchanged'}")
    return 0


def _book() -> Book:
    """The book around the current folder, once it is clear that what builds it is installed."""
    from ipiu.book.layout import Book

    try:
        for module in ("psutil", "sphinx_external_toc"):
            require(module, extra="book")
    except ImportError as error:
        raise IpiuError(str(error)) from error
    return Book.find(Path.cwd())


def _build(options: argparse.Namespace) -> int:
    book = _book()
    from ipiu.book.build import build

    built = build(
        book,
        preset=options.preset,
        jobs=options.jobs,
        only=options.only,
        force=options.force,
        pages=not options.no_pages,
    )
    kept = len(built.results) - built.ran
    print(f"{_chapters(len(built.results))} at preset {options.preset}: {built.ran} executed, {kept} unchanged")
    if built.failed:
        return _report(built.failed)
    if built.pages:
        from ipiu.book.pages import first_page

        page = first_page(book)
        print(f"The book is built. Open {page}\n{page.as_uri()}")
    elif not options.no_pages:
        print("No pages were written: --only left chapters out. Build without it to publish.")
    return 0


def _record(options: argparse.Namespace) -> int:
    book = _book()
    from ipiu.book.build import select
    from ipiu.book.stored import record

    chapters = select(book, options.notebooks)
    if options.check:
        return _check(chapters)
    results, changed = record(book, chapters, jobs=options.jobs, force=options.force)
    for chapter in changed:
        print(f"recorded {chapter.path}")
    print(f"{len(changed)} of {len(chapters)} notebooks changed")
    failed = {chapter: result for chapter, result in results.items() if result.failure}
    return _report(failed) if failed else 0


def _check(chapters: Sequence[Chapter]) -> int:
    from ipiu.book.check import chapter_faults

    faults = [fault for chapter in chapters for fault in chapter_faults(chapter.path)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _serve(options: argparse.Namespace) -> int:
    from ipiu.book.serve import server

    with server(_book(), port=options.port) as running:
        print(f"The book is at http://127.0.0.1:{running.server_port}/ (end with Ctrl-C)", flush=True)
        running.serve_forever()
    return 0


def _samples(options: argparse.Namespace) -> int:
    import ipiu

    print(ipiu.samples())
    return 0


def _chapters(count: int) -> str:
    """A number of chapters."""
    return f"{count} chapter{'' if count == 1 else 's'}"


def _report(failed: dict) -> int:
    """Say what failed, chapter by chapter, and that the pages stay as they were."""
    for chapter, result in failed.items():
        print(f"\n{result.failure.text(chapter.path)}", file=sys.stderr)
    names = ", ".join(chapter.name for chapter in failed)
    print(f"\nipiu: {_chapters(len(failed))} failed ({names}); no pages were written", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
