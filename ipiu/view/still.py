"""The still picture: three orthogonal planes and a shaded surface, in the layout the live viewer has."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

import nibabel.orientations as nio
import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from ipiu.view.layers import Layer, rgb

LIMIT = 88_000  # bytes of one picture: a page of many figures stays light
WIDTH = 900  # pixels, twice the width on most pages
GAP = 4
OVERLAY = 0.6  # opacity, as in the live viewer
# plane -> (axis looked along, axis across, axis up, letters left and on top); radiological: the patient's right is left
PLANES = {
    "axial": (2, 0, 1, "RA"),
    "coronal": (1, 0, 2, "RS"),
    "sagittal": (0, 1, 2, "AS"),
}


class Still(NamedTuple):
    """An encoded picture and its size in pixels."""

    data: bytes
    mime: str
    size: tuple[int, int]

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return f"data:{self.mime};base64,{b64encode(self.data).decode()}"


def canonical(layer: Layer) -> Layer:
    """The layer with its axes flipped and permuted to run nearest to right, anterior, superior; no resampling."""
    turn = nio.io_orientation(layer.affine)
    voxels = nio.apply_orientation(layer.voxels, turn)
    return replace(layer, voxels=voxels, affine=layer.affine @ nio.inv_ornt_aff(turn, layer.voxels.shape))


def planes(shape: tuple[int, ...]) -> tuple[str, ...]:
    """The planes worth showing of a grid with canonical axes: all three, or the one of a single slice."""
    flat = [name for name, (along, *_) in PLANES.items() if shape[along] == 1]
    return tuple(flat[:1] or PLANES)


def telling_point(image: Layer, overlays: list[Layer], window: tuple[float, float]) -> tuple[int, int, int]:
    """The voxel (canonical axes) where the overlays are large and central; else the middle of what is bright."""
    weight = np.zeros((0,))
    for overlay in overlays:
        if overlay.voxels.shape == image.voxels.shape and np.allclose(overlay.affine, image.affine, atol=1e-3):
            drawn = (overlay.voxels > 0).astype(np.uint8) if overlay.kind == "labels" else overlay.voxels
            weight = weight + drawn if weight.size else drawn
    if weight.size and weight.any():
        return tuple(_central_peak(weight.sum(axis=rest, dtype=float)) for rest in ((1, 2), (0, 2), (0, 1)))
    if overlays and overlays[0].voxels.any():
        middle = np.argwhere(overlays[0].voxels > 0).mean(axis=0)
        voxel = np.linalg.solve(image.affine, overlays[0].affine @ [*middle, 1])[:3]
        return tuple(int(v) for v in np.clip(np.rint(voxel), 0, np.array(image.voxels.shape) - 1))
    steps = [max(1, n // 128) for n in image.voxels.shape]
    bright = np.argwhere(image.voxels[tuple(slice(None, None, step) for step in steps)] > window[0] - window[1] / 4)
    if not len(bright):
        return tuple(n // 2 for n in image.voxels.shape)
    return tuple(int(m) * step for m, step in zip((bright.min(axis=0) + bright.max(axis=0)) // 2, steps, strict=True))


def _central_peak(area: np.ndarray) -> int:
    """Of the slices with at least 0.8 of the largest area, the one nearest to the centre of mass."""
    place = np.arange(len(area))
    large = place[area >= 0.8 * area.max()]
    return int(large[np.abs(large - (place * area).sum() / area.sum()).argmin()])


def stage(image: Layer) -> tuple[float, float]:
    """Width and height in mm of the whole picture of an image with canonical axes."""
    mm = _extent(image)
    shown = planes(image.voxels.shape)
    if len(shown) == 1:
        _, across, up, _ = PLANES[shown[0]]
        return mm[across], mm[up]
    return mm[0] + mm[1], mm[1] + mm[2]


def draw(image: Layer, overlays: list[Layer], window: tuple[float, float], point: tuple[int, int, int]) -> Still:
    """Draw the layers (canonical axes) through a voxel.

    Parameters
    ----------
    image, overlays
        what :func:`canonical` returns
    window
        (centre, width): what is drawn from black to white
    point
        voxel index in ``image``

    Returns
    -------
    Still
        at most 88 kB: coronal and sagittal above, axial and a surface below; the one plane of a single slice
    """
    mm = _extent(image)
    width, height = stage(image)
    scale = min((WIDTH - GAP) / width, WIDTH / height)
    size = {axis: max(2, round(mm[axis] * scale)) for axis in range(3)}
    shown = planes(image.voxels.shape)
    tiles = {name: _plane(name, image, overlays, window, point, size) for name in shown}
    if len(tiles) == 1:
        return _encode(next(iter(tiles.values())))
    left, top, low = size[0] + GAP, size[2] + GAP, size[1]
    picture = Image.new("RGB", (left + low, top + low))
    picture.paste(tiles["coronal"], (0, 0))
    picture.paste(tiles["sagittal"], (left, 0))
    picture.paste(tiles["axial"], (0, top))
    picture.paste(_surface(image, overlays, window, low), (left, top))
    return _encode(picture)


def _extent(image: Layer) -> tuple[float, float, float]:
    """Length in mm of the grid along its three axes."""
    spacing = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
    return tuple(float(n * s) for n, s in zip(image.voxels.shape, spacing, strict=True))


def _plane(name, image, overlays, window, point, size) -> Image.Image:
    """One plane through ``point`` with its overlays, cross-hair and letters."""
    along, across, up, letters = PLANES[name]
    index = [np.arange(n) for n in image.voxels.shape]
    index[along] = np.array([point[along]])
    grey = _grey(oriented(image.voxels[np.ix_(*index)], along), window)
    rgb = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    for overlay in overlays:
        values = oriented(values_at(overlay, image, index), along)
        colour, alpha = painted(overlay, values)
        rgb += (colour - rgb) * (alpha * OVERLAY)[..., None]
    tile = Image.fromarray(np.rint(rgb).astype(np.uint8)).resize((size[across], size[up]), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(tile, "RGBA")
    if len(planes(image.voxels.shape)) > 1:
        x = (1 - (point[across] + 0.5) / image.voxels.shape[across]) * size[across]
        y = (1 - (point[up] + 0.5) / image.voxels.shape[up]) * size[up]
        pen.line([(x, 0), (x, size[up])], fill=(255, 210, 74, 120))
        pen.line([(0, y), (size[across], y)], fill=(255, 210, 74, 120))
    font = ImageFont.load_default(WIDTH // 34)
    ink = {"font": font, "fill": "#d8d8d8", "stroke_width": 2, "stroke_fill": "black"}
    pen.text((6, size[up] / 2), letters[0], anchor="lm", **ink)
    pen.text((size[across] / 2, 4), letters[1], anchor="mt", **ink)
    return tile


def oriented(plane: np.ndarray, along: int) -> np.ndarray:
    """A slab one voxel thick as (row, column): superior or anterior on top, right or anterior at the left."""
    return plane.squeeze(axis=along).T[::-1, ::-1]


def _grey(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Values as grey levels 0 to 255."""
    return np.clip((values - (window[0] - window[1] / 2)) / window[1], 0, 1) * 255


