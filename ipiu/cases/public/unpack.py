"""Archives unpacked into a folder that appears whole or not at all, and nothing outside it."""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from filelock import FileLock
from tqdm.auto import tqdm

from ipiu.cases.archive import inside
from ipiu.cases.files import check_file, reason
from ipiu.cases.limits import GIB
from ipiu.errors import IpiuError

CHUNK = 1 << 20
# below this unpacked size a ratio says nothing
SMALL = 256 << 20
MOST_FILES = 2_000_000
BLOCK = tarfile.BLOCKSIZE
# padding behind the end of a tar, of which packers write some KiB
MOST_BEHIND = 64 << 20
BROKEN = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # what zipfile raises for a way of packing it does not know
)


class _Entry(NamedTuple):
    """One file of an archive: the path below the folder, its claimed length, and a way to read it."""

    parts: list[str]
    size: int
    open: Callable[[], BinaryIO]


class _Bounds(NamedTuple):
    """What an archive may unpack to: bytes, and times its own size."""

    archive: Path
    limit: int
    ratio: float

    def check(self, total: int) -> None:
        """Refuse a size that no data set has."""
        if total > self.limit:
            msg = f"{self.archive}: unpacks to over {self.limit / GIB:.1f} GiB; pass a higher max_gib if that is right"
            raise IpiuError(msg)
        if total > SMALL and total > self.ratio * self.archive.stat().st_size:
            msg = (
                f"{self.archive}: unpacks to over {self.ratio:g} times its size, as a trap would; unpack it yourself "
                "if you trust it"
            )
            raise IpiuError(msg)


def unpack(
    archive: str | Path, folder: str | Path, *, max_gib: float = 500.0, ratio: float = 300.0, progress: bool = True
) -> Path:
    """The folder with the files of a zip or tar (packed with gzip, bzip2 or xz, or not), unpacked unless it is there.

    The files are written into a hidden folder beside ``folder``, which takes its name only once all are there; an
    unpacking that was cut is begun anew. Where everything lies in one top folder, that one becomes ``folder``. What
    macOS adds (``__MACOSX``, ``._name``) is left out.

    Parameters
    ----------
    archive
        the file
    folder
        where its files go; returned as it is where it exists and is not empty
    max_gib
        unpacked size above which nothing is kept (GiB)
    ratio
        how many times its packed size an archive above 256 MiB may unpack to
    progress
        whether a bar is shown

    Returns
    -------
    pathlib.Path
        ``folder``

    Raises
    ------
    IpiuError
        Where the archive is broken or encrypted, a member is absolute, has ``..`` in its name, is a link or a device
        or stands twice, the unpacked size passes the limit or is out of proportion, or the disk is full.

    Examples
    --------
    >>> from ipiu.cases.public.unpack import unpack
    >>> unpack("Task09_Spleen.tar", "data/Task09_Spleen")  # doctest: +SKIP
    """
    folder = Path(folder)
    try:
        if _filled(folder):
            return folder
        archive = check_file(archive)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not _filled(folder):
                _unpack(archive, folder, bounds=_Bounds(archive, int(max_gib * GIB), ratio), progress=progress)
    except OSError as error:
        msg = (
            f"{archive}: cannot be unpacked into {folder} ({reason(error)}); nothing was kept, mend that and call again"
        )
        raise IpiuError(msg) from error
    return folder


def _filled(folder: Path) -> bool:
    """Whether there is something in the folder already."""
    return folder.is_dir() and any(folder.iterdir())


