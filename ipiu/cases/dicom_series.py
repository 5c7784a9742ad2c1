"""Which frames of a patient belong to one volume: by series, size, orientation, and what explains repeats."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ipiu.cases.dicom_frames import Frame
from ipiu.cases.dicom_geometry import projections, slack, stack
from ipiu.cases.dicom_header import shown, value, whole, word
from ipiu.cases.dicom_values import unit_of
from ipiu.errors import IpiuError

# what may explain that positions repeat inside a series, in the order in which it is tried
_SPLITS = (
    "EchoTime",
    "EchoNumbers",
    "EffectiveEchoTime",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "FrameReferenceTime",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "InversionTime",
    "FlipAngle",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "ImageType",
    "FrameType",
    "ComplexImageComponent",
    "ConvolutionKernel",
    "AcquisitionTime",
)


@dataclass(frozen=True)
class Volume:
    """Frames in order along their normal, the (4, 4) affine to RAS mm, and what sets them apart in their series."""

    frames: list[Frame]
    affine: np.ndarray
    part: str = ""


def series_key(frame: Frame) -> tuple:
    """What two frames must share to be compared at all."""
    dataset, name = frame.header.dataset, frame.header.name
    return tuple(
        str(value(dataset, keyword, name) or "") for keyword in ("SeriesInstanceUID", "Modality", "FrameOfReferenceUID")
    )


def volumes_of(frames: list[Frame], *, allow_tilt: bool = False) -> list[Volume]:
    """Sort the placed frames of one series into volumes.

    Parameters
    ----------
    frames
        frames that share :func:`series_key`, all with a place
    allow_tilt
        as in :func:`ipiu.cases.dicom_geometry.stack`

    Raises
    ------
    IpiuError
        Where positions repeat and no attribute explains it, or a volume's geometry is refused.
    """
    by_shape = defaultdict(list)
    for frame in frames:
        by_shape[_shape_key(frame)].append(frame)
    found = []
    for same_shape in by_shape.values():
        for parallel in _by_orientation(same_shape):
            for part, group in _by_repetition(parallel):
                found.append(Volume(*stack(group, allow_tilt=allow_tilt), part))
    return found


def _shape_key(frame: Frame) -> tuple:
    """Size, kind of the stored values, and the stack that an enhanced object assigns."""
    dataset, name = frame.header.dataset, frame.header.name
    size = tuple(whole(dataset, keyword, name) for keyword in ("Rows", "Columns"))
    stack_id = str(frame.value("StackID")) if frame.groups else ""
    return (*size, word(dataset, "PhotometricInterpretation", name), unit_of(frame), stack_id)


def _by_orientation(frames: list[Frame]) -> list[list[Frame]]:
    """Groups of parallel slices."""
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            other = group[0].place
            apart = np.abs([frame.place.across - other.across, frame.place.down - other.down]).max()
            if apart < 1e-3:
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _by_repetition(frames: list[Frame]) -> list[tuple[str, list[Frame]]]:
    """Split parallel slices whose positions repeat by the first attribute that leaves complete stacks."""
    depth = projections(frames)
    order = np.argsort(depth, kind="stable")
    plane = np.empty(len(frames), int)
    plane[order] = np.concatenate([[0], np.cumsum(np.diff(depth[order]) > slack(frames))])
    planes = int(plane.max()) + 1
    if planes == len(frames):
        return [("", frames)]
    stated = {keyword: [_comparable(frame.value(keyword)) for frame in frames] for keyword in _SPLITS}
    varying = [keyword for keyword, values in stated.items() if len(set(values)) > 1]
    for keywords in [*combinations(varying, 1), *combinations(varying, 2)]:
        groups = defaultdict(list)
        for k, key in enumerate(zip(*(stated[keyword] for keyword in keywords), strict=True)):
            groups[key].append(k)
        if all(sorted(plane[members]) == list(range(planes)) for members in groups.values()):
            return [(_label(keywords, key), [frames[k] for k in groups[key]]) for key in sorted(groups)]
    k = int(np.flatnonzero(np.diff(np.sort(plane)) == 0)[0])
    twins = [frames[m] for m in np.flatnonzero(plane == np.sort(plane)[k])[:2]]
    where = ", ".join(f"{mm:.2f}" for mm in twins[0].place.position)
    msg = (
        f"{twins[0].name} and {twins[1].name}: duplicate slices at the same position ({where}) mm of one series, and "
        "no header attribute splits the series into complete stacks; keep one file of each position"
    )
    raise IpiuError(msg)


def _comparable(found) -> tuple:
    """A value that sorts and hashes beside others of its keyword."""
    if found is None:
        return ()
    items = found if isinstance(found, (list, tuple)) or hasattr(found, "append") else [found]
    try:
        return (0, *(float(item) for item in items))
    except (TypeError, ValueError):
        return (1, *(str(item) for item in items))


def _label(keywords: tuple[str, ...], key: tuple) -> str:
    """What sets a volume apart inside its series, for people."""
    texts = []
    for keyword, found in zip(keywords, key, strict=True):
        items = [f"{item:g}" if isinstance(item, float) else item for item in found[1:]]
        texts.append(f"{keyword} {shown(' '.join(items)) or 'not stated'}")
    return ", ".join(texts)
