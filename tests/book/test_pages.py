"""Jupyter Book over a throwaway book, once for all tests of this file where they only look."""

import json
import re
import shutil

import pytest

from ipiu.book import pages, publish
from ipiu.book.build import build
from ipiu.book.layout import Book
from ipiu.book.offline import missing_resources, remote_resources
from ipiu.book.serve import server
from ipiu.errors import IpiuError
from tests.book.tiny import chapter, make_book, write

pytestmark = pytest.mark.slow

VOLUME = """
import os
from pathlib import Path
from IPython.display import HTML
folder = Path(os.environ["IPIU_PAGES"], "volumes")
folder.mkdir(parents=True, exist_ok=True)
(folder / "{name}.js").write_text("1")
HTML('<figure data-view="{name}">brain</figure>')
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("book")
    book = make_book(
        root,
        one=("print(preset)", VOLUME.format(name="0123456789abcdef")),
        two=("import sys\nprint('noise', file=sys.stderr)",),
    )
    assert build(book).pages
    return root


@pytest.fixture
def book(built, tmp_path):
    """A copy of the built book that a test may change."""
    shutil.copytree(built, tmp_path / "book", copy_function=shutil.copy2)
    return Book(tmp_path / "book")


def no_sphinx(monkeypatch):
    def run(arguments):
        msg = "Sphinx was started"
        raise AssertionError(msg)

    monkeypatch.setattr(pages, "_run", run)


def text(book, doc):
    return (book.html / f"{doc}.html").read_text(encoding="utf-8")


def test_every_page_stands_there_and_needs_nothing_from_elsewhere(built):
    book = Book(built)

    assert all((book.html / f"{doc}.html").is_file() for doc in book.docs)
    assert remote_resources(book.html) == []
    assert missing_resources(book.html) == []
    assert "unpkg.com" not in text(book, "notebooks/a/one")


def test_pages_show_results_and_neither_noise_nor_machine(built):
    book = Book(built)

    one = re.sub(r"<[^>]+>", "", text(book, "notebooks/a/one"))
    assert "brain" in one
    assert "# Parameters" not in one  # papermill's cell says nothing new at the stored preset
    assert "noise\n" not in re.sub(r"<[^>]+>", "", text(book, "notebooks/a/two"))
    for path in (book.build / "site").rglob("*"):
        assert not path.is_file() or str(built) not in path.read_text(encoding="utf-8")


def test_the_status_page_lists_the_chapters(built):
    status = re.sub(r"<[^>]+>", " ", text(Book(built), "book/status"))

    assert re.search(r"One\s+\d+\.\d\ss\s+0\.\d\d\sGB\s+none opened\s+Python 3\.", status)


def test_volumes_lie_beside_the_pages(built):
    assert [path.name for path in (Book(built).html / "_volumes").iterdir()] == ["0123456789abcdef.js"]


def test_nothing_changed_starts_no_sphinx(book, monkeypatch):
    build(book)  # the copy lies elsewhere, which Sphinx may take for a change; from here on nothing does
    no_sphinx(monkeypatch)

    assert build(Book(book.root)).ran == 0
    (book.html / "book" / "status.html").unlink()
    with pytest.raises(AssertionError, match="Sphinx was started"):
        build(Book(book.root))


def test_a_changed_chapter_changes_its_page_and_its_volumes(book):
    old = chapter("one", "print('new result')", VOLUME.format(name="fedcba9876543210"))
    write(book.root / "notebooks/a/one.ipynb", *old)

    assert build(book).ran == 1

    assert "new result" in text(book, "notebooks/a/one")
    assert [path.name for path in (book.html / "_volumes").iterdir()] == ["fedcba9876543210.js"]


def test_a_changed_style_reaches_every_page(book):
    (book.root / "book/index.md").write_text("# Tiny\n\nBuilt where it lies now.\n")
    build(book)
    before = {doc: re.search(r"ipiu\.css\?v=\w+", text(book, doc))[0] for doc in book.docs}
    (book.root / "book/_static/ipiu.css").write_text("p { color: red }\n")

    build(book)

    assert (book.html / "_static/ipiu.css").read_text() == "p { color: red }\n"
    assert all(re.search(r"ipiu\.css\?v=\w+", text(book, doc))[0] != before[doc] for doc in book.docs)


def test_another_preset_shows_itself(book):
    build(book, preset="smoke")

    one = text(book, "notebooks/a/one")
    assert "# Parameters" in one
    assert "smoke" in re.sub(r"<[^>]+>", "", one)


def test_a_repository_elsewhere_is_linked(book, monkeypatch):
    config = book.root / "_config.yml"
    config.write_text(
        config.read_text() + "html: {use_repository_button: true}\nrepository: {url: https://github.com/a/b}\n"
    )
    monkeypatch.setenv("IPIU_REPOSITORY", "https://github.com/c/d")

    build(book)

    assert "https://github.com/c/d" in text(book, "book/index")


def test_a_warning_is_an_error_every_time_and_leaves_the_pages_alone(book):
    before = text(book, "book/index")
    (book.root / "book/index.md").write_text("# Tiny\n\nSee [nowhere](nowhere.md).\n")

    for _ in range(2):
        with pytest.raises(IpiuError, match=r"not published: .* 1 warnings\n  book/index\.md:3: WARNING.*nowhere\.md"):
            build(book)

    assert text(book, "book/index") == before


def test_a_page_that_needs_another_host_is_refused(book):
    (book.root / "book/index.md").write_text('# Tiny\n\n<script src="https://cdn.example/x.js"></script>\n')

    with pytest.raises(IpiuError, match=r"book/index\.html loads https://cdn\.example/x\.js from another host"):
        build(book)


def test_a_page_that_needs_a_missing_file_is_refused(book):
    (book.root / "book/_static/ipiu.css").rename(book.root / "book/_static/other.css")

    with pytest.raises(IpiuError, match=r"loads \S*_static/ipiu\.css, which is not there"):
        build(book)


def test_a_build_that_ended_in_the_middle_of_the_pages_starts_them_over(book, monkeypatch):
    (book.root / "book/index.md").write_text("# Tiny\n\nOther text.\n")
    run = pages._run

    def torn(arguments):
        run(arguments)
        (book.build / "sphinx/_build/html/book/index.html").write_text("<html>half a pa")
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "_run", torn)
    with pytest.raises(KeyboardInterrupt):
        build(book)
    monkeypatch.setattr(pages, "_run", run)
    build(Book(book.root))

    assert "Other text." in text(book, "book/index")
    assert text(book, "book/index").rstrip().endswith("</html>")


def test_pages_left_out_of_the_contents_go(book):
    contents = json.loads(book.toc.read_text())
    contents["chapters"] = contents["chapters"][1:]
    book.toc.write_text(json.dumps(contents))
    (book.root / "notebooks/a/one.ipynb").unlink()

    build(Book(book.root))

    assert not (book.html / "notebooks/a/one.html").exists()
    assert not (book.html / "_volumes").exists()


def test_leaving_chapters_out_writes_no_pages(book, monkeypatch):
    no_sphinx(monkeypatch)

    assert not build(book, only=["one"], force=True).pages


def test_the_server_is_for_this_machine_and_shows_the_pages(built):
    from threading import Thread
    from urllib.request import urlopen

    with server(Book(built), port=0) as running:
        assert running.server_address[0] == "127.0.0.1"
        Thread(target=running.serve_forever, daemon=True).start()
        with urlopen(f"http://127.0.0.1:{running.server_port}/book/index.html") as answer:
            assert b"Tiny" in answer.read()
        with pytest.raises(IpiuError, match=rf"port {running.server_port} cannot be used"):
            server(Book(built), port=running.server_port)
        running.shutdown()


def test_the_server_needs_pages(tmp_path):
    with pytest.raises(IpiuError, match="no pages are built yet"):
        server(make_book(tmp_path))


def test_a_stamp_that_cannot_be_read_counts_as_none(book):
    for content in ("", "[", '{"digest": "other", "files": {}}'):
        (book.build / "html.json").write_text(content)
        assert not publish.is_published(book, "digest")
