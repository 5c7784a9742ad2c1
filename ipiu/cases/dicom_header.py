"""Headers of DICOM files: everything before the pixels, read once, and values taken from them without trust."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from ipiu.cases.archive import Member
from ipiu.cases.limits import check_claim, max_bytes
from ipiu.errors import IpiuError

DEFLATED = "1.2.840.10008.1.2.1.99"
DICOMDIR = "1.2.840.10008.1.3.10"
_PIXEL_TAGS = {
    (0x7FE0, 0x0010): "PixelData",
    (0x7FE0, 0x0008): "FloatPixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
}
_UNDEFINED = 0xFFFFFFFF
# group 0002 or 0008, little or big endian: how data without the 128-byte preamble begin
_BARE_STARTS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")


@dataclass(frozen=True)
class PixelElement:
    """Where a file keeps its pixels: ``length`` bytes from ``offset``; None where they come in compressed fragments."""

    keyword: str
    offset: int
    length: int | None


@dataclass(frozen=True)
class Header:
    """One DICOM file without its pixels."""

    member: Member
    dataset: Dataset
    pixels: PixelElement | None

    @property
    def name(self) -> str:
        """How messages call the file."""
        return self.member.name

    @property
    def syntax(self) -> UID | None:
        """Transfer syntax as stated, or None."""
        return value(self.meta, "TransferSyntaxUID", self.name)

    @property
    def meta(self) -> Dataset:
        """The file meta information, empty where there is none."""
        return getattr(self.dataset, "file_meta", Dataset())

    @property
    def little_endian(self) -> bool:
        """Byte order in which the data set was read."""
        return self.dataset.original_encoding[1] is not False

    @property
    def modality(self) -> str:
        """The DICOM word (CT, MR, ...), or an empty string."""
        return word(self.dataset, "Modality", self.name)


def read_header(member: Member) -> Header | None:
    """Read a file up to its pixels.

    Returns
    -------
    Header or None
        None where the file is not DICOM.

    Raises
    ------
    IpiuError
        Where the file cannot be read, or is DICOM whose header cannot be parsed.
    """
    try:
        with member.open() as stream:
            return _parse(stream, member)
    except IpiuError:
        raise
    except Exception as error:  # a damaged header can fail anywhere inside pydicom
        msg = f"{member.name}: its DICOM header cannot be read ({type(error).__name__}); copy or export it again"
        raise IpiuError(msg) from None  # pydicom's own message may quote the patient


def value(dataset: Dataset, keyword: str, name: str):
    """One element's value, or None where it is absent or empty."""
    try:
        tag = _tag(keyword)  # by tag and only if present, several times faster than by name
        found = dataset[tag].value if tag in dataset.keys() else None  # noqa: SIM118
    except Exception:  # conversion of hostile text fails in many ways, and the message may quote the patient
        msg = f"{name}: its {keyword} is not written as DICOM demands; correct it or export the file again"
        raise IpiuError(msg) from None
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


def word(dataset: Dataset, keyword: str, name: str) -> str:
    """A coded word such as a modality or photometric interpretation, in capitals; anything else is empty."""
    found = str(value(dataset, keyword, name) or "").strip().upper()
    return found if re.fullmatch(r"[A-Z0-9_ ]{1,16}", found) else ""


def whole(dataset: Dataset, keyword: str, name: str, default: int | None = None) -> int:
    """A whole number of at least zero.

    Raises
    ------
    IpiuError
        Where it is absent without a default, or is not such a number.
    """
    found = value(dataset, keyword, name)
    if found is None and default is not None:
        return default
    if found is None:
        msg = f"{name}: it states no {keyword}; export the file again"
        raise IpiuError(msg)
    try:
        number = int(found)
        if number != float(found) or number < 0:
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"{name}: its {keyword} is {shown(found)}, not a whole number; correct it or export the file again"
        raise IpiuError(msg) from error
    return number


def numbers(dataset: Dataset, keyword: str, name: str, count: int | None = None) -> np.ndarray | None:
    """A list of finite numbers as float64, or None where it is absent.

    Raises
    ------
    IpiuError
        Where there are not ``count`` of them, or one is not finite.
    """
    found = value(dataset, keyword, name)
    if found is None:
        return None
    try:
        array = np.atleast_1d(np.asarray(found, dtype=np.float64))
    except (TypeError, ValueError) as error:
        msg = f"{name}: its {keyword} is {shown(found)}, not numbers; correct it or export the file again"
        raise IpiuError(msg) from error
    if (count is not None and array.shape != (count,)) or not np.isfinite(array).all():
        wanted = "finite numbers" if count is None else f"{count} finite number{'s' * (count > 1)}"
        msg = f"{name}: its {keyword} is {shown(found)}, not {wanted}; correct it or export the file again"
        raise IpiuError(msg)
    return array


