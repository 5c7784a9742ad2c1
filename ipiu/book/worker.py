"""One chapter, executed in a process of its own: ``python -P -m ipiu.book.worker``, a job as JSON in its argument.

When the builder ends, in whatever way, the worker and its kernel end with it (:mod:`ipiu.book.child`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ipiu.book.child import end_with_builder
from ipiu.book.layout import Executed
from ipiu.book.result import Failure, Result, finished


@dataclass(frozen=True)
class Job:
    """What a worker has to do: execute ``notebook`` with ``parameters``, and leave its files under ``folder``."""

    notebook: str
    folder: str
    doc: str
    key: str
    parameters: dict
    force: bool = False

    @property
    def files(self) -> Executed:
        """Where the results go."""
        return Executed(Path(self.folder), self.doc)

    def dumps(self) -> str:
        """The worker's argument."""
        return json.dumps(asdict(self))


def run(job: Job) -> Result:
    """Execute one chapter, unless another builder has just done so, and keep copy and result.

    A lock makes a second builder wait here and reuse what the first one made.
    """
    from filelock import FileLock

    files = job.files
    files.lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(files.lock):
        done = None if job.force else finished(files, job.key)
        return done or _execute(job)


def _execute(job: Job) -> Result:
    """Run the notebook and write its copy, then its result."""
    files = job.files
    part = files.notebook.with_suffix(".part.ipynb")
    with tempfile.TemporaryDirectory() as scratch:
        run_log = Path(scratch, "opened.jsonl")
        os.environ |= {"IPIU_RUN_LOG": str(run_log), "IPYTHONDIR": scratch}
        started = time.perf_counter()
        failure = _papermill(job, part)
        seconds = round(time.perf_counter() - started, 2)
        sources = _sources(run_log)
    files.result.unlink(missing_ok=True)  # from here on the old result would belong to the new copy
    copy = files.failed if failure else files.notebook
    if part.is_file():
        part.replace(copy)
    result = Result(
        job.key,
        seconds=seconds,
        memory_mb=_peak_memory_mb(),
        sources=sources,
        versions=_versions(Path(job.notebook)),
        volumes=_volumes(copy, files.pages),
        failure=failure,
    )
    if not failure:
        files.failed.unlink(missing_ok=True)
    result.save(files.result)
    return result


def _papermill(job: Job, part: Path) -> Failure | None:
    """Execute the notebook into ``part``; tell what went wrong."""
    import papermill

    try:
        papermill.execute_notebook(
            _literal(job.notebook),
            _literal(part),
            parameters=job.parameters,
            cwd=str(Path(job.notebook).parent),
            progress_bar=False,
        )
    except Exception as error:  # whatever a notebook or its kernel does, the other chapters go on
        return _failure(error, part)
    return None


def _failure(error: Exception, part: Path) -> Failure:
    """The failing cell, with the number it has in the source notebook, and the error."""
    from papermill.exceptions import PapermillExecutionError, strip_color

    text, trace = f"{type(error).__name__}: {error}", ""
    if isinstance(error, PapermillExecutionError):
        text = f"{error.ename}: {strip_color(error.evalue)}"
        trace = strip_color("\n".join(error.traceback[-3:-1]))  # the innermost frames; the last item is the message
    elif type(error).__name__ == "DeadKernelError":
        text = "the kernel died; the machine may be out of memory, or a library crashed"
    cell, source = _failing_cell(part)
    return Failure(cell, source, text, "\n".join(trace.splitlines()[-40:]))


def _failing_cell(part: Path) -> tuple[int, str]:
    """Number (from 1, among the source notebook's code cells) and source of the cell that raised or started last."""
    if not part.is_file():
        return 0, ""
    number, last = 0, (0, "")
    for cell in json.loads(part.read_text(encoding="utf-8"))["cells"]:
        meta = cell["metadata"]
        injected = "injected-parameters" in meta.get("tags", [])
        number += cell["cell_type"] == "code" and not injected
        state = meta.get("papermill", {})
        if cell["cell_type"] == "code" and state.get("start_time"):
            last = (number, "".join(cell["source"]))
            if state.get("exception"):
                break
    return last


def _literal(path: str | Path) -> str:
    """A path in which papermill finds no parameters to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _peak_memory_mb() -> float:
    """Peak resident memory of the kernel that has just ended, in MB."""
    try:
        import resource
    except ImportError:  # not a Unix system
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6, 1)


def _sources(run_log: Path) -> list[str]:
    """What ``ipiu.open`` noted down, each source once."""
    if not run_log.is_file():
        return []
    lines = run_log.read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(str(json.loads(line)["source"]) for line in lines if line.strip()))


def _versions(notebook: Path) -> dict[str, str]:
    """Versions of Python, ipiu and the packages that the notebook's own cells import."""
    import ast
    import platform
    from importlib.metadata import packages_distributions, version

    from ipiu.book.key import read_notebook

    names = {"ipiu"}
    for cell in read_notebook(notebook)["cells"]:
        lines = "".join(cell["source"]).splitlines() if cell["cell_type"] == "code" else []
        try:
            tree = ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    owners = packages_distributions()
    packages = sorted({owners[name][0] for name in names if name in owners}, key=str.lower)
    return {"Python": platform.python_version()} | {package: version(package) for package in packages}


def _volumes(copy: Path, pages: Path) -> list[str]:
    """The files below ``pages`` that the outputs of the executed copy name."""
    if not copy.is_file() or not pages.is_dir():
        return []
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    text = json.dumps([cell.get("outputs") for cell in cells])
    files = sorted(path for path in pages.rglob("*") if path.is_file() and not path.name.startswith("."))
    return [path.relative_to(pages).as_posix() for path in files if path.stem in text]


def main() -> int:
    """Execute the job in the first argument; 1 where the chapter failed."""
    end_with_builder()
    return 1 if run(Job(**json.loads(sys.argv[1]))).failure else 0


if __name__ == "__main__":
    sys.exit(main())
