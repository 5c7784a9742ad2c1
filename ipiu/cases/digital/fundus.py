"""The fundus photograph of one eye: macula-centred, 45 degrees, with diabetic retinopathy as graded."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image, ImageDraw

from ipiu.cases.digital.fundus_lesions import Lesions, Spot, draw_lesions
from ipiu.cases.digital.fundus_vessels import Vessel, grow_vessels
from ipiu.cases.digital.state import State
from ipiu.errors import IpiuError

LABELS = {
    1: "optic disc",
    2: "vessels",
    3: "fovea",
    4: "microaneurysm",
    5: "haemorrhage",
    6: "hard exudate",
    7: "cotton-wool spot",
    8: "neovascularisation",
}
FIELD = 13.0  # mm of retina across 45 degrees: 0.29 mm a degree in an eye of normal length
_VIEW = 13.3  # mm across the picture, with the dark around the field
_FOVEA = 0.75  # radius of the fovea, mm

# Red, green and blue of a fair and a dark fundus, and of what lies on it (0 to 1)
_FAIR, _DARK = np.array([0.97, 0.49, 0.34]), np.array([0.68, 0.28, 0.15])
_RIM, _CUP = np.array([0.98, 0.78, 0.50]), np.array([1.0, 0.93, 0.72])
_EXUDATE, _COTTON = np.array([1.0, 0.90, 0.50]), np.array([0.97, 0.86, 0.74])
# The share of light that passes: blood takes green and blue, more in veins than in arteries
_VEIN, _ARTERY, _BLOOD = np.array([0.70, 0.38, 0.45]), np.array([0.88, 0.55, 0.58]), np.array([0.55, 0.22, 0.30])

_TURN = np.linspace(0, 2 * math.pi, 24, endpoint=False)


def make_fundus(state: State, rng: np.random.Generator, *, size: int = 256) -> tuple[MetaTensor, MetaTensor]:
    """Make a fundus photograph and its truth.

    Parameters
    ----------
    state, rng
        the patient, and random numbers of its own such as ``stream(seed, index, "fundus")``
    size
        pixels along each side, 64 to 2048. The patient's eye is the same at every size.

    Returns
    -------
    picture
        uint8 (3, row, column), red, green and blue; ``affine`` takes (row, column) to mm of retina from the middle
        of the picture (13.3 mm across; 45 degrees are 13 mm). ``meta["laterality"]`` is "right" or "left": the optic
        disc is on the right of the picture of a right eye.
    labels
        uint8 (1, row, column), named by ``meta["labels"]``. A haemorrhage may be in front of the retina.

    Raises
    ------
    IpiuError
        Where the size is not 64 to 2048.

    Examples
    --------
    >>> from ipiu.cases.digital.fundus import make_fundus
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> picture, labels = make_fundus(draw_state(0, 7), stream(0, 7, "fundus"))
    >>> picture.shape, labels.shape
    (torch.Size([3, 256, 256]), torch.Size([1, 256, 256]))
    """
    if not 64 <= size <= 2048:
        msg = f"size={size} pixels is outside 64 to 2048; choose one within"
        raise IpiuError(msg)
    eye = _draw_eye(state, rng)
    masks = _paint(eye, state, size)
    x, y = _coordinates(size, eye)
    picture = _photograph(_retina(eye, state, masks, x, y), eye, state, rng, size)
    labels = _label(eye, masks, x, y)
    affine = torch.diag(torch.tensor([_VIEW / size, _VIEW / size, 1.0, 1.0], dtype=torch.float64))
    affine[:2, 3] = (_VIEW / size - _VIEW) / 2
    meta = {"modality": "OP", "laterality": eye.side, "name": "fundus", "unit": "RGB"}
    truth = {**meta, "modality": "", "name": "fundus labels", "unit": "label", "labels": dict(LABELS)}
    channels = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return (
        MetaTensor(torch.from_numpy(channels), affine=affine, meta=meta),
        MetaTensor(torch.from_numpy(labels[None]), affine=affine.clone(), meta=truth),
    )


class _Eye(NamedTuple):
    """What one eye is made of, for a right eye in mm from the fovea (towards the nose, up)."""

    side: str
    centre: tuple[float, float]  # of the picture
    disc: tuple[float, float]
    radii: tuple[float, float]  # of the disc
    cup: float  # of the disc's radius
    pigment: float
    vessels: list[Vessel]
    lesions: Lesions
    fields: list[np.ndarray]  # random textures, coarse to fine


def _draw_eye(state: State, rng: np.random.Generator) -> _Eye:
    """Draw one eye; its vessels do not depend on what the patient has."""
    side = "right" if rng.random() < 0.5 else "left"
    normal = rng.standard_normal(8).tolist()
    # disc to fovea 4.76 mm with a standard deviation of 0.34, and 2.65 times the disc's diameter (Jonas et al. 2015)
    distance = 4.76 + 0.3 * min(max(normal[0], -2), 2)
    angle = math.radians(7.0 + 2.5 * normal[1])
    radius = min(max(distance / (2 * 2.65 * (1 + 0.1 * normal[2])), 0.7), 1.15)
    disc = (distance * math.cos(angle), distance * math.sin(angle))
    cup = min(max(0.38 + 0.12 * normal[3], 0.1), 0.75)
    pigment = 1 / (1 + math.exp(-1.2 * normal[4]))
    centre = (0.25 + 0.12 * normal[5], 0.12 * normal[6])
    fields = [rng.standard_normal((n, n)).astype(np.float32) for n in (7, 24, 70, 200)]
    vessels = grow_vessels(rng, disc)
    lesions = draw_lesions(state.retinopathy, vessels, disc, rng)
    return _Eye(side, centre, disc, (0.93 * radius, 1.03 * radius), cup, pigment, vessels, lesions, fields)


def _coordinates(size: int, eye: _Eye) -> tuple[np.ndarray, np.ndarray]:
    """The place of each pixel in the eye: mm from the fovea towards the nose (a row), and up (a column)."""
    across = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * np.float32(_VIEW)
    nasal = across if eye.side == "right" else -across
    return (nasal + np.float32(eye.centre[0]))[None, :], (np.float32(eye.centre[1]) - across)[:, None]


class _Canvas:
    """A mask drawn at several times the size and averaged: soft edges."""

    def __init__(self, size: int, eye: _Eye):
        self.times = max(1, math.ceil(768 / size))
        self.pixels = size * self.times
        self.scale = self.pixels / _VIEW
        self.sign = 1 if eye.side == "right" else -1
        self.centre = np.array(eye.centre)
        self.image = Image.new("L", (self.pixels, self.pixels))
        self.draw = ImageDraw.Draw(self.image)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Columns and rows of points in mm."""
        return (np.asarray(points) - self.centre) * (self.sign * self.scale, -self.scale) + self.pixels / 2

    def line(self, vessel: Vessel, factor: float = 1.0, *, stride: int = 4) -> None:
        """A vessel, in pieces of ``stride`` steps and of one width each."""
        places = self.place(vessel.points).tolist()
        widths = vessel.width * factor * self.scale
        for start in range(0, len(places) - 1, stride):
            piece = [tuple(place) for place in places[start : start + stride + 1]]
            width = max(1, round(float(widths[start])))
            self.draw.line(piece, fill=255, width=width, joint="curve" if width > 5 else None)

    def spot(self, spot: Spot) -> None:
        """A patch with an uneven edge, whose long axis lies along the nerve fibres, which run across."""
        column, row = self.place((spot.x, spot.y)).tolist()
        a, b = (max(spot.radius * self.scale * k, 0.6) for k in (spot.stretch**0.5, spot.stretch**-0.5))
        if max(a, b) < 3:
            self.draw.ellipse((column - a, row - b, column + a, row + b), fill=255)
            return
        phase = 37 * spot.x + 91 * spot.y  # the edge is the lesion's own, at every size
        edge = 1 + 0.14 * np.sin(2 * _TURN + phase) + 0.09 * np.sin(3 * _TURN + 3 * phase)
        outline = np.column_stack([column + a * edge * np.cos(_TURN), row + b * edge * np.sin(_TURN)])
        self.draw.polygon([tuple(place) for place in outline.tolist()], fill=255)

    def pool(self, spot: Spot) -> None:
        """Blood in front of the retina: it sinks, and has a level above."""
        column, row = self.place((spot.x, spot.y)).tolist()
        a = spot.radius * self.scale
        self.draw.pieslice((column - a, row - a, column + a, row + a), 0, 180, fill=255)

    def mask(self) -> np.ndarray:
        """The share of each pixel that is covered."""
        return np.asarray(self.image.reduce(self.times), dtype=np.float32) / np.float32(255)


