"""One file from a server, continued where it was cut, bounded in time and size, and checked while it is read."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from urllib.parse import urlsplit

from tqdm.auto import tqdm

from ipiu.cases.files import reason
from ipiu.errors import IpiuError

CHUNK = 1 << 20
# free space left over on the disk, so that a download never fills it to the last byte
SPARE = 64 << 20
# a server slower than this over one time-out is taken as stalled (bytes a second)
SLOWEST = 256
# seconds a server may ask us to wait before the next try
LONGEST_WAIT = 60.0
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class RemoteFile:
    """One file on a server.

    Attributes
    ----------
    url
        its https (or http) address
    name
        what it is called here
    size
        its length in bytes, where it is published
    checksum
        ``"md5:..."`` or ``"sha256:..."``, where one is published
    """

    url: str
    name: str
    size: int | None = None
    checksum: str | None = None

    def __post_init__(self):
        if self.name != Path(self.name).name or self.name.startswith(".") or "\\" in self.name:
            msg = f"{self.name!r} cannot be the name of a downloaded file; give one without folders or a leading dot"
            raise ValueError(msg)
        algorithm, _, digest = ("sha256:-" if self.checksum is None else self.checksum).partition(":")
        if algorithm not in {"md5", "sha1", "sha256", "sha512"} or not digest:
            msg = f"checksum {self.checksum!r} of {self.name}: write it as 'md5:...' or 'sha256:...'"
            raise ValueError(msg)


class Transfer:
    """One download into ``NAME.part``."""

    def __init__(self, file: RemoteFile, target: Path, *, timeout: float, limit: int, progress: bool):
        self.file = file
        self.target = target
        self.part = target.with_name(f"{target.name}.part")
        # url and validators of the server's file, without which a part cannot be continued
        self.note = target.with_name(f"{target.name}.part.json")
        self.timeout = timeout
        self.limit = limit
        self.opener = urllib.request.build_opener(SafeRedirect)
        self.bar = tqdm(desc=file.name, total=file.size, unit="B", unit_scale=True, disable=not progress)

    def run(self, tries: int) -> None:
        """Try until the file is whole; only tries that get no further than the best one count."""
        failed, furthest = 0, 0
        with self.bar:
            while True:
                try:
                    digest = self._attempt()
                    break
                except _Interrupted as error:
                    reached = self.part.stat().st_size if self.part.exists() else 0
                    failed = 1 if reached >= furthest + CHUNK else failed + 1
                    furthest = max(reached, furthest)
                    if failed >= tries:
                        msg = f"{self.file.url}: {error} (tried {failed} times); call again later{self._kept()}"
                        raise IpiuError(msg) from error
                    time.sleep(min(max(2.0 ** (failed - 1), error.wait), LONGEST_WAIT))
        self._finish(digest)

    def _finish(self, digest: str) -> None:
        """Give a part that is whole its name, or remove one that is wrong."""
        self.note.unlink(missing_ok=True)
        algorithm, _, expected = (self.file.checksum or "").partition(":")
        if expected and digest != expected.lower():
            self.part.unlink()
            msg = (
                f"{self.file.url}: expected the {algorithm} checksum {expected}, got {digest}; the file was removed. "
                "Call again; if it stays so, the server has another file than was published"
            )
            raise IpiuError(msg)
        self.part.replace(self.target)

    def _attempt(self) -> str:
        """One request, continued from the part where that can be; returns the checksum of the whole file."""
        start = self._resumable()
        try:
            response = self.opener.open(self._request(start), timeout=self.timeout)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error)
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(error) from error
        with response:
            start, total = self._accepted(response, start)
            return self._read(response, start, total)

    def _resumable(self) -> int:
        """Bytes of an earlier part that may be continued."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            if note["url"] == self.file.url and (note["etag"] or note["modified"]):
                return self.part.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0

    def _request(self, start: int) -> urllib.request.Request:
        # a packed transfer would neither have the published length nor the published checksum
        headers = {"User-Agent": "ipiu", "Accept-Encoding": "identity"}
        if start:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            headers |= {"Range": f"bytes={start}-", "If-Range": note["etag"] or note["modified"]}
        return urllib.request.Request(self.file.url, headers=headers)

    def _accepted(self, response: Any, start: int) -> tuple[int, int | None]:
        """Where the answer begins in the file, and how long the whole file is."""
        headers = response.headers
        if response.status != 206:
            start = 0
        elif not start or not self._continues(headers, start):  # a piece that does not fit; ask for the whole
            self._forget()
            msg = "the server answered with another piece than was asked for"
            raise _Interrupted(msg)
        length = headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        self._check_size(total)
        self._check_space((total or self.file.size or 0) - start)
        if not start:
            self._forget()
            etag = headers.get("ETag") or ""
            note = {
                "url": self.file.url,
                "etag": "" if etag.startswith("W/") else etag,  # a weak one does not promise equal bytes
                "modified": headers.get("Last-Modified") or "",
            }
            self.note.write_text(json.dumps(note), encoding="utf-8")
        return start, total

    def _continues(self, headers: Any, start: int) -> bool:
        """Whether a 206 answer is the rest of the very file of which a part is here."""
        note = json.loads(self.note.read_text(encoding="utf-8"))
        same = all(
            not note[name] or headers.get(header, note[name]) == note[name]
            for name, header in (("etag", "ETag"), ("modified", "Last-Modified"))
        )
        return same and headers.get("Content-Range", "").startswith(f"bytes {start}-")

    def _read(self, response: Any, start: int, total: int | None) -> str:
        """Append the answer to the part."""
        digest = hasher(self.file)
        ceiling = self.file.size or total or self.limit
        with self.part.open("r+b" if start else "wb") as part:
            if start:
                feed(digest, part)
            self.bar.reset(total or self.file.size)
            self.bar.update(start)
            done, mark, marked = start, time.monotonic(), start
            while block := self._receive(response):
                done += len(block)
                if done > ceiling:
                    part.close()
                    self._forget()
                    msg = f"{self.file.url}: sends more than the {_size(ceiling)} it should have; nothing was kept"
                    raise IpiuError(msg)
                part.write(block)
                digest.update(block)
                self.bar.update(len(block))
                now = time.monotonic()
                if now - mark >= self.timeout:
                    if done - marked < SLOWEST * (now - mark):
                        msg = "the server sends almost nothing"
                        raise _Interrupted(msg)
                    mark, marked = now, done
        wanted = total or self.file.size
        if wanted is not None and done < wanted:
            msg = f"the connection ended after {_size(done)} of {_size(wanted)}"
            raise _Interrupted(msg)
        return digest.hexdigest()

    def _receive(self, response: Any) -> bytes:
        """The next bytes that are there, without waiting for a whole chunk."""
        try:
            return response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(error) from error

    def _check_size(self, total: int | None) -> None:
        """Refuse an announced length that is not the published one, or too large."""
        if total is not None and self.file.size is not None and total != self.file.size:
            msg = f"{self.file.url}: has {total} bytes but {self.file.size} were published; the server has another file"
            raise IpiuError(msg)
        if (known := total or self.file.size or 0) > self.limit:
            msg = f"{self.file.url}: has {_size(known)}, above the limit of {_size(self.limit)}; pass a higher max_gib"
            raise IpiuError(msg)

    def _check_space(self, needed: int) -> None:
        """Refuse what does not fit on the disk before it is fetched."""
        free = shutil.disk_usage(self.target.parent).free
        if needed + SPARE > free:
            msg = (
                f"{self.file.name} needs {_size(needed)} but the disk of {self.target.parent} has {_size(free)} free; "
                f"free some, or set IPIU_DATA to a folder on another disk{self._kept()}"
            )
            raise IpiuError(msg)

    def _refused(self, error: urllib.error.HTTPError) -> NoReturn:
        """What an answer other than success means."""
        if error.code == 416:  # the part is as long as the file, or longer; a new start settles it
            self._forget()
        if error.code in TRY_AGAIN or error.code == 416:
            wait = error.headers.get("Retry-After") or ""
            msg = f"the server answered {error.code} {error.reason}"
            raise _Interrupted(msg, float(wait) if wait.isdecimal() else 0.0) from error
        why = {401: "it asks for a login", 403: "it does not allow it", 404: "it is not there", 410: "it is gone"}
        msg = (
            f"{self.file.url}: cannot be downloaded, {why.get(error.code, error.reason)} (HTTP {error.code}); see the "
            "data set's own page, and pass folder= with the files once you have them"
        )
        raise IpiuError(msg) from error

    def _failed(self, error: Exception) -> Exception:
        """A lost connection may come back; a certificate that is not valid stays so."""
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            msg = f"{self.file.url}: its certificate is not valid ({cause.verify_message}); nothing was fetched"
            return IpiuError(msg)
        if isinstance(cause, TimeoutError):
            return _Interrupted(f"the server was silent for {self.timeout:g} s")
        said = reason(cause) if isinstance(cause, BaseException) else str(cause)
        return _Interrupted(f"the connection failed ({said})")

    def _forget(self) -> None:
        """Remove the part and what is known of it."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _kept(self) -> str:
        """The half-sentence on what a next call will continue."""
        size = self._resumable()
        return f"; {_size(size)} are kept and will be continued" if size else ""


class _Interrupted(Exception):
    """What may work at the next try; ``wait`` is how many seconds the server asks for."""

    def __init__(self, why: str, wait: float = 0.0):
        super().__init__(why)
        self.wait = wait


class SafeRedirect(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to http or https, and never from https to http, where anybody could change the file."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """As the handler of urllib, where the new address may be followed."""
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("http", "https") or (before == "https" and after == "http"):
            said = f"{req.full_url}: redirects from {before} to {after} ({newurl[:80]}), which is not followed"
            raise IpiuError(said)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def hasher(file: RemoteFile) -> Any:
    """The algorithm of the published checksum."""
    return hashlib.new((file.checksum or "sha256:").partition(":")[0], usedforsecurity=False)


def feed(digest: Any, stream: BinaryIO) -> None:
    """Hash a stream to its end."""
    while block := stream.read(CHUNK):
        digest.update(block)


def _size(count: int | None) -> str:
    """Bytes for a sentence."""
    value = float(count or 0)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
