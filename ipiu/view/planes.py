"""Slices and pictures as pixels to show: which plane, which grey levels, where in the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.affines import obliquity

from ipiu.errors import IpiuError
from ipiu.view import still
from ipiu.view.layers import Layer, default_window, image_layer, mask_layers, stated_window

AXES = tuple(still.PLANES)
PICTURE = "picture"
_OPPOSITE = {"R": "L", "A": "P", "S": "I"}
_COORDINATE = "xyz"
_SLANT = 2.0  # degrees; what is turned less is called straight

Window = tuple[float, float] | str


@dataclass(frozen=True)
class Stack:
    """Slices or frames of one image, ready to be drawn one by one.

    Attributes
    ----------
    channels
        one layer of grey values or three of colour; volumes have canonical axes, pictures (row, column, frame)
    overlays
        what is drawn over it
    plane
        ``"axial"``, ``"coronal"``, ``"sagittal"`` or ``"picture"``
    window
        (centre, width) in the image's unit
    spacing
        mm from one row to the next and from one column to the next, or None where it is not stated
    """

    channels: tuple[Layer, ...]
    overlays: tuple[Layer, ...]
    plane: str
    window: tuple[float, float]
    spacing: tuple[float, float] | None

    def __len__(self) -> int:
        return self.channels[0].voxels.shape[self._along]

    @property
    def _along(self) -> int:
        return 2 if self.plane == PICTURE else still.PLANES[self.plane][0]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what is drawn."""
        rows, columns = np.delete(self.channels[0].voxels.shape, self._along)
        return (int(rows), int(columns)) if self.plane == PICTURE else (int(columns), int(rows))

    @property
    def aspect(self) -> float:
        """Width by height as they are in the patient, or of the pixels where no spacing is stated."""
        (rows, columns), (row_mm, column_mm) = self.shape, self.spacing or (1.0, 1.0)
        return columns * column_mm / (rows * row_mm)

    @property
    def letters(self) -> tuple[str, str, str, str] | None:
        """Directions at the left, top, right and bottom edge: R, L, A, P, S, I."""
        if self.plane == PICTURE:
            return None
        left, top = still.PLANES[self.plane][3]
        return left, top, _OPPOSITE[left], _OPPOSITE[top]

    @property
    def slant(self) -> float:
        """Degrees between the slices and the patient's axes; 0 where they are as good as parallel."""
        if self.plane == PICTURE:
            return 0.0
        degrees = float(np.rad2deg(obliquity(self.channels[0].affine)).max())
        return degrees if degrees > _SLANT else 0.0

    def position(self, index: int) -> float | None:
        """Where a slice's middle lies along the patient's axis, RAS+ mm; None for pictures."""
        if self.plane == PICTURE:
            return None
        voxel = (np.array(self.channels[0].voxels.shape) - 1) / 2
        voxel[self._along] = index
        return float((self.channels[0].affine @ [*voxel, 1])[self._along])

    def place(self, index: int) -> str:
        """Where a slice lies, in words: ``"z = 12 mm"``, ``"frame 3"``, or nothing for a single picture."""
        if self.plane == PICTURE:
            return f"frame {index + 1}" if len(self) > 1 else ""
        return f"{_COORDINATE[self._along]} = {signed(self.position(index))} mm"

    def nearest(self, mm: float) -> int:
        """The index of the slice nearest to a position in RAS+ mm along the patient's axis.

        Raises
        ------
        IpiuError
            Where the volume does not reach that far.
        """
        first, last = self.position(0), self.position(len(self) - 1)
        step = (last - first) / max(1, len(self) - 1) or 1.0
        index = round((mm - first) / step)
        if not 0 <= index < len(self):
            msg = f"there is no {self.plane} slice at {mm:g} mm; the volume reaches from {first:.1f} to {last:.1f} mm"
            raise IpiuError(msg)
        return index

    def filled(self) -> tuple[int, int]:
        """The first and the last slice with more than black in it; all of them where there is none."""
        axes = tuple(n for n in range(3) if n != self._along)
        black = self.window[0] - 0.45 * self.window[1]
        shown = np.flatnonzero(np.max([layer.voxels.max(axis=axes) for layer in self.channels], axis=0) > black)
        return (int(shown[0]), int(shown[-1])) if shown.size else (0, len(self) - 1)

    def pixels(self, index: int, window: tuple[float, float] | None = None) -> np.ndarray:
        """One slice as colours, uint8 of shape (row, column, 3); rows from the top, the patient's right at the left."""
        image = self.channels[0]
        where = [np.arange(n) for n in image.voxels.shape]
        where[self._along] = np.array([index])
        planes = [self._laid(layer.voxels[np.ix_(*where)]).astype(np.float32) for layer in self.channels]
        centre, width = window or self.window
        grey = [np.clip((plane - (centre - width / 2)) / width, 0, 1) * 255 for plane in planes]
        rgb = np.stack(grey if len(grey) == 3 else grey * 3, axis=-1)
        for overlay in self.overlays:
            colour, alpha = still.painted(overlay, self._laid(still.values_at(overlay, image, where)))
            rgb += (colour - rgb) * (alpha * still.OVERLAY)[..., None]
        return np.rint(rgb).astype(np.uint8)

    def _laid(self, slab: np.ndarray) -> np.ndarray:
        """A slab of one slice as (row, column)."""
        return slab[:, :, 0] if self.plane == PICTURE else still.oriented(slab, self._along)


