"""Open data sets of PhysioNet, file by file, each checked against the list of checksums published beside it."""

from __future__ import annotations

from pathlib import Path

from ipiu.cases.archive import inside
from ipiu.cases.public.download import RemoteFile, fetch
from ipiu.cases.public.terms import Terms
from ipiu.errors import IpiuError

SERVER = "https://physionet.org/files"
SUMS = "SHA256SUMS.txt"


class Project:
    """One version of a PhysioNet project, of which files are fetched when they are asked for.

    Parameters
    ----------
    name, version
        such as ``"ptb-xl"``, ``"1.0.3"``
    folder
        where the files go, at the same paths as on the server
    terms
        of the data set; only what is open is fetched
    server
        the address below which projects lie; PhysioNet's own without it
    """

    def __init__(self, name: str, version: str, folder: Path, *, terms: Terms, server: str | None = None):
        self.url = f"{server or SERVER}/{name}/{version}"
        self.folder = folder
        self.terms = terms

    def file(self, path: str, *, progress: bool = True) -> Path:
        """One file, fetched unless it is here.

        Raises
        ------
        IpiuError
            Where the project lists no such file, or it does not arrive whole.
        """
        target = inside(self.folder, path.split("/"), source=self.url)
        if target.exists():  # it took its name only after its checksum was right
            return target
        remote = RemoteFile(f"{self.url}/{path}", target.name, checksum=f"sha256:{self._checksum(path)}")
        return fetch(remote, target.parent, terms=self.terms, progress=progress)

    def _checksum(self, path: str) -> str:
        """The published checksum of a file."""
        sums = fetch(RemoteFile(f"{self.url}/{SUMS}", SUMS), self.folder, terms=self.terms, progress=False)
        with sums.open(encoding="utf-8") as lines:
            for line in lines:
                digest, _, name = line.strip().partition(" ")
                if name.strip().removeprefix("*") == path:
                    return digest
        msg = f"{sums}: lists no {path}; remove it and call again, or see {self.terms.url}"
        raise IpiuError(msg)
