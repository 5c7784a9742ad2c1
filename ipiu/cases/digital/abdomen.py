"""Liver, gallbladder, spleen, kidneys, pancreas and the muscles along the spine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ipiu.cases.digital.anatomy import Anatomy, body_surface
from ipiu.cases.digital.grid import WHOLE, Canvas, Grid, curve, ellipsoid, join, meet, tube
from ipiu.cases.digital.heart import Heart, blood, chambers
from ipiu.cases.digital.lungs import diaphragm
from ipiu.cases.digital.tissues import CODE
from ipiu.cases.digital.tree import occupied
from ipiu.cases.digital.trunk import muscle_hu

if TYPE_CHECKING:
    from ipiu.cases.digital.plan import Plan

_SINUS_FAT = -70.0


class Liver(NamedTuple):
    """How far the liver reaches below the right dome (mm), and how far to the left of the middle (mm)."""

    length: float
    left: float


class Kidney(NamedTuple):
    """Centre (mm), directions (outwards, forwards, along), radii (mm), size relative to the mean, and renal sinus."""

    centre: np.ndarray
    axes: np.ndarray
    radii: np.ndarray
    scale: float
    sinus: np.ndarray


def make_liver(anatomy: Anatomy, grid: Grid, wall: np.ndarray, heart: Heart) -> Liver:
    """Find the lower margin that gives the liver its volume, on a coarse grid.

    The volume is -794 + 1267 mL a square metre of body surface (Vauthey 2002, doi:10.1053/jlts.2002.31654).
    """
    u = anatomy.u
    aim = (-794 + 1267 * min(max(body_surface(anatomy.state), 1.4), 2.5)) * (0.84 + 0.32 * u[21]) * 1000
    left = 78 + 40 * u[22]
    low, high = 70.0, 300.0
    where, near = grid.box((-140, -120, -180), (180, 200, 90))
    voxel = float(np.prod(near.spacing))
    base = _under_dome(anatomy, near, wall[where], heart)
    for _ in range(7):
        middle = (low + high) / 2
        distance = _below(anatomy, near, base, Liver(middle, left))
        volume = float(np.clip(0.5 - distance / grid.edge, 0, 1).sum(dtype=np.float64)) * voxel
        low, high = (middle, high) if volume < aim else (low, middle)
    return Liver((low + high) / 2, left)


def _under_dome(anatomy: Anatomy, grid: Grid, wall: np.ndarray, heart: Heart) -> np.ndarray:
    """Distance to the space under the diaphragm that the liver can fill."""
    under = (grid.z - diaphragm(anatomy, grid) + 4) * np.float32(0.75)
    under = meet(wall + np.float32(4 + 0.03 * anatomy.visceral), under, 8)
    return np.maximum(under, -(chambers(heart, grid) - 7))


def _below(anatomy: Anatomy, grid: Grid, base: np.ndarray, liver: Liver) -> np.ndarray:
    """Cut the space under the diaphragm by the visceral surface and the left margin."""
    bottom = anatomy.domes[0] - liver.length
    out = grid.x / np.float32(anatomy.width)
    visceral = (np.float32(bottom) + _rise(anatomy, out, grid.y) - grid.z) * np.float32(0.80)
    # the caudal and back surface runs from the right gutter past the vena cava to the front
    behind = -0.44 * (out - 34) - 0.90 * (grid.y + 33 * anatomy.depth)
    edge = -liver.left - out - 0.25 * (grid.y - 40)
    bend = 4.5 * anatomy.shape.on(grid) + 1.2 * anatomy.fine.on(grid)
    distance = meet(meet(base, visceral, 22), behind.astype(np.float32), 26)
    return meet(distance, edge.astype(np.float32), 20) + bend


def _rise(anatomy: Anatomy, out: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
    """How much higher the visceral surface is than the liver's lowest point (mm): it climbs to the left and back."""
    inwards = 108 - out
    return (0.50 + 0.16 * anatomy.u[23]) * inwards + 0.22 * (50 - y) + 0.0016 * inwards**2 * (inwards > 0)


def liver_distance(anatomy: Anatomy, grid: Grid, liver: Liver, wall: np.ndarray, heart: Heart) -> np.ndarray:
    """Signed distance to the liver (mm)."""
    return _below(anatomy, grid, _under_dome(anatomy, grid, wall, heart), liver)


def kidney(anatomy: Anatomy, side: int) -> Kidney:
    """One kidney: beside the psoas, its upper pole turned inwards and backwards; the right one lower."""
    u = anatomy.u
    volume = (146 if anatomy.state.sex == "female" else 168) * (body_surface(anatomy.state) / 1.85) ** 0.7
    volume *= (0.86 + 0.28 * u[24]) * (0.97 + 0.06 * u[25 if side > 0 else 26])
    volume *= 1 - 0.005 * max(anatomy.state.age - 55, 0)
    scale = (volume / 158) ** (1 / 3)
    h = (296 if side > 0 else 284) + 14 * (u[27 if side > 0 else 28] - 0.5)
    centre = np.array(anatomy.point(side * (58 + 0.12 * anatomy.visceral), 12 + 0.12 * anatomy.visceral, h))
    along = np.array([-0.24 * side, -0.24, 1.0])
    along /= np.linalg.norm(along)
    out = np.array([0.86 * side, -0.50, 0.0])
    out -= out @ along * along
    out /= np.linalg.norm(out)
    axes = np.array([out, np.cross(along, out) * side, along])
    radii = np.array([28.5, 24.5, 55.0]) * scale
    return Kidney(centre, axes, radii, scale, centre - 9 * scale * out)


