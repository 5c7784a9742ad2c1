"""A volume as a DICOM series: one file a slice, as a scanner sends it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from ipiu.errors import IpiuError

CLASSES = {"MR": "1.2.840.10008.5.1.4.1.1.4", "CT": "1.2.840.10008.5.1.4.1.1.2"}
# DICOM's axes point to the left and the back of the patient, RAS+ to the right and the front
TO_LPS = np.diag([-1.0, -1.0, 1.0])


def write_dicom(image: MetaTensor, folder: str | Path, **header) -> list[Path]:
    """Write a volume as one DICOM series, slice by slice along its third axis.

    Values are kept as signed 16-bit numbers: CT in whole Hounsfield units, anything else in 4095 equal steps between
    its least and its largest value.

    Parameters
    ----------
    image
        (1, i, j, k) with an affine to RAS+ mm without shear; ``meta["modality"]`` is MR or CT
    folder
        made where it is not there
    header
        elements by keyword, such as ``PatientName``, ``PatientSex``, ``PatientAge``, ``SeriesDescription``

    Returns
    -------
    list of Path
        the files, from the first slice to the last

    Raises
    ------
    IpiuError
        Where the image is not one volume of MR or CT, or its axes are not at right angles.

    Examples
    --------
    >>> import ipiu, tempfile
    >>> from ipiu.cases.dicom_write import write_dicom
    >>> image = ipiu.DigitalCohort(1, parts=("brain",))[0].images["brain t1"]
    >>> folder = tempfile.mkdtemp()
    >>> files = write_dicom(image, folder, PatientName="Doe^Jane")
    >>> len(files), ipiu.open(folder).images["mr"].shape
    (96, torch.Size([1, 96, 112, 96]))
    """
    modality = getattr(image, "meta", {}).get("modality")
    if modality not in CLASSES or image.ndim != 4 or image.shape[0] != 1:
        msg = f"a {modality or 'nameless'} image of shape {tuple(image.shape)}; write a volume (1, i, j, k) of MR or CT"
        raise IpiuError(msg)
    affine = TO_LPS @ np.asarray(image.affine)[:3]
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    axes = affine[:, :3] / spacing
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):
        msg = "the axes of the volume are not at right angles; resample it first"
        raise IpiuError(msg)
    stored, slope, intercept = _whole(image[0].numpy(), modality)
    same = _header(modality, axes, spacing) | {"RescaleSlope": slope, "RescaleIntercept": intercept} | header
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(stored.shape[2]):
        path = Path(folder) / f"slice-{k:04}.dcm"
        position = affine[:, 3] + k * affine[:, 2]
        # rows of the picture run along i, columns along j
        _write(path, stored[:, :, k].T, same | {"ImagePositionPatient": _text(position), "InstanceNumber": k + 1})
        paths.append(path)
    return paths


def _whole(values: np.ndarray, modality: str) -> tuple[np.ndarray, str, str]:
    """Whole numbers, and the slope and intercept that give the values back."""
    if modality == "CT":
        return np.clip(np.rint(values), -32768, 32767).astype(np.int16), "1", "0"
    low, high = float(values.min()), float(values.max())
    slope = f"{max(high - low, 1e-6) / 4095:.10g}"  # the header holds 16 characters
    return np.rint((values - low) / float(slope)).astype(np.int16), slope, f"{low:.10g}"


def _header(modality: str, axes: np.ndarray, spacing: np.ndarray) -> dict:
    """What all slices share."""
    return {
        "SOPClassUID": CLASSES[modality],
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "Modality": modality,
        "PatientID": "digital",
        "PatientName": "",
        "SeriesNumber": 1,
        "ImageOrientationPatient": _text(axes[:, :2].T.ravel()),
        "PixelSpacing": _text(spacing[[1, 0]]),  # between rows, then between columns
        "SliceThickness": _text(spacing[2:])[0],
        "SpacingBetweenSlices": _text(spacing[2:])[0],
    }


def _text(values: np.ndarray) -> list[str]:
    """Numbers as DICOM's decimal strings of at most 16 characters."""
    return [f"{value:.8g}" for value in values]


def _write(path: Path, pixels: np.ndarray, elements: dict) -> None:
    """One slice as a file."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.SOPInstanceUID = generate_uid()
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    ds.PixelData = np.ascontiguousarray(pixels).tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
