"""Slices of a volume, and pictures: a contact sheet on a page, sliders in a notebook."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, features

from ipiu.errors import IpiuError
from ipiu.view import page, planes
from ipiu.view.planes import PICTURE, Stack, signed

if TYPE_CHECKING:
    from monai.data import MetaTensor

_WIDEST = {1: 900, 2: 640, 3: 480}  # pixels of one picture, by how many stand on a sheet
_NARROW = 360  # and where there are more
_BAR = (1, 2, 5, 10, 20, 50, 100, 200)  # mm a scale bar can stand for
_TEXT = "color:#e8e8e8;font:600 .75rem/1 system-ui,sans-serif;text-shadow:0 0 3px #000,0 0 2px #000"


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet: slice ``index`` of a stack, with the words below it."""

    stack: Stack
    index: int
    words: str = ""


@dataclass(frozen=True)
class Slices:
    """What :func:`slices` returns: HTML on a page, sliders in a live notebook.

    Attributes
    ----------
    tiles
        the pictures in order
    columns
        how many stand side by side where there is room
    title, alt
        caption and description
    image, mask
        what the sliders go through; None where several images are shown
    """

    tiles: tuple[Tile, ...]
    columns: int
    title: str
    alt: str
    image: Any = None
    mask: Any = None

    def to_html(self) -> str:
        """The contact sheet."""
        return sheet(self.tiles, columns=self.columns, title=self.title, alt=self.alt)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        from ipiu.view import live, sliders

        bundle = {"text/plain": repr(self), "text/html": self.to_html()}
        if os.environ.get("IPIU_PAGES") or not live.in_kernel() or not sliders.wanted(self):
            return bundle
        return {**sliders.box(self)._repr_mimebundle_(), **bundle}

    def __repr__(self) -> str:
        return f"Slices({self.alt!r})"


