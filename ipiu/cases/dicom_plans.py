"""What images a patient's DICOM files make up and what each claims in memory, settled before any is decoded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipiu.cases.dicom_frames import Frame, frames_of
from ipiu.cases.dicom_header import Header, value, whole
from ipiu.cases.dicom_images import picture_image, volume_image
from ipiu.cases.dicom_pixels import check_pixels
from ipiu.cases.dicom_segmentation import segmentation_image, segmentation_of
from ipiu.cases.dicom_series import Volume, series_key, volumes_of
from ipiu.cases.limits import check_claim
from ipiu.errors import IpiuError

if TYPE_CHECKING:
    from monai.data import MetaTensor


@dataclass
class Plan:
    """One image that can be decoded: its frames, the bytes it will take, and how it is made."""

    frames: list[Frame]
    nbytes: int
    build: Callable[[], MetaTensor]


def plan_images(headers: list[Header], *, allow_tilt: bool = False) -> list[Plan]:
    """The images that one patient's files make up, in the order of their series numbers.

    Parameters
    ----------
    headers
        files with pixels
    allow_tilt
        as in :func:`ipiu.cases.dicom_geometry.stack`

    Raises
    ------
    IpiuError
        Where a file's claim or a series' geometry is refused.
    """
    series: dict[tuple, list[Frame]] = defaultdict(list)
    plans, bytes_of = [], {}
    for header in headers:
        nbytes = bytes_of[id(header)] = check_pixels(header)
        check_claim(nbytes, header.name)
        _check_not_tiled(header)
        frames = frames_of(header)
        if header.modality == "SEG":
            plans.append(_segmentation_plan(frames, allow_tilt=allow_tilt))
        elif frames[0].place is None:
            plans.append(Plan(frames, nbytes, lambda frames=frames: picture_image(frames)))
        else:
            series[series_key(frames[0])] += frames
    _check_all_placed(plans, series)
    for frames in series.values():
        plans += [_volume_plan(volume, bytes_of) for volume in volumes_of(frames, allow_tilt=allow_tilt)]
    return sorted(plans, key=_order)


def _segmentation_plan(frames: list[Frame], *, allow_tilt: bool) -> Plan:
    """One segmentation object; its empty planes count in its claim."""
    found = segmentation_of(frames, allow_tilt=allow_tilt)
    check_claim(found.nbytes, frames[0].header.name)
    return Plan(frames, found.nbytes, lambda: segmentation_image(found))


def _volume_plan(volume: Volume, bytes_of: dict[int, int]) -> Plan:
    """One volume, whose claim is its frames' share of their files."""
    first = volume.frames[0].header
    each = bytes_of[id(first)] // whole(first.dataset, "NumberOfFrames", first.name, default=1)
    claim = each * len(volume.frames)
    check_claim(claim, first.name, what=f"its series of {len(volume.frames)} slices")
    return Plan(volume.frames, claim, lambda: volume_image(volume))


def _order(plan: Plan) -> tuple:
    """Series number where it is one, then file name; a sort keeps the order of parts."""
    header = plan.frames[0].header
    try:
        number = whole(header.dataset, "SeriesNumber", header.name, default=0)
    except IpiuError:
        number = 0
    return number, min(frame.header.name for frame in plan.frames)


def _check_not_tiled(header: Header) -> None:
    """Refuse the tiles of a whole-slide picture, whose frames are neither slices nor moments."""
    tiles = whole(header.dataset, "NumberOfFrames", header.name, default=1)
    if tiles > 1 and "TotalPixelMatrixColumns" in header.dataset:
        msg = f"{header.name}: this whole-slide picture has {tiles} tiles and is not read; convert one level to TIFF"
        raise IpiuError(msg)


def _check_all_placed(plans: list[Plan], series: dict[tuple, list[Frame]]) -> None:
    """Refuse a slice without a place in a series whose other slices of the same kind have one."""
    placed = {_kind(frames[0]): frames[0] for frames in series.values()}
    for frame in (plan.frames[0] for plan in plans):
        other = placed.get(_kind(frame))
        if other is not None:
            msg = (
                f"{frame.header.name}: it states no ImagePositionPatient, though {other.header.name} of the same "
                "series does; take the file out or export the series again"
            )
            raise IpiuError(msg)


def _kind(frame: Frame) -> tuple[str, str]:
    """Series and class of object."""
    return series_key(frame)[0], str(value(frame.header.dataset, "SOPClassUID", frame.header.name))
