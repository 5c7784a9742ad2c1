"""The files of one input, on disk or inside a zip, none of which may lie outside it."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from ipiu.cases.limits import check_claim
from ipiu.errors import IpiuError


@dataclass(frozen=True)
class Member:
    """One file of an input.

    Attributes
    ----------
    name
        how messages call it: its path, or ``archive.zip:path inside``
    size
        its length in bytes
    open
        gives a fresh binary stream; the caller closes it
    """

    name: str
    size: int
    open: Callable[[], BinaryIO]


class _BoundedFile(io.BufferedReader):
    """A file that never allocates more than its own size, however much a header asks it to read."""

    def __init__(self, path: Path):
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file, with ``size`` cut to the file's length."""
        return super().read(-1 if size is None or size > self._size else size)


def file_member(path: str | Path) -> Member:
    """One file on disk as a :class:`Member`."""
    path = Path(path)
    return Member(str(path), path.stat().st_size, lambda: _BoundedFile(path))


def folder_members(folder: str | Path) -> tuple[list[Member], int]:
    """Every regular file under ``folder``, in the order of its name.

    Returns
    -------
    tuple
        the members, and how many symbolic links were left aside because they lead out of the folder
    """

    def refuse(error: OSError) -> None:
        raise error  # a folder that may not be read would else be missing without a word

    root = Path(folder).resolve()
    members, strays = [], 0
    for here, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        for path in (Path(here) / name for name in files):
            if not path.resolve().is_relative_to(root):
                strays += 1
            elif path.is_file():
                members.append(file_member(path))
        strays += sum(not (Path(here) / name).resolve().is_relative_to(root) for name in folders)
    return sorted(members, key=lambda member: member.name), strays


@contextmanager
def zip_members(path: str | Path) -> Iterator[list[Member]]:
    """The files inside a zip, read straight from it: nothing is written to disk.

    Raises
    ------
    IpiuError
        Where the zip is damaged or encrypted, a member's name leaves the folder or is a symbolic link, or the
        members together claim more bytes than :func:`ipiu.cases.limits.max_bytes`.
    """
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # zipfile has many words for damage
        msg = f"{path}: this zip cannot be opened ({error}); copy or download it again"
        raise IpiuError(msg) from error
    with archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
        for info in archive.infolist():
            _check_entry(info, path)
        check_claim(sum(info.file_size for info in files), path, what="unpacking it")
        yield sorted((_zip_member(archive, info, path) for info in files), key=lambda member: member.name)


def inside(folder: str | Path, parts: list[str], *, source: str) -> Path:
    """The path that ``parts`` name below ``folder``.

    Parameters
    ----------
    folder
        where the path has to stay
    parts
        folder and file names, as a DICOMDIR gives them
    source
        the file that names them, for the message

    Raises
    ------
    IpiuError
        Where the path leaves the folder, through ``..``, an absolute name or a symbolic link.
    """
    shown = "/".join(parts)
    if not parts or any(part in ("", ".", "..") or not _is_plain(part) or "/" in part for part in parts):
        raise IpiuError(_outside(source, shown))
    path = Path(folder).joinpath(*parts)
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise IpiuError(_outside(source, shown))
    return path


def _check_entry(info: zipfile.ZipInfo, path: str | Path) -> None:
    """Refuse one entry of a zip that is not an ordinary file or folder below it."""
    # orig_filename still has the backslashes that ZipInfo turns into slashes on Windows
    name = info.orig_filename
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    if is_link or not _is_plain(name) or ".." in PurePosixPath(name).parts:
        raise IpiuError(_outside(str(path), name))
    if info.flag_bits & 0x1:
        msg = f"{path}: its member {_shown(name)} is encrypted; unpack the zip with its password first"
        raise IpiuError(msg)


def _is_plain(name: str) -> bool:
    """Whether a name is relative on every operating system and holds no backslash or control character."""
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
    return not absolute and "\\" not in name and name.isprintable()


def _outside(source: str, name: str) -> str:
    """What is said of a name that leaves its folder."""
    return (
        f"{source}: its entry {_shown(name)} points outside the folder or is a link; "
        "open only files you trust, unpacked by yourself"
    )


def _shown(name: str) -> str:
    """A hostile name, short and on one line."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str | Path) -> Member:
    """One file inside an open zip."""
    return Member(f"{path}:{info.filename}", info.file_size, lambda: archive.open(info))
