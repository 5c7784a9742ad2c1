"""Contours as a person draws them: near the boundary, never quite on it."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor
from scipy.ndimage import map_coordinates, zoom

# how far along a contour the hand errs in the same direction (mm)
_GRAIN = 24.0


def move_contours(labels: MetaTensor, rng: np.random.Generator, *, mm: float) -> MetaTensor:
    """Move the boundaries of a label map by a smooth random displacement.

    Parameters
    ----------
    labels
        (1, i, j, k), integers
    mm
        standard deviation of the displacement along each axis

    Returns
    -------
    MetaTensor
        (1, i, j, k) of the same type and affine; every voxel takes the label found where the displacement points
    """
    volume = labels.numpy()[0]
    spacing = np.asarray(labels.pixdim, dtype=float)
    coarse = [max(4, round(n * size / _GRAIN)) for n, size in zip(volume.shape, spacing, strict=True)]
    where = []
    for axis, n in enumerate(volume.shape):
        field = zoom(rng.standard_normal(coarse), [m / c for m, c in zip(volume.shape, coarse, strict=True)], order=3)
        shape = [1, 1, 1]
        shape[axis] = n
        where.append(np.arange(n, dtype=np.float32).reshape(shape) + field * (mm / field.std() / spacing[axis]))
    moved = map_coordinates(volume, where, order=0, mode="nearest")
    meta = {key: value for key, value in labels.meta.items() if key != "affine"}
    return MetaTensor(torch.from_numpy(moved[None]), affine=labels.affine, meta=meta)