def values_at(layer: Layer, image: Layer, index: list[np.ndarray]) -> np.ndarray:
    """Nearest values of a layer at voxels of the image's grid, 0 outside."""
    if layer.voxels.shape == image.voxels.shape and np.allclose(layer.affine, image.affine, atol=1e-3):
        return layer.voxels[np.ix_(*index)]
    grid = np.stack(np.meshgrid(*index, indexing="ij")).reshape(3, -1)
    return _nearest(layer, np.linalg.solve(layer.affine, image.affine), grid).reshape([len(i) for i in index])


def _nearest(layer: Layer, matrix: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Values of a layer at ``matrix`` applied to points of shape (3, n), nearest voxel, the lowest value outside."""
    voxel = np.rint(matrix[:3, :3] @ grid + matrix[:3, 3:]).astype(np.int32)
    inside = ((voxel >= 0) & (voxel < np.array(layer.voxels.shape)[:, None])).all(axis=0)
    values = layer.voxels[tuple(np.where(inside, voxel, 0))]
    return np.where(inside, values, 0 if layer.kind != "image" else layer.voxels.min())


def painted(overlay: Layer, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour of shape (..., 3) and opacity 0 to 1 of an overlay's values."""
    colours = {value: np.array(rgb(text)) for value, text in overlay.colours.items()}
    if overlay.kind == "probability":
        return np.broadcast_to(colours[1], (*values.shape, 3)), values**2  # the square, as in the live viewer
    table = np.zeros((max(colours, default=0) + 1, 3))
    for value, colour in colours.items():
        table[value] = colour
    return table[values], (values > 0).astype(np.float32)


def _surface(image: Layer, overlays: list[Layer], window: tuple[float, float], size: int, steps: int = 170):
    """The outer surface seen obliquely from the front, lit from the viewer's side."""
    threshold = window[0] - window[1] / 4
    threshold = max(threshold, -300.0) if image.unit == "HU" else threshold
    turn, tilt = np.deg2rad(35), np.deg2rad(15)
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    reach = 0.56 * max(_extent(image))
    line = np.linspace(-reach, reach, steps, dtype=np.float32)
    # columns run from the patient's right, depth from the front, rows from the top
    grid = np.stack(np.meshgrid(-line, -line, -line, indexing="ij")).reshape(3, -1)
    spacing = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
    matrix = np.eye(4)
    matrix[:3, :3] = (about_z @ about_x) / spacing[:, None]
    matrix[:3, 3] = (np.array(image.voxels.shape) - 1) / 2
    cube = _nearest(image, matrix.astype(np.float32), grid).reshape(steps, steps, steps) > threshold
    depth = cube.argmax(axis=1)
    hit = cube.any(axis=1).T
    smooth = _blurred(np.where(hit, depth.T, depth[cube.any(axis=1)].max(initial=0)).astype(np.float32))
    down, right = np.gradient(smooth)
    light = (1 + 0.5 * right - 0.4 * down) / np.sqrt(1 + right**2 + down**2)
    rgb = np.repeat((np.clip(light, 0.2, 1.25) * 160 * hit)[..., None], 3, axis=2)
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)


def _blurred(values: np.ndarray) -> np.ndarray:
    """Mean over 3 x 3 neighbours."""
    padded = np.pad(values, 1, mode="edge")
    rows, columns = values.shape
    return sum(padded[a : a + rows, b : b + columns] for a in range(3) for b in range(3)) / 9


def _encode(picture: Image.Image) -> Still:
    """WebP, or JPEG where Pillow lacks it, at the best quality and size that stay below the limit."""
    kind = "WEBP" if features.check("webp") else "JPEG"
    for share in (1, 0.7, 0.5):
        size = tuple(max(1, round(n * share)) for n in picture.size)
        smaller = picture if share == 1 else picture.resize(size, Image.Resampling.LANCZOS)
        for quality in (82, 70, 55, 40):
            buffer = BytesIO()
            smaller.save(buffer, kind, quality=quality)
            if buffer.tell() <= LIMIT:
                return Still(buffer.getvalue(), f"image/{kind.lower()}", size)
    return Still(buffer.getvalue(), f"image/{kind.lower()}", size)