def _paint(eye: _Eye, state: State, size: int) -> dict[str, np.ndarray]:
    """Masks of vessels and lesions."""
    canvases = {}

    def canvas(name: str) -> _Canvas:
        if name not in canvases:
            canvases[name] = _Canvas(size, eye)
        return canvases[name]

    # hypertension narrows arteries: the ratio to veins falls (Ponto et al. 2017, doi:10.1097/HJH.0000000000001380)
    narrow = 1 - 0.12 * state.severity["hypertension"]
    for vessel in eye.vessels:
        if vessel.artery:
            canvas("artery").line(vessel, narrow)
        else:
            beaded = eye.lesions.beading and vessel.width[0] > 0.06
            canvas("vein").line(_bead(vessel) if beaded else vessel, stride=1 if beaded else 4)
    for name in ("microaneurysms", "haemorrhages", "exudates", "cotton_wool"):
        for spot in getattr(eye.lesions, name):
            canvas(name).spot(spot)
    for loop in eye.lesions.new_vessels:
        canvas("new_vessels").line(loop)
    if eye.lesions.preretinal:
        canvas("preretinal").pool(eye.lesions.preretinal)
    return {name: drawn.mask() for name, drawn in canvases.items()}


def _bead(vessel: Vessel) -> Vessel:
    """A vein of uneven calibre: venous beading."""
    along = np.arange(len(vessel.width)) * 0.08
    return vessel._replace(width=vessel.width * (1.1 + 0.4 * np.sin(along * 2 * math.pi / 0.9)))


