from pathlib import Path

from ipiu.book.layout import Chapter
from ipiu.book.result import Failure, Result
from ipiu.book.status import status_page
from tests.book.tiny import chapter, write


def results(tmp_path):
    path = write(tmp_path / "one.ipynb", *chapter("one | two"))
    sources = ["real sample: <b>A</b>", "real sample: B | C"]
    return {
        Chapter("notebooks/a/one", path): Result(
            "key", seconds=12.34, memory_mb=1560.0, sources=sources, versions={"Python": "3.11.2", "numpy": "2.4"}
        ),
        Chapter("notebooks/a/two", tmp_path / "one.ipynb"): Result("key", seconds=0.5),
    }


def test_every_chapter_has_its_row_in_order(tmp_path):
    page = status_page(results(tmp_path), preset="gpu")

    rows = [line for line in page.splitlines() if line.startswith("| [")]
    assert len(rows) == 2
    assert rows[0].startswith(r"| [One \| Two](../notebooks/a/one.ipynb) | 12.3&nbsp;s | 1.56&nbsp;GB | ")
    assert "Python 3.11.2, numpy 2.4" in rows[0]
    assert rows[1].endswith("| 0.5&nbsp;s | not measured | none opened |  |")
    assert "preset `gpu`" in page


def test_names_of_data_stay_text(tmp_path):
    page = status_page(results(tmp_path), preset="cpu")

    assert "<b>" not in page
    assert r"&lt;b&gt;A&lt;/b&gt;; real sample: B \| C" in page


def test_the_page_is_the_same_every_time(tmp_path):
    assert status_page(results(tmp_path), preset="cpu") == status_page(results(tmp_path), preset="cpu")


def test_a_failure_reads_as_path_cell_error_source():
    failure = Failure(2, "x = 1\nx / 0", "ZeroDivisionError: division by zero", "line 2")

    assert failure.text(Path("a.ipynb")).splitlines() == [
        "a.ipynb, code cell 2",
        "ZeroDivisionError: division by zero",
        "> x = 1",
        "> x / 0",
        "  line 2",
    ]
