"""Files from the web that arrive whole, are the right ones, and are fetched only where their terms allow it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from ipiu.cases.files import reason
from ipiu.cases.limits import GIB
from ipiu.cases.public.terms import Terms
from ipiu.cases.public.transfer import RemoteFile, Transfer, feed, hasher
from ipiu.errors import IpiuError

__all__ = ["RemoteFile", "Terms", "data_folder", "fetch"]

FULL = {errno.ENOSPC, errno.EDQUOT}


def data_folder() -> Path:
    """Where public data are kept.

    The folder that the environment variable ``IPIU_DATA`` names, else ``ipiu`` in the platform's cache of the user:
    ``~/.cache`` (or ``XDG_CACHE_HOME``), ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows.
    """
    chosen = os.environ.get("IPIU_DATA")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ipiu"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ipiu"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ipiu"


def fetch(
    file: RemoteFile,
    folder: str | Path,
    *,
    terms: Terms,
    layout: str = "",
    timeout: float = 30.0,
    tries: int = 5,
    max_gib: float = 100.0,
    progress: bool = True,
) -> Path:
    """The path of a file of an open data set, downloaded unless it is there already.

    Licence and access are printed first. The file is written as ``NAME.part`` and takes its name only when it is
    whole and its checksum is right, so whatever carries the name can be used. A cut download is continued by the next
    call where the server allows it and still has the same file. Several processes may ask for one file at once.

    Parameters
    ----------
    file
        what to fetch, with its published checksum
    folder
        where to; made where it is missing
    terms
        the terms of the data set; only ``access="open"`` is fetched
    layout
        what the loader would read, for the sentence that refuses other data
    timeout
        seconds a server may be silent
    tries
        how often in a row a download may fail without getting further
    max_gib
        size above which nothing is fetched (GiB)
    progress
        whether a bar is shown

    Returns
    -------
    pathlib.Path
        ``folder / file.name``

    Raises
    ------
    IpiuError
        Where the terms have to be accepted first, the server does not deliver, the file is larger than its published
        size or ``max_gib``, its checksum is wrong (the file is then removed), or the disk is full (the part stays).

    Examples
    --------
    >>> from ipiu.cases.public.download import RemoteFile, Terms, fetch
    >>> file = RemoteFile("https://example.org/scans.zip", "scans.zip", checksum="md5:...")  # doctest: +SKIP
    >>> fetch(file, "data", terms=Terms.of("ptb-xl"))  # doctest: +SKIP
    """
    if terms.access != "open":
        terms.refuse(layout)
    _check_url(file.url)
    target = Path(folder) / file.name
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # one process downloads, the others wait here and then find the file
            with FileLock(target.with_name(f".{file.name}.lock")):
                if not target.exists():
                    terms.say()
                    transfer = Transfer(file, target, timeout=timeout, limit=int(max_gib * GIB), progress=progress)
                    transfer.run(tries)
                    return target
        _verify(target, file)
    except OSError as error:
        raise IpiuError(_disk(error, target)) from error
    return target


def _check_url(url: str) -> None:
    """Only addresses of the web; never a file of this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"{url!r} is not an address of the web; it must begin with https://"
        raise IpiuError(msg)


def _verify(path: Path, file: RemoteFile) -> None:
    """Check a file that is there already; it may be the reader's own, so it is not removed."""
    if file.size is not None and path.stat().st_size != file.size:
        msg = f"{path}: has {path.stat().st_size} bytes but {file.size} were published; remove it and call again"
        raise IpiuError(msg)
    if file.checksum:
        algorithm, _, expected = file.checksum.partition(":")
        digest = hasher(file)
        with path.open("rb") as stream:
            feed(digest, stream)
        if digest.hexdigest() != expected.lower():
            msg = (
                f"{path}: expected the {algorithm} checksum {expected}, got {digest.hexdigest()}; "
                "remove it and call again"
            )
            raise IpiuError(msg)


def _disk(error: OSError, target: Path) -> str:
    """What is said of a disk that does not take the file."""
    if error.errno in FULL:
        return (
            f"{target}: the disk is full; what was fetched is kept as {target.name}.part, free some space and call "
            "again, or set IPIU_DATA to a folder on another disk"
        )
    return (
        f"{error.filename or target}: cannot be written ({reason(error)}); set IPIU_DATA to a folder you may write to"
    )
