"""The frames of a DICOM file and where each lies in the patient: single slices, enhanced multi-frame, dose grids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ipiu.cases.dicom_header import Header, numbers, shown, value, whole, word
from ipiu.errors import IpiuError

_FARTHEST = 1e6  # mm
_GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


@dataclass(frozen=True)
class Place:
    """Where a frame lies, in DICOM's patient axes (LPS, mm).

    Attributes
    ----------
    position
        (3,) centre of the first pixel
    across, down
        (3,) unit vectors along which the column and the row index grow
    spacing
        mm between rows, mm between columns (the order of PixelSpacing)
    """

    position: np.ndarray
    across: np.ndarray
    down: np.ndarray
    spacing: tuple[float, float]

    @property
    def normal(self) -> np.ndarray:
        """(3,) unit vector across x down."""
        return np.cross(self.across, self.down)


@dataclass(frozen=True)
class Frame:
    """One frame of a file; ``groups`` are the data sets inside it that speak of this frame, nearest first."""

    header: Header
    index: int
    place: Place | None
    groups: tuple[Dataset, ...] = ()

    @property
    def name(self) -> str:
        """How messages call the frame."""
        several = len(self.groups) > 0 or self.index > 0
        return f"{self.header.name} (frame {self.index + 1})" if several else self.header.name

    def holder(self, keyword: str) -> Dataset:
        """The data set that states ``keyword`` for this frame: a functional group, or the file's own."""
        return next((group for group in self.groups if keyword in group), self.header.dataset)

    def value(self, keyword: str):
        """The value of ``keyword`` for this frame, or None."""
        return value(self.holder(keyword), keyword, self.name)

    def numbers(self, keyword: str, count: int | None = None) -> np.ndarray | None:
        """The finite numbers of ``keyword`` for this frame, or None."""
        return numbers(self.holder(keyword), keyword, self.name, count)


def frames_of(header: Header) -> list[Frame]:
    """Every frame of a file that has pixels, with its place where the file states one.

    Raises
    ------
    IpiuError
        Where the geometry is incomplete, not finite or not orthonormal, or does not fit the number of frames.
    """
    dataset, name = header.dataset, header.name
    count = whole(dataset, "NumberOfFrames", name, default=1)
    if "PerFrameFunctionalGroupsSequence" in dataset:
        return _enhanced_frames(header, count)
    if word(dataset, "Modality", name) == "RTDOSE" and count > 1:
        return _dose_frames(header, count)
    place = _place(Frame(header, 0, None)) if count == 1 else None
    return [Frame(header, index, place) for index in range(count)]


def pixel_spacing(frame: Frame, keyword: str = "PixelSpacing") -> tuple[float, float] | None:
    """Mm between rows and between columns, or None where the file does not say.

    Raises
    ------
    IpiuError
        Where a spacing is zero, negative or not finite.
    """
    stated = frame.numbers(keyword, 2)
    if stated is None:
        return None
    if (stated <= 0).any():
        msg = (
            f"{frame.name}: its {keyword} is {shown(frame.value(keyword))} mm, which must be above 0; "
            "correct it or export the file again"
        )
        raise IpiuError(msg)
    return float(stated[0]), float(stated[1])


def _enhanced_frames(header: Header, count: int) -> list[Frame]:
    """Frames described by functional groups."""
    dataset = header.dataset
    per_frame = value(dataset, "PerFrameFunctionalGroupsSequence", header.name) or []
    if len(per_frame) != count:
        msg = (
            f"{header.name}: its header claims {count} frames but describes {len(per_frame)}; "
            "copy or export the file again"
        )
        raise IpiuError(msg)
    shared = [
        part
        for item in value(dataset, "SharedFunctionalGroupsSequence", header.name) or ()
        for part in _parts(item, header.name)
    ]
    frames = [Frame(header, index, None, (*_parts(item, header.name), *shared)) for index, item in enumerate(per_frame)]
    return [Frame(header, frame.index, _place(frame), frame.groups) for frame in frames]


def _parts(item: Dataset, name: str) -> list[Dataset]:
    """A set of functional groups, each of them a sequence of one item."""
    keywords = filter(None, map(keyword_for_tag, item.keys()))  # private elements have none
    found = (value(item, keyword, name) for keyword in keywords)
    return [item, *(group[0] for group in found if isinstance(group, Sequence))]


def _dose_frames(header: Header, count: int) -> list[Frame]:
    """Planes of an RT dose grid, whose offsets run along the normal of the first plane."""
    first = _place(Frame(header, 0, None))
    offsets = numbers(header.dataset, "GridFrameOffsetVector", header.name, count)
    if first is None or offsets is None:
        msg = f"{header.name}: this dose grid does not say where its {count} planes lie; export it with its geometry"
        raise IpiuError(msg)
    if offsets[0] != 0:
        # the standard's second form: z coordinates of transverse planes
        if abs(abs(first.normal[2]) - 1) > 1e-6 or abs(offsets[0] - first.position[2]) > 1e-3:
            msg = (
                f"{header.name}: its GridFrameOffsetVector starts at {offsets[0]:g} mm, neither 0 nor the position "
                "of the first plane; export the dose again"
            )
            raise IpiuError(msg)
        offsets = (offsets - offsets[0]) * np.sign(first.normal[2])
    places = [Place(first.position + d * first.normal, first.across, first.down, first.spacing) for d in offsets]
    return [Frame(header, index, place) for index, place in enumerate(places)]


def _place(frame: Frame) -> Place | None:
    """The place a frame's header states, checked; None where it states neither position nor orientation."""
    position = frame.numbers("ImagePositionPatient", 3)
    axes = frame.numbers("ImageOrientationPatient", 6)
    if position is None and axes is None:
        return None
    spacing = pixel_spacing(frame)
    if position is None or axes is None or spacing is None:
        missing = next(k for k, v in zip(_GEOMETRY, (position, axes, spacing), strict=True) if v is None)
        msg = f"{frame.name}: it states a place in the patient but no {missing}; export the file with its full geometry"
        raise IpiuError(msg)
    if max(np.abs(position).max(), *spacing) > _FARTHEST:
        msg = f"{frame.name}: it lies at {shown(position.tolist())} mm, farther than any patient; correct the header"
        raise IpiuError(msg)
    across, down = axes[:3], axes[3:]
    product = np.array([across @ across, down @ down, across @ down + 1])
    if np.abs(product - 1).max() > 2e-3:
        msg = (
            f"{frame.name}: its ImageOrientationPatient {shown(axes.tolist())} is not two perpendicular unit vectors; "
            "correct it or export the file again"
        )
        raise IpiuError(msg)
    return Place(position, across, down, spacing)