def shown(found) -> str:
    """A hostile value, short and on one line; only for elements that say nothing about the patient."""
    text = "absent" if found is None else str(found)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 60 else text[:57] + "..."


@cache
def _tag(keyword: str) -> BaseTag:
    """The tag of a keyword."""
    return BaseTag(tag_for_keyword(keyword))


def _parse(stream, member: Member) -> Header | None:
    """The header in an open file, or None where it is not DICOM."""
    start = stream.read(132)
    is_part10 = start[128:] == b"DICM"
    if not is_part10 and start[:2] not in _BARE_STARTS:
        return None
    deflated = _check_inflated(stream, 132 if is_part10 else 0, member)
    stream.seek(0)
    dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=not is_part10)
    if not is_part10 and "SOPClassUID" not in dataset:
        return None
    return Header(member, dataset, _deflated_pixels(member) if deflated else _pixel_element(stream, dataset))


def _pixel_element(stream, dataset: Dataset) -> PixelElement | None:
    """Read the tag and length that stand where the header ends."""
    implicit, little = dataset.original_encoding
    order = "<" if little else ">"
    head = stream.read(8)
    keyword = _PIXEL_TAGS.get(struct.unpack(f"{order}HH", head[:4])) if len(head) == 8 else None
    if keyword is None:
        return None
    if not implicit and head[4:6].decode("latin-1") in EXPLICIT_VR_LENGTH_32:
        head = head[:4] + stream.read(4)
    (length,) = struct.unpack(f"{order}I", head[4:].ljust(4, b"\0"))
    if length == 0:
        return None
    return PixelElement(keyword, stream.tell(), None if length == _UNDEFINED else length)


def _deflated_pixels(member: Member) -> PixelElement | None:
    """Where the pixels stand can only be told after inflating, so the data set is read whole."""
    with member.open() as stream:
        dataset = pydicom.dcmread(stream)
    keyword = next((k for k in _PIXEL_TAGS.values() if dataset.get(k)), None)
    return None if keyword is None else PixelElement(keyword, -1, len(dataset[keyword].value))


def _check_inflated(stream, start: int, member: Member) -> bool:
    """Whether the data set is deflated; refuse it where it inflates past the limit, without holding it."""
    syntax, data_start = _meta_syntax(stream, start, member)
    if syntax != DEFLATED.encode():
        return False
    stream.seek(data_start)
    inflate, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflate.eof and total <= max_bytes():
        data = inflate.unconsumed_tail or stream.read(1 << 16)
        if not data:
            break
        total += len(inflate.decompress(data, 1 << 20))
    check_claim(total, member.name, what="inflating it")
    return True


def _meta_syntax(stream, start: int, member: Member) -> tuple[bytes, int]:
    """Transfer syntax in the file meta information (group 0002), and where that group ends."""
    stream.seek(start)
    syntax = b""
    while len(head := stream.read(8)) == 8 and head[:2] == b"\x02\x00":
        vr = head[4:6].decode("latin-1")
        if vr in EXPLICIT_VR_LENGTH_32:
            head = head[:4] + stream.read(4)
        length = struct.unpack("<H", head[6:8])[0] if len(head) == 8 and _is_short_vr(vr) else _long_length(head)
        if length == _UNDEFINED:
            msg = f"{member.name}: its file meta information has an element without an end; export the file again"
            raise IpiuError(msg)
        content = stream.read(length)
        if head[2:4] == b"\x10\x00":
            syntax = content.strip(b"\0 ")
    return syntax, stream.tell() - len(head)


def _is_short_vr(vr: str) -> bool:
    """Whether a value representation has a two-byte length."""
    return vr not in EXPLICIT_VR_LENGTH_32 and vr.isalpha() and vr.isupper()


def _long_length(head: bytes) -> int:
    """The four-byte length at the end of an element's head."""
    return struct.unpack("<I", head[4:8].ljust(4, b"\0"))[0]
