"""A coarse look at a patient's organs, so that trees and lesions find their places whatever the voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipiu.cases.digital.abdomen import Liver, kidney, liver_distance, make_liver
from ipiu.cases.digital.anatomy import Anatomy, hoop
from ipiu.cases.digital.grid import Grid, make_grid
from ipiu.cases.digital.heart import BETWEEN_LUNGS, Heart, lay, make_heart, mediastinum
from ipiu.cases.digital.lungs import Pleura, pleura
from ipiu.cases.digital.pleural import Collections, collections
from ipiu.cases.digital.tissues import lobe_code
from ipiu.cases.digital.tree import grow

# the same for every patient and spacing
_GRID = make_grid((432, 432, 480), (9.0, 9.0, 10.0))
_LEAVES = 256  # of the bronchial tree of one lung; arteries and veins have twice as many


@dataclass
class Plan:
    """What is known of a patient before any voxel is painted.

    Attributes
    ----------
    heart, liver
        their size and place
    arteries, veins, bronchi
        trees of both lungs, as :func:`ipiu.cases.digital.tree.grow` gives them
    portal
        trees of the liver
    spots
        centre (mm) of each of the state's lesions of the trunk, in their order
    consolidation
        centre and radius (mm) of a consolidation, where there is one
    """

    heart: Heart
    liver: Liver
    arteries: np.ndarray
    veins: np.ndarray
    bronchi: np.ndarray
    portal: np.ndarray
    spots: list[np.ndarray]
    consolidation: tuple[np.ndarray, float] | None


def make_plan(anatomy: Anatomy, rng: np.random.Generator) -> Plan:
    """Find the place of all that depends on the shape of an organ."""
    grid = _GRID
    heart = make_heart(anatomy)
    wall = hoop(anatomy, grid, *anatomy.wall(grid.z))
    space = pleura(
        anatomy, grid, wall, mediastinum(anatomy, grid, heart, lay(anatomy, grid, heart, only=BETWEEN_LUNGS))
    )
    liver = make_liver(anatomy, grid, wall, heart)
    filled = collections(anatomy, grid, wall)
    seeds = rng.integers(2**63, size=8)
    lungs = [_lung_trees(anatomy, grid, space, side, seeds[:3]) for side in (1, -1)]
    arteries, veins, bronchi = (np.vstack(pair) for pair in zip(*lungs, strict=True))
    inside = liver_distance(anatomy, grid, liver, wall, heart)
    return Plan(
        heart=heart,
        liver=liver,
        arteries=arteries,
        veins=veins,
        bronchi=bronchi,
        portal=_liver_trees(anatomy, grid, inside, seeds[3]),
        spots=_spots(anatomy, grid, space, filled, inside),
        consolidation=_consolidation(anatomy, grid, space, filled, seeds[4]),
    )


def _pick(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points of an organ, shaken off the lattice."""
    draw, shake = rng.random(count), rng.random((count, 3))
    return points[(draw * len(points)).astype(int)] + (shake - 0.5) * _GRID.spacing


def _lung_trees(anatomy: Anatomy, grid: Grid, space: Pleura, side: int, seeds: np.ndarray) -> tuple[np.ndarray, ...]:
    """Arteries, veins and bronchi of one lung."""
    mine = (space.inside < -5) & (side * grid.x > 0)
    points = grid.points(mine)
    hila = {1: ((39, 42, 97), (37, 46, 120), (36, 32, 120)), -1: ((-42, 30, 93), (-40, 38, 117), (-42, 30, 122))}[side]
    trees = []
    for seed, (x, y, h), leaves, leaf in zip(
        seeds, hila, (2 * _LEAVES, 2 * _LEAVES, _LEAVES), (0.66, 0.64, 0.6), strict=True
    ):
        rng = np.random.default_rng([int(seed), side + 1])
        behind = anatomy.spine(np.array([anatomy.height(h)]))[0]
        root = np.array([x * anatomy.width, behind + y, anatomy.height(h)])
        trees.append(grow(root, _pick(points, leaves, rng), rng, leaf=leaf))
    return tuple(trees)


