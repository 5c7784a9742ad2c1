"""The lattice in mm that the random fields of a head are drawn on, and its values at any voxels."""

from __future__ import annotations

import math

import numpy as np

from ipiu.errors import IpiuError

# The field of view is the same at every spacing: its first corner and its size in mm, RAS+, from the commissures.
CORNER = (-96.0, -128.0, -88.0)
SIZE = (192.0, 224.0, 192.0)
LATTICE = 4.0  # mm; every random field is drawn on one lattice, so that it does not depend on the spacing
POINTS = tuple(int(size / LATTICE) + 1 for size in SIZE)


def draw_field(rng: np.random.Generator, step: float) -> np.ndarray:
    """A smooth random field of mean 0 and variance about 1 on the lattice, with waves of about ``step`` mm and more."""
    coarse = [math.ceil(size / step) + 4 for size in SIZE]
    values = rng.standard_normal(coarse, dtype=np.float32)
    if step <= LATTICE:
        return np.ascontiguousarray(values[tuple(slice(n) for n in POINTS)])
    axes = [np.arange(n, dtype=np.float32) * np.float32(LATTICE / step) + 1 for n in POINTS]
    return to_grid(values, axes, cubic=True) * np.float32(1.9)


def to_grid(values: np.ndarray, axes: list[np.ndarray], *, cubic: bool = False) -> np.ndarray:
    """Values of a lattice at a finer grid, ``axes`` being its positions in steps of the lattice, axis by axis."""
    for axis, at in enumerate(axes):
        low = np.minimum(at.astype(np.int64), values.shape[axis] - (3 if cubic else 2))
        t = (at - low).astype(np.float32)
        # cubic B-spline: smooth, without overshoot
        weights = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
        taps = zip(range(-1, 3), weights, strict=True) if cubic else ((0, 1 - t), (1, t))
        shape = [-1 if a == axis else 1 for a in range(3)]
        values = sum(values.take(low + n, axis=axis) * weight.reshape(shape) for n, weight in taps)
    return values


def check_spacing(spacing: float | tuple[float, float, float]) -> tuple[float, float, float]:
    """One spacing or three as three floats in mm."""
    three = tuple(float(s) for s in np.broadcast_to(np.asarray(spacing, dtype=float), 3))
    if not all(0.5 <= s <= 12 for s in three):
        msg = f"spacing={spacing} mm is outside 0.5 to 12; give one number or three within"
        raise IpiuError(msg)
    return three


def positions(spacing: float, size: float, parts: int) -> np.ndarray:
    """Centres of the thin voxels along one axis, in steps of the lattice; ``parts`` of them make one voxel."""
    count = round(size / spacing / parts) * parts
    return np.minimum((np.arange(count) + 0.5) * spacing, size).astype(np.float32) / np.float32(LATTICE)


def average(values: np.ndarray, parts: list[int]) -> np.ndarray:
    """Means over blocks of ``parts`` voxels."""
    if parts == [1, 1, 1]:
        return values
    (a, b, c), (i, j, k) = parts, values.shape
    return values.reshape(i // a, a, j // b, b, k // c, c).mean(axis=(1, 3, 5), dtype=np.float32)
