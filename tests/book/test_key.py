import json

import pytest

from ipiu.book.key import chapter_key, environment_digest, read_notebook, stored_parameters
from ipiu.errors import IpiuError
from tests.book.tiny import PARAMETERS, make_book, write


@pytest.fixture
def book(tmp_path):
    return make_book(tmp_path, one=("print(1)",))


def key(book, **parameters):
    return chapter_key(book.chapters[0].path, parameters or {"preset": "cpu"}, environment_digest(book))


def edit(book, change):
    path = book.chapters[0].path
    content = json.loads(path.read_text())
    change(content["cells"])
    path.write_text(json.dumps(content))


def test_results_numbers_ids_and_layout_of_the_file_do_not_count(book):
    before = key(book)

    def run(cells):
        cells[2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1\n"}]
        cells[2]["execution_count"] = 7
        cells[2]["id"] = "other"
        cells[2]["metadata"]["collapsed"] = True
        cells[2]["source"] = ["print(1)"]

    edit(book, run)
    (book.root / "ipiu" / "__pycache__").mkdir()
    (book.root / "ipiu" / "__pycache__" / "code.pyc").write_bytes(b"x")
    (book.root / "book" / "index.md").write_text("# Other\n")

    assert key(book) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: cells[2].update(source="print(2)"),
        lambda cells: cells[0].update(source="# Other"),
        lambda cells: cells[2]["metadata"].update(tags=["hide-input"]),
        lambda cells: cells.pop(),
    ],
    ids=["code", "text", "tags", "cells"],
)
def test_a_change_of_the_source_counts(book, change):
    before = key(book)

    edit(book, change)

    assert key(book) != before


def test_a_change_of_a_parameter_counts(book):
    assert key(book, preset="cpu") != key(book, preset="smoke")


@pytest.mark.parametrize("name", ["ipiu/code.py", "requirements.lock", "ipiu/new.py", "ipiu/data/table.csv"])
def test_a_change_of_the_package_or_the_lock_counts(book, name):
    before = key(book)

    (book.root / name).parent.mkdir(exist_ok=True)
    (book.root / name).write_text("changed")

    assert key(book) != before


def test_stored_parameters_are_the_literals_of_the_tagged_cell(tmp_path):
    path = write(tmp_path / "n.ipynb", PARAMETERS, ("code", "x = 1"), ("code", "n = len('abc')\nk = -2", "parameters"))

    assert stored_parameters(read_notebook(path)) == {"preset": "cpu", "seed": 0, "k": -2}


@pytest.mark.parametrize(
    ("text", "match"), [("{", "not valid JSON"), ("[]", "not a notebook"), ('{"nbformat": 3}', "format 4")]
)
def test_a_file_that_is_no_notebook_is_named(tmp_path, text, match):
    path = tmp_path / "broken.ipynb"
    path.write_text(text)

    with pytest.raises(IpiuError, match=rf"broken\.ipynb: .*{match}"):
        read_notebook(path)
