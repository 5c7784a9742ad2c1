"""Which DICOM files an input consists of, and to which patient each belongs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import UID
from tqdm.auto import tqdm

from ipiu.cases.archive import Member, file_member, folder_members, inside, zip_members
from ipiu.cases.dicom_header import DICOMDIR, Header, read_header, shown, value
from ipiu.cases.dicom_images import MANY
from ipiu.errors import IpiuError

_ZIP_START = b"PK"
_NOT_DICOM, _LINK, _DIRECTORY = "not DICOM", "link", "DICOMDIR"


@dataclass
class Patient:
    """The files of one patient: with pixels, with waveforms, and those with neither, counted by kind."""

    pictured: list[Header] = field(default_factory=list)
    recorded: list[Header] = field(default_factory=list)
    skipped: Counter = field(default_factory=Counter)


@contextmanager
def dicom_members(path: Path) -> Iterator[tuple[list[Member], Counter]]:
    """The files of a folder, zip, DICOMDIR or single file, and the count of links that were left aside."""
    if path.is_dir():
        members, strays = folder_members(path)
        yield members, Counter({_LINK: strays})
        return
    with path.open("rb") as stream:
        start = stream.read(132)
    if start[:2] == _ZIP_START and start[128:] != b"DICM":
        with zip_members(path) as members:
            yield members, Counter()
        return
    member = file_member(path)
    header = read_header(member)
    if header is None:
        msg = f"{path}: this is not a DICOM file; open a .dcm file, a folder of them, a DICOMDIR or a zip"
        raise IpiuError(msg)
    yield (_listed(header, path) if _is_directory(header) else [member]), Counter()


def sort_by_patient(members: list[Member], skipped: Counter, path: Path) -> list[Patient]:
    """Read every header and sort the files by patient, in the order of the file names.

    Parameters
    ----------
    members
        the files
    skipped
        counts files that belong to no patient, by kind; added to
    path
        the input as a whole, for messages

    Raises
    ------
    IpiuError
        Where there is neither an image nor a waveform among them, or images without pixels stand beside others.
    """
    patients: dict[tuple, Patient] = defaultdict(Patient)
    torn: list[str] = []
    for member in tqdm(members, desc="DICOM headers", leave=False, disable=len(members) < MANY):
        header = read_header(member)
        if header is None:
            skipped[_NOT_DICOM] += 1
        elif _is_directory(header):
            skipped[_DIRECTORY] += 1
        else:
            _put(header, patients[_patient_key(header)])
            torn += [header.name] if header.pixels is None and _is_image(header) else []
    if not any(patient.pictured or patient.recorded for patient in patients.values()):
        raise IpiuError(_nothing(path, patients.values(), skipped))
    if torn:  # left out beside whole ones, it would shorten a volume
        msg = f"{torn[0]}: is an image without pixels ({len(torn)} such); copy or export it again, or take it away"
        raise IpiuError(msg)
    return list(patients.values())


def skip_notes(skipped: Counter) -> list[str]:
    """One sentence for each kind of file that was left aside."""
    notes = []
    for kind, count in sorted((+skipped).items()):
        if kind == _LINK:
            notes.append(f"{many(count, 'symbolic link')} out of the folder skipped")
        elif kind == _NOT_DICOM:
            notes.append(f"{many(count, 'file')} that {'is' if count == 1 else 'are'} not DICOM skipped")
        else:
            notes.append(f"{many(count, f'{kind} object')} without pixels skipped")
    return notes


def many(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _listed(header: Header, path: Path) -> list[Member]:
    """The files that a DICOMDIR names, all below its own folder."""
    members = {}
    for record in value(header.dataset, "DirectoryRecordSequence", header.name) or ():
        named = value(record, "ReferencedFileID", header.name)
        if named is None:
            continue
        parts = [str(part) for part in ([named] if isinstance(named, str) else named)]
        target = inside(path.parent, parts, source=str(path))
        if not target.is_file():
            msg = f"{path}: it names the file {shown('/'.join(parts))}, which is not there; copy the whole folder again"
            raise IpiuError(msg)
        members[target] = file_member(target)
    if not members:
        msg = f"{path}: this DICOMDIR names no files; open the folder that holds the images"
        raise IpiuError(msg)
    return sorted(members.values(), key=lambda member: member.name)


def _put(header: Header, patient: Patient) -> None:
    """Sort one file by what it holds."""
    if header.pixels is not None:
        patient.pictured.append(header)
    elif "WaveformSequence" in header.dataset:
        patient.recorded.append(header)
    else:
        patient.skipped[header.modality or "DICOM"] += 1


def _is_image(header: Header) -> bool:
    """Whether a file says that it holds an image."""
    kind = value(header.meta, "MediaStorageSOPClassUID", header.name)
    kind = kind or value(header.dataset, "SOPClassUID", header.name)
    return UID(str(kind or "")).name.endswith("Image Storage")


def _patient_key(header: Header) -> tuple:
    """What tells patients apart; it stays inside this module."""
    found = [value(header.dataset, k, header.name) for k in ("PatientID", "PatientName", "StudyInstanceUID")]
    number, name, study = ("" if item is None else str(item).strip().casefold() for item in found)
    return (number, name) if number or name else ("", "", study)


def _is_directory(header: Header) -> bool:
    """Whether a file is a DICOMDIR."""
    kind = value(header.meta, "MediaStorageSOPClassUID", header.name)
    return kind == DICOMDIR or "DirectoryRecordSequence" in header.dataset


def _nothing(path: Path, patients: Iterable[Patient], skipped: Counter) -> str:
    """What is said where nothing could be read."""
    held = sum((patient.skipped for patient in patients), Counter())
    found = "; ".join(skip_notes(held + skipped)) or "0 files"
    if not held and not skipped[_DIRECTORY]:
        return f"{path}: nothing in it is DICOM ({found}); open a folder of DICOM files"
    return f"{path}: no images or waveforms in it ({found}); open DICOM images or ECGs"
