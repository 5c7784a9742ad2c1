"""Pleural space, lobes, and the texture of the lungs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipiu.cases.digital.anatomy import Anatomy
from ipiu.cases.digital.grid import WHOLE, Canvas, Grid, join
from ipiu.cases.digital.heart import blood
from ipiu.cases.digital.pleural import Collections, collections
from ipiu.cases.digital.tissues import CODE, lobe_code
from ipiu.cases.digital.tree import occupied

if TYPE_CHECKING:
    from ipiu.cases.digital.plan import Plan


@dataclass
class Pleura:
    """The pleural space on a grid.

    Attributes
    ----------
    inside
        distance to its surface (mm, negative inside)
    lobe
        label of the lobe at each voxel, wherever it lies
    fissure
        distance to the nearest fissure (mm)
    dome
        height of the diaphragm (mm), broadcasting over z
    """

    inside: np.ndarray
    lobe: np.ndarray
    fissure: np.ndarray
    dome: np.ndarray


def diaphragm(anatomy: Anatomy, grid: Grid) -> np.ndarray:
    """Height of the diaphragm (mm) over each point of the plane."""
    x, y = grid.x, grid.y
    halves = []
    for side, top in zip((1, -1), anatomy.domes, strict=True):
        out = side * x - 62 * anatomy.width
        across = out / np.where(out > 0, 70 * anatomy.width, 128).astype(np.float32)
        along = (y - 14) / np.where(y > 14, 92 * anatomy.depth + 0.6 * anatomy.visceral, 104 * anatomy.depth)
        square = np.minimum(across**2 + along.astype(np.float32) ** 2, np.float32(2.6))
        halves.append(np.float32(top) - np.float32(anatomy.arch) * square * np.sqrt(square))
    height = -join(-halves[0], -halves[1], 14)
    return height + 3.5 * anatomy.shape.at_height(grid)


def pleura(anatomy: Anatomy, grid: Grid, wall: np.ndarray, tissue: np.ndarray) -> Pleura:
    """The pleural space between the ``wall`` of the trunk, the mediastinum (``tissue``) and the diaphragm."""
    dome = diaphragm(anatomy, grid)
    inside = np.maximum(np.maximum(wall + 1.5, -tissue), (dome - grid.z) * np.float32(0.75))
    # the cupola closes above the first rib
    hood = (np.abs(grid.x) - 46 * anatomy.width) ** 2 + (grid.y - 8) ** 2
    inside = np.maximum(inside, grid.z - anatomy.apex + hood / 160)
    lobe, fissure = _lobes(anatomy, grid)
    return Pleura(inside, lobe, fissure, dome)


_LOBES = (("right", "upper"), ("right", "middle"), ("right", "lower"), ("left", "upper"), ("left", "lower"))


def _lobes(anatomy: Anatomy, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Label of the lobe, and distance to the fissures."""
    u, high = anatomy.u, anatomy.stature
    bend = 5 * anatomy.shape.on(grid)
    right = grid.x > 0
    hinge = np.where(right, anatomy.height(60 + 8 * u[15]), anatomy.height(54 + 8 * u[16])).astype(np.float32)
    steep = np.where(right, 1.05 + 0.2 * u[17], 1.20 + 0.2 * u[18]).astype(np.float32) * np.float32(high)
    side = np.abs(grid.x) - 60
    oblique = (grid.z - hinge + steep * (grid.y + 88) + 0.12 * side + bend) * np.float32(0.64)
    level = (
        grid.z - anatomy.height(122 + 12 * u[19]) + 0.18 * (grid.y - 20) - 0.0012 * side**2 - 0.8 * bend
    ) * np.float32(0.97)
    code = {(side, place): np.uint8(lobe_code(side, f"{place} lobe")) for side, place in _LOBES}
    lobe = np.where(oblique < 0, code["left", "lower"], code["left", "upper"])
    above = np.where(level > 0, code["right", "upper"], code["right", "middle"])
    lobe = np.where(right, np.where(oblique < 0, code["right", "lower"], above), lobe)
    fissure = np.abs(oblique)
    fissure = np.where(right & (oblique > 0), np.minimum(fissure, np.abs(level)), fissure)
    return lobe, fissure


def paint_lungs(canvas: Canvas, anatomy: Anatomy, plan: Plan, wall: np.ndarray, tissue: np.ndarray) -> None:
    """Paint both lungs with their vessels, and what lies in the pleural space.

    ``wall`` and ``tissue`` are the distances to the inner wall and to the mediastinum (mm).
    """
    where, view = canvas.part((-190, -190, anatomy.domes[1] - 140), (190, 190, anatomy.apex + 6))
    near, inner = view.grid, wall[where]
    space = pleura(anatomy, near, inner, tissue[where])
    filled = collections(anatomy, near, inner, plan.consolidation)
    lung = space.inside
    for distance in (*filled.fluid.values(), *filled.gas.values()):
        lung = np.maximum(lung, -distance)
    air = parenchyma(anatomy, near, space, filled)
    vessels = occupied(plan.arteries, near, widen=_wide(anatomy)) + occupied(plan.veins, near, widen=_wide(anatomy))
    vessels = np.minimum(vessels, 1)
    fluid = blood(anatomy)["venous"]
    air += vessels * (fluid - air)
    dense = _consolidate(anatomy, plan, near, space, air)
    view.paint(WHOLE, lung, air)
    mine = lung < 0
    view.labels[mine] = space.lobe[mine]
    if dense is not None:
        view.labels[mine & (dense < 0)] = CODE["consolidation"]
    for side, name in ((1, "right"), (-1, "left")):
        for group, kind, value in ((filled.fluid, "pleural effusion", 9.0), (filled.gas, "pneumothorax", -1000.0)):
            if side in group:
                distance = np.maximum(space.inside, group[side])
                view.paint(WHOLE, distance, value, CODE[f"{kind} {name}"])


