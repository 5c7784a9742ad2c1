"""What a file holds: its first bytes decide, its name where they do not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from ipiu.cases.table import looks_like_record

HEAD = 4096
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# formats of nibabel that have no signature of their own, or that its reader refuses with a reason
VOLUMES = (".mgh", ".mgz", ".mnc", ".par", ".rec", ".head", ".brik", ".img", ".hdr", ".nii")
DICOM_NAMES = (".dcm", ".dicom", ".ima")
TABLES = (".csv", ".tsv", ".txt")


def detect(path: Path, *, alone: bool = True) -> str | None:
    """The kind of content: a key of :data:`ipiu.cases.open.READERS`, ``"table"`` for another table, or None.

    Parameters
    ----------
    path
        a file that exists
    alone
        False where other files of its folder are looked at too: of a pair of files only one is then counted
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    name = path.name.lower()
    if head.startswith(b"\x1f\x8b"):
        head, name = _unpacked(path), name.removesuffix(".gz")
    return _by_pair(path, name, alone) if _partner(path) else _by_bytes(head, name) or _by_name(head, name)


def _by_bytes(head: bytes, name: str) -> str | None:
    """The kind, where a signature says it."""
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(PICTURES):
        return "picture"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) and name.endswith(".zip"):
        return "dicom"
    if head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2"):
        return "nifti"
    if head.startswith((b"0       ", b"\xffBIOSEMI")) and len(head) >= 256:
        return "edf"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")):
        return "fhir"
    # DICOM without its preamble begins with group 2 or 8, an even element and, mostly, two letters of its type
    group = struct.unpack("<H", head[:2])[0] if len(head) > 8 else 0
    if group in (2, 8) and ((head[4:6].isalpha() and head[4:6].isupper()) or name.endswith(DICOM_NAMES)):
        return "dicom"
    return None


def _by_name(head: bytes, name: str) -> str | None:
    """The kind, where only the name says it."""
    if name.endswith(DICOM_NAMES) or name == "dicomdir":
        return "dicom"
    if name.endswith(VOLUMES):
        return "nifti"
    if name.endswith(".hea"):
        return "wfdb"
    if name.endswith((".edf", ".bdf")):
        return "edf"
    if name.endswith((".png", ".jpg", ".jpeg", ".tif", ".tiff")):
        return "picture"
    if name.endswith(".json"):
        return "fhir"
    if name.endswith(TABLES) and b"\0" not in head:
        first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace").strip()
        header = [cell.strip().strip('"') for cell in first.split("\t" if "\t" in first else ",")]
        return "record" if looks_like_record(header) else "table"
    return None


def _partner(path: Path) -> Path | None:
    """The header that stands beside a file of raw samples."""
    for raw, header in ((".dat", ".hea"), (".img", ".hdr")):
        if path.suffix.lower() == raw and path.with_suffix(header).is_file():
            return path.with_suffix(header)
    return None


def _by_pair(path: Path, name: str, alone: bool) -> str | None:
    """The kind of raw samples with a header beside them; None where the header is counted already."""
    if not alone:
        return None
    return "wfdb" if name.endswith(".dat") else "nifti"


def _unpacked(path: Path) -> bytes:
    """The first bytes inside a gzip file, torn or not; empty where it is none."""
    with path.open("rb") as stream:
        packed = stream.read(HEAD)
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(packed, HEAD)
    except zlib.error:
        return b""
