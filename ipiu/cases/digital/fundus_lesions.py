"""Lesions of diabetic retinopathy: how many of each the grade brings, and where they lie."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ipiu.cases.digital.fundus_vessels import Vessel


class Grade(NamedTuple):
    """What a grade shows: microaneurysms, haemorrhages in each quadrant, clusters of exudate, cotton-wool spots, ..."""

    microaneurysms: int = 0
    haemorrhages: int = 0
    exudates: int = 0
    cotton_wool: int = 0
    beading: bool = False
    new_vessels: bool = False


# The international clinical diabetic retinopathy scale (Wilkinson et al. 2003, doi:10.1016/S0161-6420(03)00475-5):
# none; mild (microaneurysms only); moderate; severe (more than 20 haemorrhages in each quadrant, or venous beading in
# two, or intraretinal microvascular anomalies); proliferative (new vessels or a preretinal haemorrhage).
GRADES = (
    Grade(),
    Grade(microaneurysms=5),
    Grade(microaneurysms=14, haemorrhages=2, exudates=2, cotton_wool=1),
    Grade(microaneurysms=30, haemorrhages=21, exudates=3, cotton_wool=3, beading=True),
    Grade(microaneurysms=34, haemorrhages=23, exudates=4, cotton_wool=4, beading=True, new_vessels=True),
)
REACH = 6.1  # mm from the fovea within which lesions are drawn


class Spot(NamedTuple):
    """A round lesion, or a patch of one: ``x``, ``y`` and ``radius`` in mm, and ``stretch`` across over along."""

    x: float
    y: float
    radius: float
    stretch: float = 1.0


class Lesions(NamedTuple):
    """The lesions of one eye; ``new_vessels`` are loops, ``preretinal`` a pool of blood with a level (or None)."""

    microaneurysms: list[Spot]
    haemorrhages: list[Spot]
    exudates: list[Spot]
    cotton_wool: list[Spot]
    new_vessels: list[Vessel]
    preretinal: Spot | None
    beading: bool


def draw_lesions(grade: int, vessels: list[Vessel], disc: tuple[float, float], rng: np.random.Generator) -> Lesions:
    """Draw the lesions of a grade, 0 to 4.

    All lesions an eye could have are drawn and the first few taken, so that a worse grade of the same eye has those
    of the better one and more.
    """
    shows = GRADES[grade]
    worst = GRADES[-1]
    more = 1 + 0.25 * rng.random()  # never fewer than the grade asks for
    small = [_spot(rng, 0.8, 5.4, 0.030, 0.012) for _ in range(math.ceil(1.25 * worst.microaneurysms))]
    bleeds = [_bleed(rng, quadrant) for _ in range(math.ceil(1.25 * worst.haemorrhages)) for quadrant in range(4)]
    hard = [_cluster(rng) for _ in range(worst.exudates)]
    soft = [_cotton_wool(rng, vessels, disc) for _ in range(worst.cotton_wool)]
    tufts = _tuft(rng, vessels, disc)
    pool = Spot(*_polar(rng, 2.0, 4.0), 0.5 + 0.5 * rng.random(), 0.55)
    bleeding = rng.random() < 0.5
    return Lesions(
        small[: int(more * shows.microaneurysms)],
        bleeds[: 4 * int(more * shows.haemorrhages)],
        [spot for cluster in hard[: shows.exudates] for spot in cluster],
        [spot for patch in soft[: shows.cotton_wool] for spot in patch],
        tufts if shows.new_vessels else [],
        pool if shows.new_vessels and bleeding else None,
        shows.beading,
    )


def _polar(rng: np.random.Generator, least: float, most: float, quadrant: int | None = None) -> tuple[float, float]:
    """A point so far (mm) from the fovea, each area as likely; ``quadrant`` 0 to 3 goes round from upper nasal."""
    radius = math.sqrt(least**2 + (most**2 - least**2) * rng.random())
    angle = 2 * math.pi * rng.random() if quadrant is None else (quadrant + rng.random()) * math.pi / 2
    return radius * math.cos(angle), radius * math.sin(angle)


def _spot(rng: np.random.Generator, least: float, most: float, radius: float, spread: float) -> Spot:
    return Spot(*_polar(rng, least, most), max(radius + spread * rng.standard_normal(), 0.015))


def _bleed(rng: np.random.Generator, quadrant: int) -> Spot:
    """A dot or blot haemorrhage; one in five is a flame, long and thin."""
    x, y = _polar(rng, 0.9, REACH, quadrant)
    radius = min(0.07 * math.exp(0.5 * rng.standard_normal()), 0.28)
    return Spot(x, y, radius, 2.6 if rng.random() < 0.2 else 1 + 0.5 * rng.random())


def _cluster(rng: np.random.Generator) -> list[Spot]:
    """Hard exudate: sharp specks around a leaking microaneurysm, mostly near the macula."""
    x, y = _polar(rng, 0.7, 3.2)
    reach, count = 0.25 + 0.35 * rng.random(), 10 + int(25 * rng.random())
    angles, radii = 2 * math.pi * rng.random(count), reach * np.sqrt(0.15 + 0.85 * rng.random(count))
    sizes = 0.022 * np.exp(0.45 * rng.standard_normal(count))
    places = zip(x + radii * np.cos(angles), y + radii * np.sin(angles), sizes, strict=True)
    return [Spot(*row) for row in np.array(list(places)).tolist()]


def _cotton_wool(rng: np.random.Generator, vessels: list[Vessel], disc: tuple[float, float]) -> list[Spot]:
    """A cotton-wool spot: overlapping pale patches beside one of the larger vessels."""
    large = vessels[: max(len(vessels) // 12, 4)]
    vessel = large[int(rng.random() * len(large))]
    inside = vessel.points[(np.hypot(*vessel.points.T) < 5.3) & (np.hypot(*(vessel.points - disc).T) > 1.8)]
    x, y = inside[int(rng.random() * len(inside))] if len(inside) else (2.0, 2.5)
    x, y = x + 0.3 * rng.standard_normal(), y + 0.3 * rng.standard_normal()
    shift = 0.13 * rng.standard_normal((4, 2))
    sizes = 0.13 + 0.1 * rng.random(4)
    return [Spot(float(x + a), float(y + b), float(s), 1.3) for (a, b), s in zip(shift, sizes, strict=True)]


def _tuft(rng: np.random.Generator, vessels: list[Vessel], disc: tuple[float, float]) -> list[Vessel]:
    """New vessels: a net of fine loops on the disc, or elsewhere along a vein."""
    veins = [v for v in vessels if not v.artery][:4]
    vein = veins[int(rng.random() * len(veins))]
    elsewhere = vein.points[min(25 + int(15 * rng.random()), len(vein.points) - 1)]
    centre = np.array(disc) if rng.random() < 0.5 else elsewhere
    loops = []
    for _ in range(22):
        start = centre + 0.4 * rng.standard_normal(2)
        turn = np.cumsum(0.9 * rng.standard_normal() + 0.55 * rng.standard_normal(22)) * 0.35
        heading = 2 * math.pi * rng.random() + turn
        steps = 0.07 * np.column_stack([np.cos(heading), np.sin(heading)])
        line = start + np.cumsum(steps, axis=0)
        loops.append(Vessel(line, np.full(len(line), 0.032), artery=False))
    return loops
