"""The chest radiograph of a digital patient: the CT projected, exposed and developed, with masks of what is in it."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor

from ipiu.cases.digital.detector import PHOTONS, WHITE, count, develop, expose, find_shades
from ipiu.cases.digital.projector import Rays, grid, integrate, project
from ipiu.cases.digital.site import REFERENCE, Site, find_site
from ipiu.cases.digital.state import State
from ipiu.errors import IpiuError

__all__ = ["CHANNELS", "cardiothoracic_ratio", "make_radiograph", "project", "retake"]

# Channel -> the least path in mm of a ray through it for a pixel to belong to it: what is thinner does not show.
CHANNELS = {
    "right lung": 10.0,
    "left lung": 10.0,
    "heart": 10.0,
    "pleural effusion right": 6.0,
    "pleural effusion left": 6.0,
    "pneumothorax right": 6.0,
    "pneumothorax left": 6.0,
    "consolidation": 6.0,
    "lung nodule": 2.0,
}
_HEART = ("heart", "heart muscle", "left ventricle", "right ventricle", "left atrium", "right atrium")
# airless lung is lung, too
_IN_LUNG = ("consolidation", "lung nodule")
# Room around the lungs inside the collimated field, in mm on the detector: above, below, to either side
_ROOM = (38.0, 30.0, 36.0)
# a lead letter R on the side of the patient's right, as rows of a 5 x 7 letter, about this high in mm
_LETTER = ("11110", "10001", "10001", "11110", "10100", "10010", "10001")
_LETTER_HEIGHT = 28.0


def make_radiograph(
    ct: MetaTensor,
    labels: MetaTensor,
    state: State,
    rng: np.random.Generator,
    *,
    site: Site | str = REFERENCE,
    marker: bool = False,
    pixel: float | None = None,
) -> tuple[MetaTensor, MetaTensor]:
    """Take the chest radiograph of a patient whose CT is given.

    Upright patients are taken postero-anterior with a grid, bedside ones (``state.portable``) antero-posterior without.

    Parameters
    ----------
    ct
        (1, i, j, k) in HU, axes along RAS+
    labels
        (1, i, j, k) on the CT's grid, ``meta["labels"]`` names its integers (see :mod:`ipiu.cases.digital.torso`)
    state
        of the patient
    rng
        random numbers of the radiograph: ``stream(seed, index, "radiograph")``
    site
        its ``dose`` is the number of photons relative to the reference
    marker
        burn a lead letter R into the upper left corner. All other pixels stay as they are, so that it can serve as a
        spurious sign of whatever it is made to go along with (Zech et al. 2018, doi:10.1371/journal.pmed.1002683).
    pixel
        mm between pixels; half the CT's finest spacing in x and z where it is not given

    Returns
    -------
    image : MetaTensor
        (1, row, column) uint16 from 0 to 4095, bone bright, head up, the patient's right on the left. ``affine``
        takes (row, column) to mm on the detector, down and to the patient's left from the central ray. ``meta`` holds
        what :func:`project` and :func:`retake` need to take it again (``"view"``, ``"pixel"``, ``"aim"``, ``"field"``,
        ``"shades"``), the number of ``"photons"`` a pixel through air and the ray's ``"focus"`` and ``"detector"``.
    masks : MetaTensor
        (C, row, column) uint8; ``meta["channels"]`` names the channels and is the same for all patients, and
        ``meta["boxes"]`` holds {name: (row0, column0, row1, column1)}, half-open, of those present

    Raises
    ------
    IpiuError
        Where the label map has no lung or another grid than the CT.

    Examples
    --------
    >>> from ipiu.cases.digital.radiograph import make_radiograph
    >>> image, masks = make_radiograph(ct, labels, state, stream(0, 7, "radiograph"))  # doctest: +SKIP
    >>> image.shape, masks.shape  # doctest: +SKIP
    (torch.Size([1, 158, 164]), torch.Size([9, 158, 164]))
    """
    if ct.shape != labels.shape or not np.allclose(ct.affine, labels.affine, atol=1e-3):
        msg = f"labels of shape {tuple(labels.shape)} lie on another grid than the CT {tuple(ct.shape)}; resample them"
        raise IpiuError(msg)
    parts = _parts(labels)
    view = "ap" if state.portable else "pa"
    # drawn at once and first, so that neither the marker nor the noise moves the field
    shift = rng.normal(size=7) * (1.6 if state.portable else 1.0)
    aim = _aim(parts["right lung"] | parts["left lung"], *grid(ct), shift)
    lines = project(ct, view=view, pixel=pixel, aim=aim)
    paths = _paths(parts, labels, lines)
    field = _field(paths[:2].max(axis=0) >= CHANNELS["right lung"], lines.meta["pixel"], shift)
    found = _cut(paths, field) >= np.array(list(CHANNELS.values()))[:, None, None]
    exposed = expose(_cut(np.asarray(lines)[0], field), view=view, pixel=lines.meta["pixel"])
    # nothing meters the exposure at the bedside: it is set by experience, within a third
    photons = PHOTONS * find_site(site).dose * (float(np.exp(0.2 * shift[6])) if state.portable else 1.0)
    shades = find_shades(exposed)
    grey = develop(count(exposed, photons, rng), shades, pixel=lines.meta["pixel"])
    if marker:
        _burn(grey, lines.meta["pixel"])
    meta = {key: lines.meta[key] for key in ("modality", "view", "pixel", "aim", "focus", "detector")}
    meta |= {"unit": "grey level", "name": "radiograph", "field": field, "shades": shades, "photons": photons}
    meta["window"] = (WHITE / 2, float(WHITE))
    image = _picture(grey[None], lines, {**meta, "marker": marker}, field)
    meta = {"modality": "SEG", "unit": "mask", "name": "radiograph masks", "channels": tuple(CHANNELS)}
    return image, _picture(found.astype(np.uint8), lines, {**meta, "boxes": _boxes(found)}, field)


def retake(ct: MetaTensor, image: MetaTensor) -> MetaTensor:
    """The same radiograph without quantum noise and marker: the CT projected again as ``image.meta`` says.

    Parameters
    ----------
    ct
        the CT that the radiograph was made from
    image
        a radiograph by :func:`make_radiograph`

    Returns
    -------
    MetaTensor
        (1, row, column) uint16, as the radiograph
    """
    meta = image.meta
    lines = project(ct, view=meta["view"], pixel=meta["pixel"], aim=meta["aim"])
    exposed = expose(_cut(np.asarray(lines)[0], meta["field"]), view=meta["view"], pixel=meta["pixel"])
    grey = develop(exposed, meta["shades"], pixel=meta["pixel"])
    kept = {key: value for key, value in meta.items() if key != "affine"}
    return _picture(grey[None], lines, {**kept, "marker": False}, meta["field"])


def cardiothoracic_ratio(masks: MetaTensor) -> float:
    """Widest diameter of the heart over the widest inner diameter of the chest.

    The heart's is the sum of its farthest reaches to either side; the chest's, the widest row from the outer border of
    one lung, with its pleural space, to that of the other (Truszkiewicz et al. 2021, doi:10.3390/jcm10092016).

    Parameters
    ----------
    masks
        (C, row, column) with ``meta["channels"]``, by :func:`make_radiograph`

    Returns
    -------
    float
        about 0.4 to 0.5 in health; 0.5 and more is called cardiomegaly on a postero-anterior radiograph

    Raises
    ------
    IpiuError
        Where the masks hold no heart, or not both lungs.
    """
    channels = dict(zip(masks.meta["channels"], np.asarray(masks) > 0, strict=True))
    right, left = (channels[f"{side} lung"] for side in ("right", "left"))
    if not (channels["heart"].any() and right.any() and left.any()):
        msg = "the masks do not hold a heart and both lungs, so there is no cardiothoracic ratio"
        raise IpiuError(msg)
    pleura = [channels[f"{name} {side}"] for name in ("pleural effusion", "pneumothorax") for side in ("right", "left")]
    chest = np.any([right, left, *pleura], axis=0)
    chest = chest[right.any(axis=1) & left.any(axis=1)]
    return float(_reach(channels["heart"].any(axis=0)) / max(_reach(row) for row in chest))


def _reach(row: np.ndarray) -> int:
    """Pixels from the first to the last that is set."""
    found = np.flatnonzero(row)
    return int(found[-1] - found[0] + 1) if len(found) else 0


def _parts(labels: MetaTensor) -> dict[str, np.ndarray]:
    """Channel -> where in the CT it is, (i, j, k) bool."""
    values, names = np.asarray(labels)[0], labels.meta["labels"]

    def where(*wanted: str) -> np.ndarray:
        found = np.zeros(values.shape, bool)
        for number in (number for number, name in names.items() if name in wanted):
            found |= values == number
        return found

    def lung(side: str) -> np.ndarray:
        return where(*(name for name in names.values() if name.startswith(f"{side} lung")))

    lungs = {side: lung(side) for side in ("right", "left")}
    if not (lungs["right"].any() and lungs["left"].any()):
        msg = f"the label map lacks a lung, so there is no chest to take; it names {sorted(names.values())}"
        raise IpiuError(msg)
    # RAS+: the right lung has the larger x
    middle = np.mean([np.flatnonzero(lung.any(axis=(1, 2))).mean() for lung in lungs.values()])
    airless = where(*_IN_LUNG)
    on_right = np.arange(len(values))[:, None, None] > middle
    parts = {"right lung": lungs["right"] | (airless & on_right), "left lung": lungs["left"] | (airless & ~on_right)}
    parts |= {"heart": where(*_HEART)}
    return parts | {name: where(name) for name in CHANNELS if name not in parts}


def _aim(lungs: np.ndarray, origin: np.ndarray, spacing: np.ndarray, shift: np.ndarray) -> tuple[float, float]:
    """Where the central ray goes: the middle of the lungs, within a centimetre or so; (x, z) in RAS+ mm."""
    ends = [np.flatnonzero(lungs.any(axis=axes))[[0, -1]].mean() for axes in ((1, 2), (0, 1))]
    x, z = (origin[axis] + spacing[axis] * end for axis, end in zip((0, 2), ends, strict=True))
    return round(float(x + 4 * shift[0]), 2), round(float(z + 5 * shift[1]), 2)


def _paths(parts: dict[str, np.ndarray], labels: MetaTensor, lines: MetaTensor) -> np.ndarray:
    """How long each ray runs through each part: (C, row, column) float32 in mm."""
    origin, spacing = grid(labels)
    affine = np.asarray(lines.affine)
    steps = [affine[n, n] * np.arange(lines.shape[1 + n]) + affine[n, 3] for n in (0, 1)]
    rays = Rays(lines.meta["focus"], lines.meta["detector"], *steps)
    paths = np.zeros((len(parts), *lines.shape[1:]), np.float32)
    for path, part in zip(paths, (parts[name] for name in CHANNELS), strict=True):
        if part.any():
            box = [np.flatnonzero(part.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
            inside = part[tuple(slice(first, last + 1) for first, last in box)]
            path[:] = integrate(inside, origin + spacing * [first for first, _ in box], spacing, rays)
    return paths


def _field(lungs: np.ndarray, pixel: float, shift: np.ndarray) -> tuple[int, int, int, int]:
    """The collimated field, (row0, column0, row1, column1): the lungs and some room, never quite the same."""
    above, below, beside = _ROOM
    room = np.maximum(np.array([above, beside, below, beside]) + 7 * shift[2:6], 8.0)
    rows, columns = (np.flatnonzero(lungs.any(axis=axis)) for axis in (1, 0))
    low = np.array([rows[0], columns[0]]) - np.rint(room[:2] / pixel)
    high = np.array([rows[-1], columns[-1]]) + 1 + np.rint(room[2:] / pixel)
    low, high = np.maximum(low, 0), np.minimum(high, lungs.shape)
    return tuple(int(n) for n in (*low, *high))


def _cut(values: np.ndarray, field: tuple[int, int, int, int]) -> np.ndarray:
    """The field of an array (..., row, column)."""
    return values[..., field[0] : field[2], field[1] : field[3]]


def _boxes(found: np.ndarray) -> dict[str, tuple[int, int, int, int]]:
    """Half-open box of each channel that is present."""
    boxes = {}
    for name, mask in zip(CHANNELS, found, strict=True):
        if mask.any():
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            boxes[name] = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    return boxes


def _burn(grey: np.ndarray, pixel: float) -> None:
    """Write the lead letter into the upper left corner, in place."""
    letter = np.array([[int(dot) for dot in row] for row in _LETTER], bool)
    dot = max(1, round(_LETTER_HEIGHT / len(letter) / pixel))
    letter = letter.repeat(dot, axis=0).repeat(dot, axis=1)
    margin = max(1, round(8 / pixel))
    corner = grey[margin : margin + letter.shape[0], margin : margin + letter.shape[1]]
    corner[letter[: corner.shape[0], : corner.shape[1]]] = WHITE


def _picture(values: np.ndarray, lines: MetaTensor, meta: dict, field: tuple[int, int, int, int]) -> MetaTensor:
    """A picture of the field, with the affine of its corner."""
    affine = np.asarray(lines.affine, dtype=np.float64).copy()
    affine[:2, 3] += np.diag(affine)[:2] * field[:2]
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(values)), affine=torch.from_numpy(affine), meta=meta)