def _unpack(archive: Path, folder: Path, *, bounds: _Bounds, progress: bool) -> None:
    """Write into a hidden folder and rename it."""
    hidden = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir()
    try:
        try:
            with _entries(archive, hidden, bounds) as (entries, total):
                _write(
                    entries,
                    archive,
                    hidden,
                    bounds=bounds,
                    bar=tqdm(
                        desc=f"unpacking {archive.name}", total=total, unit="B", unit_scale=True, disable=not progress
                    ),
                )
        except BROKEN as error:
            msg = f"{archive}: is broken ({reason(error)}); remove it and download it again"
            raise IpiuError(msg) from error
        top = list(hidden.iterdir())
        if not top:
            msg = f"{archive}: holds no files; remove it and download it again"
            raise IpiuError(msg)
        if folder.is_dir():
            folder.rmdir()  # it is empty
        (top[0] if len(top) == 1 and top[0].is_dir() else hidden).replace(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _write(entries: Iterator[_Entry], archive: Path, hidden: Path, *, bounds: _Bounds, bar: tqdm) -> None:
    """Write every file, counting what really comes out of the archive."""
    done = 0
    with bar:
        for count, entry in enumerate(entries):
            if count >= MOST_FILES:
                msg = f"{archive}: holds more than {MOST_FILES} files; unpack it yourself and pass folder="
                raise IpiuError(msg)
            path = inside(hidden, entry.parts, source=str(archive))
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = path.open("xb")
            except (FileExistsError, IsADirectoryError) as error:
                msg = f"{archive}: its member {'/'.join(entry.parts)!r} stands twice; unpack it yourself and look at it"
                raise IpiuError(msg) from error
            written = 0
            with file, entry.open() as stream:
                while block := stream.read(CHUNK):
                    written += len(block)
                    done += len(block)
                    bounds.check(done)
                    file.write(block)
                    bar.update(len(block))
            if written != entry.size:
                msg = f"{'/'.join(entry.parts)} has {written} of {entry.size} bytes"
                raise EOFError(msg)


@contextmanager
def _entries(archive: Path, hidden: Path, bounds: _Bounds) -> Iterator[tuple[Iterator[_Entry], int | None]]:
    """The files of an archive, each checked, and their size together where it is known beforehand."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            total = sum(info.file_size for info in opened.infolist())
            bounds.check(total)
            free = shutil.disk_usage(hidden).free
            if total > free:
                msg = (
                    f"{archive}: unpacks to {total / GIB:.2f} GiB but the disk of {hidden.parent} has "
                    f"{free / GIB:.2f} GiB free; free some"
                )
                raise IpiuError(msg)
            yield _zip_entries(opened, archive), total
        return
    with _open_tar(archive) as opened:
        yield _tar_entries(opened, archive), None


def _open_tar(archive: Path) -> tarfile.TarFile:
    """A tar, packed or not."""
    try:
        return tarfile.open(archive)
    except tarfile.ReadError as error:
        msg = f"{archive}: is no zip or tar, or it is broken from its beginning; remove it and download it again"
        raise IpiuError(msg) from error


def _zip_entries(opened: zipfile.ZipFile, archive: Path) -> Iterator[_Entry]:
    """Ordinary files of a zip."""
    for info in opened.infolist():
        mode = info.external_attr >> 16
        # orig_filename still has the backslashes that ZipInfo turns into slashes on Windows
        parts = _parts(info.orig_filename)
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(archive, info.orig_filename)
        if info.flag_bits & 0x1:
            msg = f"{archive}: its member {info.orig_filename[:80]!r} is encrypted; unpack it yourself and pass folder="
            raise IpiuError(msg)
        if not info.is_dir() and not _of_macos(parts):
            yield _Entry(parts, info.file_size, lambda info=info: opened.open(info))


def _tar_entries(opened: tarfile.TarFile, archive: Path) -> Iterator[_Entry]:
    """Ordinary files of a tar."""
    for info in opened:
        parts = _parts(info.name)
        if info.isdir():
            continue
        if not info.isreg():
            _refuse(archive, info.name)
        if not _of_macos(parts):
            yield _Entry(parts, info.size, lambda info=info: opened.extractfile(info))
    _check_end(opened)


def _check_end(opened: tarfile.TarFile) -> None:
    """Look for the block of zeros that ends a tar, and read on to where the packer's checksum stands.

    tarfile takes the end of the file for the end of the archive, and stops before that checksum.
    """
    stream = opened.fileobj
    stream.seek(opened.offset)
    if stream.read(BLOCK) != bytes(BLOCK):
        msg = "it ends before its last block"
        raise EOFError(msg)
    behind = 0
    while block := stream.read(CHUNK):
        behind += len(block)
        if behind > MOST_BEHIND:
            msg = "more stands behind its end than any packer writes"
            raise EOFError(msg)


def _parts(name: str) -> list[str]:
    """The folders and the file of a member's name."""
    return [part for part in name.rstrip("/").split("/") if part != "."] or [""]


def _of_macos(parts: list[str]) -> bool:
    """Whether it is what macOS adds to an archive."""
    return parts[0] == "__MACOSX" or parts[-1].startswith("._") or parts[-1] == ".DS_Store"


def _refuse(archive: Path, name: str) -> None:
    msg = f"{archive}: its member {name[:80]!r} is a link or a device, not a file; unpack it yourself and look at it"
    raise IpiuError(msg)
