"""Images made from DICOM frames: volumes in patient space, and pictures without one."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import torch
from monai.data import MetaTensor
from pydicom.dataset import Dataset
from tqdm.auto import tqdm

from ipiu.cases.dicom_frames import Frame, pixel_spacing
from ipiu.cases.dicom_geometry import slice_thickness
from ipiu.cases.dicom_header import shown, value
from ipiu.cases.dicom_pixels import decode
from ipiu.cases.dicom_series import Volume
from ipiu.cases.dicom_values import Scaling, is_colour, scaling_of, window_of
from ipiu.errors import IpiuError

MANY = 300
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_IDENTIFIERS = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientBirthDate",
    "AccessionNumber",
    "MedicalRecordLocator",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
)


def volume_image(volume: Volume) -> MetaTensor:
    """A volume as (C, i, j, k) with the affine from voxel index to RAS mm.

    Returns
    -------
    MetaTensor
        float32 (1, columns, rows, slices), or uint8 (3, columns, rows, slices) in colour
    """
    frames = volume.frames
    stacked, meta = _values(frames)
    if volume.part:
        meta |= {"part": volume.part, "name": f"{meta['name']} ({volume.part})".strip()}
    if len(frames) == 1:
        meta["spacing_stated"] = slice_thickness(frames[0]) is not None
    array = stacked.transpose(2, 1, 0)[None] if stacked.ndim == 3 else stacked.transpose(3, 2, 1, 0)
    return as_tensor(array, volume.affine, meta)


def picture_image(frames: list[Frame]) -> MetaTensor:
    """Frames without a place in the patient as (C, row, column), or (C, row, column, frame) where they are several.

    Returns
    -------
    MetaTensor
        float32 grey or uint8 RGB; its affine takes (row, column) to mm where the file states a spacing
    """
    stacked, meta = _values(frames)
    stated = next((mm for mm in (pixel_spacing(frames[0], keyword) for keyword in _SPACINGS) if mm), None)
    meta["spacing_stated"] = stated is not None
    array = stacked[None] if stacked.ndim == 3 else np.moveaxis(stacked, 3, 0)
    array = np.moveaxis(array, 1, -1)
    if len(frames) == 1:
        array = array[..., 0]
    else:
        meta["frame_axis"] = True
    return as_tensor(array, np.diag([*(stated or (1.0, 1.0)), 1.0, 1.0]), meta)


def as_tensor(array: np.ndarray, affine: np.ndarray, meta: dict) -> MetaTensor:
    """A MetaTensor over the array's own memory."""
    return MetaTensor(torch.from_numpy(array), affine=torch.from_numpy(affine), meta={"space": "RAS", **meta})


def common_meta(frame: Frame, unit: str) -> dict:
    """The part of an image's meta that every kind of object has."""
    name = without_identifiers(
        frame.header.dataset, value(frame.header.dataset, "SeriesDescription", frame.header.name)
    )
    return {"unit": unit, "modality": frame.header.modality, "name": name}


def without_identifiers(dataset: Dataset, found) -> str:
    """Header text for people, or an empty string where it repeats a patient's or physician's name or number."""
    text = "" if found is None else shown(found)
    for keyword in _IDENTIFIERS:
        try:
            stated = dataset.get(keyword)
            words = re.split(r"[\^=\\\s,;'\[\]]+", str(stated or "").casefold())
        except Exception:  # an identifier that cannot be read cannot be ruled out either
            return ""
        if any(len(part) > 2 and part in text.casefold() for part in words):
            return ""
    return text


def decoded(frames: list[Frame]):
    """Every frame with its number in the list: pairs of (number, stored array), file by file."""
    by_file = defaultdict(list)
    for number, frame in enumerate(frames):
        by_file[id(frame.header)].append((frame.index, number))
    bar = tqdm(total=len(frames), desc="DICOM pixels", leave=False, disable=len(frames) < MANY)
    with bar:
        for wanted in by_file.values():
            wanted.sort()
            header = frames[wanted[0][1]].header
            stored = decode(header, [index for index, _ in wanted])
            for (_, number), array in zip(wanted, stored, strict=True):
                yield number, array
                bar.update()


def _values(frames: list[Frame]) -> tuple[np.ndarray, dict]:
    """(frames, rows, columns) float32 or (frames, rows, columns, 3) uint8, and the meta that goes with it."""
    first = frames[0]
    size = (len(frames), int(first.header.dataset.Rows), int(first.header.dataset.Columns))
    if is_colour(first):
        stacked = np.empty((*size, 3), np.uint8)
        for number, colours in decoded(frames):
            stacked[number] = colours
        return stacked, common_meta(first, "RGB")
    scalings = [scaling_of(frame) for frame in frames]
    stacked = np.empty(size, np.float32)
    for number, stored in decoded(frames):
        _rescale(frames[number], scalings[number], stored, stacked[number])
    middle = len(frames) // 2
    meta = common_meta(first, scalings[0].unit)
    window = window_of(frames[middle], scalings[middle])
    if window:
        meta["window"] = window
    if str(value(first.header.dataset, "PhotometricInterpretation", first.name)).strip() == "MONOCHROME1":
        meta |= {"photometric": "MONOCHROME1", "inverted": scalings[0].stored_sum is not None}
    return stacked, meta


def _rescale(frame: Frame, scaling: Scaling, stored: np.ndarray, out: np.ndarray) -> None:
    """Write one frame's values, or say that its modality LUT is damaged."""
    try:
        scaling.apply(stored, out)
    except Exception as error:
        if scaling.table is None:
            raise
        msg = f"{frame.name}: its modality LUT cannot be applied ({type(error).__name__}); export the file again"
        raise IpiuError(msg) from error
