"""The voxels of a volume in millimetres, and shapes painted on them with soft edges.

A shape is a function that gives the signed distance to its surface (mm, negative inside) at any points. It is
evaluated only in a box around it, and a voxel that its surface cuts takes a share of its value: partial volume.
Shapes know no voxels, so a patient is the same person at every spacing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

Box = tuple[slice, slice, slice]
WHOLE: Box = (slice(None), slice(None), slice(None))


@dataclass(frozen=True, eq=False)
class Grid:
    """Coordinates of a box of voxels.

    ``x``, ``y`` and ``z`` broadcast to its shape; mm, RAS+, centre of view at 0. ``whole`` is the grid it was cut
    from, if it was, and ``where`` its place there.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    spacing: tuple[float, float, float]
    whole: Grid | None = None
    where: Box = WHOLE

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each axis."""
        return self.x.size, self.y.size, self.z.size

    @cached_property
    def edge(self) -> float:
        """Width over which a surface is blurred by the voxels (mm)."""
        return float(np.prod(self.spacing) ** (1 / 3))

    @cached_property
    def origin(self) -> tuple[float, float, float]:
        """Centre of the first voxel (mm)."""
        return tuple(float(axis.flat[0]) for axis in (self.x, self.y, self.z)) if self.size else (0.0, 0.0, 0.0)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.x.size * self.y.size * self.z.size

    def box(self, low: Sequence[float], high: Sequence[float]) -> tuple[Box, Grid]:
        """The voxels from ``low`` to ``high`` (mm) and one more: their slices in this grid, and their coordinates."""
        cut = []
        for n in range(3):
            start = math.floor((low[n] - self.origin[n]) / self.spacing[n])
            stop = math.ceil((high[n] - self.origin[n]) / self.spacing[n]) + 1
            start = min(max(start, 0), self.shape[n])
            cut.append(slice(start, min(max(stop, start), self.shape[n])))
        x, y, z = self.x[cut[0]], self.y[:, cut[1]], self.z[:, :, cut[2]]
        return tuple(cut), Grid(x, y, z, self.spacing, self, tuple(cut))

    def points(self, mask: np.ndarray) -> np.ndarray:
        """Coordinates (n, 3) of the voxels in a mask."""
        i, j, k = np.nonzero(mask)
        return np.stack([self.x.ravel()[i], self.y.ravel()[j], self.z.ravel()[k]], axis=1).astype(float)


def make_grid(size: tuple[float, ...], spacing: tuple[float, float, float]) -> Grid:
    """A grid that covers a field of view of ``size`` mm around the origin."""
    axes = []
    for length, step in zip(size, spacing, strict=True):
        count = max(round(length / step), 1)
        axes.append(((np.arange(count) - (count - 1) / 2) * step).astype(np.float32))
    x, y, z = axes
    return Grid(x[:, None, None], y[None, :, None], z[None, None, :], spacing)


@dataclass
class Canvas:
    """Hounsfield units and labels of a grid, painted one shape over the other."""

    grid: Grid
    hu: np.ndarray
    labels: np.ndarray

    @classmethod
    def blank(cls, grid: Grid) -> Canvas:
        """Nothing but air."""
        return cls(grid, np.full(grid.shape, -1000, np.float32), np.zeros(grid.shape, np.uint8))

    def part(self, low: tuple[float, ...], high: tuple[float, ...]) -> tuple[Box, Canvas]:
        """The voxels from ``low`` to ``high`` (mm): their slices, and a canvas of them that paints on this one."""
        where, near = self.grid.box(low, high)
        return where, Canvas(near, self.hu[where], self.labels[where])

    def paint(self, where: Box, distance: np.ndarray, value: float | np.ndarray, label: int | None = None) -> None:
        """Lay a shape over what is there: ``value`` (HU) inside, and ``label`` unless it is None."""
        share = self.share(distance)
        under = self.hu[where]
        share *= value - under
        under += share
        if label is not None:
            self.labels[where][distance < 0] = label

    def share(self, distance: np.ndarray) -> np.ndarray:
        """How much of each voxel lies inside a surface at this distance."""
        out = distance * np.float32(-1 / self.grid.edge)
        out += np.float32(0.5)
        np.maximum(out, 0, out=out)
        return np.minimum(out, 1, out=out)


def ellipsoid(
    grid: Grid, centre: Sequence[float], radii: Sequence[float], axes: np.ndarray | None = None
) -> np.ndarray:
    """Signed distance to an ellipsoid (mm), good near its surface; the rows of ``axes`` are its directions."""
    moved = [grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1]), grid.z - np.float32(centre[2])]
    if axes is not None:
        rows = np.asarray(axes, np.float32)
        moved = [row[0] * moved[0] + row[1] * moved[1] + row[2] * moved[2] for row in rows]
    first, second = np.float32(0), np.float32(1e-12)
    for part, radius in zip(moved, radii, strict=True):
        square = (part * np.float32(1 / radius)) ** 2
        first = first + square
        second = second + square * np.float32(1 / radius**2)
    # (k - 1) k / |gradient of k²/2|: the first-order distance
    first = np.sqrt(first)
    return first * (first - 1) / np.sqrt(second)


def join(first: np.ndarray, second: np.ndarray, radius: float) -> np.ndarray:
    """Smooth union of two shapes: the crease between them is filled over ``radius`` mm."""
    blend = np.maximum(np.float32(radius) - np.abs(first - second), 0)
    return np.minimum(first, second) - blend * blend / np.float32(4 * radius)


def meet(first: np.ndarray, second: np.ndarray, radius: float) -> np.ndarray:
    """Smooth intersection of two shapes, with edges rounded over ``radius`` mm."""
    blend = np.maximum(np.float32(radius) - np.abs(first - second), 0)
    return np.maximum(first, second) + blend * blend / np.float32(4 * radius)


def curve(points: np.ndarray, count: int) -> np.ndarray:
    """A smooth curve through control points (n, d), by Catmull-Rom splines: (count, d)."""
    points = np.asarray(points, float)
    full = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    at = np.linspace(0, len(points) - 1, count)
    first = np.minimum(at.astype(int), len(points) - 2)
    t = (at - first)[:, None]
    a, b, c, d = (full[first + n] for n in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def tube(grid: Grid, path: np.ndarray) -> tuple[Box, Grid, np.ndarray]:
    """Signed distance to a tube along ``path``, rows of x, y, z and radius; only in the box around it."""
    rows = np.asarray(path, float)
    reach = rows[:, 3].max() + 2 * grid.edge
    where, near = grid.box((rows[:, :3].min(0) - reach).tolist(), (rows[:, :3].max(0) + reach).tolist())
    distance = np.full(near.shape, 1e3, np.float32)
    if not near.size:
        return where, near, distance
    rows = rows.tolist()
    for start, end in pairwise(rows):
        margin = max(start[3], end[3]) + 2 * grid.edge
        low = [min(start[n], end[n]) - margin for n in range(3)]
        part, close = near.box(low, [max(start[n], end[n]) + margin for n in range(3)])
        if close.size:
            view = distance[part]
            np.minimum(view, capsule(close, start, end), out=view)
    return where, near, distance


def capsule(grid: Grid, start: Sequence[float], end: Sequence[float]) -> np.ndarray:
    """Signed distance to a rod with round ends; ``start`` and ``end`` hold x, y, z and radius."""
    along = [np.float32(end[n] - start[n]) for n in range(3)]
    square = np.float32(max(sum(float(part) ** 2 for part in along), 1e-6))
    x, y, z = grid.x - np.float32(start[0]), grid.y - np.float32(start[1]), grid.z - np.float32(start[2])
    t = (x * (along[0] / square) + y * (along[1] / square)) + z * (along[2] / square)
    np.maximum(t, 0, out=t)
    np.minimum(t, 1, out=t)
    out = (x - t * along[0]) ** 2
    out += (y - t * along[1]) ** 2
    out += (z - t * along[2]) ** 2
    np.sqrt(out, out=out)
    t *= np.float32(end[3] - start[3])
    out -= t
    out -= np.float32(start[3])
    return out