def _retina(eye: _Eye, state: State, masks: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The colours of the eye itself, float32 (row, column, 3)."""
    size = y.shape[0]
    coarse, middle, fine, finest = (_upsample(field, size) for field in eye.fields)
    colour = (_FAIR + (_DARK - _FAIR) * eye.pigment).tolist()
    shade = 1 + 0.05 * coarse + 0.03 * middle + 0.025 * fine + 0.02 * finest
    # the choroid's vessels shine through where there is little pigment
    shade += (1 - eye.pigment) * 0.05 * (1 - 2 * np.minimum(np.abs(middle + 0.4 * fine), 1))
    from_fovea = np.sqrt(x**2 + y**2)
    # macular pigment and taller epithelium darken the middle; the nerve fibres around the disc are bright
    shade *= 1 - 0.2 * np.exp(-((from_fovea / 1.5) ** 2)) - 0.2 * np.exp(-((from_fovea / 0.5) ** 2))
    u, v = (x - eye.disc[0]) / eye.radii[0], (y - eye.disc[1]) / eye.radii[1]
    from_disc = np.sqrt(u**2 + v**2)
    shade *= 1 + 0.22 * np.exp(-((from_disc / 2.0) ** 2))
    # less light is also redder light
    picture = np.stack([colour[n] * shade**power for n, power in enumerate((0.7, 1.15, 1.3))], axis=-1).astype(
        np.float32
    )
    # the foveal reflex of the young
    glint = 0.25 * max(0.0, 1 - state.age / 60) * np.exp(-((from_fovea / 0.12) ** 2))
    picture += glint[..., None].astype(np.float32)
    edge = 0.10
    rim = _soft((1 - from_disc) / edge)
    cup = _soft((eye.cup - np.sqrt((u + 0.12) ** 2 + v**2)) / 0.25)
    pallor = 0.85 - 0.12 * u.clip(-1, 1)  # the nasal rim is fuller and pinker
    _cover(picture, _RIM, rim * pallor)
    _cover(picture, _CUP, cup * rim)
    for name, passes in (("vein", _VEIN), ("artery", _ARTERY)):
        _filter(picture, passes, masks[name])
    if "cotton_wool" in masks:
        _cover(picture, _COTTON, 0.8 * _blur(masks["cotton_wool"], 0.09))
    if "exudates" in masks:
        _cover(picture, _EXUDATE, 0.9 * masks["exudates"])
    for name, share in (("microaneurysms", 0.9), ("haemorrhages", 0.95), ("new_vessels", 0.9), ("preretinal", 1.0)):
        if name in masks:
            _filter(picture, _BLOOD, share * masks[name])
    return picture


def _soft(value: np.ndarray) -> np.ndarray:
    """0 to 1 with a smooth edge where ``value`` passes 0."""
    return (1 / (1 + np.exp(-4 * np.clip(value, -8, 8)))).astype(np.float32)


def _cover(picture: np.ndarray, colour: np.ndarray, share: np.ndarray) -> None:
    """Lay a colour over the picture."""
    picture += share[..., None] * (colour.astype(np.float32) - picture)


def _filter(picture: np.ndarray, passes: np.ndarray, share: np.ndarray) -> None:
    """Take light away as blood does."""
    picture *= 1 - share[..., None] * (1 - passes.astype(np.float32))


def _upsample(field: np.ndarray, size: int) -> np.ndarray:
    """A coarse field at the size of the picture, smooth."""
    return np.asarray(Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC))


def _blur(image: np.ndarray, width: float) -> np.ndarray:
    """Gaussian blur of ``width`` mm along both first axes."""
    from scipy.ndimage import gaussian_filter

    sigma = width * image.shape[0] / _VIEW
    return gaussian_filter(image, (sigma, sigma) + (0,) * (image.ndim - 2), truncate=3)


def _photograph(picture: np.ndarray, eye: _Eye, state: State, rng: np.random.Generator, size: int) -> np.ndarray:
    """What the camera makes of the eye: haze, light, focus, the round field and noise; uint8."""
    normal = rng.standard_normal(5).tolist()
    # the ageing lens scatters and yellows
    haze = 0.22 * min(max((state.age - 50) / 40, 0), 1) * math.exp(0.4 * normal[0])
    haze = min(haze, 0.4)
    picture = picture * np.float32(1 - haze) + np.float32(haze) * np.array([0.80, 0.50, 0.30], dtype=np.float32)
    picture = _blur(picture, 0.022 * math.exp(0.5 * normal[1]) + 0.04 * haze)
    across = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * np.float32(_VIEW)
    radius = np.sqrt(across[None, :] ** 2 + across[:, None] ** 2)
    shift = np.sqrt((across[None, :] - normal[2]) ** 2 + (across[:, None] - normal[3]) ** 2)
    light = math.exp(0.12 * normal[4]) * (1.06 - 0.36 * (shift / 6.5) ** 2)
    field = np.clip((FIELD / 2 - radius) * size / _VIEW + 0.5, 0, 1)
    picture *= (light * field)[..., None].astype(np.float32)
    picture += 0.008 * rng.standard_normal(picture.shape, dtype=np.float32)
    # gamma of a camera's picture, a little warm
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _label(eye: _Eye, masks: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The label map; what lies in front wins."""
    labels = np.zeros((y.shape[0], x.shape[1]), np.uint8)
    labels[np.sqrt(x**2 + y**2) < _FOVEA] = 3
    labels[((x - eye.disc[0]) / eye.radii[0]) ** 2 + ((y - eye.disc[1]) / eye.radii[1]) ** 2 < 1] = 1
    labels[np.maximum(masks["vein"], masks["artery"]) > 0.4] = 2
    layers = (
        ("cotton_wool", 7), ("exudates", 6), ("new_vessels", 8), ("haemorrhages", 5), ("microaneurysms", 4),
        ("preretinal", 5),
    )  # fmt: skip
    for name, number in layers:
        if name in masks:
            labels[masks[name] > 0.3] = number
    radius = np.sqrt((x - eye.centre[0]) ** 2 + (y - eye.centre[1]) ** 2)
    labels[radius > FIELD / 2] = 0
    return labels
