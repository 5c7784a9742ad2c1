"""Files written so that a reader never sees half of one, and only where their content changed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ipiu.atomic import write_atomic


def write_if_changed(path: Path, content: bytes | str) -> bool:
    """Write a file unless it holds ``content`` already; tell whether it was written."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return False
    write_atomic(path, data)
    return True


def files_below(folder: Path, *, leave_out: tuple[str, ...] = ()) -> Iterator[Path]:
    """All files of a folder in a fixed order, without hidden ones and without folders named in ``leave_out``."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or path.name in leave_out:
            continue
        if path.is_dir():
            yield from files_below(path, leave_out=leave_out)
        else:
            yield path


def remove_others(folder: Path, keep: set[Path]) -> None:
    """Delete the files of ``folder`` that are not in ``keep``, and the folders that are empty then."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            if Path(parent, name) not in keep:
                Path(parent, name).unlink()
        if Path(parent) != folder and not any(Path(parent).iterdir()):
            Path(parent).rmdir()


def copy_if_changed(source: Path, target: Path, *, link: bool = False) -> None:
    """Copy a file with its time of change, unless the copy has that time and the same size.

    With ``link`` the copy shares its bytes with the source where the disk allows; for files that are never written to.
    """
    wanted = source.stat()
    if target.is_file():
        there = target.stat()
        if (there.st_size, there.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        if link:
            os.link(source, temporary)
        else:
            shutil.copy2(source, temporary)
    except OSError:
        if not link:
            raise
        shutil.copy2(source, temporary)
    temporary.replace(target)
