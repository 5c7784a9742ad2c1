"""Fluid and gas in the pleural space of a supine patient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ipiu.cases.digital.anatomy import Anatomy
from ipiu.cases.digital.grid import Grid

_FAR = np.float32(300)


@dataclass
class Collections:
    """Signed distances (mm, negative inside) to fluid and gas on each side that has any: side -> distance."""

    fluid: dict[int, np.ndarray] = field(default_factory=dict)
    gas: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def nearest(self) -> np.ndarray | np.float32:
        """Distance to the nearest collection."""
        out = _FAR
        for distance in (*self.fluid.values(), *self.gas.values()):
            out = np.minimum(out, distance)
        return out


# of consolidated lung that no collection displaces (mm)
_STIFF = 15.0


def collections(
    anatomy: Anatomy, grid: Grid, wall: np.ndarray, stiff: tuple[np.ndarray, float] | None = None
) -> Collections:
    """The patient's pleural fluid and gas.

    Fluid lies behind, deepest over the diaphragm, and climbs along the side as a crescent; gas lies in front, above
    the fluid where a side has both. ``wall`` is the distance to the inner wall, and ``stiff`` the centre and reach of
    a consolidation, which is too firm to be pushed away altogether (mm).
    """
    state, found = anatomy.state, Collections()
    h = ((anatomy.apex - grid.z) / anatomy.stature).astype(np.float32)
    _, front, back = anatomy.wall(grid.z)
    aside = ((np.abs(grid.x) - 55 * anatomy.width) / (70 * anatomy.width)) ** 2
    fluid, gas = state.severity["pleural effusion"], state.severity["pneumothorax"]
    if fluid:
        depth = np.float32(13 + 78 * fluid)
        level = back + depth * (0.30 + 0.70 * _ramp(h, 60, 190)) + 0.75 * depth * aside
        surface = (grid.y - level + 2 * anatomy.shape.on(grid)) * np.float32(0.85)
        for side in _sides(state.side["pleural effusion"]):
            found.fluid[side] = np.where(side * grid.x > 0, surface, _FAR)
    if gas:
        depth = np.float32(12 + 92 * gas)
        level = front - depth * (0.45 + 0.55 * _ramp(h, 20, 130)) - 0.45 * depth * aside
        surface = (level - grid.y + 2 * anatomy.shape.on(grid)) * np.float32(0.85)
        # a large one also parts the lung from the side of the chest
        rim = np.maximum(0.30 * depth - 8, 0)
        surface = np.minimum(surface, -wall - rim)
        for side in _sides(state.side["pneumothorax"]):
            found.gas[side] = np.where(side * grid.x > 0, surface, _FAR)
            if side in found.fluid:
                found.gas[side] = np.maximum(found.gas[side], -found.fluid[side])
    if stiff is not None:
        (x, y, z), _ = stiff
        core = np.float32(_STIFF) - np.sqrt((grid.x - x) ** 2 + (grid.y - y) ** 2 + (grid.z - z) ** 2)
        for group in (found.fluid, found.gas):
            for side in group:
                group[side] = np.maximum(group[side], core)
    return found


def _sides(side: str) -> tuple[int, ...]:
    return {"right": (1,), "left": (-1,), "both": (1, -1)}[side]


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """From 0 at ``low`` to 1 at ``high``, smoothly."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