def paint_abdomen(canvas: Canvas, anatomy: Anatomy, plan: Plan, wall: np.ndarray) -> None:
    """Paint the solid organs over what the bowel has left."""
    _paint_muscles(canvas, anatomy)
    _paint_spleen(canvas, anatomy, wall)
    _paint_liver(canvas, anatomy, plan, wall)
    _paint_pancreas(canvas, anatomy)
    for side in (1, -1):
        _paint_kidney(canvas, anatomy, side)


def _paint_muscles(canvas: Canvas, anatomy: Anatomy) -> None:
    """Psoas and quadratus lumborum."""
    value, brawn = muscle_hu(anatomy), anatomy.brawn
    for side in (1, -1):
        psoas = [
            (25, 0, 262, 5),
            (33, -2, 300, 13),
            (40, 2, 345, 18),
            (47, 8, 395, 21),
            (54, 20, 440, 21),
            (60, 36, 490, 20),
        ]
        back = [(48, -20, 270, 7), (60, -23, 320, 12), (68, -22, 375, 14), (72, -14, 410, 12)]
        for points in (psoas, back):
            path = [anatomy.point(side * x, y, h, r * brawn) for x, y, h, r in points]
            where, _, distance = tube(canvas.grid, curve(np.array(path), 9))
            canvas.paint(where, distance, value, CODE["muscle"])


def _paint_spleen(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray) -> None:
    """The spleen, along the left wall under the diaphragm."""
    u, state = anatomy.u, anatomy.state
    volume = (165 if state.sex == "female" else 225) * (body_surface(anatomy.state) / 1.85) ** 0.8
    volume *= np.exp(0.55 * (u[29] - 0.5)) * (1 - 0.003 * (state.age - 55)) * (1 + 0.05 * state.alcohol / 2)
    scale = (volume / 135) ** (1 / 3)
    h = (anatomy.apex - anatomy.domes[1]) / anatomy.stature + 52
    side, _, back = (float(part[0]) for part in anatomy.wall(np.array([anatomy.height(h)])))
    centre = np.array([-0.70 * side, 0.42 * back - 4, anatomy.height(h)])
    along = np.array([-0.25, 0.62, -0.74])  # with the tenth rib
    along /= np.linalg.norm(along)
    out = np.array([-0.86, -0.51, 0.0])
    out -= out @ along * along
    out /= np.linalg.norm(out)
    axes = np.array([out, np.cross(along, out), along])
    where, view = canvas.part(centre - 75 * scale, centre + 75 * scale)
    near = view.grid
    body = ellipsoid(near, centre, np.array([30, 41, 58]) * scale, axes)
    hollow = ellipsoid(near, centre - 34 * scale * axes[0] + 8 * axes[1], np.array([21, 30, 40]) * scale, axes)
    distance = meet(body, -hollow, 10)
    under = (near.z - diaphragm(anatomy, near) + 4) * np.float32(0.75)
    distance = np.maximum(np.maximum(distance, wall[where] + 4), under) + 1.5 * anatomy.shape.on(near)
    value = 48 + 6 * u[30] + (72 * (26 / max(state.bmi, 18)) ** 0.5 if state.contrast else 0)
    view.paint(WHOLE, distance, value + 3 * anatomy.grain.on(near), CODE["spleen"])


def liver_hu(anatomy: Anatomy) -> float:
    """Attenuation of the liver (HU): fat takes from it in obesity, diabetes and with alcohol."""
    state = anatomy.state
    fat = 0.9 * max(state.bmi - 25, 0) + 8 * state.severity["diabetes"] + 1.5 * state.alcohol
    fat *= 2 * anatomy.u[31] ** 2
    plain = 61 + 5 * (anatomy.u[32] - 0.5) - fat
    return plain + (52 * (26 / max(state.bmi, 18)) ** 0.5 if state.contrast else 0)


