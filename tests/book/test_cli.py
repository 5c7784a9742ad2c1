import subprocess
import sys

import pytest

from ipiu.cli import main
from tests.book.tiny import make_book

HEAVY = ("torch", "monai", "sphinx", "numpy", "pandas", "papermill", "nbformat")


def test_the_command_starts_without_heavy_imports():
    code = f"import sys, ipiu.cli; ipiu.cli._parser(); print([m for m in {HEAVY} if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_build_with_nothing_to_do_imports_nothing_heavy(tmp_path):
    make_book(tmp_path)
    code = "import sys; from ipiu.cli import main; main(['book', 'build', '--no-pages'])"
    code += f"; print([m for m in {HEAVY} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)

    assert done.stdout.splitlines() == ["0 chapters at preset cpu: 0 executed, 0 unchanged", "[]"]


def test_a_failing_chapter_is_printed_and_ends_with_1(tmp_path, monkeypatch, capsys):
    make_book(tmp_path, bad=("x = [1]\nx[2]",))
    monkeypatch.chdir(tmp_path)

    assert main(["book", "build"]) == 1

    err = capsys.readouterr().err
    assert f"{tmp_path}/notebooks/a/bad.ipynb, code cell 2" in err
    assert "IndexError: list index out of range" in err
    assert "> x[2]" in err
    assert "1 chapter failed (bad); no pages were written" in err


def test_record_check_names_what_is_wrong_and_runs_nothing(tmp_path, monkeypatch, capsys):
    book = make_book(tmp_path, one=("1 / 0",))
    monkeypatch.chdir(tmp_path)

    assert main(["book", "record", "--check", "one"]) == 1

    assert "one.ipynb: its first cell lacks the card" in capsys.readouterr().err
    assert not book.build.exists()


def test_a_wrong_argument_is_one_sentence(tmp_path, monkeypatch, capsys):
    make_book(tmp_path, one=())
    monkeypatch.chdir(tmp_path)

    assert main(["book", "build", "--only", "none"]) == 1
    assert capsys.readouterr().err == "ipiu: 'none' matches no chapter; the chapters are one\n"
    with pytest.raises(SystemExit, match="2"):
        main(["book", "build", "--preset", "huge"])


def test_without_the_libraries_of_the_book_their_extra_is_named(tmp_path, monkeypatch, capsys):
    make_book(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "psutil", None)

    assert main(["book", "build"]) == 1
    assert capsys.readouterr().err == 'ipiu: psutil is not installed; run: pip install "ipiu[book]"\n'


def test_samples_are_listed(capsys):
    assert main(["samples"]) == 0

    assert "mni152" in capsys.readouterr().out
