"""Builds that are killed, interrupted, or run beside each other: real processes of the command."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ipiu.book.layout import Book
from tests.book.tiny import make_book, printed

# notes that it ran, and its kernel's process
NOTE = (
    "import os\nfrom pathlib import Path\nwith Path('{name}.ran').open('a') as f:\n    f.write(f'{{os.getpid()}} ')\n"
)
SLOW = "import time\nfor _ in range({tenths}):\n    time.sleep(0.1)\nprint('done')"


@pytest.fixture
def book(tmp_path):
    fast, slow = NOTE.format(name="fast"), NOTE.format(name="slow")
    return make_book(tmp_path, fast=(fast,), slow=(slow, SLOW.format(tenths=60)))


def start(book, *options):
    command = [sys.executable, "-m", "ipiu.cli", "book", "build", "--no-pages", *options]
    return subprocess.Popen(
        command, cwd=book.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def runs(book, name):
    path = book.root / "notebooks" / "a" / f"{name}.ran"
    return path.read_text().split() if path.is_file() else []


def result(book, name):
    return next(book.executed(c, "cpu") for c in book.chapters if c.name == name).result


def running(process_ids):
    return any(psutil.pid_exists(int(i)) and psutil.Process(int(i)).status() != "zombie" for i in process_ids)


@pytest.mark.slow
def test_a_killed_build_takes_its_kernels_down_and_resumes_without_repeating(book):
    first = start(book, "--jobs", "2")
    assert wait_until(lambda: result(book, "fast").is_file() and runs(book, "slow"))
    kernels = runs(book, "slow")

    first.kill()
    finish(first)

    assert wait_until(lambda: not running(kernels), seconds=10)
    assert not result(book, "slow").exists()
    code, out, _ = finish(start(book))
    assert code == 0
    assert "1 executed, 1 unchanged" in out
    assert len(runs(book, "fast")) == 1
    assert len(runs(book, "slow")) == 2
    assert printed(result(book, "slow").with_suffix(".ipynb")) == "done\n"
    assert not list(book.build.rglob("*.part.ipynb"))


@pytest.mark.slow
def test_ctrl_c_ends_the_kernels_and_keeps_what_had_finished(book):
    process = start(book, "--jobs", "2")
    assert wait_until(lambda: result(book, "fast").is_file() and runs(book, "slow"))

    os.kill(process.pid, signal.SIGINT)
    code, _, err = finish(process)

    assert code == 130
    assert "interrupted; what had finished is kept" in err
    assert "Traceback" not in err
    assert wait_until(lambda: not running(runs(book, "slow")), seconds=10)
    assert result(book, "fast").is_file()


@pytest.mark.slow
def test_a_second_build_waits_for_the_first_and_reuses_its_results(book):
    first = start(book, "--jobs", "1")
    assert wait_until(lambda: runs(book, "fast") or runs(book, "slow"))
    second = start(book, "--jobs", "1")

    assert [finish(process)[0] for process in (first, second)] == [0, 0]

    assert len(runs(book, "fast")) == 1
    assert len(runs(book, "slow")) == 1
    assert all(result(Book(book.root), name).is_file() for name in ("fast", "slow"))
