"""How long one waits before anything happens: importing ipiu, and a build of the book with nothing changed.

Run ``python benchmarks/startup.py`` after ``make book``.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from results import keep

ROOT = Path(__file__).parents[1]


def seconds(*command: str) -> float:
    """Median wall-clock time of nine runs of a command, after one that is not counted."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    bare, imported = seconds(sys.executable, "-c", "pass"), seconds(sys.executable, "-c", "import ipiu")
    result = {
        "what": "import ipiu, beyond an empty Python; make book with nothing changed",
        "import_s": round(imported - bare, 3),
        "python_s": round(bare, 3),
        "make_book_unchanged_s": round(seconds("make", "book"), 3),
    }
    keep("startup", result, packages=("ipiu",))


if __name__ == "__main__":
    main()
