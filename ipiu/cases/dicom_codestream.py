"""Compressed frames checked before a decoder sees them: what they state about themselves, and their end in place."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ipiu.errors import IpiuError

_END = b"\xff\xd9"
_PADDING = 16  # writers fill up the last bytes of a frame
_J2K_START = b"\xff\x4f\xff\x51"
# JPEG markers that state the picture's size (SOF), JPEG-LS's among them
_SIZE_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = {0x01, 0xD8, *range(0xD0, 0xD8)}


class Claim(NamedTuple):
    """What a header, or a compressed frame, says of a picture; ``bits`` are those a sample takes at most."""

    rows: int
    columns: int
    samples: int
    bits: int


def check_codestream(data: bytes, claim: Claim, name: str) -> None:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 frame that is cut off or of another kind than its file says.

    Parameters
    ----------
    data
        the compressed frame
    claim
        what the DICOM header says of it
    name
        the frame, for the message

    Raises
    ------
    IpiuError
        Where the end marker is missing, or size, samples or bits do not fit.
    """
    stated = codestream_claim(data)
    if stated is None or _END not in data[-_PADDING:]:
        msg = f"{name}: its compressed pixels are cut off or damaged; copy or export the file again"
        raise IpiuError(msg)
    if stated[:2] != claim[:2]:
        msg = (
            f"{name}: its header says {claim.rows} x {claim.columns} pixels but the compressed picture has "
            f"{stated.rows} x {stated.columns}; export the file again"
        )
        raise IpiuError(msg)
    if stated.samples != claim.samples or not 0 < stated.bits <= claim.bits:
        msg = (
            f"{name}: its header says {claim.samples} samples of up to {claim.bits} bits but the compressed picture "
            f"has {stated.samples} of {stated.bits}; export the file again"
        )
        raise IpiuError(msg)


def codestream_claim(data: bytes) -> Claim | None:
    """What a compressed frame says of itself, or None where it does not."""
    start = data.find(_J2K_START, 0, 4096)
    if start >= 0:
        return _j2k_claim(data, start + 4)
    at = 2
    while data[:2] == b"\xff\xd8" and at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _SIZE_MARKERS:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", data, at + 4)
            return Claim(rows, columns, samples, bits)
        if marker == 0xFF:
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _j2k_claim(data: bytes, at: int) -> Claim | None:
    """The SIZ segment of JPEG 2000; sizes count from the offset of the image on its canvas."""
    if len(data) < at + 39:
        return None
    x, y, x0, y0 = struct.unpack_from(">4I", data, at + 4)
    samples, depth = struct.unpack_from(">HB", data, at + 36)
    return Claim(y - y0, x - x0, samples, (depth & 0x7F) + 1)
