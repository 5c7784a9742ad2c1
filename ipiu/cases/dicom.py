"""DICOM files as cases: one file, a folder, a DICOMDIR or a zip, sorted by patient and by geometry."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ipiu.cases.case import Case, Source
from ipiu.cases.dicom_files import Patient, dicom_members, many, skip_notes, sort_by_patient
from ipiu.cases.dicom_frames import Frame
from ipiu.cases.dicom_header import Header
from ipiu.cases.dicom_images import without_identifiers
from ipiu.cases.dicom_plans import Plan, plan_images
from ipiu.cases.limits import check_claim
from ipiu.errors import IpiuError

if TYPE_CHECKING:
    from monai.data import MetaTensor


def read_dicom(path: str | Path, *, allow_tilt: bool = False) -> list[Case]:
    """Read DICOM files into one :class:`Case` a patient.

    Slices are ordered by their position along the normal of the slice plane, never by file name or instance number.
    Values are rescaled as the header says, in Hounsfield units for CT. No voxel is resampled, and nothing that the
    headers leave open is guessed.

    Parameters
    ----------
    path
        a file, a folder (read with its subfolders), a DICOMDIR, or a zip of DICOM files
    allow_tilt
        keep a series whose slices step off their normal, as a volume with a sheared affine, instead of refusing it

    Returns
    -------
    list of Case
        ``case.images`` has one entry a series, or a part of a series with its own echo, time point or orientation,
        named after the modality (``"ct"``, ``"mr"``, ``"mr-2"``). Volumes are float32 (1, i, j, k) with the affine
        from index to RAS mm; pictures without a place in the patient are (C, row, column); colour is uint8 RGB.
        Patients are told apart by PatientID and PatientName but called ``dicom-1``, ``dicom-2``.

    Raises
    ------
    IpiuError
        One sentence with the file, the value and the remedy: nothing there is DICOM, slices are missing, duplicate,
        tilted or unevenly spaced, pixel data are truncated or above the memory limit, a header is damaged, or an entry
        of a zip or DICOMDIR points outside its folder.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from ipiu.cases.dicom import read_dicom
    >>> case = read_dicom(get_testdata_file("CT_small.dcm"))[0]
    >>> case.images["ct"].shape, case.images["ct"].meta["unit"]
    (torch.Size([1, 128, 128, 1]), 'HU')
    """
    path = Path(path)
    if not path.exists():
        msg = f"{path}: there is no such file or folder; check the path"
        raise IpiuError(msg)
    with _warnings_counted() as notes, dicom_members(path) as (members, skipped):
        patients = sort_by_patient(members, skipped, path)
        cases = _cases(patients, path, allow_tilt=allow_tilt)
    notes += skip_notes(skipped)
    for case in cases:
        case.notes += notes
    return cases


def _cases(patients: list[Patient], path: Path, *, allow_tilt: bool) -> list[Case]:
    """Plan every image, check what all of them claim together, then decode."""
    plans = [plan_images(patient.pictured, allow_tilt=allow_tilt) for patient in patients]
    check_claim(sum(plan.nbytes for some in plans for plan in some), path, what="the sum of its images")
    cases = []
    for number, (patient, some) in enumerate(zip(patients, plans, strict=True), 1):
        case = Case(f"dicom-{number}", source=_source(path, patient))
        _add_images(case, some)
        _add_signals(case, patient.recorded)
        case.notes += skip_notes(patient.skipped)
        cases.append(case)
    return cases


def _add_images(case: Case, plans: list[Plan]) -> None:
    """Decode the planned images into a case, named after their modality."""
    for plan in plans:
        base = re.sub(r"[^a-z0-9]", "", plan.frames[0].header.modality.lower()) or "image"
        image = plan.build()
        image.meta["source"] = str(case.source)
        name = _free(base, case.images)
        case.images[name] = image
        case.notes += _image_notes(name, plan.frames, image)


def _image_notes(name: str, frames: list[Frame], image: MetaTensor) -> list[str]:
    """What a reader should know of one image."""
    notes = []
    if image.meta.get("inverted"):
        notes.append(f"{name}: stored as MONOCHROME1; turned round so that larger values are brighter")
    if frames[0].place is None and image.meta["modality"] in ("CT", "MR", "PT"):
        notes.append(f"{name}: no place in the patient is stated for its frames; read as a picture")
    if len(frames) > 1 and frames[0].place is not None:
        stated = frames[0].numbers("SpacingBetweenSlices", 1) if image.meta["modality"] == "MR" else None
        step = float(image.affine[:3, 2].norm())
        if stated is not None and stated[0] > 0 and abs(step - stated[0]) > 0.02 * step:
            notes.append(f"{name}: slices stand {step:.4g} mm apart, though SpacingBetweenSlices says {stated[0]:g} mm")
    return notes


def _add_signals(case: Case, headers: list[Header]) -> None:
    """Waveforms of a patient, read by their own reader."""
    if not headers:
        return
    from ipiu.cases.waveform import read_dicom_waveform

    for header in headers:
        for name, signal in read_dicom_waveform(header.dataset, header.name).items():
            case.signals[_free(name, case.signals)] = signal


def _free(name: str, taken: dict) -> str:
    """The name, or the name with the first free number behind it."""
    numbered = (f"{name}-{k}" for k in range(2, len(taken) + 3))
    return name if name not in taken else next(n for n in numbered if n not in taken)


def _source(path: Path, patient: Patient) -> Source:
    """The file or folder as the user named it, unless that is the patient's name or number."""
    headers = [*patient.pictured, *patient.recorded]
    name = without_identifiers(headers[0].dataset, path.name) if headers else ""
    return Source("own file", name or "DICOM")


@contextmanager
def _warnings_counted() -> Iterator[list[str]]:
    """Turn pydicom's warnings and log, whose text may quote a patient, into one note without that text."""
    notes: list[str] = []
    logger = logging.getLogger("pydicom")
    propagated, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield notes
    finally:
        logger.propagate = propagated
    ours = [w for w in caught if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    for other in caught:
        if other not in ours:
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    if ours:
        distinct = len({str(w.message) for w in ours})
        notes.append(f"{many(distinct, 'warning')} while reading: parts of the files break DICOM's rules")
