"""The head of one patient: the template deformed by size, age and chance, and what a tumour does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ipiu.cases.digital.brain_lattice import CORNER, LATTICE, POINTS, SIZE, average, draw_field, positions, to_grid
from ipiu.cases.digital.brain_template import Template, load_template
from ipiu.cases.digital.brain_tumour import Tumour, add_tumour, place_tumour, push
from ipiu.cases.digital.state import State

# Volume of the template's cavity (L), and what a rim of fluid one mm wide around the brain adds to it: measured here.
CAVITY, CAVITY_RIM = 1.895, 0.072


@dataclass(frozen=True)
class Head:
    """One patient's head on the voxels asked for.

    Attributes
    ----------
    fractions
        tissue -> float32 array (i, j, k): the share of each voxel; they add up to 1
    ventricles
        boolean: fluid here is ventricular
    texture
        unit-variance variation of the tissue that the patient keeps from scanner to scanner
    affine
        4 x 4, voxel index to RAS+ mm
    """

    fractions: dict[str, np.ndarray]
    ventricles: np.ndarray
    texture: np.ndarray
    affine: np.ndarray


def draw_head(state: State, rng: np.random.Generator, spacing: tuple[float, float, float]) -> Head:
    """Draw the anatomy of one patient.

    Every random number is drawn whatever the patient has, so an intervention on one disease leaves the rest as it was.
    """
    # large voxels are averages of small ones, as in a scanner
    parts = [max(1, round(s / min(max(min(spacing), 1.0), 2.0))) for s in spacing]
    thin = [s / n for s, n in zip(spacing, parts, strict=True)]
    template = load_template()
    random = _Draws(rng)
    shape = _deform(template, state, random)
    axes = [positions(*row) for row in zip(thin, SIZE, parts, strict=True)]
    depth, patches = to_grid(shape.depth, axes), to_grid(random.patches, axes)
    layers = _layers([to_grid(d, axes) for d in shape.surfaces], patches, state, random, float(np.mean(thin)))
    fine = [to_grid(p, axes) for p in shape.points]
    grey, white, fluid = _brain(template, fine, layers["cavity"], _widening(state, random.atrophy))
    fractions = {"grey matter": grey, "white matter": white, "cerebrospinal fluid": fluid}
    _add_white_matter_lesions(fractions, depth, patches, state, random.burden)
    add_tumour(fractions, shape.tumour, axes, (random.lumps, random.fingers), layers["cavity"])
    fractions |= {name: layers[name] for name in ("bone", "marrow", "scalp", "muscle", "fat", "globe", "air")}
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [c + s / 2 for c, s in zip(CORNER, spacing, strict=True)]
    return Head(
        {name: average(share, parts) for name, share in fractions.items()},
        average(depth, parts) < 1.5,
        average(to_grid(random.grain, axes), parts),
        affine,
    )


class _Draws:
    """The patient's random numbers, in one fixed order."""

    def __init__(self, rng: np.random.Generator):
        # broad, middle and fine deformation (mm): the shape of the head, of lobes, and of gyri. Slopes stay well
        # below 1, so that the map never folds.
        self.warp = [
            sum(draw_field(rng, step) * sd for step, sd in ((64, 3.0), (28, 1.8), (13, 1.0))) for _ in range(3)
        ]
        self.patches = draw_field(rng, 7)
        self.lumps = draw_field(rng, 11)
        self.fingers = draw_field(rng, 8)
        self.grain = 0.8 * draw_field(rng, 4) + 0.6 * draw_field(rng, 12)
        normal = rng.standard_normal(7).tolist()
        self.size, self.atrophy, self.ventricles, self.burden, self.skull, self.scalp, self.swelling = normal
        self.shape = rng.standard_normal(3)


def _rim(state: State) -> float:
    """Width (mm) of the fluid between brain and dura: the brain shrinks with age, the skull does not."""
    return 1.0 + 0.022 * max(state.age - 20, 0)


def _scale(state: State, chance: float) -> float:
    """Patient mm per template mm, from the intracranial volume.

    1.54 L in men and 1.38 L in women, 5 mL a cm of height, and a standard deviation of 0.10 L beyond that: 12 % more
    in men (Ruigrok et al. 2014, doi:10.1016/j.neubiorev.2013.12.004).
    """
    middle, height = (1.54, 176) if state.sex == "male" else (1.38, 163)
    volume = middle + 0.005 * (state.height - height) + 0.10 * min(max(chance, -2.5), 2.5)
    return (volume / (CAVITY + CAVITY_RIM * _rim(state))) ** (1 / 3)


def _widening(state: State, chance: float) -> float:
    """Odds of fluid relative to the template: sulci widen with age.

    Fluid grows from 19 % of the cavity in the twenties to 34 % above 80 (Yamada et al. 2023,
    doi:10.1007/s00330-023-09632-x).
    """
    decades = (state.age - 25) / 10
    return math.exp(0.64 + 0.185 * decades + 0.16 * chance)


class _Shape(NamedTuple):
    """On the lattice: template coordinates; distances to skull, head and globes (patient mm) and to ventricles."""

    points: list[np.ndarray]
    surfaces: list[np.ndarray]
    depth: np.ndarray
    tumour: Tumour | None