def _liver_trees(anatomy: Anatomy, grid: Grid, inside: np.ndarray, seed: int) -> np.ndarray:
    """Portal branches from the hilum and hepatic veins from the vena cava."""
    rng = np.random.default_rng(int(seed))
    mine = inside < -6
    points = grid.points(mine)
    behind = anatomy.spine(np.array([anatomy.height(240)]))[0]
    low = np.array([34.0, behind + 62, points[:, 2].mean() - 18])
    high = np.array([24.0, behind + 52, anatomy.domes[0] - 26])
    return np.vstack([grow(root, _pick(points, 64, rng), rng, leaf=1.0) for root in (low, high)])


def _place(points: np.ndarray, position: tuple[float, float, float]) -> np.ndarray:
    """The point of an organ at shares of its way to the left, back and head."""
    for axis, share in ((2, position[2]), (1, 1 - position[1]), (0, 1 - position[0])):
        order = np.sort(points[:, axis])
        aim = order[int(min(share, 0.999) * len(order))]
        if axis == 0:
            return points[np.abs(points[:, 0] - aim).argmin()]
        near = points[np.abs(points[:, axis] - aim) <= 12]
        points = near if len(near) else points
    return points[0]


def _within(grid: Grid, distance: np.ndarray, margin: float) -> np.ndarray:
    """Points at least ``margin`` deep in a shape, or the deepest there are."""
    margin = min(margin, -0.85 * float(distance.min()))
    mine = distance < -margin
    return grid.points(mine)


def _spots(anatomy: Anatomy, grid: Grid, space: Pleura, filled: Collections, liver: np.ndarray) -> list[np.ndarray]:
    """Centres of the lesions of the trunk, in the state's order."""
    spots = []
    for lesion in anatomy.state.lesions:
        margin = lesion.size / 2 + 3
        if lesion.kind == "lung nodule":
            own = lobe_code(lesion.side, lesion.place)
            lobe = np.where(space.lobe == own, np.maximum(space.inside, 2 - space.fissure), 99)
            free = np.maximum(lobe, 2 - filled.nearest)
            points = _within(grid, free if free.min() < -2 else lobe, margin)
        elif lesion.kind == "liver lesion":
            points = _within(grid, liver, margin)
        elif lesion.kind == "kidney stone":
            frame = kidney(anatomy, 1 if lesion.side == "right" else -1)
            # calyces lie around the renal sinus, the lower ones hold most stones
            towards = np.array(lesion.position) * [0.6, 1.0, 1.1] - [0.1, 0.5, 0.75]
            spots.append(frame.sinus + (towards * [12, 12, 40] * frame.scale) @ frame.axes)
            continue
        else:
            continue
        spots.append(_place(points, lesion.position))
    return spots


def _consolidation(
    anatomy: Anatomy, grid: Grid, space: Pleura, filled: Collections, seed: int
) -> tuple[np.ndarray, float] | None:
    """Where a consolidation starts, and how far it reaches to fill its share of the lobe."""
    position = np.random.default_rng(int(seed)).random(3)
    state = anatomy.state
    severity = state.severity["consolidation"]
    if not severity:
        return None
    own = lobe_code(state.side["consolidation"], state.lobe["consolidation"])
    lobe = np.where(space.lobe == own, space.inside, 99)
    points = _within(grid, lobe, 4)
    free = np.maximum(lobe, 6 - filled.nearest)  # where neither fluid nor gas has taken the lobe's place
    centre = _place(_within(grid, free if free.min() < -4 else lobe, 4), tuple(0.15 + 0.7 * position))
    reach = np.sort(np.linalg.norm(points - centre, axis=1))
    return centre, float(max(reach[int(min(0.10 + 0.88 * severity, 0.999) * len(reach))], 16))
