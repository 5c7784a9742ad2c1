"""Smooth random fields that are fixed to the patient, in millimetres, and not to the voxels."""

from __future__ import annotations

import numpy as np

from ipiu.cases.digital.grid import Grid

# of the field of view, with room for the spline at its ends (mm)
_REACH = (230.0, 230.0, 255.0)


class Field:
    """A Gaussian random field with mean 0 and a standard deviation near 1, smooth over ``pitch`` mm.

    Random numbers stand on a lattice of that pitch and are joined by cubic B-splines, so the field has the same
    values whatever the voxels.

    Examples
    --------
    >>> import numpy as np
    >>> from ipiu.cases.digital.grid import make_grid
    >>> Field(np.random.default_rng(0), 40.0).on(make_grid((432, 432, 480), (9, 9, 10))).shape
    (48, 48, 48)
    """

    def __init__(self, rng: np.random.Generator, pitch: float) -> None:
        self.pitch = pitch
        size = [int(np.ceil(2 * reach / pitch)) + 4 for reach in _REACH]
        # the mean variance of a cubic B-spline of white noise is 0.479 in each direction
        self.values = rng.standard_normal(size, dtype=np.float32) * np.float32(0.479**-1.5)
        self._last: tuple[Grid | None, np.ndarray | None] = (None, None)

    def on(self, grid: Grid) -> np.ndarray:
        """The field at the voxels of a grid; not to be written to."""
        if grid.whole is not None:  # the boxes of one grid share the work
            return self.on(grid.whole)[grid.where]
        if self._last[0] is not grid:
            self._last = (grid, self._interpolate(grid))
        return self._last[1]

    def at_height(self, grid: Grid) -> np.ndarray:
        """The field on the plane z = 0 under each column of a grid."""
        return self._interpolate(Grid(grid.x, grid.y, np.zeros((1, 1, 1), np.float32), grid.spacing))

    def _interpolate(self, grid: Grid) -> np.ndarray:
        """Splines along one axis after the other."""
        out = self.values
        for axis, places in enumerate((grid.x, grid.y, grid.z)):
            at = (places.ravel() + np.float32(_REACH[axis])) / np.float32(self.pitch)
            base = np.floor(at).astype(int)
            shape = [1, 1, 1]
            shape[axis] = -1
            total = None
            for n, weight in enumerate(_spline(at - base)):
                term = np.take(out, base + n, axis=axis) * weight.reshape(shape)
                total = term if total is None else np.add(total, term, out=total)
            out = total
        return out


def _spline(t: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weights of the four neighbours of a cubic B-spline."""
    t = t.astype(np.float32)
    back = 1 - t
    return back**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * back**3 - 6 * back**2 + 4) / 6, t**3 / 6
