"""Skin, fat, muscle, breasts and arms: everything outside the inner wall of the trunk."""

from __future__ import annotations

import numpy as np

from ipiu.cases.digital.anatomy import Anatomy, hoop
from ipiu.cases.digital.grid import WHOLE, Canvas, Grid, curve, join, tube
from ipiu.cases.digital.tissues import CODE

FAT = -104.0  # adipose tissue is -190 to -30 HU; medians of CT studies lie near -100
SKIN = 30.0


def muscle_hu(anatomy: Anatomy) -> float:
    """Attenuation of muscle (HU): less with age and obesity, as fat grows into it."""
    state = anatomy.state
    return 56 - 0.22 * (state.age - 50) - 0.6 * (state.bmi - 26) + 6 * anatomy.u[0] + (10 if state.contrast else 0)


def paint_trunk(canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Paint the wall of the trunk and fill it with fat; returns the distance to its inner wall (mm)."""
    grid = canvas.grid
    bend = anatomy.shape.on(grid)
    wall = hoop(anatomy, grid, *anatomy.wall(grid.z)) + 1.5 * bend
    muscle = hoop(anatomy, grid, *anatomy.muscle(grid.z))
    skin = hoop(anatomy, grid, *anatomy.skin(grid.z))
    skin -= _bulge(anatomy, grid)
    arms = [_arm(anatomy, side) for side in (1, -1)]
    fat = float(np.clip(0.35 * anatomy.under_skin, 3, 20))
    for path in arms:
        part, _, distance = tube(grid, path + np.array([0, 0, 0, fat + 3]))
        skin[part] = join(skin[part], distance, 30)
        part, _, distance = tube(grid, path)
        muscle[part] = join(muscle[part], distance, 16)
    canvas.paint(WHOLE, skin, SKIN, CODE["subcutaneous fat"])
    np.maximum(muscle, skin + 4, out=muscle)
    strands = FAT + 7 * anatomy.fine.on(grid)
    canvas.paint(WHOLE, skin + 2.2, strands, CODE["subcutaneous fat"])
    _paint_breasts(canvas, anatomy, skin, muscle)
    _paint_muscle(canvas, anatomy, wall, muscle, bend)
    canvas.paint(WHOLE, wall, FAT + 2, CODE["visceral fat"])
    return wall


def _bulge(anatomy: Anatomy, grid: Grid) -> np.ndarray:
    """What breasts add to the skin (mm)."""
    size = _breast(anatomy)
    wide = 50 * anatomy.width
    z = (grid.z - anatomy.height(128)) / (58 * anatomy.stature)
    front = np.clip((grid.y - 10) / 50, 0, 1)
    x = sum(np.exp(-(((grid.x - side * 82 * anatomy.width) / wide) ** 2)) for side in (1, -1))
    return np.float32(size) * (x * np.exp(-z * z) * front).astype(np.float32)


def _breast(anatomy: Anatomy) -> float:
    """How far the breasts of a supine patient stand out (mm)."""
    if anatomy.state.sex == "male":
        return float(np.clip(0.5 * (anatomy.state.bmi - 24), 0, 10))
    return float(14 + 14 * anatomy.u[1] + np.clip(0.9 * (anatomy.state.bmi - 20), 0, 18))


def _paint_breasts(canvas: Canvas, anatomy: Anatomy, skin: np.ndarray, muscle: np.ndarray) -> None:
    """Glandular tissue, less of it with age."""
    if anatomy.state.sex == "male":
        return
    dense = 0.75 - 0.012 * (anatomy.state.age - 40) + 0.7 * (anatomy.u[2] - 0.5)
    middle = anatomy.height(128)
    for side in (1, -1):
        low = (side * 85 * anatomy.width - 50, 20, middle - 55)
        high = (side * 85 * anatomy.width + 50, 220, middle + 55)
        where, near = canvas.grid.box(low, high)
        from_centre = ((near.x - side * 84 * anatomy.width) / 42) ** 2 + ((near.z - middle + 4) / 42) ** 2
        strength = dense - 0.9 * from_centre + 0.55 * anatomy.fine.on(near)
        inside = np.maximum(skin[where] + 7, 5 - muscle[where])
        canvas.paint(where, np.maximum(inside, -14 * strength), 28, CODE["breast"])


def _paint_muscle(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray, muscle: np.ndarray, bend: np.ndarray) -> None:
    """The shell of muscle, with planes of fat between its layers and the muscles along the spine."""
    grid = canvas.grid
    value = np.float32(muscle_hu(anatomy)) + 6 * anatomy.fine.on(grid)
    canvas.paint(WHOLE, muscle, value, CODE["muscle"])
    lean = np.float32(np.clip((anatomy.state.bmi - 16) / 12, 0.3, 1.5))
    fine = anatomy.fine.on(grid)
    # fat between the ribs and the girdle above, and between the layers of the abdominal wall; it comes and goes
    thick = lean * np.clip(1.1 + 0.9 * bend, 0.1, 3)
    layer = np.abs(wall - 13.5 - 3 * bend - 1.5 * fine) - thick
    canvas.paint(WHOLE, np.maximum(layer, muscle + 5), FAT + 15)
    shoulder, upper = canvas.part((-216, -216, anatomy.height(120)), (216, 216, 240))
    high = np.abs(wall[shoulder] - 29 - 6 * bend[shoulder] - 3 * fine[shoulder]) - 1.3 * thick[shoulder]
    upper.paint(WHOLE, np.maximum(high, muscle[shoulder] + 6), FAT + 10, CODE["subcutaneous fat"])
    for side in (1, -1):
        _paint_compartments(canvas, anatomy, muscle, side, lean)


def _paint_compartments(canvas: Canvas, anatomy: Anatomy, muscle: np.ndarray, side: int, lean: float) -> None:
    """Fat of one axilla with its vessels, and the sheath of the erector of the spine."""
    at, brawn = anatomy.point, anatomy.brawn
    reach = float(anatomy.wall(np.array([anatomy.height(62)]))[0][0])
    y = float(anatomy.wall(np.array([anatomy.height(62)]))[2][0]) + 82
    path = np.array(
        [
            (side * (reach + 22), y - 4, anatomy.height(118), 5),
            (side * (reach + 23), y, anatomy.height(80), 9 + 4 * lean),
            (side * (reach + 24), y, anatomy.height(45), 10 + 4 * lean),
            (side * (reach + 26), y - 2, anatomy.height(18), 6 + 2 * lean),
        ]
    )
    where, near, distance = tube(canvas.grid, curve(path, 9))
    uneven = 4.5 * anatomy.fine.on(near) + 5 * anatomy.shape.on(near) + 1.5 * anatomy.grain.on(near)
    pocket = np.maximum(distance + uneven, muscle[where] + 7)
    canvas.paint(where, pocket, FAT + 8, CODE["subcutaneous fat"])
    for aside, ahead, radius in ((-3, 4, 3.0), (3, -4, 2.5)):
        vessel = path + np.array([side * aside, ahead, 0, 0])
        vessel[:, 3] = radius * np.array([0.5, 0.8, 1, 1])
        where, _, distance = tube(canvas.grid, curve(vessel, 9))
        canvas.paint(where, distance, 130 if anatomy.state.contrast else 42)
    rows = [
        (26, -37, 60, 16),
        (30, -40, 160, 18),
        (33, -43, 260, 21),
        (36, -47, 340, 25),
        (36, -46, 420, 24),
        (32, -44, 490, 20),
    ]
    erector = np.array([at(side * x * 0.95, back, h, r * brawn) for x, back, h, r in rows])
    where, near, distance = tube(canvas.grid, curve(erector, 15))
    thick = lean * np.clip(0.5 + 0.7 * anatomy.shape.on(near), 0, 2)
    sheath = np.maximum(np.abs(distance + 2.5 * anatomy.fine.on(near)) - thick, muscle[where] + 4)
    canvas.paint(where, sheath, FAT + 15)


def _arm(anatomy: Anatomy, side: int) -> np.ndarray:
    """The upper arm, raised beside the head."""
    girth = anatomy.brawn * anatomy.stature
    spread = 150 * anatomy.width * (0.97 + 0.06 * anatomy.u[3])
    points = [
        (side * spread * 0.80, -26, anatomy.height(85), 30 * girth),
        (side * spread * 0.96, -20, anatomy.height(40), 38 * girth),
        (side * spread * 1.08, -12, anatomy.height(5), 40 * girth),
        (side * spread * 1.22, 4, anatomy.height(-45), 35 * girth),
        (side * spread * 1.36, 22, anatomy.height(-110), 33 * girth),
    ]
    return curve(np.array(points), 9)


def humerus(anatomy: Anatomy, side: int) -> np.ndarray:
    """Head and shaft of the humerus in the raised arm."""
    arm = _arm(anatomy, side)
    path = arm[3:].copy()
    path[:, 3] = [21, 17, 12.5, 11, 10.5, 10.5]
    return path
