"""From the places of slices to one grid: their order, and the affine from voxel index to RAS mm."""

from __future__ import annotations

import numpy as np

from ipiu.cases.dicom_frames import Frame
from ipiu.errors import IpiuError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# share of the slice step, and of the pixel spacing, by which positions may scatter through rounding
_SCATTER = 0.02


def projections(frames: list[Frame]) -> np.ndarray:
    """(frames,) mm of each slice along the normal of the first."""
    normal = frames[0].place.normal
    return np.array([frame.place.position @ normal for frame in frames])


def slack(frames: list[Frame]) -> float:
    """Mm within which two positions count as the same."""
    return _SCATTER * min(frames[0].place.spacing)


def stack(frames: list[Frame], *, allow_tilt: bool = False) -> tuple[list[Frame], np.ndarray]:
    """Put parallel slices of one size in order along their normal.

    Parameters
    ----------
    frames
        slices with a place, of one orientation
    allow_tilt
        keep a stack that is sheared by a gantry tilt, as a sheared affine

    Returns
    -------
    tuple
        the frames in order, and the (4, 4) affine from (column, row, slice) index to RAS mm

    Raises
    ------
    IpiuError
        On slices that stand twice, are missing, are unevenly spaced, do not follow one line, or are tilted.
    """
    _check_pixel_spacing(frames)
    depth = projections(frames)
    order = np.argsort(depth, kind="stable")
    frames, depth = [frames[k] for k in order], depth[order]
    first = frames[0].place
    if len(frames) == 1:
        return frames, _affine(frames[0], first.normal * (slice_thickness(frames[0]) or 1.0))
    _check_steps(frames, np.diff(depth))
    positions = np.array([frame.place.position for frame in frames])
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    _check_tilt(frames, step, allow_tilt=allow_tilt)
    line = positions[0] + np.arange(len(frames))[:, None] * step
    away = np.linalg.norm(positions - line, axis=1)
    if away.max() > _SCATTER * np.linalg.norm(step) + slack(frames):
        worst = frames[int(away.argmax())]
        msg = (
            f"{worst.name}: this slice lies {away.max():.3g} mm off the even line of its {len(frames)} slices; "
            "resample the series or open the parts apart"
        )
        raise IpiuError(msg)
    return frames, _affine(frames[0], step)


def slice_thickness(frame: Frame) -> float | None:
    """Stated thickness of a slice in mm, or None."""
    stated = frame.numbers("SliceThickness", 1)
    return float(stated[0]) if stated is not None and stated[0] > 0 else None


def _affine(first: Frame, step: np.ndarray) -> np.ndarray:
    """The grid that starts at a frame and goes on by ``step``."""
    place, affine = first.place, np.eye(4)
    affine[:3, 0] = place.across * place.spacing[1]
    affine[:3, 1] = place.down * place.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = place.position
    return LPS_TO_RAS @ affine


def _check_pixel_spacing(frames: list[Frame]) -> None:
    """Refuse slices of different pixel spacing."""
    first = frames[0]
    for frame in frames:
        if not np.allclose(frame.place.spacing, first.place.spacing, rtol=1e-4, atol=0):
            a, b = (" x ".join(f"{mm:g}" for mm in f.place.spacing) for f in (first, frame))
            msg = (
                f"{frame.name}: its pixel spacing of {b} mm differs from the {a} mm of {first.name} in the same "
                "series; open the two groups of files apart"
            )
            raise IpiuError(msg)


def _check_steps(frames: list[Frame], steps: np.ndarray) -> None:
    """Refuse steps between neighbours that are zero or not all the same."""
    near = slack(frames)
    if steps.min() <= near:
        k = int(steps.argmin())
        msg = (
            f"{frames[k].name} and {frames[k + 1].name}: two slices of one series lie at the same position "
            f"{_at(frames[k])}, and no header attribute tells them apart; keep one of each pair"
        )
        raise IpiuError(msg)
    step = float(np.median(steps[steps < 1.5 * steps.min()]))
    counts = np.rint(steps / step)
    k = int(np.argmax(np.abs(steps - step)))
    if np.abs(steps - step).max() <= _SCATTER * step + near:
        return
    if np.all(np.abs(steps - counts * step) <= counts * (_SCATTER * step + near)):
        lost = int(counts[k]) - 1
        total = int((counts - 1).sum())
        rest = f" ({total} in the whole series)" if total > lost else ""
        msg = (
            f"{frames[k].name} and {frames[k + 1].name}: {lost} slice{'s are' if lost > 1 else ' is'} missing between "
            f"{_at(frames[k])} and {_at(frames[k + 1])}, where the step is {step:.4g} mm{rest}; add the missing files, "
            "or open the parts apart"
        )
        raise IpiuError(msg)
    msg = (
        f"{frames[k].name} and {frames[k + 1].name}: mixed slice spacings, {steps[k]:.4g} mm here and {step:.4g} mm "
        f"elsewhere in the same series, between {_at(frames[k])} and {_at(frames[k + 1])}; open the parts apart or "
        "resample the series"
    )
    raise IpiuError(msg)


def _check_tilt(frames: list[Frame], step: np.ndarray, *, allow_tilt: bool) -> None:
    """Refuse a stack whose steps are not along the normal, unless that is asked for."""
    normal = frames[0].place.normal
    along = step @ normal
    aside = np.linalg.norm(step - along * normal)
    if allow_tilt or aside * (len(frames) - 1) <= 5 * slack(frames):
        return
    degrees = np.degrees(np.arctan2(aside, abs(along)))
    msg = (
        f"{frames[0].name}: gantry tilt, the slices step {degrees:.2f} degrees off their normal; "
        "pass allow_tilt=True to keep the volume with a sheared affine, or resample it first"
    )
    raise IpiuError(msg)


def _at(frame: Frame) -> str:
    """A slice's position for a message, in DICOM's own LPS coordinates."""
    return "(" + ", ".join(f"{mm:.2f}" for mm in frame.place.position) + ") mm"
