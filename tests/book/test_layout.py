import pytest

from ipiu.book.layout import Book
from ipiu.errors import IpiuError
from tests.book.tiny import make_book, write


def test_chapters_follow_the_table_of_contents(tmp_path):
    book = make_book(tmp_path, zebra=(), ant=())

    assert [chapter.name for chapter in book.chapters] == ["zebra", "ant"]
    assert book.docs == ("book/index", "notebooks/a/zebra", "notebooks/a/ant", "book/status")


def test_an_entry_without_a_file_is_named(tmp_path):
    book = make_book(tmp_path, one=())
    book.chapters[0].path.unlink()

    with pytest.raises(
        IpiuError, match=r"_toc\.yml: the entry 'notebooks/a/one' has no file; write notebooks/a/one\.md"
    ):
        _ = Book(tmp_path).chapters


def test_a_notebook_that_is_not_listed_is_named(tmp_path):
    book = make_book(tmp_path, one=())
    write(tmp_path / "notebooks" / "b" / "lost.ipynb", ("markdown", "# Lost"))

    with pytest.raises(IpiuError, match=r"lost\.ipynb: .* add the entry `- file: notebooks/b/lost`"):
        _ = book.chapters


def test_copies_that_jupyter_keeps_are_not_chapters(tmp_path):
    book = make_book(tmp_path, one=())
    write(tmp_path / "notebooks" / "a" / ".ipynb_checkpoints" / "one-checkpoint.ipynb", ("markdown", "# Old"))

    assert len(book.chapters) == 1


def test_a_table_of_contents_that_cannot_be_read_is_named(tmp_path):
    book = make_book(tmp_path, one=())
    book.toc.write_text("format: jb-book\n")

    with pytest.raises(IpiuError, match=r"_toc\.yml: the table of contents cannot be read"):
        _ = book.docs


def test_the_book_is_found_from_a_folder_inside_it(tmp_path):
    make_book(tmp_path, one=())

    assert Book.find(tmp_path / "notebooks" / "a").root == tmp_path


def test_outside_a_book_the_way_back_is_named(tmp_path):
    with pytest.raises(IpiuError, match=r"no book/_toc\.yml .* change to the book's folder"):
        Book.find(tmp_path)