def _deform(template: Template, state: State, random: _Draws) -> _Shape:
    """Where in the template each point of the lattice lies, and what that tells of the layers of the head."""
    scale = np.float32(_scale(state, random.size))
    place = [
        np.arange(n, dtype=np.float32) * np.float32(LATTICE) + np.float32(c)
        for n, c in zip(POINTS, CORNER, strict=True)
    ]
    place = np.meshgrid(*place, indexing="ij")
    stretch = 1 + 0.02 * np.clip(random.shape, -2, 2)  # long and short, broad and narrow heads
    stretch /= stretch.prod() ** (1 / 3)
    points = [p / (scale * np.float32(s)) + w for p, s, w in zip(place, stretch, random.warp, strict=True)]
    surfaces = [grid.sample(points) * scale for grid in (template.skull, template.face, template.eyes)]
    tumour = place_tumour(template, state, points, place, random.swelling)
    if tumour is not None:
        points = push(points, surfaces[0], place, tumour)
    # ventricles widen late in life: hardly before 60, threefold by the eighties (Yamada et al. 2023)
    widen = 0.6 + 0.25 * (state.age - 20) / 40 + 1.3 * max(state.age - 56, 0) / 15 + 0.55 * random.ventricles
    points = _open_ventricles(template, points, min(max(widen, -0.8), 5.0))
    return _Shape(points, surfaces, template.ventricles.sample(points), tumour)


def _open_ventricles(template: Template, points: list[np.ndarray], widen: float) -> list[np.ndarray]:
    """Sample nearer to the ventricles by up to ``widen`` mm, so that they look wider and the tissue around thinner."""
    distance = ndimage.gaussian_filter(template.ventricles.values, 1.0)
    near = template.ventricles._replace(values=distance)
    away = near.sample(points)
    # full at the wall, fading over 18 mm outside, and to nothing at the middle of the ventricle
    amount = np.where(away > 0, np.exp(-away / 18), np.clip(1 + away / 5, 0, 1)).astype(np.float32) * np.float32(widen)
    out = []
    for axis, p in enumerate(points):
        slope = near._replace(values=np.gradient(distance, near.step, axis=axis))
        out.append(p - amount * slope.sample(points))
    return out


def _layers(
    surfaces: list[np.ndarray], patches: np.ndarray, state: State, random: _Draws, voxel: float
) -> dict[str, np.ndarray]:
    """Shares of the cavity, the two tables of the skull, its marrow, the scalp, face and neck, and the air outside."""
    hull, face, eyes = surfaces
    rim = _rim(state)
    bone = min(max(6.8 + 1.0 * random.skull, 4.5), 9.5)
    scalp = min(max(5.5 + 0.22 * (state.bmi - 27) + 0.8 * random.scalp, 3.0), 12.0)

    def within(distance: np.ndarray, border: float) -> np.ndarray:
        return np.clip((border - distance) / np.float32(max(voxel, 1.0)) + np.float32(0.5), 0, 1).astype(np.float32)

    cavity, table, marrow, skull = (within(hull, rim + d) for d in (0.0, 0.3 * bone, 0.7 * bone, bone))
    surface = face - np.float32(rim + bone + scalp)
    head = np.maximum(within(surface, 0), skull)
    soft = head - skull
    layer = soft * (1 - within(surface, -scalp))
    vault = np.minimum(layer, within(hull, rim + bone + 1.6 * scalp))
    globe = np.minimum(within(eyes, 0), soft - layer)
    # muscles, and the fat between them, are only hinted at
    muscle = (soft - layer - globe) * np.clip(0.75 + 0.5 * patches, 0, 1)
    return {
        "cavity": cavity,
        "bone": (table - cavity) + (skull - marrow),
        "marrow": marrow - table,
        "scalp": vault,
        "muscle": muscle,
        "fat": soft - vault - globe - muscle,
        "globe": globe,
        "air": 1 - head,
    }


def _brain(template: Template, points: list[np.ndarray], cavity: np.ndarray, widening: float) -> list[np.ndarray]:
    """Grey matter, white matter and fluid: the template's average, made as sharp as one person's."""
    grey, white = (np.zeros_like(cavity) for _ in range(2))
    inside = np.flatnonzero(cavity > 0)
    at = [p.reshape(-1)[inside] for p in points]
    g, w = template.grey.sample(at), template.white.sample(at)
    fluid = np.float32(widening) * np.clip(1 - g - w, 0, 1)
    # squaring sharpens borders that 152 people have blurred
    g, w, fluid = g * g, w * w, fluid * fluid
    total = (g + w + fluid) / cavity.reshape(-1)[inside]
    grey.reshape(-1)[inside] = g / total
    white.reshape(-1)[inside] = w / total
    return [grey, white, cavity - grey - white]


def _add_white_matter_lesions(
    fractions: dict[str, np.ndarray], depth: np.ndarray, patches: np.ndarray, state: State, chance: float
) -> None:
    """White matter hyperintensities of small-vessel disease: caps round the ventricles first, then patches."""
    # median 0.25 mL before 45 and about 10 mL after 85 (de Kort et al. 2024, doi:10.1016/j.neurobiolaging.2024.11.006)
    log_volume = math.log(0.22) + 3.8 * state.small_vessel_burden**0.7 + 0.8 * chance
    log_volume = min(max(log_volume, -3.0), 4.0)
    # a fit of the volume that a level gives, measured here
    level = np.float32(0.24 + 0.15 * log_volume + 0.016 * log_volume**2)
    level = level - np.maximum(depth, 0) / np.float32(9) + 0.45 * patches
    white = fractions["white matter"]
    share = np.clip(level / np.float32(0.5), 0, 1) * np.clip((white - 0.5) / 0.3, 0, 1) * white * (depth < 25)
    fractions["white matter lesion"] = share
    fractions["white matter"] = white - share
