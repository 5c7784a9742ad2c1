"""Where the benchmarks keep what they measured."""

import json
import os
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def keep(name: str, result: dict, *, packages: tuple[str, ...]) -> None:
    """Print a result as one line of JSON and store it, with the versions it was measured with, in one step."""
    result |= {"cpus": os.cpu_count(), "versions": {package: version(package) for package in packages}}
    print(json.dumps(result))
    FOLDER.mkdir(exist_ok=True)
    fresh = FOLDER / f"{name}.part"
    fresh.write_text(json.dumps(result, indent=2) + "\n")
    fresh.replace(FOLDER / f"{name}.json")
