"""Executing the chapters: several at once, longest first, each in a worker of its own."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from tqdm.auto import tqdm

from ipiu.book.key import chapter_key, environment_digest
from ipiu.book.layout import Book, Chapter
from ipiu.book.result import Failure, Result, finished, load
from ipiu.book.worker import Job
from ipiu.errors import IpiuError

_GIB_A_CHAPTER = 4
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def execute(
    book: Book,
    chapters: Sequence[Chapter],
    *,
    parameters: dict,
    folder: Path,
    jobs: int | None = None,
    force: bool = False,
) -> tuple[dict[Chapter, Result], int]:
    """Execute the chapters that are not done, and return the results of all and the number that ran.

    Parameters
    ----------
    book, chapters
        the book, and those of its chapters that are wanted
    parameters
        what papermill passes to every notebook
    folder
        where the executed copies and results go; shared by all who execute with these parameters
    jobs
        how many run at once; by default as many as cores and free memory (4 GiB a chapter) allow
    force
        run the chapters that are done, too

    Raises
    ------
    IpiuError
        Where ``jobs`` is not positive or a notebook cannot be read.
    """
    if jobs is not None and jobs < 1:
        msg = f"jobs is {jobs}; give the number of chapters to execute at once, 1 or more"
        raise IpiuError(msg)
    environment = environment_digest(book)
    todo, results = [], {}
    for chapter in chapters:
        key = chapter_key(chapter.path, parameters, environment)
        job = Job(str(chapter.path), str(folder), chapter.doc, key, parameters, force)
        result = None if force else finished(job.files, key)
        if result:
            results[chapter] = result
        else:
            todo.append((chapter, job))
    todo.sort(key=_last_time, reverse=True)
    ran = _run_all(todo, jobs or jobs_that_fit(len(todo))) if todo else {}
    return {chapter: ran.get(chapter) or results[chapter] for chapter in chapters}, len(ran)


def jobs_that_fit(chapters: int) -> int:
    """How many chapters may run at once on this machine, at least one."""
    by_memory = psutil.virtual_memory().available // (_GIB_A_CHAPTER * 1024**3)
    return max(1, min(cores(), by_memory, chapters))


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _last_time(item: tuple[Chapter, Job]) -> float:
    """Seconds the chapter took last time; chapters that never ran come first."""
    last = load(item[1].files.result)
    return last.seconds if last else math.inf


def _run_all(todo: list[tuple[Chapter, Job]], jobs: int) -> dict[Chapter, Result]:
    """Keep ``jobs`` workers going until all is done; end them all where the builder is interrupted."""
    waiting, running, results = list(todo), {}, {}
    environment = _environment(jobs, todo[0][1])
    try:
        with tqdm(total=len(todo), desc="Executing", unit="chapter") as bar:
            while waiting or running:
                while waiting and len(running) < jobs:
                    chapter, job = waiting.pop(0)
                    running[chapter] = (job, _start(job, environment))
                    bar.set_postfix_str(", ".join(c.name for c in running))
                for chapter, result in list(_ended(running)):
                    results[chapter] = result
                    bar.update()
                    bar.set_postfix_str(", ".join(c.name for c in running))
                time.sleep(0.05)
    finally:
        _stop([worker for _, worker in running.values()])
    return results


def _start(job: Job, environment: dict[str, str]) -> subprocess.Popen:
    """A worker in a session of its own, so that Ctrl-C reaches the builder alone, which then ends it in order."""
    job.files.log.parent.mkdir(parents=True, exist_ok=True)
    with job.files.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "ipiu.book.worker", job.dumps()],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _ended(running: dict[Chapter, tuple[Job, subprocess.Popen]]) -> Iterator[tuple[Chapter, Result]]:
    """Take the workers that have ended out of ``running``, and give their results."""
    for chapter, (job, worker) in list(running.items()):
        if worker.poll() is None:
            continue
        del running[chapter]
        worker.stdin.close()
        result = load(job.files.result)
        if result is None or result.key != job.key:
            text = f"the worker ended with code {worker.returncode}; its log is {job.files.log}"
            result = Result(job.key, failure=Failure(0, "", text, _tail(job.files.log)))
        yield chapter, result


def _stop(workers: Sequence[subprocess.Popen]) -> None:
    """Close the workers' standard inputs, at which they end with their kernels; kill those that do not."""
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.stdin.close()
    for worker in workers:
        try:
            worker.wait(timeout=10)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _environment(jobs: int, job: Job) -> dict[str, str]:
    """The workers' environment: cores shared out, results repeatable, no leftovers of the caller's own Jupyter."""
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    threads = str(max(1, cores() // jobs))
    return inherited | {
        "IPIU_PAGES": str(job.files.pages),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else every kernel warns about frozen modules
        "PYTHONHASHSEED": "0",
        **dict.fromkeys(_THREADS, threads),
    }


def _tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return "\n".join(text.splitlines()[-lines:])
