"""Vessels of the retina as a random tree: arcades, branches and twigs that leave the fovea free."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

# Everything is drawn for a right eye in retinal mm from the fovea: x towards the nose, y up. The disc lies 4.76 mm
# away (Jonas et al. 2015, doi:10.1371/journal.pone.0138701), a little above.
FOVEAL_ZONE = 0.35  # radius without vessels, mm

# Way-points of the four arcades from the disc: mm towards the temple, mm up.
_ARCADES = {
    "upper temporal": ((0, 0), (-0.05, 0.9), (0.6, 2.3), (2.1, 3.5), (4.8, 4.1), (7.8, 3.7), (11.5, 2.2)),
    "lower temporal": ((0, 0), (-0.05, -0.9), (0.6, -2.7), (2.1, -4.1), (4.8, -4.9), (7.8, -4.5), (11.5, -3.0)),
    "upper nasal": ((0, 0), (-0.5, 0.9), (-1.1, 2.0), (-2.0, 3.4), (-3.0, 5.0)),
    "lower nasal": ((0, 0), (-0.5, -0.9), (-1.2, -2.0), (-2.2, -3.4), (-3.2, -5.0)),
    "upper macular": ((0, 0), (0.6, 0.45), (1.8, 0.95), (3.2, 0.9), (4.3, 0.7)),
    "lower macular": ((0, 0), (0.6, -0.5), (1.8, -1.3), (3.2, -1.5), (4.3, -1.2)),
}
# Calibre of the largest vein at the disc (mm), and of arteries over veins, so that the six largest of either together
# equal one vein of about 225 micrometres (Myers et al. 2012, doi:10.1016/j.ophtha.2012.06.038) and one artery of four
# fifths of that (Ponto et al. 2017, doi:10.1097/HJH.0000000000001380).
_VEIN, _RATIO = 0.148, 0.95
_CALIBRE = {"temporal": 1.0, "nasal": 0.72, "macular": 0.38}


class Vessel(NamedTuple):
    """A piece of the tree: ``points`` (n, 2) in mm, ``width`` (n,) in mm, and whether it is an artery."""

    points: np.ndarray
    width: np.ndarray
    artery: bool


def grow_vessels(rng: np.random.Generator, disc: tuple[float, float]) -> list[Vessel]:
    """Draw the arteries and veins of one eye, the large before the small.

    Parameters
    ----------
    rng
        random numbers
    disc
        centre of the optic disc, mm from the fovea (towards the nose, up)
    """
    vessels = []
    for name, way in _ARCADES.items():
        kind = name.split()[1]
        for artery in (False, True):
            width = _VEIN * _CALIBRE[kind] * (_RATIO if artery else 1.0) * math.exp(0.07 * rng.standard_normal())
            trunk = _trunk(way, disc, width, artery, rng)
            vessels.append(trunk)
            _branch(vessels, trunk, rng, level=0)
    return sorted(vessels, key=lambda vessel: -vessel.width[0])


def _trunk(way: tuple, disc: tuple[float, float], width: float, artery: bool, rng: np.random.Generator) -> Vessel:
    """A smooth, slightly tortuous line through the way-points of an arcade."""
    points = np.array(way, dtype=float)
    jitter = 0.16 * rng.standard_normal(points.shape) * np.minimum(np.arange(len(points)), 2)[:, None]
    spread = 1.0 + 0.07 * rng.standard_normal() + (0.06 if artery else -0.05) * (1 if len(points) > 5 else 2)
    points = points * (1, spread) + jitter
    points[0] = 0.1 * rng.standard_normal(2) + (-0.15, 0)  # vessels come up on the nasal side of the cup
    line = _spline(points)
    line += _wiggle(len(line), rng)[:, None] * _normals(line)
    # temple is towards -x in a right eye
    line = np.array(disc) + line * (-1, 1)
    near = np.hypot(*line.T) < FOVEAL_ZONE + 0.25
    line = line[: np.argmax(near)] if near.any() else line
    return Vessel(line, width * np.linspace(1.0, 0.55, len(line)), artery)


def _spline(points: np.ndarray, step: float = 0.08) -> np.ndarray:
    """A Catmull-Rom curve through ``points``, about every ``step`` mm."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        t = np.arange(0, 1, step / max(float(np.hypot(*(c - b))), step))[:, None]
        pieces.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.vstack(pieces)


def _wiggle(count: int, rng: np.random.Generator) -> np.ndarray:
    """Sideways waves of some 2 mm, in mm; none at the start."""
    phase, size = 2 * math.pi * rng.random(2), np.abs(0.05 * rng.standard_normal(2))
    along = np.arange(count) * 0.08
    waves = size[0] * np.sin(along * 2.6 + phase[0]) + 0.6 * size[1] * np.sin(along * 5.1 + phase[1])
    return waves * np.minimum(along / 2, 1)


def _normals(line: np.ndarray) -> np.ndarray:
    """Unit vectors across the line."""
    along = np.gradient(line, axis=0)
    return np.column_stack([-along[:, 1], along[:, 0]]) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]


def _branch(vessels: list[Vessel], parent: Vessel, rng: np.random.Generator, level: int) -> None:
    """Grow the branches of one vessel, and theirs."""
    at, side = (16, 8, 8)[level] + int(8 * rng.random()), 1 if rng.random() < 0.5 else -1
    while at < len(parent.points) - 4:
        width = parent.width[at] * (0.42 + 0.36 * rng.random())
        if width > 0.018:
            direction = parent.points[at + 1] - parent.points[at]
            heading = math.atan2(direction[1], direction[0]) + side * (0.6 + 0.5 * rng.random())
            child = _grow(parent.points[at], heading, width, parent.artery, rng)
            if len(child.points) > 5:
                vessels.append(child)
                if level < 2 and width > 0.024:
                    _branch(vessels, child, rng, level + 1)
        at += int((19, 15, 15)[level] * (0.6 + 0.9 * rng.random()))
        side = -side if rng.random() < 0.75 else side


def _grow(start: np.ndarray, heading: float, width: float, artery: bool, rng: np.random.Generator) -> Vessel:
    """Walk on from ``start``: branches near the fovea bend towards it and stop before it, others run outwards."""
    x, y = float(start[0]), float(start[1])
    count = int((width / 0.06) ** 0.7 * (30 + 25 * rng.random())) + 6
    noise = (0.13 * rng.standard_normal(count)).tolist()
    inner = math.cos(heading - math.atan2(-y, -x)) > 0
    points, bend = [(x, y)], 0.0
    for n in range(count):
        distance = math.hypot(x, y)
        if distance < FOVEAL_ZONE + 0.25 * inner or distance > 7.2:
            break
        aim = math.atan2(-y, -x) if inner else math.atan2(y, x - 2)
        turn = math.sin(aim - heading)
        bend = 0.75 * bend + noise[n]
        heading += 0.04 * turn + 0.4 * bend
        x, y = x + 0.08 * math.cos(heading), y + 0.08 * math.sin(heading)
        points.append((x, y))
    line = np.array(points)
    return Vessel(line, width * np.linspace(1.0, 0.5, len(line)), artery)
