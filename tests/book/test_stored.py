import json

import pytest

from ipiu.book.key import read_notebook
from ipiu.book.stored import is_stored_form, record, stored_form
from tests.book.tiny import chapter, make_book, notebook

PRINTS = "import sys\nprint('one')\nprint('hidden', file=sys.stderr)\nprint('two', preset)\n40 + 2"


def test_recording_keeps_what_is_printed_and_nothing_else(tmp_path):
    book = make_book(tmp_path, one=(PRINTS, "1 / 1"))

    results, changed = record(book, book.chapters)

    assert [c.name for c in changed] == ["one"]
    assert not any(r.failure for r in results.values())
    stored = read_notebook(book.chapters[0].path)
    printing, silent = stored["cells"][2:]
    assert printing["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["one\n", "two cpu\n"]}]
    assert silent["outputs"] == []
    assert printing["execution_count"] is None
    assert [c["metadata"] for c in stored["cells"]] == [{}, {"tags": ["parameters"]}, {}, {}]
    assert is_stored_form(stored)

    _, again = record(book, book.chapters)
    assert again == []


def test_a_failing_notebook_is_left_as_it_is(tmp_path):
    book = make_book(tmp_path, one=("1 / 0",))
    before = book.chapters[0].path.read_bytes()

    results, changed = record(book, book.chapters)

    assert results[book.chapters[0]].failure.error.startswith("ZeroDivisionError")
    assert changed == []
    assert book.chapters[0].path.read_bytes() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda nb: nb["cells"][2].update(execution_count=3),
        lambda nb: nb["cells"][2].update(outputs=[{"output_type": "stream", "name": "stderr", "text": ["x"]}]),
        lambda nb: nb["cells"][2].update(
            outputs=[{"output_type": "display_data", "data": {"image/png": "x"}, "metadata": {}}]
        ),
        lambda nb: nb["cells"][2]["metadata"].update(execution={"iopub.status.busy": "now"}),
        lambda nb: nb["metadata"].update(widgets={}),
    ],
    ids=["count", "stderr", "picture", "timing", "widgets"],
)
def test_anything_else_in_a_file_is_noticed(spoil):
    spoiled = stored_form(notebook(*chapter("one", "print(1)")))
    assert is_stored_form(spoiled)

    spoil(spoiled)

    assert not is_stored_form(spoiled)
    assert is_stored_form(stored_form(spoiled))


def test_alternative_texts_of_pictures_survive(tmp_path):
    made = notebook(*chapter("one", "plot()"))
    made["cells"][2]["metadata"] = {"mystnb": {"image": {"alt": "a line"}}, "scrolled": True}

    assert stored_form(made)["cells"][2]["metadata"] == {"mystnb": {"image": {"alt": "a line"}}}


def test_the_two_ways_to_write_a_text_compare_equal():
    made = stored_form(notebook(*chapter("one", "a = 1\nb = 2")))
    made["cells"][2]["source"] = "a = 1\nb = 2"

    assert is_stored_form(json.loads(json.dumps(made)))
