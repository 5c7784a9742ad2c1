"""Size and shape of one patient's trunk: what the organs are fitted to.

``h`` is the depth below the apex of the lungs in a person of 170 cm (mm); positions follow stature from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ipiu.cases.digital.grid import Grid
from ipiu.cases.digital.state import State
from ipiu.cases.digital.texture import Field

# Inner wall of the trunk (mm): half its width, and where it ends in front and behind. Read from the reach of the
# ribs and vertebrae in chest CT, and widened below to the waist and the iliac fossae.
_WALL = np.array(
    [  # h, half width, front, back
        (-60, 6, 18, 2), (-20, 16, 30, 6), (-8, 34, 42, 2), (0, 46, 47, -5), (12, 62, 55, -17), (27, 82, 62, -34),
        (45, 97, 68, -54), (65, 106, 74, -71), (90, 114, 80, -84), (120, 121, 86, -93), (150, 129, 90, -97),
        (180, 135, 93, -96), (220, 139, 95, -91), (260, 137, 95, -82), (300, 132, 93, -68), (340, 130, 91, -58),
        (380, 131, 88, -56), (430, 122, 84, -62), (480, 110, 80, -70),
    ],
    float,
)  # fmt: skip
# What muscle and bone add to that wall: at the side, in front and behind (mm)
_MUSCLE = np.array(
    [  # h, side, front, back
        (-60, 56, 26, 66), (-35, 62, 24, 70), (-15, 78, 20, 72), (0, 86, 18, 66), (15, 84, 19, 62), (35, 68, 24, 56),
        (60, 50, 28, 47), (90, 38, 28, 40), (120, 30, 24, 35), (160, 23, 16, 32), (200, 19, 13, 31), (240, 18, 12, 33),
        (280, 19, 12, 40), (330, 21, 12, 50), (380, 22, 12, 54), (430, 32, 12, 54), (480, 46, 12, 50),
    ],
    float,
)  # fmt: skip
# How the fat under the skin is spread: share of the thickness over the abdomen
_FAT = np.array(
    [  # h, side, front, back
        (-60, 0.45, 0.35, 0.55), (0, 0.45, 0.35, 0.60), (60, 0.45, 0.45, 0.55), (130, 0.50, 0.50, 0.55),
        (200, 0.60, 0.60, 0.65), (270, 0.85, 0.90, 0.90), (340, 1.10, 1.05, 1.20), (420, 1.30, 1.00, 1.40),
        (480, 1.40, 0.95, 1.40),
    ],
    float,
)  # fmt: skip
# Front to back position of the centres of the vertebral bodies: kyphosis and lordosis
_SPINE = np.array(
    [
        (-60, 6), (-30, -2), (0, -14), (45, -42), (90, -60), (130, -67), (170, -65), (210, -56), (250, -43),
        (290, -33), (340, -25), (400, -28), (440, -44), (480, -62),
    ],
    float,
)  # fmt: skip


@dataclass(frozen=True)
class Anatomy:
    """One patient's trunk.

    Attributes
    ----------
    stature, width, depth
        factors on lengths from head to foot, side to side and front to back
    apex
        height of the apices of the lungs (mm)
    under_skin, visceral
        thickness of the fat over the abdomen; what fat inside adds to the abdomen's depth (mm)
    brawn
        factor on the thickness of muscle
    kyphosis
        factor on the curvature of the spine
    square
        0 for an elliptic trunk to 1 for a square one
    domes
        heights of the right and left dome of the diaphragm (mm)
    arch
        how deep the recesses of the pleura reach below the domes (mm)
    shape, fine, grain
        random fields, from coarse to fine, that bend surfaces and make texture
    u
        further random numbers from 0 to 1, in the order that the organs take them
    """

    state: State
    stature: float
    width: float
    depth: float
    apex: float
    under_skin: float
    visceral: float
    brawn: float
    kyphosis: float
    square: float
    domes: tuple[float, float]
    arch: float
    shape: Field
    fine: Field
    grain: Field
    u: np.ndarray

    def at(self, table: np.ndarray, z: np.ndarray, column: int = 1) -> np.ndarray:
        """A column of a table over h, at heights ``z``."""
        return np.interp((self.apex - z) / self.stature, table[:, 0], table[:, column]).astype(np.float32)

    def height(self, h: float) -> float:
        """Height (mm) of what lies ``h`` below the apex."""
        return self.apex - h * self.stature

    def spine_at(self, h: float) -> float:
        """Front to back position of the vertebral bodies' centres at depth ``h`` (mm)."""
        return float(self.spine(np.array([self.height(h)]))[0])

    def front_at(self, h: float) -> float:
        """Front of the inner wall at depth ``h`` (mm)."""
        return float(self.wall(np.array([self.height(h)]))[1][0])

    def place(self, x: float, y: float, h: float, *rest: float) -> tuple[float, ...]:
        """A point ``x`` mm from the middle in a trunk of mean width, at ``y`` mm and depth ``h``."""
        return (x * self.width, y, self.height(h), *rest)

    def point(self, x: float, before: float, h: float, *rest: float) -> tuple[float, ...]:
        """A point ``before`` mm in front of the vertebral bodies' centres, else as in :meth:`place`."""
        return self.place(x, self.spine_at(h) + before, h, *rest)

    def spine(self, z: np.ndarray) -> np.ndarray:
        """Front to back position of the vertebral bodies (mm)."""
        return (self.at(_SPINE, z) + 30) * np.float32(self.kyphosis * self.depth) - 30

    def wall(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Half width, front and back of the inner wall (mm)."""
        sides = self.at(_WALL, z, 1) * np.float32(self.width)
        below = np.clip((self.apex - z) / self.stature / 90 - 2.2, 0, 1).astype(np.float32)
        sides = sides + below * np.float32(0.30 * self.visceral)
        front = self.at(_WALL, z, 2) * np.float32(self.depth) + below * np.float32(self.visceral)
        back = self.spine(z) + (self.at(_WALL, z, 3) - self.at(_SPINE, z)) * np.float32(self.depth)
        return sides, front, back

    def muscle(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Half width, front and back of the muscles' outer surface (mm)."""
        sides, front, back = self.wall(z)
        side, ahead, behind = (self.at(_MUSCLE, z, n) * np.float32(self.brawn) for n in (1, 2, 3))
        return sides + side, front + ahead, back - behind

    def skin(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Half width, front and back of the skin (mm)."""
        sides, front, back = self.muscle(z)
        side, ahead, behind = (self.at(_FAT, z, n) * np.float32(self.under_skin) for n in (1, 2, 3))
        return sides + side + 3, front + ahead + 3, back - behind - 3


def body_surface(state: State) -> float:
    """Body surface area by Mosteller's formula (m²), doi:10.1056/NEJM198710223171717."""
    return (state.height * state.weight / 3600) ** 0.5


def within(anatomy: Anatomy, rod: Sequence[float], margin: float) -> tuple[float, ...]:
    """A point of a rod (x, y, z, radius), moved forwards or backwards to lie ``margin`` mm inside the muscles."""
    x, y, z, radius = rod
    side, front, back = (float(part[0]) for part in anatomy.muscle(np.array([z])))
    reach = (front - back) / 2 * np.sqrt(max(1 - (x / side) ** 2, 0.04))
    middle, room = (front + back) / 2, max(reach - margin - radius, 0.0)
    return x, min(max(y, middle - room), middle + room), z, radius


def draw_anatomy(state: State, rng: np.random.Generator) -> Anatomy:
    """Draw a patient's trunk. The random numbers do not depend on the state, so an intervention keeps the person."""
    n = np.clip(rng.standard_normal(16), -2.2, 2.2)
    u = rng.random(64)
    male, bmi = state.sex == "male", state.bmi
    emphysema = state.severity["emphysema"]
    stature = state.height / 170 * (1 + 0.012 * n[0])
    # the chest widens with stature and only a little with weight
    width = (1.045 if male else 0.945) * (state.height / 170) ** 0.6 * (1 + 0.004 * (bmi - 26) + 0.028 * n[1])
    depth = (1.02 if male else 0.94) * (state.height / 170) ** 0.4 * (1 + 0.008 * (bmi - 26) + 0.035 * n[2])
    depth *= 1 + 0.12 * emphysema  # barrel chest
    apex = 176 + 4 * n[3]
    lean = max(bmi - 17, 0.5)
    under_skin = (1.35 if male else 2.15) * lean * np.exp(0.16 * n[4])
    visceral = (2.9 if male else 1.9) * max(bmi - 19, 0) * np.exp(0.20 * n[5]) * (1 + 0.004 * (state.age - 55))
    breath = 178 + 9 * n[6] + 40 * emphysema - 0.5 * (bmi - 26)
    right = apex - stature * breath
    left = right - (13 + 5 * n[7])
    return Anatomy(
        state=state,
        stature=float(stature),
        width=float(width),
        depth=float(depth),
        apex=float(apex),
        under_skin=float(min(under_skin, 75)),
        visceral=float(min(visceral, 75)),
        brawn=float((1.06 if male else 0.90) * (1 + 0.006 * (bmi - 26) - 0.002 * (state.age - 55) + 0.06 * n[8])),
        kyphosis=float(1 + 0.12 * n[9] + 0.003 * (state.age - 55)),
        square=float(np.clip(0.36 + 0.16 * n[10], 0.05, 0.8)),
        domes=(float(right), float(left)),
        arch=float((88 + 6 * n[11]) * stature * (1 - 0.55 * emphysema)),
        shape=Field(rng, 42.0),
        fine=Field(rng, 17.0),
        grain=Field(rng, 8.0),
        u=u,
    )


def hoop(anatomy: Anatomy, grid: Grid, sides: np.ndarray, front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Signed distance (mm, along the ray from the middle) to a surface that is a rounded ellipse at each height.

    Fourth powers with a mixed term run from an ellipse to a squircle without a transcendental function.
    """
    middle, reach = (front + back) / 2, (front - back) / 2
    across = grid.x * grid.x
    along = (grid.y - middle) ** 2
    radius = np.sqrt(across + along + 1)
    across, along = across / (sides * sides), along / (reach * reach)
    mixed = np.float32(2 - 1.6 * anatomy.square)
    unit = np.sqrt(np.sqrt(across * across + along * along + mixed * across * along))
    return radius - radius / np.maximum(unit, np.float32(0.02))
