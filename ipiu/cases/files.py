"""What every reader asks first: is there a file, and what did a library say about it."""

import os
from pathlib import Path

from ipiu.errors import IpiuError


def check_file(path: str | Path) -> Path:
    """The path of a file that is there and has content.

    Raises
    ------
    IpiuError
        Where there is no such file, or it is a folder or empty.
    """
    path = Path(path)
    if not path.exists():
        msg = f"{path}: there is no such file; check its spelling and the folder you are in"
        raise IpiuError(msg)
    if not path.is_file():
        msg = f"{path}: is not a file; give one that can be read"
        raise IpiuError(msg)
    if not path.stat().st_size:
        msg = f"{path}: is empty; copy it again from its source"
        raise IpiuError(msg)
    return path


def files_below(folder: str | Path) -> list[Path]:
    """Every regular file under a folder in the order of its path, without hidden ones.

    Raises
    ------
    OSError
        Where a folder may not be read; its files would else be missing without a word.
    """

    def refuse(error: OSError) -> None:
        raise error

    found = (Path(here) / name for here, _, names in os.walk(folder, onerror=refuse) for name in names)
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def reason(error: BaseException) -> str:
    """The first line of what a library said, short enough for a sentence; of a system error only its kind."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = said.strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120].rstrip(". ")
