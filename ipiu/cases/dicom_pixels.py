"""Pixels of a DICOM file: what they claim, checked first, and the frames as stored numbers or RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, get_decoder, iter_pixels
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from ipiu.cases.dicom_codestream import Claim, check_codestream
from ipiu.cases.dicom_header import Header, shown, whole, word
from ipiu.cases.dicom_values import COLOUR
from ipiu.errors import IpiuError

# GDCM comes first by default, and some damaged frames make it end the process; it stays the last choice
_DECODERS = {
    JPEGBaseline8Bit: ("pillow",),
    JPEGExtended12Bit: ("pillow",),
    JPEGLSLossless: ("pyjpegls",),
    JPEGLSNearLossless: ("pyjpegls",),
    JPEG2000Lossless: ("pylibjpeg", "pillow"),
    JPEG2000: ("pylibjpeg", "pillow"),
}
_BOOKKEEPING = 512  # bytes that even the smallest frame takes
_SMALLEST_FRAGMENT = 8  # bytes of an empty fragment of compressed data


def check_pixels(header: Header) -> int:
    """Check what a header claims against the file, before anything is allocated for it.

    Returns
    -------
    int
        bytes its frames take once decoded: float32 grey or uint8 RGB

    Raises
    ------
    IpiuError
        Where the size is zero or absent, the file holds fewer bytes than claimed, or its transfer syntax is unknown.
    """
    dataset, name = header.dataset, header.name
    rows, columns, samples, bits = _layout(header)
    count = whole(dataset, "NumberOfFrames", name, default=1)
    if 0 in (rows, columns, count):
        msg = f"{name}: its header claims {count} frames of {rows} x {columns} pixels; export the file again"
        raise IpiuError(msg)
    kind = word(dataset, "PhotometricInterpretation", name)
    expected = 3 if kind in COLOUR and kind != "PALETTE COLOR" else 1
    if samples != expected:
        msg = (
            f"{name}: its SamplesPerPixel is {samples}, but {kind or 'its kind of picture'} has {expected}; correct it"
        )
        raise IpiuError(msg)
    needed = _native_bytes(kind, rows * columns * count, samples, bits)
    left = header.member.size - max(header.pixels.offset, 0)
    if _is_compressed(header):
        needed = count * _SMALLEST_FRAGMENT
    elif header.pixels.offset >= 0:
        needed, left = (
            max(needed, header.pixels.length),
            left if header.pixels.length >= needed else header.pixels.length,
        )
    else:
        left = header.pixels.length
    if left < needed:
        msg = (
            f"{name}: truncated pixel data, the header claims {needed} bytes and the file holds {left}; "
            "copy or export the file again"
        )
        raise IpiuError(msg)
    return max(rows * columns * (3 if kind in COLOUR else 4), _BOOKKEEPING) * count


def decode(header: Header, indices: list[int]) -> Iterator[np.ndarray]:
    """The frames named by ``indices``, in that order, one at a time.

    Yields
    ------
    numpy.ndarray
        (rows, columns) of stored numbers, or (rows, columns, 3) uint8 RGB. An array is only good until the next one.

    Raises
    ------
    IpiuError
        Where the pixels are damaged or cannot be decoded.
    """
    seen = 0
    try:
        for frame in _read_native(header, indices) if _is_plain(header) else _decode(header, indices):
            seen += 1
            yield frame
    except IpiuError:
        raise
    except Exception as error:  # decoders, and streams from a damaged zip, fail in many ways
        syntax = getattr(header.syntax, "name", "unknown")
        msg = (
            f"{header.name}: its pixels cannot be decoded ({shown(syntax)}: {type(error).__name__}); "
            "copy the file again or export it uncompressed"
        )
        raise IpiuError(msg) from error
    if seen != len(indices):
        msg = f"{header.name}: {len(indices)} frames are claimed but {seen} could be decoded; copy or export it again"
        raise IpiuError(msg)


def _layout(header: Header) -> tuple[int, int, int, int]:
    """Rows, columns, samples a pixel, and bits a sample."""
    name, dataset = header.name, header.dataset
    if header.pixels.keyword != "PixelData":
        bits = 32 if header.pixels.keyword == "FloatPixelData" else 64
    else:
        bits = whole(dataset, "BitsAllocated", name)
        stored = whole(dataset, "BitsStored", name, default=bits)
        if bits not in (1, 8, 16, 32, 64) or not 0 < stored <= bits:
            msg = f"{name}: its header stores {stored} bits in {bits} allocated, which cannot be; export the file again"
            raise IpiuError(msg)
    samples = whole(dataset, "SamplesPerPixel", name, default=1)
    return whole(dataset, "Rows", name), whole(dataset, "Columns", name), samples, bits


def _native_bytes(kind: str, pixels: int, samples: int, bits: int) -> int:
    """Length of uncompressed pixel data."""
    if kind == "YBR_FULL_422":
        samples = 2  # two pixels share their colour
    return (pixels * samples * bits + 7) // 8


def _is_compressed(header: Header) -> bool:
    """Whether the pixels come in compressed fragments."""
    syntax = header.syntax
    if syntax is None:
        if header.pixels.length is None:
            msg = (
                f"{header.name}: compressed pixels without a transfer syntax; set TransferSyntaxUID or export it again"
            )
            raise IpiuError(msg)
        return False
    try:
        compressed = UID(syntax).is_encapsulated
    except ValueError as error:
        msg = f"{header.name}: its transfer syntax {shown(syntax)} is not known; export it uncompressed"
        raise IpiuError(msg) from error
    if compressed != (header.pixels.length is None):
        state = "compressed" if compressed else "uncompressed"
        msg = f"{header.name}: its transfer syntax says {state} pixels, the file holds the opposite; export it again"
        raise IpiuError(msg)
    return compressed


def _is_plain(header: Header) -> bool:
    """Whether the pixels are grey, whole bytes, little endian, and can be read straight from the file."""
    kind = word(header.dataset, "PhotometricInterpretation", header.name)
    plain = header.pixels.keyword == "PixelData" and header.pixels.offset >= 0 and header.little_endian
    return plain and not _is_compressed(header) and kind not in COLOUR and _layout(header)[3] in (8, 16, 32)


def _read_native(header: Header, indices: list[int]) -> Iterator[np.ndarray]:
    """Uncompressed grey frames, straight from the file into one buffer."""
    rows, columns, _, bits = _layout(header)
    signed = whole(header.dataset, "PixelRepresentation", header.name, default=0)
    frame = np.empty((rows, columns), f"<{'i' if signed else 'u'}{bits // 8}")
    bytes_of_frame = frame.view(np.uint8).reshape(-1)
    with header.member.open() as stream:
        at = header.pixels.offset
        stream.seek(at)
        for index in indices:
            start = header.pixels.offset + index * frame.nbytes
            if start != at:
                stream.seek(start)
            if stream.readinto(bytes_of_frame) < frame.nbytes:
                msg = f"{header.name}: truncated pixel data in frame {index + 1}; copy or export the file again"
                raise IpiuError(msg)
            at = start + frame.nbytes
            _drop_unused_bits(frame, header)
            yield frame


def _drop_unused_bits(frame: np.ndarray, header: Header) -> None:
    """Clear, in place, the bits outside BitsStored (old overlays live there) and extend the sign."""
    name, dataset = header.name, header.dataset
    stored = whole(dataset, "BitsStored", name, default=frame.itemsize * 8)
    high = whole(dataset, "HighBit", name, default=stored - 1)
    if not stored - 1 <= high < frame.itemsize * 8:
        msg = f"{name}: its HighBit is {high} with {stored} bits stored, which cannot be; export the file again"
        raise IpiuError(msg)
    if stored < frame.itemsize * 8:
        frame <<= frame.itemsize * 8 - 1 - high
        frame >>= frame.itemsize * 8 - stored


def _decode(header: Header, indices: list[int]) -> Iterator[np.ndarray]:
    """Frames that pydicom and its decoders read."""
    with header.member.open() as stream:
        dataset = pydicom.dcmread(stream, force=True)
    _prepare(header, dataset)
    for frame in iter_pixels(dataset, indices=indices, decoding_plugin=_plugin(header)):
        yield _finish(frame, header, dataset)


def _plugin(header: Header) -> str:
    """The decoder to use; empty leaves the choice to pydicom."""
    wanted = _DECODERS.get(header.syntax, ())
    installed = get_decoder(header.syntax).available_plugins if wanted else ()
    return next((name for name in wanted if name in installed), "")


def _prepare(header: Header, dataset: Dataset) -> None:
    """State a missing transfer syntax, and check compressed frames before they are decoded."""
    if header.syntax is None:
        implicit, little = dataset.original_encoding
        little_syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = little_syntax if little else ExplicitVRBigEndian
        return
    if not _is_compressed(header) or header.syntax == RLELossless:
        return
    rows, columns, samples, bits = _layout(header)
    count = whole(dataset, "NumberOfFrames", header.name, default=1)
    for data in generate_frames(dataset.PixelData, number_of_frames=count, **_offsets(dataset)):
        check_codestream(data, Claim(rows, columns, samples, bits), header.name)


def _offsets(dataset: Dataset) -> dict:
    """The extended offset table, where there is one."""
    table, lengths = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    return {"extended_offsets": (table, lengths)} if table and lengths else {}


def _finish(frame: np.ndarray, header: Header, dataset: Dataset) -> np.ndarray:
    """Stored grey numbers with unused bits cleared, or uint8 RGB."""
    kind = word(header.dataset, "PhotometricInterpretation", header.name)
    if kind == "PALETTE COLOR":
        return _palette_colours(frame, dataset)
    if kind in COLOUR:
        return _to_uint8(frame, whole(header.dataset, "BitsStored", header.name))
    raw_bits = header.syntax == RLELossless or not _is_compressed(header)
    if frame.dtype.kind in "iu" and raw_bits and _layout(header)[3] > 1:
        frame = frame.astype(frame.dtype.newbyteorder("="))
        _drop_unused_bits(frame, header)
    return frame


def _palette_colours(frame: np.ndarray, dataset: Dataset) -> np.ndarray:
    """(rows, columns, 3) uint8 from a palette of 8 or 16 bits."""
    colours = apply_color_lut(frame, dataset)[..., :3]
    bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
    # some writers state 16 bits and fill 8
    tables = [dataset.get(f"{c}PaletteColorLookupTableData") for c in ("Red", "Green", "Blue")]
    with suppress(TypeError, ValueError):
        if bits == 16 and all(t and np.frombuffer(t, "<u2").max() < 256 for t in tables):
            bits = 8
    return _to_uint8(colours, bits)


def _to_uint8(colours: np.ndarray, bits: int) -> np.ndarray:
    """Colours of any depth on the scale 0 to 255."""
    if colours.dtype == np.uint8 and bits == 8:
        return colours
    scaled = np.rint(colours * (255.0 / (2.0**bits - 1)))
    return np.clip(scaled, 0, 255).astype(np.uint8)