def slices(
    image: MetaTensor | Sequence[MetaTensor] | Mapping[str, MetaTensor],
    mask: MetaTensor | Mapping[str, MetaTensor] | None = None,
    *,
    axis: str = "axial",
    count: int = 12,
    at: float | Sequence[float] | None = None,
    window: planes.Window | Sequence[planes.Window | None] | None = None,
    columns: int | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Slices:
    """Show slices of a volume side by side, one picture, or several images.

    Slices are drawn as radiologists look at them: from the feet, the face or the left side, so that the patient's right
    is on the left of axial and coronal pictures. Nothing is resampled; pixels have the shape the spacing gives them.

    Parameters
    ----------
    image
        volume of shape (C, i, j, k) whose ``affine`` takes (i, j, k) to RAS+ mm; picture (C, row, column), grey or RGB;
        or several of them, as a list or a mapping from names, of each of which one slice is shown
    mask
        what lies over it: a label map, a probability map (0 to 1), or a mapping from names to either
    axis
        ``"axial"``, ``"coronal"`` or ``"sagittal"``
    count
        how many slices of a volume, spread evenly over those that are not all black
    at
        positions in RAS+ mm along the axis, instead of ``count``; for several images one position
    window
        (centre, width) in the image's unit, or for HU ``"lung"``, ``"bone"``, ``"brain"``, ``"abdomen"`` or
        ``"mediastinum"``; for several images a list with one for each is possible
    columns
        how many stand side by side where there is room
    title, alt
        caption, and the description read out in place of the pictures

    Returns
    -------
    Slices
        On a page, the contact sheet; in JupyterLab, sliders for position and window, and a choice of the axis.

    Raises
    ------
    IpiuError
        Where an image is neither volume nor picture, a position lies outside, or the mask does not lie on the image.

    Examples
    --------
    >>> import ipiu
    >>> ipiu.view.slices(ipiu.open("sample:mni152").images["t1"], count=3)
    Slices('3 axial slices of an MR image, from −47 mm to 57 mm')
    """
    if count < 1 or (columns is not None and columns < 1):
        msg = f"count={count} and columns={columns} must each be at least 1"
        raise ValueError(msg)
    several = isinstance(image, (Mapping, Sequence))
    if several:
        tiles = _several(image, mask, axis=axis, at=at, window=window)
    else:
        tiles = _one(image, mask, axis=axis, count=count, at=at, window=window)
    columns = columns or min(len(tiles), 4 if len(tiles) in (4, 7, 8) or len(tiles) > 9 else 3)
    alone = (None, None) if several else (image, mask)
    return Slices(tuple(tiles), columns, title or "", alt or _described(tiles, image, title), *alone)


def _one(image: Any, mask: Any, *, axis: str, count: int, at: Any, window: Any) -> list[Tile]:
    """Several slices of one volume, or one picture."""
    stack = planes.stack(image, mask, axis=axis, window=window)
    if at is not None and stack.plane == PICTURE:
        msg = f"at={at!r} is a place in a patient and this image is a picture without one; leave it out"
        raise IpiuError(msg)
    if at is not None:
        chosen = [stack.nearest(float(mm)) for mm in np.atleast_1d(at)]
    else:
        first, last = stack.filled()
        count = min(count, last + 1 - first)
        chosen = [first + int((n + 0.5) * (last + 1 - first) / count) for n in range(count)]
    return [Tile(stack, index, stack.place(index)) for index in chosen]


def _several(images: Any, mask: Any, *, axis: str, at: Any, window: Any) -> list[Tile]:
    """One slice of each image, with its name."""
    if mask is not None or not len(images):
        msg = "a mask belongs to one image; show the images one by one" if len(images) else "the list holds no image"
        raise IpiuError(msg)
    if at is not None and np.ndim(at):
        msg = f"at={at!r} must be one position in mm where several images are shown"
        raise ValueError(msg)
    names = list(images) if isinstance(images, Mapping) else [_name(image) for image in images]
    images = list(images.values()) if isinstance(images, Mapping) else list(images)
    each = isinstance(window, list)
    if each and len(window) != len(images):
        msg = f"window lists {len(window)} windows for {len(images)} images; give one for each"
        raise ValueError(msg)
    windows = window if each else [window] * len(images)
    tiles = []
    for name, image, shades in zip(names, images, windows, strict=True):
        stack = planes.stack(image, axis=axis, window=shades)
        index = len(stack) // 2 if at is None or stack.plane == PICTURE else stack.nearest(float(at))
        said = [name, stack.place(index) if len(stack) > 1 else ""]
        if each:
            preset = f"{shades}: " if isinstance(shades, str) else ""
            said.append(preset + _shades(stack.window, stack.channels[0].unit))
        tiles.append(Tile(stack, index, ", ".join(filter(None, said))))
    return tiles


def _name(image: Any) -> str:
    """What an image is called: its description or its kind."""
    meta = getattr(image, "meta", {})
    return str(meta.get("name") or meta.get("modality") or "")


def _shades(window: tuple[float, float], unit: str) -> str:
    """The window in words: from which value to which."""
    centre, width = window
    return f"{signed(centre - width / 2)} to {signed(centre + width / 2)} {unit}".rstrip()


def _described(tiles: Sequence[Tile], image: Any, title: str | None) -> str:
    """What the sheet shows, in words."""
    first, last = tiles[0], tiles[-1]
    if isinstance(image, (Mapping, Sequence)):
        named = [tile.words for tile in tiles if tile.words]
        return f"{title or 'Images'}: {'; '.join(named) or f'{len(tiles)} pictures side by side'}"
    kind = str(getattr(image, "meta", {}).get("modality") or "")
    what = f"{'an' if kind[:1] in 'AEFHILMNORSX' else 'a'} {kind} image" if kind else "an image"
    if first.stack.plane == PICTURE:
        text = f"{len(tiles)} frames of {what}" if len(tiles) > 1 else (f"{kind} image" if kind else "a picture")
    elif len(tiles) == 1:
        text = f"{first.stack.plane} slice of {what} at {first.words}"
    else:
        ends = [signed(tile.stack.position(tile.index)) for tile in (first, last)]
        text = f"{len(tiles)} {first.stack.plane} slices of {what}, from {ends[0]} mm to {ends[1]} mm"
    names = [name for layer in first.stack.overlays for name in layer.labels.values()]
    over = f", overlaid with {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}" if names else ""
    return f"{title}: {text}{over}" if title else f"{text}{over}"


def sheet(
    tiles: Sequence[Tile], *, columns: int, title: str = "", alt: str = "", window: tuple[float, float] | None = None
) -> str:
    """The HTML of a contact sheet; everything that comes from a header is escaped."""
    widest = _WIDEST.get(len(tiles), _NARROW)
    shapes = [tile.stack.aspect for tile in tiles]
    stage = (min(shapes) * max(shapes)) ** 0.5
    single = len(tiles) == 1
    # so many columns at most, and none narrower than a thumbnail
    least = f"max(7rem,{100 / columns:.4f}% - .5rem)"
    most = f"max-width:{min(widest, 40 * 16 * max(1.0, stage)):.0f}px;" if single else ""
    items = "".join(_tile(tile, window, stage=stage, widest=widest) for tile in tiles)
    tracks = "1fr" if single else f"repeat(auto-fill,minmax({least},1fr))"
    grid = f"display:grid;gap:.5rem;grid-template-columns:{tracks};{most}"
    return (
        f'<figure class="ipiu-figure ipiu-slices" style="margin:1rem 0">'
        f'<div role="img" aria-label="{escape(alt)}" style="{grid}">{items}</div>'
        f"{page.legend(tiles[0].stack.overlays)}{_caption(tiles, title, window)}</figure>"
    )


def _tile(tile: Tile, window: tuple[float, float] | None, *, stage: float, widest: int) -> str:
    """One picture with its letters, and the words below it."""
    stack = tile.stack
    width = 100 * min(1, stack.aspect / stage)  # a height in per cent would have nothing to refer to
    image = (
        f'<img class="dark-light" alt="" src="{_encoded(stack, stack.pixels(tile.index, window), widest)}" '
        f'style="width:{width:.3f}%;aspect-ratio:{stack.aspect:.5f};max-width:none;margin:0;padding:0;display:block;filter:none">'
    )
    places = ("left:4px;top:50%", "top:4px;left:50%", "right:4px;top:50%", "bottom:4px;left:50%")
    shift = ("translateY(-50%)", "translateX(-50%)") * 2
    marks = "".join(
        f'<span style="position:absolute;{place};transform:{move};{_TEXT}">{letter}</span>'
        for place, move, letter in zip(places, shift, stack.letters or (), strict=False)
    )
    words = f'<div style="font-size:.8125rem;line-height:1.4;margin-top:.2rem">{escape(tile.words)}</div>'
    return (
        f'<div style="min-width:0"><div style="position:relative;aspect-ratio:{stage:.5f};display:grid;'
        f'place-items:center;overflow:hidden;background:#000;border-radius:4px">{image}{marks}'
        f"{_bar(stack) if widest == _WIDEST[1] else ''}</div>{words if tile.words else ''}</div>"
    )


def _encoded(stack: Stack, rgb: np.ndarray, widest: int) -> str:
    """The pixels as a data URI, made smaller where they would not be seen; the page gives them their shape."""
    picture = Image.fromarray(rgb)
    picture.thumbnail((widest, round(widest * 1.5)), Image.Resampling.LANCZOS)
    if len(stack.channels) == 1 and not stack.overlays:
        picture = picture.convert("L")
    kind = "WEBP" if features.check("webp") else "PNG"
    buffer = BytesIO()
    picture.save(buffer, kind, **({"quality": 88, "method": 4} if kind == "WEBP" else {}))
    return f"data:image/{kind.lower()};base64,{b64encode(buffer.getvalue()).decode()}"


def _bar(stack: Stack) -> str:
    """A scale bar of at most a quarter of the width, where the spacing is known."""
    width = stack.shape[1] * stack.spacing[1] if stack.spacing else 0
    fits = [mm for mm in _BAR if mm <= width / 4]
    if not fits:
        return ""
    return (
        f'<span style="position:absolute;left:3%;bottom:8px;width:{100 * fits[-1] / width:.3f}%;'
        f'border-bottom:2px solid #e8e8e8;padding-bottom:3px;text-align:center;white-space:nowrap;{_TEXT}">'
        f"{fits[-1]} mm</span>"
    )


def _caption(tiles: Sequence[Tile], title: str, window: tuple[float, float] | None) -> str:
    """Title, window, how the pictures lie, and what was left out."""
    stacks = list({id(tile.stack): tile.stack for tile in tiles}.values())
    said = []
    if len(stacks) == 1 and stacks[0].channels[0].unit == "HU":
        said.append(f"window: {_shades(window or stacks[0].window, 'HU')}")
    if any(stack.plane in ("axial", "coronal") for stack in stacks):
        said.append("the patient's right is on the left")
    if len(stacks) == 1 and stacks[0].plane != PICTURE:
        said.append("positions in RAS+ mm")
    slant = max(stack.slant for stack in stacks)
    if slant:
        said.append(f"slices are turned by {slant:.0f}° against the patient's axes and shown as they were taken")
    said += dict.fromkeys(note for stack in stacks for layer in stack.channels for note in layer.notes)
    small = f"<small>{escape('; '.join(said))}</small>" if said else ""
    return f"<figcaption>{escape(title)} {small}</figcaption>" if title or small else ""
