"""What a viewer draws: one image and the overlays on it, checked and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ipiu.errors import IpiuError

# told apart with the common colour-vision deficiencies, and bright enough on black
PALETTE = ("#e69f00", "#56b4e9", "#cc79a7", "#2fc48d", "#f0e442", "#e8704a", "#8f9bff", "#b8d96b")

PRESETS = {
    "lung": (-600.0, 1500.0),
    "mediastinum": (40.0, 350.0),
    "abdomen": (50.0, 400.0),
    "brain": (40.0, 80.0),
    "bone": (400.0, 1800.0),
}


@dataclass(frozen=True)
class Layer:
    """One grid of values.

    Attributes
    ----------
    name
        what it is called; hostile text, escaped where it is shown
    voxels
        array of shape (i, j, k), finite
    affine
        4x4, voxel index to RAS+ mm
    kind
        ``"image"``, ``"labels"`` or ``"probability"``
    unit
        unit of the values
    labels, colours
        name and ``#rrggbb`` of every value that is drawn; a probability map has the one key 1
    notes
        what was left out or replaced, for the caption
    """

    name: str
    voxels: np.ndarray
    affine: np.ndarray
    kind: str = "image"
    unit: str = ""
    labels: dict[int, str] = field(default_factory=dict)
    colours: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def image_layer(image: Any, *, unit: str | None = None) -> Layer:
    """The image of shape (1, i, j, k) as a layer; the first channel or frame where there are more."""
    meta = getattr(image, "meta", {})
    voxels, notes = _volume(image, "image")
    finite = np.isfinite(voxels)
    if not finite.all():
        if not finite.any():
            msg = f"image of shape {tuple(image.shape)} holds no finite value; check how it was computed"
            raise IpiuError(msg)
        count = int(voxels.size - finite.sum())
        voxels = np.where(finite, voxels, voxels[finite].min())
        notes = (*notes, f"{count:,} voxels that are not finite are drawn as the smallest value")
    name = str(meta.get("name") or "image")
    return Layer(name, voxels, _affine(image, "image"), unit=str(unit or meta.get("unit") or ""), notes=notes)


def mask_layers(mask: Any, image: Layer, *, labels: Mapping[int, str] | None = None) -> list[Layer]:
    """The overlays: one of a tensor, several of a mapping from names to tensors."""
    if mask is None:
        return []
    named = mask if isinstance(mask, Mapping) else {None: mask}
    layers, used = [], 0
    for name, tensor in named.items():
        layer = _mask_layer(name, tensor, image, labels, used)
        used += len(layer.colours)
        layers.append(layer)
    return layers


def _mask_layer(name: str | None, mask: Any, image: Layer, labels: Mapping[int, str] | None, used: int) -> Layer:
    """One overlay; ``used`` colours of the palette are taken."""
    said = "mask" if name is None else f"mask {name!r}"
    voxels, notes = _volume(mask, said)
    if not np.isfinite(voxels).all():
        msg = f"{said} holds values that are not finite; replace them, for example with torch.nan_to_num"
        raise IpiuError(msg)
    meta = getattr(mask, "meta", {})
    affine = _affine(mask, said) if hasattr(mask, "affine") else _borrowed(voxels, image, said)
    _same_space(voxels.shape, affine, image, said)
    title = str(name or meta.get("name") or "mask")
    if _is_probability(voxels, meta):
        if voxels.min() < 0 or voxels.max() > 1:
            msg = (
                f"{said} is neither a label map nor a probability map: its values run from {voxels.min():g} to "
                f"{voxels.max():g}; pass whole numbers, or values between 0 and 1"
            )
            raise IpiuError(msg)
        colour = PALETTE[used % len(PALETTE)]
        return Layer(title, voxels, affine, "probability", "probability", {1: title}, {1: colour}, notes)
    lowest, highest = int(voxels.min()), int(voxels.max())
    if lowest < 0 or highest > 32767:
        msg = f"{said} holds the label {lowest if lowest < 0 else highest}; labels run from 0 (background) to 32767"
        raise IpiuError(msg)
    present = [int(v) for v in np.unique(voxels) if v]
    known = labels or meta.get("labels") or {}
    names = {v: str(known.get(v, title if present == [v] else f"label {v}")) for v in present}
    colours = {v: PALETTE[(used + n) % len(PALETTE)] for n, v in enumerate(present)}
    return Layer(title, voxels.astype(np.int16), affine, "labels", "label", names, colours, notes)


def rgb(text: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three numbers from 0 to 255."""
    return tuple(int(text[n : n + 2], 16) for n in (1, 3, 5))


