"""DICOM segmentation objects as label maps, or as one channel a segment where segments overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from monai.data import MetaTensor

from ipiu.cases.dicom_frames import Frame, Place
from ipiu.cases.dicom_geometry import projections, slack, stack
from ipiu.cases.dicom_header import Header, value, whole, word
from ipiu.cases.dicom_images import as_tensor, common_meta, decoded, without_identifiers
from ipiu.errors import IpiuError


@dataclass(frozen=True)
class Segmentation:
    """A segmentation on its grid.

    Attributes
    ----------
    frames
        as stored
    planes
        slice number of each frame
    segments
        segment number of each frame, 0 where a frame holds all labels
    affine
        (4, 4) from (column, row, slice) index to RAS mm
    names
        what each segment number stands for
    """

    frames: list[Frame]
    planes: np.ndarray
    segments: np.ndarray
    affine: np.ndarray
    names: dict[int, str]

    @property
    def nbytes(self) -> int:
        """Bytes of the image once decoded, at most."""
        dataset = self.frames[0].header.dataset
        channels = len(set(self.segments.tolist()))
        return int(dataset.Rows) * int(dataset.Columns) * (int(self.planes.max()) + 1) * channels * 4


def segmentation_of(frames: list[Frame], *, allow_tilt: bool = False) -> Segmentation:
    """Lay the frames of one segmentation object on a grid; planes without a frame are empty, as the standard has it.

    Raises
    ------
    IpiuError
        Where a frame has no place or no segment, the planes are not parallel and even, or a segment has two frames on
        one plane.
    """
    header = frames[0].header
    if any(frame.place is None for frame in frames):
        msg = f"{header.name}: this segmentation does not say where its frames lie; export it with plane positions"
        raise IpiuError(msg)
    normal = frames[0].place.normal
    if any(np.abs(frame.place.normal - normal).max() > 1e-3 for frame in frames):
        msg = f"{header.name}: the frames of this segmentation are not parallel; export one orientation at a time"
        raise IpiuError(msg)
    segments = _segments(frames)
    planes, affine = _planes(frames, allow_tilt=allow_tilt)
    places = list(zip(segments.tolist(), planes.tolist(), strict=True))
    if len(set(places)) < len(places):
        msg = f"{header.name}: a segment of this segmentation has two frames on one plane; export it again"
        raise IpiuError(msg)
    return Segmentation(frames, planes, segments, affine, _names(header))


def segmentation_image(plan: Segmentation) -> MetaTensor:
    """The label map (1, i, j, k); where segments overlap or are fractional, one channel a segment.

    Returns
    -------
    MetaTensor
        uint8 or int16 labels with ``meta["labels"]``, or uint8 masks or float32 shares with ``meta["channels"]``
    """
    first = plan.frames[0]
    dataset, name = first.header.dataset, first.header.name
    if word(dataset, "SegmentationType", name) == "FRACTIONAL":
        return _fractional(plan, whole(dataset, "MaximumFractionalValue", name))
    top = max([*plan.names, *plan.segments.tolist()], default=0)
    kind = np.uint8 if top <= 255 else np.int16
    grid = np.zeros((int(plan.planes.max()) + 1, int(dataset.Rows), int(dataset.Columns)), kind)
    for number, stored in decoded(plan.frames):
        segment, target = int(plan.segments[number]), grid[plan.planes[number]]
        if segment == 0:
            target[...] = stored
        elif (target[stored > 0] > 0).any():
            return _channels(plan, np.uint8, "mask", 1)
        else:
            target[stored > 0] = segment
    meta = common_meta(first, "label") | {"labels": {0: "background", **plan.names}}
    return as_tensor(grid.transpose(2, 1, 0)[None], plan.affine, meta)


def _fractional(plan: Segmentation, largest: int) -> MetaTensor:
    """Shares between 0 and 1."""
    if largest == 0:
        msg = f"{plan.frames[0].header.name}: its MaximumFractionalValue is 0, which must be above 0; correct it"
        raise IpiuError(msg)
    return _channels(plan, np.float32, "probability", largest)


def _channels(plan: Segmentation, kind: type, unit: str, largest: int) -> MetaTensor:
    """One channel a segment, in the order of their numbers."""
    first = plan.frames[0]
    numbers = sorted(set(plan.segments.tolist()))
    size = (int(plan.planes.max()) + 1, int(first.header.dataset.Rows), int(first.header.dataset.Columns))
    grid = np.zeros((len(numbers), *size), kind)
    for number, stored in decoded(plan.frames):
        channel = numbers.index(int(plan.segments[number]))
        grid[channel, plan.planes[number]] = stored / largest
    names = tuple(plan.names.get(number, f"segment {number}") for number in numbers)
    return as_tensor(grid.transpose(0, 3, 2, 1), plan.affine, common_meta(first, unit) | {"channels": names})


def _segments(frames: list[Frame]) -> np.ndarray:
    """Segment number of each frame; 0 where a frame is a label map of its own."""
    header = frames[0].header
    if word(header.dataset, "SegmentationType", header.name) == "LABELMAP":
        return np.zeros(len(frames), int)
    found = [frame.numbers("ReferencedSegmentNumber", 1) for frame in frames]
    if any(number is None or not 0 < number[0] < 32768 for number in found):
        msg = f"{header.name}: a frame of this segmentation does not say which segment it shows; export it again"
        raise IpiuError(msg)
    return np.array([int(number[0]) for number in found])


def _planes(frames: list[Frame], *, allow_tilt: bool) -> tuple[np.ndarray, np.ndarray]:
    """Slice number of each frame, and the affine of the whole grid."""
    depth = projections(frames)
    order = np.argsort(depth, kind="stable")
    lowest = frames[order[0]]
    steps = np.diff(depth[order])
    steps = steps[steps > slack(frames)]
    if len(steps) == 0:
        return np.zeros(len(frames), int), stack([lowest])[1]
    stated = lowest.numbers("SpacingBetweenSlices", 1)
    step = float(stated[0]) if stated is not None and stated[0] > 0 else float(steps.min())
    planes = np.rint((depth - depth.min()) / step)
    if np.abs(depth - depth.min() - planes * step).max() > 0.02 * step + slack(frames) or planes.max() > 1e6:
        msg = (
            f"{lowest.header.name}: the planes of this segmentation do not fit an even step of {step:.4g} mm; "
            "export it on an even grid"
        )
        raise IpiuError(msg)
    highest = frames[order[-1]]
    line = (highest.place.position - lowest.place.position) / planes.max()
    # the ends of the grid stand for it, so that empty planes in between are no gap
    ends = [_moved(lowest, k * line) for k in (0, 1)]
    return planes.astype(int), stack(ends, allow_tilt=allow_tilt)[1]


def _moved(frame: Frame, by: np.ndarray) -> Frame:
    """The frame at another position."""
    place = frame.place
    return Frame(frame.header, frame.index, Place(place.position + by, place.across, place.down, place.spacing))


def _names(header: Header) -> dict[int, str]:
    """Segment number -> label."""
    names = {}
    for item in value(header.dataset, "SegmentSequence", header.name) or ():
        number = whole(item, "SegmentNumber", header.name)
        label = without_identifiers(header.dataset, value(item, "SegmentLabel", header.name))
        names[number] = label or f"segment {number}"
    return names
