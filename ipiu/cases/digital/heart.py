"""The heart with its chambers, and the great vessels and airways of the mediastinum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ipiu.cases.digital.anatomy import Anatomy, body_surface
from ipiu.cases.digital.grid import Box, Canvas, Grid, curve, ellipsoid, join, tube
from ipiu.cases.digital.tissues import CODE


class Heart(NamedTuple):
    """Where the heart lies (mm), its axes (towards apex, right ventricle and head), and its parts.

    ``parts`` maps a chamber to its centre (along the axes), its radii and the thickness of its wall, mm.
    """

    centre: np.ndarray
    axes: np.ndarray
    parts: dict[str, tuple[np.ndarray, np.ndarray, float]]


def make_heart(anatomy: Anatomy) -> Heart:
    """Size and place of the heart."""
    state, u = anatomy.state, anatomy.u
    big, thick = state.severity["cardiomegaly"], state.severity["left ventricular hypertrophy"]
    failing = state.severity["heart failure"]
    scale = (body_surface(state) / 1.85) ** 0.42 * (1.07 if state.sex == "male" else 0.985) * (0.97 + 0.08 * u[8])
    scale *= 1 + 0.28 * big + 0.02 * thick + 0.03 * failing
    tilt = np.radians(-32 - 8 * u[9] + 12 * (u[10] - 0.5) + (4 if state.bmi > 30 else 0))
    apex = np.array([-0.70, 0.50, np.sin(tilt)])
    apex /= np.linalg.norm(apex)
    right = np.array([0.62, 0.74, -0.05])
    right -= right @ apex * apex
    right /= np.linalg.norm(right)
    axes = np.array([apex, right, np.cross(apex, right)])
    if axes[2, 2] < 0:
        axes[2] = -axes[2]
    wall = 9.5 + 6.5 * thick - 1.5 * failing
    wide = 1 + 0.10 * failing
    parts = {
        "left ventricle": ((8, -17, -2), (50, 31 * wide, 31 * wide), wall),
        "right ventricle": ((6, 17, -4), (44, 28, 34), 4.0),
        "left atrium": ((-43, -17, 12), (24, 29, 29 * wide), 3.0),
        "right atrium": ((-38, 25, -2), (25, 28, 34), 3.0),
    }
    parts = {name: (np.array(c) * scale, np.array(r) * scale, w) for name, (c, r, w) in parts.items()}
    height = (2 * anatomy.domes[0] + anatomy.domes[1]) / 3 + 18 * scale + 3
    centre = np.array([-19.0 - 17 * big - 5 * u[11], 20.0 * anatomy.depth + 3, height])
    return Heart(centre, axes, parts)


def chambers(heart: Heart, grid: Grid, grow: float = 0.0) -> np.ndarray:
    """Signed distance to the outer surface of the heart."""
    whole = None
    for centre, radii, _ in heart.parts.values():
        part = ellipsoid(grid, heart.centre + centre @ heart.axes, radii + grow, heart.axes)
        whole = part if whole is None else join(whole, part, 16)
    return whole


def heart_box(heart: Heart, grid: Grid):
    """The voxels around the heart."""
    return grid.box(heart.centre - 105, heart.centre + 105)


def great_vessels(anatomy: Anatomy, heart: Heart) -> list[tuple[str, np.ndarray]]:
    """Name and path (x, y, z, radius; mm) of the tubes of the mediastinum and retroperitoneum, in order of painting."""
    state, u = anatomy.state, anatomy.u
    failing = state.severity["heart failure"]
    size = (0.93 if state.sex == "female" else 1.0) * anatomy.stature**0.5
    aorta = size * (1 + 0.0045 * (state.age - 50)) * (0.94 + 0.12 * u[12])
    lung = size * (1 + 0.22 * failing + 0.10 * state.severity["emphysema"])
    unfold = 0.10 * (state.age - 55)  # the arch of the old is wider
    behind, at = anatomy.spine_at, anatomy.place
    base = heart.centre + np.array([-12, 2, 6]) @ heart.axes
    top = 50 - 0.4 * unfold
    down = [at(-23 - 0.2 * unfold, behind(h) + 6, h, (13 - 0.012 * (h - 80)) * aorta) for h in (85, 120, 160, 200)]
    low = [
        at(-12 + 0.05 * (h - 240), behind(h) + 29, h, (11 - 0.018 * (h - 240)) * aorta) for h in (240, 290, 350, 395)
    ]
    paths = {
        "aorta": [
            (*base, 14 * aorta),
            at(13 + 0.3 * unfold, base[1] + 10, 88, 16 * aorta),
            at(11 + 0.3 * unfold, 14 + behind(60) + 50, 64, 15.5 * aorta),
            at(-2, behind(top) + 44, top, 14.5 * aorta),
            at(-15 - 0.3 * unfold, behind(55) + 24, top + 5, 13.5 * aorta),
            *down,
            *low,
        ],
        "iliac right": [
            at(0, behind(395) + 28, 393, 7),
            at(24, behind(430) + 34, 432, 6),
            at(52, behind(470) + 34, 480, 5.5),
        ],
        "iliac left": [
            at(-4, behind(395) + 28, 393, 7),
            at(-26, behind(430) + 34, 432, 6),
            at(-52, behind(470) + 34, 480, 5.5),
        ],
        "trunk": [
            at(5, behind(52) + 46, 54, 7),
            at(16, behind(20) + 38, 22, 6.5),
            at(22, behind(0) + 36, -8, 4),
            at(26, 22, -60, 3.5),
        ],
        "carotid": [at(-7, behind(52) + 40, 52, 4.5), at(-17, behind(10) + 34, 10, 4), at(-25, 22, -60, 3.5)],
        "subclavian": [
            at(-16, behind(55) + 28, 55, 5.5),
            at(-24, behind(20) + 24, 18, 5),
            at(-48, 2, 2, 4.5),
            at(-85, 8, 18, 4),
        ],
        "pulmonary artery": [
            (*(heart.centre + np.array([-16, 22, 24]) @ heart.axes), 13 * lung),
            at(-13, behind(88) + 78, 90, 13.5 * lung),
            at(-14, behind(84) + 52, 82, 12.5 * lung),
        ],
        "pulmonary artery right": [
            at(-14, behind(84) + 54, 84, 11 * lung),
            at(14, behind(90) + 44, 90, 10.5 * lung),
            at(40, behind(96) + 42, 98, 8 * lung),
        ],
        "pulmonary artery left": [
            at(-14, behind(84) + 52, 82, 11 * lung),
            at(-32, behind(84) + 40, 82, 10 * lung),
            at(-43, behind(92) + 30, 94, 8 * lung),
        ],
        "superior vena cava": [
            at(35, 18, 4, 6),
            at(26, behind(40) + 58, 36, 8 * size),
            at(25, behind(70) + 68, 76, 9.5 * size),
            at(24, behind(108) + 78, 112, 9.5 * size),
        ],
        "brachiocephalic vein": [
            at(-34, 20, 8, 5.5),
            at(-8, behind(30) + 70, 33, 6.5),
            at(23, behind(40) + 60, 42, 6.5),
        ],
        "inferior vena cava": [
            at(20, behind(190) + 60, 168, 11 * size * (1 + 0.2 * failing)),
            at(22, behind(210) + 46, 208, 12 * size * (1 + 0.2 * failing)),
            at(18, behind(260) + 33, 260, 10.5 * size),
            at(17, behind(330) + 29, 330, 10 * size),
            at(16, behind(395) + 28, 402, 10 * size),
            at(34, behind(440) + 30, 450, 7),
        ],
        "jugular": [at(35, 18, 4, 6), at(34, 22, -30, 6.5), at(34, 22, -62, 6)],
        "jugular left": [at(-34, 20, 8, 5.5), at(-34, 22, -30, 5.5), at(-34, 22, -62, 5.5)],
        "pulmonary veins right": [
            (*(heart.centre + np.array([-46, 4, 14]) @ heart.axes), 8 * lung),
            at(40, behind(125) + 48, 122, 6.5 * lung),
        ],
        "pulmonary veins left": [
            (*(heart.centre + np.array([-44, -32, 14]) @ heart.axes), 8 * lung),
            at(-42, behind(122) + 38, 118, 6.5 * lung),
        ],
    }
    return [(name, curve(np.array(points), 2 * len(points) + 1)) for name, points in paths.items()]


VESSEL_LABEL = {
    "aorta": "aorta", "iliac right": "aorta", "iliac left": "aorta", "trunk": "great vessels of the neck",
    "carotid": "great vessels of the neck", "subclavian": "great vessels of the neck",
    "pulmonary artery": "pulmonary artery", "pulmonary artery right": "pulmonary artery",
    "pulmonary artery left": "pulmonary artery", "superior vena cava": "superior vena cava",
    "brachiocephalic vein": "superior vena cava", "inferior vena cava": "inferior vena cava",
    "jugular": "great vessels of the neck", "jugular left": "great vessels of the neck",
    "pulmonary veins right": "pulmonary vein", "pulmonary veins left": "pulmonary vein",
}  # fmt: skip


def airways(anatomy: Anatomy) -> list[tuple[str, np.ndarray]]:
    """Name and path of the trachea, the main bronchi and the oesophagus."""
    behind, at = anatomy.spine_at, anatomy.place
    size = (0.88 if anatomy.state.sex == "female" else 1.0) * anatomy.stature
    carina = behind(95) + 36
    paths = {
        "oesophagus": [at(-3, behind(h) + (22 if h < 150 else 24), h, 6.5) for h in (-60, -20, 20, 60, 100, 140)]
        + [at(-9, behind(185) + 32, 185, 7), at(-20, behind(215) + 44, 214, 8)],
        "trachea": [
            at(0, behind(-60) + 38, -64, 9 * size),
            at(1, behind(-10) + 37, -10, 9.5 * size),
            at(3, behind(50) + 36, 50, 9.5 * size),
            at(3, carina, 95, 9.5 * size),
        ],
        "right bronchus": [
            at(4, carina, 94, 7.5 * size),
            at(22, carina - 2, 108, 7.5 * size),
            at(32, carina - 6, 124, 5.5 * size),
            at(40, carina - 12, 148, 4.5 * size),
        ],
        "right upper bronchus": [at(22, carina - 2, 107, 5.5 * size), at(46, carina - 2, 100, 4 * size)],
        "left bronchus": [
            at(2, carina, 94, 6.5 * size),
            at(-22, carina - 3, 112, 6.5 * size),
            at(-40, carina - 8, 124, 5 * size),
            at(-48, carina - 20, 150, 4 * size),
        ],
        "left upper bronchus": [at(-38, carina - 7, 122, 4.5 * size), at(-52, carina + 6, 114, 3.5 * size)],
    }
    return [(name, curve(np.array(points), 2 * len(points) + 1)) for name, points in paths.items()]


def blood(anatomy: Anatomy) -> dict[str, float]:
    """Attenuation of blood (HU); in the portal venous phase all vessels are alike."""
    state, u = anatomy.state, anatomy.u
    if not state.contrast:
        plain = 38 + 8 * u[13]
        return dict.fromkeys(("arterial", "venous", "muscle"), plain) | {"muscle": plain + 2}
    slim = 26 / max(state.bmi, 18)
    return {
        "arterial": 152 * slim**0.5 + 22 * (u[13] - 0.5),
        "venous": 145 * slim**0.5 + 22 * (u[14] - 0.5),
        "muscle": 104 + 12 * u[14],
    }


# the tubes that push the pleura aside
BETWEEN_LUNGS = (
    "aorta",
    "trunk",
    "superior vena cava",
    "brachiocephalic vein",
    "inferior vena cava",
    "oesophagus",
    "trachea",
)


def lay(anatomy: Anatomy, grid: Grid, heart: Heart, only: tuple[str, ...] = ()) -> list[tuple[str, Box, np.ndarray]]:
    """All tubes on a grid: name, box, and signed distance in it."""
    paths = [*great_vessels(anatomy, heart), *airways(anatomy)]
    laid = [(name, *tube(grid, path)) for name, path in paths if not only or name in only]
    return [(name, where, distance) for name, where, _, distance in laid if 0 not in distance.shape]


def paint_heart(canvas: Canvas, anatomy: Anatomy, heart: Heart, tubes) -> None:
    """Paint heart, great vessels, trachea, bronchi and oesophagus."""
    level = blood(anatomy)
    where, near = heart_box(heart, canvas.grid)
    outer = chambers(heart, near) + 0.8 * anatomy.fine.on(near)
    canvas.paint(where, outer, level["muscle"], CODE["heart muscle"])
    left = None
    for name, (centre, radii, wall) in heart.parts.items():
        inner = np.maximum(ellipsoid(near, heart.centre + centre @ heart.axes, radii - wall, heart.axes), outer + wall)
        if name == "left ventricle":
            left = ellipsoid(near, heart.centre + centre @ heart.axes, radii, heart.axes)
        else:
            inner = np.maximum(inner, 1.5 - left)
        canvas.paint(where, inner, level["arterial" if name.startswith("left") else "venous"], CODE[name])
    for name, part, distance in tubes:
        if name not in VESSEL_LABEL:
            continue
        label = VESSEL_LABEL[name]
        keep = np.float32(level["arterial" if label in ("aorta", "pulmonary vein") else "venous"])
        canvas.paint(part, distance - 1.2, 45, CODE[label])
        canvas.paint(part, distance, keep, CODE[label])
    for name, part, distance in tubes:
        if name in VESSEL_LABEL:
            continue
        if name == "oesophagus":
            canvas.paint(part, distance, 38, CODE["oesophagus"])
            continue
        label = CODE["trachea" if name == "trachea" else "bronchi"]
        if name == "trachea":
            canvas.paint(part, distance - 1.8, 20, None)
        canvas.paint(part, distance, -985, label)


def mediastinum(anatomy: Anatomy, grid: Grid, heart: Heart, tubes) -> np.ndarray:
    """Signed distance to the pleura that covers the mediastinum."""
    h = ((anatomy.apex - grid.z) / anatomy.stature).astype(np.float32)
    wide = np.interp(h, [-30, 10, 50, 80, 110, 150, 200, 300], [34, 29, 28, 24, 22, 18, 20, 24]).astype(np.float32)
    ahead = np.clip((grid.y - 14) / 40, 0, 1) * np.clip((h - 12) / 40, 0, 1)
    column = np.abs(grid.x - 2) - wide * np.float32(anatomy.width) * (1 - 0.62 * ahead)
    column = column + 1.5 * anatomy.shape.on(grid)
    spine = np.sqrt((grid.x / 20) ** 2 + ((grid.y - anatomy.spine(grid.z)) / 19) ** 2)
    out = join(column, (spine - 1) * 19, 8)
    where, near = heart_box(heart, grid)
    fat = 2.5 + 0.25 * max(anatomy.state.bmi - 22, 0)
    out[where] = join(out[where], chambers(heart, near) - np.float32(fat), 12)
    for name, part, distance in tubes:
        if name in BETWEEN_LUNGS:
            out[part] = join(out[part], distance - 2.5, 6)
    return out