def default_window(layer: Layer, meta: Mapping[str, Any]) -> tuple[float, float]:
    """(centre, width): what the header states, soft tissue for HU, else the middle 98.5 % of what is not background."""
    stated = meta.get("window")
    if stated is not None and len(stated) == 2 and np.isfinite(stated).all() and stated[1] > 0:
        return float(stated[0]), float(stated[1])
    if layer.unit == "HU":
        return PRESETS["abdomen"]
    values = layer.voxels.ravel()[:: max(1, layer.voxels.size // 500_000)]
    inside = values[values > values.min()]
    low, high = np.percentile(inside if inside.size else values, [1, 99.5])
    low = min(low, 0.0) if values.min() >= 0 else low
    return float(low + high) / 2, float(high - low) or 1.0


def stated_window(window: tuple[float, float] | str, unit: str) -> tuple[float, float]:
    """(centre, width) from a pair or a preset's name."""
    if isinstance(window, str):
        if window not in PRESETS:
            msg = f"window {window!r} is unknown; choose one of {', '.join(PRESETS)}, or give (centre, width)"
            raise IpiuError(msg)
        if unit != "HU":
            msg = f"window {window!r} is a preset for HU and the image's unit is {unit!r}; give (centre, width)"
            raise IpiuError(msg)
        return PRESETS[window]
    try:
        centre, width = (float(n) for n in window)
    except (TypeError, ValueError):
        centre, width = 0.0, 0.0
    if not (np.isfinite(centre) and np.isfinite(width) and width > 0):
        msg = f"window {window!r} is not (centre, width) with a width above 0"
        raise IpiuError(msg)
    return centre, width


def _volume(tensor: Any, said: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The (i, j, k) array of a (1, i, j, k) tensor, and what had to be left out."""
    array = np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)
    meta = getattr(tensor, "meta", {})
    shape = " x ".join(str(n) for n in array.shape)
    if array.ndim == 3 or meta.get("frame_axis"):
        msg = f"{said} of shape {shape} is a picture and not a volume (1, i, j, k); show it with ipiu.view.slices"
        raise IpiuError(msg)
    if array.ndim not in (4, 5) or array.size == 0:
        msg = f"{said} of shape {shape} is no volume; its shape must be (1, i, j, k)"
        raise IpiuError(msg)
    notes = ()
    if array.ndim == 5:
        notes += (f"frame 1 of {array.shape[4]} is shown",) if array.shape[4] > 1 else ()
        array = array[..., 0]
    if array.shape[0] > 1:
        notes += (f"channel 1 of {array.shape[0]} is shown",)
    array = array[0]
    if array.dtype.kind not in "fiub":
        msg = f"{said} holds values of type {array.dtype}; pass real numbers"
        raise IpiuError(msg)
    return (array.astype(np.uint8) if array.dtype.kind == "b" else array), notes


def _affine(tensor: Any, said: str) -> np.ndarray:
    """The 4x4 affine as float64, refused where it cannot be inverted."""
    if not hasattr(tensor, "affine"):
        msg = f"{said} has no affine, so its place in the patient is unknown; wrap it as monai.data.MetaTensor"
        raise IpiuError(msg)
    affine = np.asarray(tensor.affine, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        msg = f"{said} has an affine that maps no voxel to a place: {affine.tolist()}"
        raise IpiuError(msg)
    return affine


def _borrowed(voxels: np.ndarray, image: Layer, said: str) -> np.ndarray:
    """The image's affine for a mask that brings none, where the grids are of one size."""
    if voxels.shape != image.voxels.shape:
        msg = (
            f"{said} has no affine and its shape {voxels.shape} is not the image's {image.voxels.shape}; "
            "pass a monai.data.MetaTensor with its affine"
        )
        raise IpiuError(msg)
    return image.affine


def _is_probability(voxels: np.ndarray, meta: Mapping[str, Any]) -> bool:
    """Whether a mask is graded rather than a label map."""
    if meta.get("unit") == "probability":
        return True
    return voxels.dtype.kind == "f" and not np.array_equal(voxels, np.rint(voxels))


def _box(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Lowest and highest mm along R, A and S of the corners of a grid, shape (2, 3)."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in shape])).reshape(3, -1)
    mm = affine[:3, :3] @ corners + affine[:3, 3:]
    return np.stack([mm.min(axis=1), mm.max(axis=1)])


def _same_space(shape: tuple[int, ...], affine: np.ndarray, image: Layer, said: str) -> None:
    """Refuse a mask of which less than half lies over the image."""
    if shape == image.voxels.shape and np.allclose(affine, image.affine, atol=1e-3):
        return
    mine, other = _box(image.voxels.shape, image.affine), _box(shape, affine)
    shared = np.clip(np.minimum(mine[1], other[1]) - np.maximum(mine[0], other[0]), 0, None).prod()
    if shared < 0.5 * min((mine[1] - mine[0]).prod(), (other[1] - other[0]).prod()):
        spans = [" x ".join(f"[{a:.0f}, {b:.0f}]" for a, b in box.T) for box in (other, mine)]
        msg = (
            f"{said} covers {spans[0]} mm and the image {spans[1]} mm: they lie apart, so their affines do not "
            "describe one space; resample or correct the mask's affine"
        )
        raise IpiuError(msg)
