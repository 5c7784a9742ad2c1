"""X-rays through a CT: line integrals from a point source to a flat detector, in the two ways a chest is taken."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor

from ipiu.errors import IpiuError
from ipiu.names import nearest


class Beam(NamedTuple):
    """How a view is taken.

    ``distance`` from source to detector and ``gap`` between patient and detector, in mm; ``towards`` front (+1) or
    back (-1), where the beam goes; ``water`` and ``bone``, attenuation at the effective energy (see :data:`BEAMS`).
    """

    distance: float
    gap: float
    towards: int
    water: float
    bone: float


# Mass attenuation of water and of cortical bone (ICRU-44, 1.92 g/cm3) in cm2/g: Hubbell and Seltzer, NIST Standard
# Reference Database 126, doi:10.18434/T4D01F. The beams' effective energies stand for 120 kV and for 90 kV.
_WATER = {50: 0.2269, 60: 0.2059, 80: 0.1837}
_BONE = {50: 0.4242, 60: 0.3148, 80: 0.2229}
_BONE_DENSITY = 1.92
# A CT at 120 kV has an effective energy of about 70 keV (Kinahan et al. 2003, doi:10.1053/snuc.2003.127307): the
# geometric mean of two lines of the table stands for it.
_CT_WATER, _CT_BONE = (math.sqrt(table[60] * table[80]) for table in (_WATER, _BONE))
# Above it the excess over water is calcium, whose attenuation rises faster at low energies than that of water: a scale
# of two lines, towards air and towards cortical bone (Bai et al. 2003, doi:10.1109/TNS.2003.817281).
CALCIUM_HU = 100.0


def _steepening(energy: int) -> float:
    """How much steeper calcium rises with the CT number than water does: 0 at the energy of the CT itself."""
    in_ct = _BONE_DENSITY * _CT_BONE / _CT_WATER
    in_beam = _BONE_DENSITY * _BONE[energy] / _WATER[energy]
    return (in_beam - in_ct) / (in_ct - 1 - CALCIUM_HU / 1000)


BEAMS = {
    # upright, the chest against the stand: 1.8 m, through a grid (European guidelines EUR 16260, 1996)
    "pa": Beam(1800.0, 40.0, +1, _WATER[60] / 10, _steepening(60)),
    # at the bedside, the back on the detector: 1.0 m, lower voltage, no grid
    "ap": Beam(1000.0, 20.0, -1, _WATER[50] / 10, _steepening(50)),
}
# side of the square detector in mm
SIDE = 430.0
# brighter than this is body, darker air
_SKIN_HU = -300.0


class Rays(NamedTuple):
    """The rays of one exposure: ``source`` (x, y, z) and the ``detector`` plane's y in RAS+ mm, pixel centres in mm.

    ``down`` and ``across`` are measured on the detector from the foot of the perpendicular from the source, towards
    the feet and towards the patient's left: the pixel at (down, across) lies at (x - across, detector, z - down).
    """

    source: tuple[float, float, float]
    detector: float
    down: np.ndarray
    across: np.ndarray

    @property
    def affine(self) -> np.ndarray:
        """(4, 4), takes (row, column) to (down, across) in mm."""
        step = float(self.down[1] - self.down[0])
        affine = np.diag([step, step, 1.0, 1.0])
        affine[:2, 3] = self.down[0], self.across[0]
        return affine


def project(
    ct: MetaTensor, *, view: str = "pa", pixel: float | None = None, aim: tuple[float, float] | None = None
) -> MetaTensor:
    """Line integrals of attenuation from a point source to every pixel of a detector.

    The picture is as a radiologist sees it: head up, the patient's right on the left.

    Parameters
    ----------
    ct
        (1, i, j, k) in HU, axes along RAS+ (to the patient's right, front and head)
    view
        ``"pa"``: upright, beam from the back, detector in front, 1.8 m. ``"ap"``: portable, beam from the front,
        detector behind the back, 1.0 m, so that the heart is magnified more.
    pixel
        mm between pixels on the detector; half the CT's finest spacing in x and z where it is not given
    aim
        (x, z) in RAS+ mm of the central ray, which is perpendicular to the detector; the middle of the CT where it
        is not given

    Returns
    -------
    MetaTensor
        (1, row, column) float32, natural logarithm of the attenuation (no unit). ``affine`` takes (row, column) to
        mm on the detector, down and to the patient's left from the central ray. ``meta``: ``"view"``, ``"pixel"``,
        ``"aim"``, ``"focus"`` (x, y, z) and ``"detector"`` (y) in RAS+ mm, so that the ray of a pixel at (down,
        across) goes from the source to (x - across, detector, z - down).

    Raises
    ------
    IpiuError
        Where the view is not known, or the CT's axes are oblique or not RAS+.

    Examples
    --------
    >>> from ipiu.cases.digital.projector import project
    >>> project(ct, view="pa").shape  # doctest: +SKIP
    torch.Size([1, 192, 192])

    Notes
    -----
    All rays leave one point and the detector is parallel to the coronal slices, so each slice is magnified by its
    own factor about the central ray and its pixels are interpolated linearly; a slice adds its thickness over the
    cosine of the ray's angle. This is the shear-warp factorisation of Lacroute and Levoy, doi:10.1145/192161.192283.
    """
    if view not in BEAMS:
        msg = f"there is no view {view!r}; {nearest(view, BEAMS)}"
        raise IpiuError(msg)
    origin, spacing = grid(ct)
    values = np.asarray(ct)[0]
    pixel = float(pixel or min(spacing[0], spacing[2]) / 2)
    middle = origin + (np.array(values.shape) - 1) / 2 * spacing
    aim = (float(middle[0]), float(middle[2])) if aim is None else (float(aim[0]), float(aim[1]))
    rays = place(values, origin, spacing, view=view, pixel=pixel, aim=aim)
    lines = integrate(attenuation(values, view), origin, spacing, rays)
    meta = {"modality": "DX", "unit": "line integral", "name": "projection", "view": view, "pixel": pixel, "aim": aim}
    meta |= {"focus": rays.source, "detector": rays.detector}
    return MetaTensor(torch.from_numpy(lines[None]), affine=torch.from_numpy(rays.affine), meta=meta)


def attenuation(hu: np.ndarray, view: str) -> np.ndarray:
    """Linear attenuation in 1/mm of CT numbers in HU, at the energy of a view; bone on a steeper line than water."""
    beam = BEAMS[view]
    hu = hu.astype(np.float32)
    calcium = np.maximum(hu - np.float32(CALCIUM_HU), 0)
    relative = 1 + (hu + np.float32(beam.bone) * calcium) / 1000
    return np.maximum(relative, 0) * np.float32(beam.water)


def grid(volume: MetaTensor) -> tuple[np.ndarray, np.ndarray]:
    """Place of the first voxel and spacing (x, y, z), in mm, of a volume whose axes are RAS+."""
    affine = np.asarray(volume.affine, dtype=np.float64)
    spacing = np.diag(affine)[:3]
    if volume.ndim != 4 or (spacing <= 0).any() or np.abs(affine[:3, :3] - np.diag(spacing)).max() > 1e-4:
        msg = (
            f"a volume of shape {tuple(volume.shape)} with affine {affine.tolist()} cannot be projected: it must be "
            '(1, i, j, k) with axes along RAS+; turn it with monai.transforms.Orientation(axcodes="RAS")'
        )
        raise IpiuError(msg)
    return affine[:3, 3], spacing


def place(
    hu: np.ndarray, origin: np.ndarray, spacing: np.ndarray, *, view: str, pixel: float, aim: tuple[float, float]
) -> Rays:
    """Put source and detector about the patient: the detector a gap away from the skin it faces."""
    beam = BEAMS[view]
    # a slice holds skin where more than a few voxels are body, so that noise in air is not mistaken for it
    filled = np.flatnonzero((hu > _SKIN_HU).mean(axis=(0, 2)) > 0.002)
    last = (filled[-1] if beam.towards > 0 else filled[0]) if len(filled) else (hu.shape[1] - 1) * (beam.towards > 0)
    detector = float(origin[1] + spacing[1] * last + beam.towards * (spacing[1] / 2 + beam.gap))
    count = math.ceil(SIDE / pixel)
    steps = (np.arange(count) - (count - 1) / 2) * pixel
    return Rays((aim[0], detector - beam.towards * beam.distance, aim[1]), detector, steps, steps)


def integrate(values: np.ndarray, origin: np.ndarray, spacing: np.ndarray, rays: Rays) -> np.ndarray:
    """Integral of ``values`` (i, j, k) along each ray up to the detector: (row, column) float32, their unit times mm.

    Outside the volume the value is 0, and it falls to 0 within one voxel.
    """
    lines = np.zeros((len(rays.down), len(rays.across)), np.float32)
    x, y, z = rays.source
    depth = origin[1] + spacing[1] * np.arange(values.shape[1])
    before = np.flatnonzero((rays.detector - depth) * (rays.detector - y) > 0)
    if not len(before):
        return lines
    shrink = np.abs(depth - y) / abs(rays.detector - y)
    # slices first and rows along z next, so that memory is read in its order; one voxel of nothing all around
    layers = np.pad(values.transpose(1, 2, 0).astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    foot_k, foot_i = (z - origin[2]) / spacing[2], (x - origin[0]) / spacing[0]
    rows = _shadow(rays.down, foot_k, spacing[2], shrink[before], values.shape[2])
    columns = _shadow(rays.across, foot_i, spacing[0], shrink[before], values.shape[0])
    down, across, part = rays.down[rows], rays.across[columns], lines[rows, columns]
    for j in before:
        k, upper = _neighbours(foot_k - down * shrink[j] / spacing[2], values.shape[2])
        i, right = _neighbours(foot_i - across * shrink[j] / spacing[0], values.shape[0])
        band = layers[j, k] * (1 - upper)[:, None] + layers[j, k + 1] * upper[:, None]
        part += band[:, i] * (1 - right) + band[:, i + 1] * right
    slant = np.sqrt(1 + (down[:, None] ** 2 + across**2) / (rays.detector - y) ** 2)
    part *= (spacing[1] * slant).astype(np.float32)
    return lines


def _shadow(steps: np.ndarray, foot: float, spacing: float, shrink: np.ndarray, voxels: int) -> slice:
    """The pixels along one side of the detector whose rays can meet a volume of so many voxels."""
    near, far = (foot - steps * factor / spacing for factor in (shrink.min(), shrink.max()))
    found = np.flatnonzero((np.maximum(near, far) > -1) & (np.minimum(near, far) < voxels))
    return slice(found[0], found[-1] + 1) if len(found) else slice(0, 0)


def _neighbours(index: np.ndarray, voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """The lower neighbour of each voxel index in the padded axis, and the share of the upper one."""
    index = np.clip(index + 1, 0, voxels + 1)
    lower = np.minimum(index.astype(np.intp), voxels)
    return lower, (index - lower).astype(np.float32)