def stack(image: MetaTensor, mask: Any = None, *, axis: str = "axial", window: Window | None = None) -> Stack:
    """Make ready the slices of a volume (C, i, j, k), a picture (C, row, column) or a cine (C, row, column, frame).

    Parameters
    ----------
    image
        one channel, or three of type uint8 for colour; of more channels the first is taken
    mask
        label map, probability map, or a mapping from names to these; for pictures on the same pixels
    axis
        which slices of a volume; one that has a single slice gives that one
    window
        (centre, width), a preset for HU, or None for what the header states and else robust limits

    Raises
    ------
    IpiuError
        Where the image is neither a volume nor a picture, or the mask does not lie on it.
    """
    if axis not in AXES:
        msg = f"axis {axis!r} is unknown; choose one of {', '.join(AXES)}"
        raise ValueError(msg)
    if _is_picture(image):
        channels, spacing = _channels(_as_volume(image)), _stated_spacing(image)
        layers = mask_layers(_masks_as_volumes(mask), channels[0])
        return Stack(channels, tuple(layers), PICTURE, _window(channels, image, window), spacing)
    stored = _channels(image)
    overlays = tuple(still.canonical(layer) for layer in mask_layers(mask, stored[0]))
    channels = tuple(still.canonical(layer) for layer in stored)
    shown = still.planes(channels[0].voxels.shape)
    plane = axis if axis in shown else shown[0]
    mm = np.sqrt((channels[0].affine[:3, :3] ** 2).sum(axis=0))
    _, across, up, _ = still.PLANES[plane]
    return Stack(channels, overlays, plane, _window(stored, image, window), (float(mm[up]), float(mm[across])))


def window_levels(image: MetaTensor, window: Window | None = None) -> tuple[float, float]:
    """The values that are drawn black and white.

    Parameters
    ----------
    image
        volume (C, i, j, k) or picture (C, row, column), in ``image.meta["unit"]``
    window
        (centre, width); for HU also ``"lung"``, ``"bone"``, ``"brain"``, ``"abdomen"`` or ``"mediastinum"``; None for
        what the header states, and else robust limits

    Returns
    -------
    tuple of float
        lowest and highest value that is not cut off, in the image's unit

    Raises
    ------
    IpiuError
        Where the preset is unknown or the image is not in HU.

    Examples
    --------
    >>> import ipiu
    >>> from ipiu.view.planes import window_levels
    >>> window_levels(ipiu.open("sample:ct-slice").images["ct"], "lung")
    (-1350.0, 150.0)
    """
    centre, width = _window(_channels(_as_volume(image) if _is_picture(image) else image), image, window)
    return centre - width / 2, centre + width / 2


def signed(mm: float) -> str:
    """A rounded number with a proper minus sign, and no minus before zero."""
    text = f"{mm:.0f}" if abs(mm) >= 10 or abs(mm - round(mm)) < 0.05 else f"{mm:.1f}"
    return text.replace("-", "−") if float(text) else "0"


def _window(channels: tuple[Layer, ...], image: MetaTensor, window: Window | None) -> tuple[float, float]:
    """(centre, width) of what is drawn; the bytes of a picture run from 0 to 255 unless something else is said."""
    if window is not None:
        return stated_window(window, channels[0].unit)
    meta = getattr(image, "meta", {})
    byte = channels[0].voxels.dtype == np.uint8
    if len(channels) == 3 or (byte and _is_picture(image) and meta.get("window") is None):
        return 127.5, 255.0
    return default_window(channels[0], meta)


def _is_picture(image: Any) -> bool:
    """Whether an image has rows and columns rather than a place in a patient."""
    return getattr(image, "ndim", 0) == 3 or bool(getattr(image, "meta", {}).get("frame_axis"))


def _as_volume(image: Any) -> MetaTensor:
    """A picture (C, row, column) or cine (C, row, column, frame) on four axes, without a place."""
    meta = {key: value for key, value in getattr(image, "meta", {}).items() if key not in ("affine", "frame_axis")}
    values = torch.as_tensor(image).detach().as_subclass(torch.Tensor)
    values = values if values.ndim == 4 else values[..., None]
    return MetaTensor(values, affine=np.eye(4), meta=meta)


def _masks_as_volumes(mask: Any) -> Any:
    """The masks of a picture on four axes."""
    if isinstance(mask, Mapping):
        return {name: _as_volume(item) for name, item in mask.items()}
    return None if mask is None else _as_volume(mask)


def _channels(image: Any) -> tuple[Layer, ...]:
    """Three layers where the image is in colour, else one."""
    if getattr(image, "ndim", 0) == 4 and image.shape[0] == 3 and str(image.dtype).endswith("uint8"):
        return tuple(image_layer(image[[channel]]) for channel in range(3))
    return (image_layer(image),)


def _stated_spacing(image: Any) -> tuple[float, float] | None:
    """Millimetres between rows and between columns of a picture, where the file states them."""
    if not getattr(image, "meta", {}).get("spacing_stated"):
        return None
    row, column = (float(abs(image.affine[n, n])) for n in (0, 1))
    return (row, column) if row > 0 and column > 0 else None
