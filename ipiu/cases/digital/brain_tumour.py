"""A tumour of the brain: its seat, its mass effect, and the tissue it takes the place of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ipiu.cases.digital.brain_lattice import CORNER, LATTICE, to_grid
from ipiu.cases.digital.brain_template import Template
from ipiu.cases.digital.state import Lesion, State


@dataclass(frozen=True)
class Tumour:
    """A tumour in patient mm: centre, radius of the core, width of the oedema."""

    centre: np.ndarray
    radius: float
    oedema: float
    severity: float


def place_tumour(
    template: Template, state: State, points: list[np.ndarray], place: list[np.ndarray], chance: float
) -> Tumour | None:
    """Where the tumour of the state lies in this patient, or None; ``chance`` is how much it swells."""
    lesion = next((x for x in state.lesions if x.kind == "brain tumour"), None)
    if lesion is None:
        return None
    seat = _seat(template.seats, lesion)
    # the point of the lattice that the deformation brings nearest to the seat
    square = sum((p - np.float32(s)) ** 2 for p, s in zip(points, seat, strict=True))
    nearest = int(np.argmin(square))
    centre = np.array([float(p.flat[nearest]) for p in place])
    severity = state.severity["brain tumour"]
    oedema = (4 + 16 * severity) * math.exp(0.15 * chance)
    return Tumour(centre, lesion.size / 2, oedema, severity)


def _seat(seats: np.ndarray, lesion: Lesion) -> np.ndarray:
    """The seat at the lesion's position: so far towards the head, then towards the back, then towards the left."""
    seats = seats * ((1 if lesion.side == "right" else -1), 1, 1)
    for axis, sign, share in ((2, 1, lesion.position[2]), (1, -1, lesion.position[1]), (0, -1, lesion.position[0])):
        value = seats[:, axis] * sign
        at = np.sort(value)[min(int(share * len(value)), len(value) - 1)]
        seats = seats[value == at]
    return seats[0]


def push(points: list[np.ndarray], hull: np.ndarray, place: list[np.ndarray], tumour: Tumour) -> list[np.ndarray]:
    """Mass effect: tissue around the tumour came from nearer to its centre. The skull does not give way."""
    offset = [p - np.float32(c) for p, c in zip(place, tumour.centre, strict=True)]
    square = sum(o**2 for o in offset)
    reach = np.float32(2 * (tumour.radius + 0.6 * tumour.oedema) ** 2)
    amount = np.exp(-square / reach) * np.clip(-hull / 12, 0, 1) * np.float32(0.15 + 0.25 * tumour.severity)
    return [p - amount * o for p, o in zip(points, offset, strict=True)]


def add_tumour(
    fractions: dict[str, np.ndarray],
    tumour: Tumour | None,
    axes: list[np.ndarray],
    fields: tuple[np.ndarray, np.ndarray],
    cavity: np.ndarray,
) -> None:
    """Replace tissue by an enhancing rim, a necrotic centre and oedema that follows the white matter.

    ``fields`` are random fields on the lattice: lumps of the core, and fingers of necrosis and oedema.
    """
    names = ("enhancing tumour", "necrosis", "oedema")
    fractions |= {name: np.zeros_like(cavity) for name in names}
    if tumour is None:
        return
    box = _box(tumour, axes)
    near = [axis[part] for axis, part in zip(axes, box, strict=True)]
    offset = [
        at * np.float32(LATTICE) + np.float32(low - centre)
        for at, low, centre in zip(near, CORNER, tumour.centre, strict=True)
    ]
    x, y, z = np.meshgrid(*offset, indexing="ij", sparse=True)
    radius = np.sqrt(x**2 + y**2 + z**2)
    lumps, fingers = (to_grid(field, near) for field in fields)
    # the core stays within a ball of the size that the state says, and reaches it in places
    border = np.float32(tumour.radius) * (1 - 0.14 * np.clip(lumps + 0.7, 0, 2))
    voxel = np.float32(2.0)
    core = np.clip((border - radius) / voxel + 0.5, 0, 1) * cavity[box]
    rim = 2.5 + 0.16 * tumour.radius
    necrosis = np.clip((border - rim + 1.5 * fingers - radius) / voxel + 0.5, 0, 1) * core
    white = fractions["white matter"][box] + fractions["white matter lesion"][box]
    spread = np.float32(tumour.oedema) * (0.85 + 0.35 * fingers)
    oedema = np.clip((border + spread - radius) / np.float32(2.5) + 0.5, 0, 1)
    oedema = oedema * np.clip((white - 0.3) / 0.3, 0, 1) * white * (1 - core)
    share = np.clip(1 - core, 0, 1)
    for name in ("grey matter", "cerebrospinal fluid", "white matter", "white matter lesion"):
        fractions[name][box] *= share
    taken = oedema / np.maximum(white * share, np.float32(1e-6))
    for name in ("white matter", "white matter lesion"):
        fractions[name][box] *= 1 - np.clip(taken, 0, 1)
    fractions["enhancing tumour"][box] = core - necrosis
    fractions["necrosis"][box] = necrosis
    fractions["oedema"][box] = oedema


def _box(tumour: Tumour, axes: list[np.ndarray]) -> tuple[slice, ...]:
    """The voxels that the tumour and its oedema can reach."""
    reach = tumour.radius + 2 * tumour.oedema + 4
    box = []
    for at, low, centre in zip(axes, CORNER, tumour.centre, strict=True):
        mm = at * LATTICE + low
        box.append(slice(*np.searchsorted(mm, [centre - reach, centre + reach]).tolist()))
    return tuple(box)