def _wide(anatomy: Anatomy) -> float:
    """Factor on the radius of the lung's vessels: congestion widens them, emphysema thins them."""
    severity = anatomy.state.severity
    return 1 + 0.35 * severity["heart failure"] - 0.15 * severity["emphysema"]


def parenchyma(anatomy: Anatomy, grid: Grid, space: Pleura, filled: Collections) -> np.ndarray:
    """Attenuation of the lung without its larger vessels (HU)."""
    state = anatomy.state
    emphysema, failing = state.severity["emphysema"], state.severity["heart failure"]
    base = -876 + 20 * (anatomy.u[20] - 0.5) - 0.2 * (state.age - 55) - 26 * emphysema + 0.7 * (state.bmi - 26)
    # blood pools in the dependent lung of a supine patient
    air = np.float32(base) - 0.32 * grid.y + 11 * anatomy.shape.on(grid) + 11 * anatomy.fine.on(grid)
    grain = anatomy.grain.on(grid)
    air += 13 * grain
    if emphysema:
        upper = _upper(anatomy, grid)
        holes = np.clip((grain * 0.8 + 0.5 * anatomy.fine.on(grid) - (1.75 - 2.9 * emphysema * upper)) / 0.5, 0, 1)
        air += holes * (-1000 + 14 - air)
    if failing:
        air += _congestion(anatomy, grid, grain, space)
    thin = np.float32(min(1, 0.9 / grid.edge)) * np.clip(1 - space.fissure / np.float32(grid.edge), 0, 1)
    air += thin * (0 - air) * np.float32(0.8)
    for distance in filled.fluid.values():  # the lung beside fluid is compressed
        depth = np.float32(5 + 16 * state.severity["pleural effusion"])
        pressed = np.clip(1 - np.maximum(distance, 0) / depth, 0, 1)
        air += np.minimum(1.6 * pressed * pressed, 1) * ((70.0 if state.contrast else 38.0) - air)
    for distance in filled.gas.values():  # and a lung that has shrunk is denser
        side = distance < 299  # on the other side it is 300
        air += side * np.float32(150 * state.severity["pneumothorax"])
    return air


def _upper(anatomy: Anatomy, grid: Grid) -> np.ndarray:
    """Where smokers' emphysema starts: 1 at the apex, 0.35 at the base."""
    h = (anatomy.apex - grid.z) / np.float32(anatomy.stature)
    return np.clip(1.05 - h / 260, 0.35, 1)


def _congestion(anatomy: Anatomy, grid: Grid, grain: np.ndarray, space: Pleura) -> np.ndarray:
    """What oedema adds (HU): ground glass around the hila and in the dependent lung, and septal lines."""
    failing = np.float32(anatomy.state.severity["heart failure"])
    x = (np.abs(grid.x) - 45) / 62
    near = 1 / (1 + (x * x + ((grid.y + 20) / 75) ** 2 + ((grid.z - anatomy.height(115)) / 85) ** 2) ** 2)
    behind = np.clip((10 - grid.y) / 110, 0, 1)
    glass = failing * (90 + 240 * failing) * (near + 0.45 * behind) * np.clip(0.75 + 0.35 * anatomy.fine.on(grid), 0, 2)
    septa = np.clip(1 - np.abs(grain) / np.float32(0.10 + 0.03 * grid.edge), 0, 1) * np.clip(
        1 + space.inside / 45, 0, 1
    )
    return glass + septa * np.float32(170 / grid.edge**0.5) * failing


def _consolidate(anatomy: Anatomy, plan: Plan, grid: Grid, space: Pleura, air: np.ndarray) -> np.ndarray | None:
    """Fill alveoli of one lobe, but not its bronchi; returns the distance to the consolidation."""
    if plan.consolidation is None:
        return None
    (x, y, z), reach = plan.consolidation
    state = anatomy.state
    own = lobe_code(state.side["consolidation"], state.lobe["consolidation"])
    distance = np.sqrt((grid.x - x) ** 2 + (grid.y - y) ** 2 + (grid.z - z) ** 2) - np.float32(reach)
    distance += 6 * anatomy.fine.on(grid) + 3 * anatomy.grain.on(grid)
    distance = np.where(space.lobe == own, distance, np.float32(300))
    filled = 48 + (40 if state.contrast else 0) + 8 * anatomy.grain.on(grid)
    bronchi = np.minimum(1.6 * occupied(plan.bronchi, grid, widen=1.25), 1)
    filled = filled + bronchi * (-930 - filled)
    halo = 0.45 * np.clip(1 - np.maximum(distance, 0) / 16, 0, 1) ** 2
    air += np.maximum(np.clip(0.5 - distance / np.float32(grid.edge), 0, 1), halo) * (filled - air)
    return distance


def paint_diaphragm(canvas: Canvas, anatomy: Anatomy, wall: np.ndarray) -> None:
    """The sheet of muscle under the lungs."""
    where, view = canvas.part((-200, -190, anatomy.domes[1] - 140), (200, 200, anatomy.domes[0] + 20))
    near = view.grid
    below = (near.z - diaphragm(anatomy, near)) * np.float32(0.75)
    sheet = np.maximum(np.abs(below + 1.2) - 1.4, wall[where])
    view.paint(WHOLE, sheet, 45, CODE["muscle"])
