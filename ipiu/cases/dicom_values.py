"""What stored DICOM numbers mean: rescale, unit, inverted grey scales and display windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

from ipiu.cases.dicom_frames import Frame
from ipiu.cases.dicom_header import shown, value, whole, word
from ipiu.errors import IpiuError

COLOUR = ("PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
GREY = ("MONOCHROME1", "MONOCHROME2")
# units whose numbers are not a measurement, so that an inverted grey scale may be turned round
_NOT_PHYSICAL = ("stored value", "arbitrary", "relative dose")
_UNITS = {
    "BQML": "Bq/ml",
    "CM2ML": "cm2/ml",
    "CNTS": "counts",
    "CPS": "counts/s",
    "GML": "g/ml",
    "GY": "Gy",
    "HU": "HU",
    "MGMINML": "mg/min/ml",
    "MLMING": "ml/min/g",
    "PCNT": "percent",
    "PROPCNTS": "proportional to counts",
    "PROPCPS": "proportional to counts/s",
    "RELATIVE": "relative dose",
    "SUV": "g/ml",
}


@dataclass(frozen=True)
class Scaling:
    """How one frame's stored numbers become values.

    Attributes
    ----------
    slope, intercept
        value = slope * stored + intercept, in ``unit``
    stored_sum
        lowest plus highest number that can be stored; stored numbers are taken from it where the grey scale is
        inverted, and it is None where they stay as they are
    table
        the data set with the modality LUT, where there is one instead
    """

    slope: float
    intercept: float
    unit: str
    bits: int
    stored_sum: int | None = None
    table: Dataset | None = None

    def apply(self, stored: np.ndarray, out: np.ndarray) -> None:
        """Write the values of a (rows, columns) frame into float32 ``out`` of the same shape."""
        if self.table is not None:
            out[...] = self._look_up(stored)
            return
        slope, intercept = self.slope, self.intercept
        if self.stored_sum is not None:
            slope, intercept = -slope, slope * self.stored_sum + intercept
        is_whole = float(slope).is_integer() and float(intercept).is_integer()
        if is_whole and stored.dtype.kind in "iu" and abs(slope) * 2.0**self.bits + abs(intercept) < 2**24:
            # every step is exact in float32, so one pass does
            np.multiply(stored, np.float32(slope), out=out, dtype=np.float32, casting="same_kind")
            if intercept:
                out += np.float32(intercept)
            return
        out[...] = stored.astype(np.float64) * slope + intercept

    def _look_up(self, stored: np.ndarray) -> np.ndarray:
        """Values of the modality LUT."""
        values = apply_modality_lut(stored, self.table)
        if self.stored_sum is None:
            return values
        return 2.0 ** int(self.table.ModalityLUTSequence[0].LUTDescriptor[2]) - 1 - values


def is_colour(frame: Frame) -> bool:
    """Whether a frame is shown in colour.

    Raises
    ------
    IpiuError
        Where the photometric interpretation is one that cannot be read.
    """
    dataset, name = frame.header.dataset, frame.header.name
    kind = word(dataset, "PhotometricInterpretation", name)
    if kind in COLOUR:
        return True
    if kind not in GREY:
        stated = shown(value(dataset, "PhotometricInterpretation", name))
        msg = f"{name}: its PhotometricInterpretation is {stated}, not one of {', '.join((*GREY, *COLOUR))}; convert it"
        raise IpiuError(msg)
    return False


def unit_of(frame: Frame) -> str:
    """Unit of a frame's values once rescaled: from RescaleType, Units or DoseUnits, else from the modality."""
    name, modality = frame.name, frame.header.modality
    if is_colour(frame):
        return "RGB"
    for keyword in ("DoseUnits", "Units", "RescaleType"):
        stated = word(frame.holder(keyword), keyword, name)
        if stated and stated != "US":
            return _UNITS.get(stated, stated)
    lut = frame.value("ModalityLUTSequence")
    if lut:
        stated = word(lut[0], "ModalityLUTType", name)
        return _UNITS.get(stated, stated) if stated and stated != "US" else "arbitrary"
    slope = frame.value("RescaleSlope")
    if modality == "CT" and slope is not None and not frame.value("RescaleType"):
        return "HU"
    if modality == "MR" or (slope is not None and (slope, frame.value("RescaleIntercept")) != (1, 0)):
        return "arbitrary"
    return "stored value"


def scaling_of(frame: Frame) -> Scaling:
    """The rescale of one grey frame.

    Raises
    ------
    IpiuError
        Where a slope is zero or a number is too large to be held.
    """
    dataset, name = frame.header.dataset, frame.header.name
    unit = unit_of(frame)
    is_dose = frame.header.modality == "RTDOSE"
    slope = _number(frame, "DoseGridScaling" if is_dose else "RescaleSlope", 1.0)
    intercept = 0.0 if is_dose else _number(frame, "RescaleIntercept", 0.0)
    allocated = whole(dataset, "BitsAllocated", name)
    bits = whole(dataset, "BitsStored", name, default=allocated)
    largest = abs(slope) * 2.0 ** min(bits, 64) + abs(intercept)
    if slope == 0 or largest > np.finfo(np.float32).max:
        msg = (
            f"{frame.name}: its rescale slope {slope:g} and intercept {intercept:g} cannot be right; correct the header"
        )
        raise IpiuError(msg)
    table = dataset if frame.value("ModalityLUTSequence") else None
    return Scaling(slope, intercept, unit, bits, _stored_sum(frame, unit, bits), table)


def window_of(frame: Frame, scaling: Scaling) -> tuple[float, float] | None:
    """Centre and width of the first display window, in the image's unit; None where there is none of use."""
    try:
        centre, width = frame.numbers("WindowCenter"), frame.numbers("WindowWidth")
    except IpiuError:
        return None
    if centre is None or width is None or width[0] <= 0:
        return None
    if scaling.stored_sum is not None and scaling.table is None:
        return float(scaling.slope * scaling.stored_sum + 2 * scaling.intercept - centre[0]), float(width[0])
    return float(centre[0]), float(width[0])


def _number(frame: Frame, keyword: str, default: float) -> float:
    """One finite number, or the default where it is absent."""
    stated = frame.numbers(keyword, 1)
    return default if stated is None else float(stated[0])


def _stored_sum(frame: Frame, unit: str, bits: int) -> int | None:
    """Lowest plus highest storable number of a MONOCHROME1 frame that is to be inverted, else None."""
    dataset, name = frame.header.dataset, frame.header.name
    if word(dataset, "PhotometricInterpretation", name) != "MONOCHROME1" or unit not in _NOT_PHYSICAL:
        return None
    return -1 if whole(dataset, "PixelRepresentation", name, default=0) else 2 ** min(bits, 64) - 1
