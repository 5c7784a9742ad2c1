"""Nodules, liver lesions and stones, of the size that the state says."""

from __future__ import annotations

import numpy as np

from ipiu.cases.digital.abdomen import liver_hu
from ipiu.cases.digital.anatomy import Anatomy
from ipiu.cases.digital.grid import Canvas, Grid
from ipiu.cases.digital.state import Lesion
from ipiu.cases.digital.tissues import CODE
from ipiu.cases.digital.tree import occupied

_FINE = 4  # points along each side of a voxel


def paint_lesions(canvas: Canvas, anatomy: Anatomy, spots: list[np.ndarray], rng: np.random.Generator) -> None:
    """Paint the lesions of the trunk at their ``spots``, in the state's order."""
    mine = [lesion for lesion in anatomy.state.lesions if lesion.kind in CODE]
    for lesion, spot, seed in zip(mine, spots, rng.integers(2**63, size=8)[: len(mine)], strict=True):
        own = np.random.default_rng(int(seed))
        if lesion.kind == "lung nodule" and lesion.spiculation > 0.15:
            _paint_spikes(canvas, lesion, spot, own)
        _paint_ball(canvas, anatomy, lesion, spot, own)


def _paint_ball(canvas: Canvas, anatomy: Anatomy, lesion: Lesion, spot: np.ndarray, rng: np.random.Generator) -> None:
    """An uneven ball whose volume is that of a sphere of the lesion's size, sampled more finely than the voxels."""
    stretch = np.exp(0.10 * np.clip(rng.standard_normal(3), -2, 2))
    if lesion.kind == "kidney stone":
        stretch = np.array([1.0, 1.0, 1.0])
    radii = lesion.size / 2 * stretch / np.prod(stretch) ** (1 / 3)
    rough = {"lung nodule": 0.05 + 0.10 * lesion.spiculation, "liver lesion": 0.07, "kidney stone": 0.0}[lesion.kind]
    waves = rng.standard_normal((6, 3)) * [1, 1, 1]
    phases = rng.random(6) * 2 * np.pi
    reach = 1.4 * lesion.size / 2 + canvas.grid.edge
    _, view = canvas.part(spot - reach, spot + reach)
    fine = _refine(view.grid)
    x, y, z = (
        (axis - np.float32(c)) / np.float32(r) for axis, c, r in zip((fine.x, fine.y, fine.z), spot, radii, strict=True)
    )
    bumps = sum(np.cos(1.9 * (a * x + b * y + c * z) + p) for (a, b, c), p in zip(waves, phases, strict=True))
    radius = np.sqrt(x * x + y * y + z * z)
    inside = radius - np.float32(rough / 1.7) * bumps < 1
    n = _FINE
    share = inside.reshape(view.grid.shape[0], n, view.grid.shape[1], n, view.grid.shape[2], n).mean(
        (1, 3, 5), dtype=np.float32
    )
    under = view.hu
    value = _value(anatomy, lesion, rng)
    under += share * (value - under)
    mask = share >= 0.5
    if not mask.any():
        mask = share == share.max()
    view.labels[mask] = CODE[lesion.kind]


def _value(anatomy: Anatomy, lesion: Lesion, rng: np.random.Generator) -> float:
    """Attenuation of a lesion (HU)."""
    draw = float(rng.random())
    enhanced = anatomy.state.contrast
    if lesion.kind == "kidney stone":  # uric acid is near 400, calcium oxalate above 1000
        return 520 + 800 * draw
    if lesion.kind == "liver lesion":
        if lesion.malignant:
            return liver_hu(anatomy) - (46 if enhanced else 20) - 8 * draw
        return min(8 + 14 * draw, liver_hu(anatomy) - 18)
    return 36 + 24 * draw + (22 if enhanced else 0)


def _paint_spikes(canvas: Canvas, lesion: Lesion, spot: np.ndarray, rng: np.random.Generator) -> None:
    """Strands that run from a spiculated nodule into the lung."""
    count = 28
    ways = rng.standard_normal((count, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    length = lesion.size / 2 * (1.15 + lesion.spiculation * 1.0 * rng.random((count, 1)))
    start, end = spot + ways * lesion.size / 2 * 0.8, spot + ways * length
    radius = np.full((count, 1), 0.35 + 0.45 * lesion.spiculation)
    reach = 1.2 * lesion.size + 2 * canvas.grid.edge
    _, view = canvas.part(spot - reach, spot + reach)
    share = np.minimum(occupied(np.hstack([start, end, radius]), view.grid), 1)
    share *= view.hu < -300
    view.hu += share * (20 - view.hu)


def _refine(grid: Grid) -> Grid:
    """The same box with each voxel split along each side."""
    axes = []
    for axis, step in zip((grid.x, grid.y, grid.z), grid.spacing, strict=True):
        shift = ((np.arange(_FINE) + 0.5) / _FINE - 0.5) * step
        axes.append((axis.ravel()[:, None] + shift.astype(np.float32)).ravel())
    x, y, z = axes
    return Grid(x[:, None, None], y[None, :, None], z[None, None, :], tuple(s / _FINE for s in grid.spacing))
