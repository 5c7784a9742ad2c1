"""Branching vessels: trees that fill an organ, and their share of each voxel."""

from __future__ import annotations

import numpy as np

from ipiu.cases.digital.grid import Grid

_MURRAY = 3.0  # a parent's radius to this power is the sum of its children's (Murray 1926, doi:10.1073/pnas.12.3.207)
_GOLDEN = 2.399963  # golden angle (radians): points turned by it fill a disc evenly


def grow(root: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, leaf: float) -> np.ndarray:
    """A binary tree from ``root`` to ``targets``.

    Parameters
    ----------
    root
        (x, y, z) in mm
    targets
        (2**n, 3) in mm: where the last twigs end
    rng
        bends the branches
    leaf
        radius of the last twigs (mm)

    Returns
    -------
    array of shape (m, 7)
        start, end and radius of each straight piece (mm)
    """
    groups = np.asarray(targets, float)[None]
    parents = np.asarray(root, float)[None]
    pieces = []
    while True:
        count, size, _ = groups.shape
        centre = groups.mean(1)
        share = 0.42 if size > 1 else 1.0
        length = np.linalg.norm(centre - parents, axis=1, keepdims=True)
        bend = rng.standard_normal((count, 3)) * 0.07 * length
        ends = parents + share * (centre - parents) + (bend if size > 1 else 0)
        middle = (parents + ends) / 2 + 0.5 * rng.standard_normal((count, 3)) * 0.07 * length
        radius = np.full((count, 1), leaf * size ** (1 / _MURRAY))
        pieces += [np.hstack([parents, middle, radius]), np.hstack([middle, ends, radius])]
        if size == 1:
            return np.vstack(pieces)
        axis = (groups.max(1) - groups.min(1)).argmax(1)
        order = np.take_along_axis(groups, axis[:, None, None], axis=2)[..., 0].argsort(axis=1, kind="stable")
        groups = np.take_along_axis(groups, order[..., None], axis=1).reshape(2 * count, size // 2, 3)
        parents = np.repeat(ends, 2, axis=0)


def occupied(pieces: np.ndarray, grid: Grid, *, widen: float = 1.0) -> np.ndarray:
    """Share of each voxel (0 to 1) that lies in the pieces of a tree: their volume is spread over the voxels."""
    step = 0.55 * grid.edge
    start, end, radius = pieces[:, :3], pieces[:, 3:6], pieces[:, 6] * widen
    length = np.linalg.norm(end - start, axis=1)
    along = np.maximum(np.ceil(length / step), 1).astype(int)
    across = np.maximum(np.ceil((radius / step) ** 2 * 2), 1).astype(int)
    across[radius < 0.6 * step] = 1
    count = along * across
    piece = np.repeat(np.arange(len(pieces)), count)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    disc, rank = number % across[piece], number // across[piece]
    t = (rank + 0.5) / along[piece]
    # a sunflower of points on each cross-section
    off = radius[piece] * np.sqrt((disc + 0.5) / across[piece]) * (across[piece] > 1)
    turn = disc * _GOLDEN + rank
    direction = (end - start) / np.maximum(length, 1e-6)[:, None]
    helper = np.where(np.abs(direction[:, :1]) < 0.8, [[1.0, 0, 0]], [[0, 1.0, 0]])
    first = np.cross(direction, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(direction, first)
    place = start[piece] + t[:, None] * (end - start)[piece]
    place += (off * np.cos(turn))[:, None] * first[piece] + (off * np.sin(turn))[:, None] * second[piece]
    volume = (np.pi * radius**2 * length / count)[piece]
    return np.minimum(spread(place, volume, grid), 1)


def spread(place: np.ndarray, volume: np.ndarray, grid: Grid) -> np.ndarray:
    """Share out the volumes (mm³) of points among the eight voxels around each: share of each voxel."""
    spacing = np.asarray(grid.spacing)
    origin = np.array([grid.x.flat[0], grid.y.flat[0], grid.z.flat[0]])
    shape = np.array(grid.shape)
    index = (place - origin) / spacing
    base = np.floor(index).astype(int)
    rest = index - base
    keep = ((base >= 0) & (base < shape - 1)).all(1)
    base, rest, volume = base[keep], rest[keep], volume[keep] / spacing.prod()
    flat = (base[:, 0] * shape[1] + base[:, 1]) * shape[2] + base[:, 2]
    total = np.zeros(shape.prod())
    for corner in range(8):
        step = np.array([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
        weight = np.prod(np.where(step, rest, 1 - rest), axis=1) * volume
        offset = (step[0] * shape[1] + step[1]) * shape[2] + step[2]
        total += np.bincount(flat + offset, weight, total.size)
    return total.reshape(grid.shape).astype(np.float32)
