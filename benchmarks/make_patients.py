"""Digital patients: how many a second, and whether memory stays flat as the cohort grows.

Run ``python benchmarks/make_patients.py`` on an idle machine (about 20 minutes; ``--cases 100`` is a shorter try). It
makes full patients at 96 x 96 x 96 without brain, makes tables with ECG features and outcomes, and writes one tenth of
the cases and then all of them to a temporary folder, each in a process of its own whose peak memory is read at its end.
It prints one line of JSON and keeps it in benchmarks/results/make_patients.json.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path

from results import keep

SPACING = (4.5, 4.5, 5.0)
PACKAGES = ("ipiu", "numpy", "scipy", "torch", "monai")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=1000)
    arguments.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    options = arguments.parse_args()
    few, many = options.cases // 10, options.cases
    small, _ = alone(write, few, options.workers)
    large, seconds = alone(write, many, options.workers)
    result = {
        "what": f"digital patients with {options.workers} workers: full (96 x 96 x 96, no brain), tables, to_disk",
        "full_per_s": round(rate(full, 60, options.workers), 2),
        "tables_per_s": round(rate(Tables, 4000, options.workers), 0),
        "written_per_s": round(many / seconds, 2),
        f"peak_mib_{few}": round(small),
        f"peak_mib_{many}": round(large),
        "memory_ratio": round(large / small, 3),
    }
    keep("make_patients", result, packages=PACKAGES)


def rate(job, n: int, workers: int) -> float:
    """Patients a second, the start of the workers left out."""
    cohort = job(n)
    done = cohort.map(_touch, workers=workers)
    for _ in range(2 * workers):  # the workers are up once the first results are in
        next(done)
    start = time.perf_counter()
    count = sum(1 for _ in done)
    return count / (time.perf_counter() - start)


def full(n: int):
    from ipiu import DigitalCohort

    return DigitalCohort(n, seed=0, spacing=SPACING)


def _touch(case) -> int:
    return len(case.labels)


class Tables:
    """A cohort whose cases are a record, ECG features and an outcome; no signal is made."""

    def __init__(self, n: int):
        from ipiu import DigitalCohort

        self.n, self.cohort = n, DigitalCohort(n, seed=0, parts=("record", "outcome"))

    def map(self, function, workers: int):
        """The rows in order; the function of a case has nothing to do here."""
        from ipiu.cases.parallel import in_order

        yield from in_order(self.row, range(self.n), workers=workers)

    def row(self, place: int) -> int:
        """Make one patient's record, outcome and ECG features."""
        name = self.cohort.ids[place]
        return len(self.cohort[place].record) + len(self.cohort.patient(name).features())


def alone(job, *args) -> tuple[float, float]:
    """Peak memory in MiB of a job in a process of its own (the largest of it and its workers), and its seconds."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measure, args=(queue, job, args))
    process.start()
    process.join()
    if process.exitcode:
        message = f"{job.__name__}{args} ended with exit code {process.exitcode}; its error stands above"
        raise SystemExit(message)
    return queue.get()


def _measure(queue, job, args) -> None:
    start = time.perf_counter()
    job(*args)
    seconds = time.perf_counter() - start
    forkserver._forkserver._stop()  # its workers count as descendants of this process once it has ended
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    queue.put((max(peaks) / 1024, seconds))


def write(n: int, workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        full(n).to_disk(Path(folder) / "cohort", workers=workers)


if __name__ == "__main__":
    main()