def _paint_liver(canvas: Canvas, anatomy: Anatomy, plan: Plan, wall: np.ndarray) -> None:
    """The liver with its vessels, and the gallbladder under it."""
    bottom = anatomy.domes[0] - plan.liver.length
    where, view = canvas.part((-150, -150, bottom - 30), (190, 220, anatomy.domes[0] + 20))
    near = view.grid
    distance = liver_distance(anatomy, near, plan.liver, wall[where], plan.heart)
    value = np.float32(liver_hu(anatomy)) + 2.5 * anatomy.grain.on(near) + 2 * anatomy.fine.on(near)
    vessels = np.minimum(occupied(plan.portal, near), 1)
    venous = blood(anatomy)["venous"] + (12 if anatomy.state.contrast else 0)
    value = value + vessels * (venous - value)
    view.paint(WHOLE, distance, value, CODE["liver"])
    # the gallbladder hangs from the visceral surface, between the right lobe's segments
    x, y = 42.0, 0.52 * anatomy.front_at(225)
    z = bottom + float(_rise(anatomy, x, y))
    x *= anatomy.width
    length = 24 + 10 * anatomy.u[33]
    lower, upper = (x + 8, y + 16, z - length, 13 + 4 * anatomy.u[34]), (x - 4, y - 14, z + 6, 7)
    part, _, bile = tube(canvas.grid, np.array([upper, lower]))
    canvas.paint(part, bile - 1.8, 48 + 25 * anatomy.state.contrast, CODE["gallbladder"])
    canvas.paint(part, bile, 7 + 6 * anatomy.u[35], CODE["gallbladder"])


def _paint_pancreas(canvas: Canvas, anatomy: Anatomy) -> None:
    """Pancreas, portal and splenic vein, and adrenal glands."""
    state, u = anatomy.state, anatomy.u
    point = anatomy.point
    thin = 1 - 0.006 * (state.age - 45)
    path = [point(30, 52, 305, 9 * thin), point(26, 60, 286, 12.5 * thin), point(2, 66, 276, 9 * thin),
            point(-26, 54, 264, 9.5 * thin), point(-58, 32, 252, 8.5 * thin)]  # fmt: skip
    where, near, distance = tube(canvas.grid, curve(np.array(path), 12))
    distance = distance + 2.0 * anatomy.fine.on(near) + 1.5 * anatomy.grain.on(near)
    canvas.paint(
        where, distance, (92 if state.contrast else 40) - 0.25 * (state.age - 50) + 4 * u[36], CODE["pancreas"]
    )
    venous = blood(anatomy)["venous"] + (15 if state.contrast else 0)
    for path in (
        [
            point(-60, 26, 250, 3.5),
            point(-24, 46, 264, 4.5),
            point(10, 55, 276, 5.5),
            point(20, 60, 268, 7),
            point(36, 62, 244, 6.5),
        ],
        [point(12, 58, 330, 4.5), point(12, 58, 276, 5.5)],
    ):
        where, _, distance = tube(canvas.grid, curve(np.array(path), 9))
        canvas.paint(where, distance, venous, CODE["portal vein"])
    for side, name in ((1, "right"), (-1, "left")):
        frame = kidney(anatomy, side)
        top = frame.centre + frame.axes[2] * (frame.radii[2] + 4) + np.array([-14.0 * side, 8, 2])
        for turn in (8, -10):
            foot = top + np.array([-0.4 * turn * side, -13, -12 - abs(turn) / 2])
            limb = np.array([(*top, 3.2), (*foot, 2.2)])
            where, _, distance = tube(canvas.grid, limb)
            canvas.paint(where, distance, 22 + 45 * state.contrast, CODE[f"{name} adrenal gland"])
        vein = np.array(
            [(*frame.sinus, 4.0), (*(frame.sinus - [22 * side, -14, 0]), 4.5), point(14 * side, 24, 280, 4.5)]
        )
        where, _, distance = tube(canvas.grid, vein)
        canvas.paint(where, distance, blood(anatomy)["venous"], None)


def _paint_kidney(canvas: Canvas, anatomy: Anatomy, side: int) -> None:
    """Parenchyma around a sinus of fat and urine that opens inwards."""
    state, u = anatomy.state, anatomy.u
    frame = kidney(anatomy, side)
    _, view = canvas.part(frame.centre - 80, frame.centre + 80)
    near = view.grid
    outer = ellipsoid(near, frame.centre, frame.radii, frame.axes) + 1.6 * anatomy.fine.on(near)
    mouth = frame.centre - frame.axes[0] * frame.radii[0] * 0.95
    opening = ellipsoid(near, mouth, np.array([17, 9, 19]) * frame.scale, frame.axes)
    sinus = ellipsoid(near, frame.sinus, np.array([10, 8, 29]) * frame.scale, frame.axes) + 2.2 * anatomy.grain.on(near)
    hollow = join(opening, sinus, 6)
    # fat around the kidney, inside its fascia
    code = CODE["right kidney" if side > 0 else "left kidney"]
    cortex = 34 + 3 * u[37]
    value: float | np.ndarray = cortex
    if state.contrast:  # cortex and medulla are nearly alike in the portal phase
        good = min(max(state.egfr / 90, 0.35), 1.1)
        rim = np.clip((-outer - 6) / 3, 0, 1) * np.clip(0.8 + anatomy.grain.on(near), 0, 1)
        value = (cortex + 150 * good) - 28 * good * rim
    solid = meet(outer, -hollow, 4)
    view.paint(WHOLE, outer, _SINUS_FAT, code)
    view.paint(WHOLE, solid, value, code)
    pelvis = ellipsoid(near, frame.sinus - frame.axes[0] * 6, np.array([9, 4.5, 12]) * frame.scale, frame.axes)
    view.paint(WHOLE, np.maximum(pelvis, outer), 12, code)
