"""Bones and costal cartilage of the trunk."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from ipiu.cases.digital.anatomy import Anatomy, within
from ipiu.cases.digital.grid import Canvas, curve, tube
from ipiu.cases.digital.tissues import CODE
from ipiu.cases.digital.trunk import humerus

CORTEX = 750.0
# Heights of vertebrae with the disc below them, from C5 to S2 (mm, 170 cm)
_PITCH = np.array([17, 17, 18, *np.linspace(19.5, 26.5, 12), *np.linspace(31, 35, 5), 32, 28])
_C5 = -52.0  # h of the upper edge of C5
# ribs 1 to 12: how far they fall from back to front (mm), and where bone ends (degrees from the front)
_FALL = np.array([34, 55, 70, 80, 87, 92, 94, 92, 86, 76, 46, 24], float)
_BONE_ENDS = np.array([34, 31, 30, 32, 36, 42, 49, 58, 67, 78, 108, 138], float)
_AT_STERNUM = np.array([33, 62, 83, 103, 122, 138, 152, 166, 184, 206], float)  # h of the cartilage's inner end
_ANGLES = np.radians(np.arange(-180, 181, 2.0))
_STEP = 2.5  # of heights in the unrolled chest wall (mm)


def cancellous(anatomy: Anatomy) -> float:
    """Attenuation of cancellous vertebral bone (HU): about 2 HU less a year of age."""
    state = anatomy.state
    return float(np.clip(245 - 2.1 * (state.age - 30) + 50 * (anatomy.u[4] - 0.5), 60, 290)) + 12 * state.contrast


def vertebrae(anatomy: Anatomy) -> np.ndarray:
    """Heights (mm) of the upper edges of C5 to S2, and of the lower edge of the last."""
    return anatomy.apex - anatomy.stature * (_C5 + np.concatenate([[0], np.cumsum(_PITCH)]))


def paint_skeleton(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray) -> None:
    """Paint all bones; ``wall`` is the distance to the inner wall (mm)."""
    _paint_cage(canvas, anatomy, wall)
    _paint_spine(canvas, anatomy)
    _paint_sternum(canvas, anatomy)
    _paint_girdle(canvas, anatomy, wall)
    _paint_pelvis(canvas, anatomy, wall)


def _bone(distance: np.ndarray, cortex: float, inside: float, thickness: float) -> np.ndarray:
    """HU of a bone with a cortex: ``thickness`` mm from the surface on it is cancellous."""
    return cortex + (inside - cortex) * np.clip((-distance - 0.4 * thickness) / thickness, 0, 1)


def _unrolled(anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray, float]:
    """The chest wall laid flat, (angle, height): distance to the nearest rib and to the nearest cartilage (mm)."""
    lowest = anatomy.height(330)
    heights = np.arange(lowest, anatomy.height(-45), _STEP)
    back = vertebrae(anatomy)[3:15] + 2  # ribs leave at the upper edge of their vertebra
    angle = np.abs(_ANGLES)
    ribs = np.full((_ANGLES.size, heights.size), 1e3)
    cartilage = ribs.copy()
    for n in range(12):
        end = np.radians(_BONE_ENDS[n])
        t = np.clip((np.pi - angle) / (np.pi - end), 0, 1)
        fall = _FALL[n] * anatomy.stature * (0.94 + 0.12 * anatomy.u[5])
        course = back[n] - fall * (0.25 * t + 0.75 * t**1.7 * (2 - t) ** 0.3)
        line = np.abs(heights - course[:, None]) * 0.93
        past = np.maximum(end - angle, 0)[:, None] * 100  # mm beyond its end in front
        near = np.radians(170) - angle
        past = np.maximum(past, np.maximum(-near, 0)[:, None] * 60)
        np.minimum(ribs, np.hypot(line, past), out=ribs)
        if n < 10:
            inner = np.radians(7 if n < 7 else 14 + 4 * (n - 7))
            t = np.clip((end - angle) / (end - inner), 0, 1)
            course = course[angle.argmin()] + (anatomy.height(_AT_STERNUM[n]) - course[angle.argmin()]) * t**1.4
            line = np.abs(heights - course[:, None]) * 0.8
            past = np.maximum(np.maximum(inner - angle, angle - end), 0)[:, None] * 100
            np.minimum(cartilage, np.hypot(line, past), out=cartilage)
    return ribs, cartilage, float(lowest)


def _paint_cage(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray) -> None:
    """Ribs and their cartilage, drawn on the unrolled wall and looked up by angle and height."""
    low, high = anatomy.height(330), anatomy.height(-30)
    where, near = canvas.grid.box((-220, -220, low), (220, 220, high))
    distance = wall[where]
    shell = np.flatnonzero((distance > -4) & (distance < 14))
    depth = distance.ravel()[shell] - 4.5
    i, j, k = np.unravel_index(shell, near.shape)
    z = near.z.ravel()[k]
    _, front, back = anatomy.wall(z)
    angle = np.arctan2(near.x.ravel()[i], near.y.ravel()[j] - (front + back) / 2)
    ribs, cartilage, lowest = _unrolled(anatomy)
    place = np.stack([(angle + np.float32(np.pi)) / np.float32(np.radians(2)), (z - lowest) / np.float32(_STEP)])
    marrow = 0.5 * cancellous(anatomy) + 40
    old = np.clip((anatomy.state.age - 45) / 45, 0, 1)
    for table, label, half, tall in ((cartilage, "costal cartilage", 5.0, 7.0), (ribs, "ribs", 4.0, 6.2)):
        line = map_coordinates(table.astype(np.float32), place, order=1, mode="nearest")
        girth = np.sqrt((depth / half) ** 2 + (line / tall) ** 2)
        surface = (girth - 1) * np.float32(half + 0.6)
        value = _bone(surface, CORTEX, marrow, 1.6) if label == "ribs" else 95 + 120 * old * (surface > -2)
        full = np.full(near.shape, 99, np.float32)
        full.ravel()[shell] = surface
        paint = np.full(near.shape, 0, np.float32)
        paint.ravel()[shell] = value
        canvas.paint(where, full, paint, CODE[label])


def _paint_spine(canvas: Canvas, anatomy: Anatomy) -> None:
    """Vertebral bodies and discs, arches, processes, and the canal."""
    edges = vertebrae(anatomy)
    where, near = canvas.grid.box((-52, -190, edges[-1]), (52, 60, 240))
    z = near.z.ravel()
    level = np.clip(np.searchsorted(-edges, -z, side="right") - 1, 0, len(edges) - 2)
    top, bottom = edges[level], edges[level + 1]
    t = (top - z) / (top - bottom)  # 0 at the upper edge of a vertebra, 1 at that of the next
    h = (anatomy.apex - z) / anatomy.stature
    size = anatomy.width * 0.5 + anatomy.stature * 0.5
    wide = np.interp(h, [-50, 0, 60, 150, 260, 440], [12, 15, 13.5, 15.5, 21, 25.5]) * size
    deep = np.interp(h, [-50, 0, 60, 150, 260, 440], [8.5, 9, 11, 14, 16, 18]) * size
    lumbar = np.clip((h - 230) / 40, 0, 1)
    waist = 1 - 0.09 * np.sin(np.pi * np.clip(t / 0.85, 0, 1))
    disc = np.interp(h, [-50, 60, 150, 260, 440], [0.24, 0.17, 0.17, 0.24, 0.30])
    sacral = h > _C5 + _PITCH[:-2].sum()
    disc = np.where(sacral, 0.0, disc)
    shape = lambda values: np.asarray(values, np.float32)[None, None, :]  # noqa: E731
    y = near.y - anatomy.spine(near.z)
    middle = anatomy.shape.on(near)
    x = near.x - 2.5 * middle[middle.shape[0] // 2 :, middle.shape[1] // 2 :][:1, :1]  # no spine is quite straight
    round_ = np.sqrt((x / shape(wide * waist)) ** 2 + (y / shape(deep * waist)) ** 2)
    body = (round_ - 1) * shape(deep)
    canvas.paint(where, body, 88, CODE["spine"])
    plate = np.minimum(t - disc / 2, 1 - disc / 2 - t) * (top - bottom)  # depth below the end plates
    bone = np.maximum(body, -shape(plate))
    core = cancellous(anatomy) + 14 * anatomy.fine.on(near)
    canvas.paint(where, bone, _bone(bone, 0.65 * CORTEX, core, 1.4), CODE["spine"])
    # the arch: pedicles and laminae around the canal, with its processes
    canal = shape(deep + 9)
    ring = np.sqrt((x / 1.25) ** 2 + (y + canal) ** 2)
    half = shape(np.abs(t - 0.42))
    high = shape((np.abs(t - 0.45) - 0.36) * (top - bottom))
    arch = np.maximum(np.maximum(ring - shape(13 + 2.5 * lumbar), 8.5 - ring), high)
    reach = shape(deep + 9 + 36 + 5 * lumbar)
    fall = shape((1 - lumbar) * 0.75)
    along = -(y + canal) - 8  # behind the canal
    tip = shape((t - 0.45) * (top - bottom)) - fall * along
    pitch = shape(top - bottom)
    tip = tip - pitch * np.round(tip / pitch)  # processes of the vertebrae above overhang
    spinous = np.maximum(np.maximum(np.abs(x) - 3.2 - 0.05 * along, -along), -(y + reach))
    spinous = np.maximum(spinous, np.abs(tip) - shape(5.5 + 4.5 * lumbar))
    side = np.maximum(
        np.abs(x) - shape(28 + 8 * lumbar), np.abs(y + canal - 5 + 0.25 * np.abs(x) * shape(1 - lumbar)) - 5
    )
    side = np.maximum(np.maximum(side, 9 - np.abs(x)), (half - 0.20) * pitch)
    behind = np.minimum(np.minimum(arch, spinous), side)
    behind = np.where(shape(sacral), np.maximum(np.abs(x) - 40 * size, np.abs(y + canal - 2) - 13), behind)
    canvas.paint(where, behind, _bone(behind, 0.8 * CORTEX, 0.8 * core + 60, 1.8), CODE["spine"])
    canvas.paint(where, ring - 7.6, 22, CODE["spinal canal"])


def _paint_sternum(canvas: Canvas, anatomy: Anatomy) -> None:
    """Manubrium, body and xiphoid."""
    top, bottom = anatomy.height(20), anatomy.height(172)
    where, near = canvas.grid.box((-36, 0, bottom - 12), (36, 150, top + 4))
    h = ((anatomy.apex - near.z) / anatomy.stature).astype(np.float32)
    wide = np.interp(h, [18, 26, 45, 62, 70, 120, 150, 156, 172], [16, 25, 25, 14, 13, 18, 15, 7, 4]).astype(np.float32)
    thick = np.interp(h, [20, 60, 150, 172], [6.5, 5.5, 5.5, 3]).astype(np.float32)
    _, front, _ = anatomy.wall(near.z)
    bow = front + 5 - near.x**2 / 320
    distance = (np.sqrt((near.x / wide) ** 4 + ((near.y - bow) / thick) ** 4) ** np.float32(0.5) - 1) * thick
    distance = np.maximum(distance, np.maximum(near.z - top, bottom - near.z))
    value = _bone(distance, 0.5 * CORTEX, 0.5 * cancellous(anatomy) + 20, 1.4)
    canvas.paint(where, distance, value, CODE["sternum"])


def _paint_girdle(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray) -> None:
    """Clavicles, humeri and scapulae; the shoulder blades are turned out, as the arms are raised."""
    cortex, core = 0.9 * CORTEX, 0.6 * cancellous(anatomy) + 30
    for side in (1, -1):
        arm = humerus(anatomy, side)
        where, _, distance = tube(canvas.grid, arm)
        canvas.paint(where, distance, _bone(distance, cortex, core - 30, 3.0), CODE["humerus"])
        _, front, _ = anatomy.wall(np.array([anatomy.height(30)]))
        head = arm[0]
        ends = [
            (side * 21, front[0] + 9, anatomy.height(22), 8),
            (side * 55, front[0] + 16, anatomy.height(12), 6),
            (side * 90, front[0] - 12, anatomy.height(-2), 6),
            (head[0] * 0.93, head[1] + 6, head[2] + 22, 6.5),
        ]
        ends[:3] = [within(anatomy, end, 3) for end in ends[:3]]
        where, _, distance = tube(canvas.grid, curve(np.array(ends), 9))
        canvas.paint(where, distance, _bone(distance, cortex, core, 2.2), CODE["clavicle"])
        _paint_scapula(canvas, anatomy, wall, side, head)


def _paint_scapula(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray, side: int, head: np.ndarray) -> None:
    """A triangular blade between two layers of muscle, with its spine, neck and acromion."""
    wide, tall = anatomy.width, anatomy.stature
    low = (min(side * 42, side * 175), -170, anatomy.height(175))
    high = (max(side * 42, side * 175), 40, anatomy.height(0))
    where, near = canvas.grid.box(low, high)
    h = (anatomy.apex - near.z) / np.float32(tall)
    out = side * near.x / np.float32(wide)
    medial = 62 + 0.24 * (h - 30)
    lateral = 132 - 0.34 * (h - 30)
    outline = np.maximum(np.maximum(medial - out, (out - lateral) * 0.9), np.maximum(28 - h, h - 150) * tall)
    outline = np.maximum(outline, near.y + 8)
    blade = wall[where] - 19 - 6 * np.clip((h - 30) / 90, 0, 1) * anatomy.brawn
    rim = np.clip(1 + outline / 9, 0, 1)  # the borders are thicker than the blade
    distance = np.maximum(np.abs(blade) - (1.6 + 2.2 * rim), outline)
    canvas.paint(where, distance, 480 + 120 * rim, CODE["scapula"])
    top = anatomy.height(52)
    neck = [(head[0] * 0.80, head[1] - 12, head[2] - 12, 9), (head[0] * 0.89, head[1] - 4, head[2] - 3, 12)]
    spine = [
        within(anatomy, (side * 75 * wide, -100, top, 4), 4),
        within(anatomy, (side * 112 * wide, -82, top + 20, 6), 4),
        (head[0] * 0.97, head[1] - 24, head[2] + 8, 7),
    ]
    for path in (neck, spine):
        part, _, distance = tube(canvas.grid, curve(np.array(path), 5))
        canvas.paint(part, distance, _bone(distance, 0.8 * CORTEX, 170, 2.2), CODE["scapula"])


def _paint_pelvis(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray) -> None:
    """The iliac wings, as far as the view reaches: curved plates on the inner wall."""
    crest = vertebrae(anatomy)[18] - 6  # the crests stand at L4
    where, near = canvas.grid.box((-216, -216, -240), (216, 216, crest))
    if 0 in near.shape:
        return
    _, front, back = anatomy.wall(near.z)
    across, along = np.abs(near.x), near.y - (front + back) / 2
    angle = np.arctan2(across, along)  # 0 in front
    drop = 150 * np.maximum(np.abs(angle - np.float32(np.radians(104))) - 0.28, 0) ** 1.5
    outline = np.maximum(near.z - (crest - drop), (np.radians(52) - angle) * 100)
    outline = np.maximum(outline, (angle - np.radians(158)) * 100)
    rim = np.clip(1 + outline / 14, 0, 1)
    thick = 3.2 + 3.5 * rim + 4.5 * np.clip((angle - 2.2) / 0.4, 0, 1)
    distance = np.maximum(np.abs(wall[where] - 5) - thick, outline)
    value = _bone(distance, 0.8 * CORTEX, 0.6 * cancellous(anatomy) + 30, 2.0)
    canvas.paint(where, distance, value, CODE["pelvis"])
