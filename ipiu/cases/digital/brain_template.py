"""The MNI152 tissue maps that ship with nilearn, as the template every digital brain is deformed from."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ipiu.errors import require

DISTANCE_STEP = 2  # mm; distances are smooth, so that a coarse grid holds them
_MARGIN = 30  # mm around the brain that distances are known in


class Grid(NamedTuple):
    """Values on a regular grid: ``values[i, j, k]`` lies at ``origin + step * (i, j, k)`` in mm, RAS+."""

    values: np.ndarray
    origin: np.ndarray
    step: float

    def sample(self, points: list[np.ndarray]) -> np.ndarray:
        """Trilinear values at ``points``, three arrays of RAS+ mm of one shape; beyond the grid its border goes on."""
        index = [(p - o) / np.float32(self.step) for p, o in zip(points, self.origin.astype(np.float32), strict=True)]
        return ndimage.map_coordinates(self.values, index, order=1, mode="nearest", output=np.float32)


class Template(NamedTuple):
    """What is known of the average brain.

    ``grey`` and ``white`` are fractions (0 to 1); ``skull``, ``ventricles``, ``face`` and ``eyes`` are signed
    distances in mm, negative inside the cranial cavity, the ventricles, the head as a whole and the globes. ``seats``
    are points (n, 3) deep in the white matter of the right cerebral hemisphere where a tumour can sit; the template
    is symmetric, so their mirror images are those of the left.
    """

    grey: Grid
    white: Grid
    skull: Grid
    ventricles: Grid
    face: Grid
    eyes: Grid
    seats: np.ndarray


@cache
def load_template() -> Template:
    """The template, read once a process.

    The maps are those of the symmetric, non-linear MNI152 average of 152 young adults at 1 mm (Fonov et al. 2009,
    doi:10.1016/S1053-8119(09)70884-5), as nilearn ships them; nothing is downloaded.

    Raises
    ------
    ImportError
        Where nilearn is not installed; the message says how to install it.
    """
    grey, white, mask, origin = _maps()
    distances = _distances(mask, mask - grey - white, origin)
    return Template(Grid(grey, origin, 1), Grid(white, origin, 1), *distances, _seats(white, origin, distances[0]))


def _maps() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fractions of grey and white matter and the mask of the brain at 1 mm, and the place of the first voxel (mm)."""
    load = require("nilearn.datasets", extra="samples")
    image = load.load_mni152_template(resolution=1)
    t1 = image.get_fdata(dtype="float32")
    grey, white, mask = (
        getattr(load, f"load_mni152_{name}")(resolution=1).get_fdata(dtype="float32")
        for name in ("gm_template", "wm_template", "brain_mask")
    )
    origin = image.affine[:3, 3].copy()
    x, y, z = (np.arange(n, dtype=np.float32) + o for n, o in zip(t1.shape, origin, strict=True))
    # the map of white matter misses the cerebellum's, which the T1-weighted average does show
    cerebellum = (y[None, :, None] < -38) & (z[None, None, :] < -14) & (np.abs(x)[:, None, None] < 60)
    shift = grey * np.clip((t1 - 0.66) / 0.16, 0, 1) * cerebellum
    return grey - shift, white + shift, mask > 0.5, origin


def _distances(mask: np.ndarray, fluid: np.ndarray, origin: np.ndarray) -> tuple[Grid, ...]:
    """Signed distances (mm) to the cranial cavity, the ventricles, the head's surface and the globes."""
    step = DISTANCE_STEP
    mask, fluid = (np.pad(x[::step, ::step, ::step], _MARGIN // step) for x in (mask, fluid))
    border = origin - _MARGIN
    x, y, z = (np.arange(n, dtype=np.float32) * step + o for n, o in zip(fluid.shape, border, strict=True))
    x, y, z = np.abs(x)[:, None, None], y[None, :, None], z[None, None, :]
    # the dura bridges sulci and fissures: close gaps narrower than 16 mm
    cavity = _close(mask, 8)
    # jaw and nose, and neck, are ellipsoids: the template has only the brain
    face = (x / 52) ** 2 + ((y - 28) / 54) ** 2 + ((z + 62) / 56) ** 2 < 1
    neck = (x / 46) ** 2 + ((y + 38) / 48) ** 2 + ((z + 100) / 62) ** 2 < 1
    head = _close(cavity | face | neck, 24)
    eyes = np.sqrt((x - 32) ** 2 + (y - 62) ** 2 + (z + 42) ** 2) - 12.5 + 0 * fluid
    found = (_signed(cavity), _signed(_ventricles(fluid, x, y, z)), _signed(head), eyes.astype(np.float32))
    return tuple(Grid(values, border, step) for values in found)


def _close(mask: np.ndarray, radius: float) -> np.ndarray:
    """Fill what a ball of ``radius`` mm cannot enter."""
    reach = ndimage.distance_transform_edt(~mask, sampling=DISTANCE_STEP) <= radius
    return ndimage.distance_transform_edt(reach, sampling=DISTANCE_STEP) > radius


def _signed(mask: np.ndarray) -> np.ndarray:
    """Distance to the border of ``mask`` in mm, negative inside."""
    outside = ndimage.distance_transform_edt(~mask, sampling=DISTANCE_STEP)
    inside = ndimage.distance_transform_edt(mask, sampling=DISTANCE_STEP)
    return ndimage.gaussian_filter((outside - inside).astype(np.float32), 0.7)


def _ventricles(fluid: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Fluid that lies where MNI152 has the lateral, third and fourth ventricles (``x``: mm from the midline)."""
    lateral = (x < 34) & (y > -48) & (y < 34) & (z > -4) & (z < 28)
    # without the cistern behind the midbrain and the fissure above the corpus callosum
    lateral &= ~((x < 12) & (y < -28)) & ~((x < 9) & (z > 22))
    third = (x < 5) & (y > -30) & (y < 6) & (z > -12) & (z < 10)
    fourth = (x < 12) & (y > -50) & (y < -36) & (z > -46) & (z < -16)
    return (fluid > 0.5) & (lateral | third | fourth)


def _seats(white: np.ndarray, origin: np.ndarray, skull: Grid) -> np.ndarray:
    """Points every 4 mm in the white matter of the right cerebral hemisphere, 14 mm or more below the bone."""
    index = np.argwhere(white[::4, ::4, ::4] > 0.7)
    points = index * 4 + origin
    deep = skull.sample([points[:, axis].astype(np.float32) for axis in range(3)]) < -14
    # above the brainstem and off the midline
    return points[deep & (points[:, 0] > 12) & (points[:, 2] > -12)]
