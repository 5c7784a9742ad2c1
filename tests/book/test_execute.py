"""Real kernels, in notebooks that import nothing large."""

import json

import pytest

from ipiu.book.build import build, select
from ipiu.book.execute import cores, jobs_that_fit
from ipiu.book.layout import Book
from ipiu.book.result import load
from ipiu.errors import IpiuError
from tests.book.tiny import chapter, make_book, printed, write


def executed(book, name, preset="cpu"):
    return book.executed(next(c for c in book.chapters if c.name == name), preset)


def execute_only(book, **options):
    return build(Book(book.root), pages=False, **options)


def test_only_what_changed_runs_again(tmp_path):
    book = make_book(tmp_path, one=("print(1)",), two=("print(2)",))

    assert execute_only(book).ran == 2
    assert execute_only(book).ran == 0

    write(tmp_path / "notebooks/a/two.ipynb", *chapter("two", "print(3)"))
    assert execute_only(book).ran == 1
    assert printed(executed(book, "two").notebook) == "3\n"

    executed(book, "one").notebook.unlink()
    assert execute_only(book).ran == 1
    assert execute_only(book, only=["one"], force=True).ran == 1


def test_the_preset_reaches_the_notebook_and_is_kept_apart(tmp_path):
    book = make_book(tmp_path, one=("print(preset, seed)",))

    execute_only(book, preset="smoke")
    execute_only(book, preset="gpu")

    assert printed(executed(book, "one", "smoke").notebook) == "smoke 0\n"
    assert printed(executed(book, "one", "gpu").notebook) == "gpu 0\n"


def test_a_failure_is_reported_and_the_rest_goes_on(tmp_path):
    book = make_book(tmp_path, bad=("x = 1", "print('so far')\nx / 0"), good=("print(2)",))

    built = build(book)

    assert built.ran == 2
    assert not built.pages
    assert not book.html.exists()
    ((failed, result),) = built.failed.items()
    assert failed.name == "bad"
    failure = result.failure
    assert (failure.cell, failure.source) == (3, "print('so far')\nx / 0")  # parameters, x = 1, the failing one
    assert failure.error == "ZeroDivisionError: division by zero"
    assert "x / 0" in failure.traceback
    assert "\x1b" not in failure.text(failed.path)
    assert "so far" in printed(executed(book, "bad").failed)
    assert executed(book, "good").result.is_file()

    assert execute_only(book).ran == 1  # a failure is tried again
    write(tmp_path / "notebooks/a/bad.ipynb", *chapter("bad", "print(1)"))
    assert not execute_only(book).failed
    assert not executed(book, "bad").failed.exists()


def test_a_kernel_that_dies_is_reported_with_its_cell(tmp_path):
    book = make_book(tmp_path, dead=("1", "import os\nos._exit(1)"))

    failure = next(iter(execute_only(book).failed.values())).failure

    assert failure.cell == 3
    assert failure.error.startswith("the kernel died")


def test_time_memory_data_versions_and_volumes_are_noted(tmp_path):
    hold = "import numpy as np\na = np.ones(300_000_000, dtype=np.uint8)\nimport time\ntime.sleep(1.0)"
    opened = """
import json, os
with open(os.environ["IPIU_RUN_LOG"], "a") as log:
    for source in ("real sample: A", "real sample: B", "real sample: A"):
        print(json.dumps({"source": source}), file=log)
"""
    volume = """
import os
from pathlib import Path
folder = Path(os.environ["IPIU_PAGES"], "volumes")
folder.mkdir(parents=True, exist_ok=True)
for name in ("0123456789abcdef", "unused0123456789"):
    (folder / f"{name}.js").write_text("1")
print("0123456789abcdef")
"""
    book = make_book(tmp_path, one=(hold, opened, volume))

    result = next(iter(execute_only(book).results.values()))

    assert 1.0 <= result.seconds < 60
    assert 330 <= result.memory_mb <= 700  # 300 MB and an interpreter with NumPy
    assert result.sources == ["real sample: A", "real sample: B"]
    assert list(result.versions) == ["Python", "ipiu", "numpy"]
    assert result.volumes == ["volumes/0123456789abcdef.js"]
    assert load(executed(book, "one").result) == result

    (executed(book, "one").pages / result.volumes[0]).unlink()
    assert execute_only(book).ran == 1  # a copy whose volume is gone is not whole


def test_the_notebook_runs_in_its_folder_with_its_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")  # set for scripts; pictures belong into the notebook
    book = make_book(
        tmp_path,
        one=("import os\nprint(os.getcwd(), os.environ['OMP_NUM_THREADS'], os.environ['PYTHONHASHSEED'])",),
        two=("import os\nprint(os.environ.get('MPLBACKEND', 'unset').startswith('agg'))",),
    )

    execute_only(book, jobs=2)

    assert printed(executed(book, "one").notebook) == f"{tmp_path}/notebooks/a {max(1, cores() // 2)} 0\n"
    assert printed(executed(book, "two").notebook) == "False\n"


def test_a_path_with_braces_is_a_path(tmp_path):
    book = make_book(tmp_path / "{odd}", one=("print(1)",))

    assert not execute_only(book).failed


def test_a_damaged_result_counts_as_none(tmp_path):
    path = tmp_path / "r.json"
    for text in ("", "{", "[]", "{}", json.dumps({"failure": None, "surprise": 1})):
        path.write_text(text)
        assert load(path) is None


def test_select_takes_names_paths_and_patterns(tmp_path, monkeypatch):
    book = make_book(tmp_path, one=(), two=())
    monkeypatch.chdir(tmp_path / "notebooks" / "a")

    for pattern in ("one", "notebooks/a/one", "notebooks/a/one.ipynb", "one.ipynb", "*/one*", "o?e"):
        assert [chapter.name for chapter in select(book, [pattern])] == ["one"]
    with pytest.raises(IpiuError, match="'three' matches no chapter; the chapters are one, two"):
        select(book, ["one", "three"])


def test_wrong_arguments_are_named(tmp_path):
    book = make_book(tmp_path, one=())

    with pytest.raises(IpiuError, match="preset 'huge' is not one of smoke, cpu, gpu"):
        build(book, preset="huge")
    with pytest.raises(IpiuError, match="jobs is 0"):
        build(book, jobs=0)


def test_no_more_chapters_at_once_than_there_are_or_fit(monkeypatch):
    monkeypatch.setattr("ipiu.book.execute.cores", lambda: 64)
    memory = type("Memory", (), {"available": 9 * 1024**3})
    monkeypatch.setattr("ipiu.book.execute.psutil.virtual_memory", lambda: memory)

    assert jobs_that_fit(10) == 2
    assert jobs_that_fit(1) == 1
    memory.available = 0
    assert jobs_that_fit(10) == 1
