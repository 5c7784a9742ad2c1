"""The comparison of printed results: the sanitising file, and what notebooks/conftest.py leaves out."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbval.plugin import get_sanitize_patterns

from ipiu.book.stored import record
from tests.book.tiny import make_book

ROOT = Path(__file__).parents[2]
PRINTS = "import sys\nprint('one 0.123412345')\nprint('noise', file=sys.stderr)\n{'a': 1}"
DRAWS = "from IPython.display import HTML, SVG, display\ndisplay(HTML('<b>x</b>'), SVG('<svg/>'))\nprint('drawn')"


def sanitized(text):
    for pattern, replacement in get_sanitize_patterns((ROOT / "notebooks" / "sanitize.cfg").read_text()):
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it took 1.2 s", "it took 14 s"),
        ("it took 800 ms.", "it took 2 min."),
        ("<object at 0x7f00aa>", "<object at 0x7f11bb>"),
        ("in /home/a/b.nii.gz", "in /root/c.nii.gz"),
        ("0.12341", "0.12349"),
        ("0.000123412", "0.000123499"),
        ("1.23412e-05", "1.23418e-05"),
        ("mean 1.2341234 mm", "mean 1.2341999 mm"),
        ("12.341", "12.349"),
        ("[123.41 123.42]", "[123.49 123.49]"),
        ("1234.5 ml", "1234.9 ml"),
        ("-0.0", "0.0"),
    ],
)
def test_what_differs_between_machines_is_not_compared(one, other):
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10 s at 500 Hz", "11 s at 500 Hz"),
        ("25 mm/s and 10 mm/mV", "25 mm/s and 5 mm/mV"),
        ("0.1234", "0.1235"),
        ("0.001234", "0.001235"),
        ("1.234", "1.235"),
        ("12.34", "12.35"),
        ("123.4", "123.5"),
        ("1234", "1235"),
        ("12345678", "12345679"),
        ("-0.5", "0.5"),
        ("-1.0", "1.0"),
        ("2.13.01234", "2.13.01235"),
        ("1.234e-05", "1.234e-06"),
    ],
)
def test_what_is_a_result_is_compared(one, other):
    assert sanitized(one) != sanitized(other)


def nbval(book):
    """Run nbval as the Makefile does; notebooks/conftest.py and the pytest options are those of this repository."""
    for name in ("conftest.py", "sanitize.cfg"):
        shutil.copy(ROOT / "notebooks" / name, book.root / "notebooks")
    shutil.copy(ROOT / "pyproject.toml", book.root)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval"]
    command += ["--nbval-sanitize-with", "notebooks/sanitize.cfg", "notebooks"]
    return subprocess.run(command, cwd=book.root, capture_output=True, text=True)


@pytest.mark.slow
def test_printed_results_are_compared_and_displays_are_not(tmp_path):
    book = make_book(tmp_path, one=(PRINTS, DRAWS))
    record(book, book.chapters)

    done = nbval(book)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout

    path = book.chapters[0].path
    stored = json.loads(path.read_text())
    stored["cells"][2]["outputs"][0]["text"] = ["one 0.1233\n"]
    stored["cells"][3]["outputs"] = []
    path.write_text(json.dumps(stored))
    done = nbval(book)
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout  # a wrong result, and one that is not stored
