"""Stomach, colon and small bowel, with gas in front of what is fluid or solid."""

from __future__ import annotations

import numpy as np

from ipiu.cases.digital.anatomy import Anatomy
from ipiu.cases.digital.grid import Canvas, curve, tube
from ipiu.cases.digital.tissues import CODE


def paint_bowel(canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the hollow organs; the solid ones are laid over them. ``rng`` winds the small bowel."""
    _paint_small(canvas, anatomy, rng)
    _paint_colon(canvas, anatomy, rng)
    _paint_stomach(canvas, anatomy)


def _ahead(anatomy: Anatomy, h: float, share: float) -> float:
    """What is ``share`` of the way from the spine to the front of the inner wall at depth ``h`` (mm)."""
    return share * (anatomy.front_at(h) - anatomy.spine_at(h))


def _paint_small(canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Loops that run to and fro in the middle of the abdomen."""
    draw = rng.random((84, 4))
    rows = np.arange(84)
    wide = 78 * anatomy.width + 0.3 * anatomy.visceral
    swing = np.where(rows // 2 % 2 == 0, 1, -1) * np.where(rows % 2 == 0, 1, 0.45)
    x = wide * np.clip(swing * (0.35 + 0.65 * draw[:, 0]) - 0.05, -1, 1)
    h = 312 + 165 * (rows % 28 + 1.5 * draw[:, 1]) / 28
    deep = np.select([rows < 28, rows < 56], [0.78, 0.46], 0.14) + 0.22 * (draw[:, 2] - 0.5)
    z = anatomy.height(h)
    behind, before = anatomy.spine(z) + 30, anatomy.wall(z)[1] - 10
    y = behind + deep * (before - behind)
    radius = (10.5 + 3.5 * draw[:, 3]) * anatomy.stature
    path = curve(np.stack([x, y, z, radius], axis=1), 170)
    where, near, distance = tube(canvas.grid, path)
    distance = distance + 1.3 * anatomy.fine.on(near)
    bright = 45 if anatomy.state.contrast else 0
    canvas.paint(where, distance, 42 + bright, CODE["bowel"])
    canvas.paint(where, distance + 2.5, 22 + 10 * anatomy.fine.on(near), CODE["bowel"])
    gas = np.maximum(distance + 3, 9 - 5.5 * anatomy.shape.on(near) - 0.05 * near.y)
    canvas.paint(where, gas, -950, CODE["bowel"])


def _paint_colon(canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator) -> None:
    """The colon frames the small bowel; its haustra are swellings of the tube."""
    draw = rng.random(64)
    u = anatomy.u
    size = (0.9 + 0.35 * u[38]) * anatomy.stature
    aside = 92 + 0.35 * anatomy.visceral
    sag = 22 * u[39]
    rows = [  # from the middle, share of the way to the front, depth, radius (mm)
        (62, 0.45, 458, 20), (aside - 12, 0.45, 425, 25), (aside, 0.34, 380, 23), (aside - 2, 0.36, 338, 21),
        (aside - 14, 0.55, 316, 20), (52, 0.80, 322 + sag, 20), (5, 0.84, 330 + sag, 19), (-42, 0.80, 312 + sag, 18),
        (14 - aside, 0.55, 272, 18), (4 - aside, 0.40, 246, 17), (2 - aside, 0.24, 292, 16), (-aside, 0.25, 350, 14),
        (4 - aside, 0.33, 410, 13.5), (16 - aside, 0.42, 452, 14), (-50, 0.5, 482, 15),
    ]  # fmt: skip
    points = [anatomy.point(x, _ahead(anatomy, h, share), h, size * r) for x, share, h, r in rows]
    path = curve(np.array(points), 56)
    path[:, 3] *= 1 + 0.16 * np.sin(1.9 * np.arange(56)) + 0.16 * (draw[:56] - 0.5)
    where, near, distance = tube(canvas.grid, path)
    distance = distance + 1.5 * anatomy.fine.on(near)
    canvas.paint(where, distance, 40 + 25 * anatomy.state.contrast, CODE["bowel"])
    # stool is a froth of gas in soft tissue; gas of its own gathers in front
    grain = anatomy.grain.on(near)
    stool = 28 + 16 * anatomy.fine.on(near) - 210 * np.clip(grain - 0.55, 0, 2)
    canvas.paint(where, distance + 2.5, stool, CODE["bowel"])
    filled = -30 * anatomy.u[40] + 24
    gas = np.maximum(distance + 3, (filled - 13 * anatomy.shape.on(near) - 0.28 * (near.y - 20)) * 0.5)
    canvas.paint(where, gas, -960, CODE["bowel"])


def _paint_stomach(canvas: Canvas, anatomy: Anatomy) -> None:
    """Fundus under the left dome, body towards the front, antrum across the spine."""
    u = anatomy.u
    full = 0.86 + 0.42 * u[41]
    dome = (anatomy.apex - anatomy.domes[1]) / anatomy.stature
    rows = [  # from the middle, share of the way to the front, depth below the left dome, radius (mm)
        (-52, 0.38, 40, 30 * full), (-62, 0.46, 62, 33 * full), (-66, 0.62, 92, 30 * full), (-52, 0.74, 118, 26 * full),
        (-22, 0.78, 130, 21 * full), (10, 0.74, 122, 15 * full), (28, 0.64, 110, 11), (40, 0.52, 122, 11),
        (42, 0.38, 148, 12),
    ]  # fmt: skip
    points = [anatomy.point(x, _ahead(anatomy, dome + h, share), dome + h, r) for x, share, h, r in rows]
    where, near, distance = tube(canvas.grid, curve(np.array(points), 26))
    distance = distance + 2.5 * anatomy.shape.on(near) + 0.8 * anatomy.fine.on(near)
    canvas.paint(where, distance, 44 + 35 * anatomy.state.contrast, CODE["stomach"])
    food = 18 + 22 * u[42] + (8 + 20 * u[42]) * anatomy.grain.on(near)
    canvas.paint(where, distance + 4.5, food, CODE["stomach"])
    # the level of the fluid lies flat across a supine patient
    level = points[3][1] + (10 - 34 * u[43])
    canvas.paint(where, np.maximum(distance + 4.5, level - near.y), -965, CODE["stomach"])
