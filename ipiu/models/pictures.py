"""Many pictures made ready at once: read, grouped by size, scaled and resized together, ahead of the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from ipiu.cases.files import check_file
from ipiu.cases.picture import _pixels, read_picture
from ipiu.errors import IpiuError
from ipiu.models.contract import Contract

FILES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def listed(images: Any) -> Iterable:
    """What was given as images, one after the other: one image, a folder, a file, or several of any of these."""
    if isinstance(images, (str, Path)):
        path = Path(images)
        if not path.is_dir():
            return [path]
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in FILES)
        if not found:
            msg = f"{path} holds no picture; its files must end in one of {', '.join(FILES)}"
            raise IpiuError(msg)
        return found
    if isinstance(images, MetaTensor) or (isinstance(images, (torch.Tensor, np.ndarray)) and images.ndim < 4):
        return [images]
    if isinstance(images, Iterable):
        return images
    msg = f"a {type(images).__name__} is no image; give a file, an array with its channel first, or several of them"
    raise IpiuError(msg)


def read(image: Any) -> torch.Tensor:
    """An image as a tensor, channel first; a file is decoded, what is a tensor stays what it is."""
    if isinstance(image, (str, Path)):
        try:
            return torch.from_numpy(_pixels(check_file(image), None, []))
        except Exception:
            return read_picture(image)[0].images["image"]  # which says in a sentence what is wrong with the file
    if isinstance(image, torch.Tensor):
        return image
    try:
        return torch.from_numpy(np.require(image, requirements=["C", "W"]))
    except (TypeError, ValueError) as error:
        msg = f"a {type(image).__name__} is no image; give a file, or an array such as case.images['radiograph']"
        raise IpiuError(msg) from error


def pictures(contract: Contract, images: list[torch.Tensor]) -> torch.Tensor:
    """Pictures as ``contract.picture`` makes them one by one, made together: (n, channels, row, column), float32.

    Pictures of one size are scaled and resized in one go, which is what makes a folder fast.
    """
    for image in images:
        contract.check(image)
        if image.shape[0] not in (1, 3, contract.channels):
            msg = f"the image has the shape {tuple(image.shape)}: a picture has 1 or 3 channels, not {image.shape[0]}"
            raise IpiuError(msg)
    if contract.fit != "pad" or contract.eight_bit or contract.scaling != "window":  # as published processors do it
        return torch.stack([contract.picture(image) for image in images])
    groups: dict[tuple, list[int]] = {}
    for place, image in enumerate(images):
        groups.setdefault((*image.shape, image.dtype), []).append(place)
    made: list[torch.Tensor | None] = [None] * len(images)
    for places in groups.values():
        batch = _together(contract, [images[place] for place in places])
        for place, picture in zip(places, batch, strict=True):
            made[place] = picture
    if len({picture.shape for picture in made}) > 1:
        sizes = sorted({tuple(picture.shape[1:]) for picture in made})
        msg = f"pictures of sizes {sizes[0]} and {sizes[-1]} do not fit one batch; the contract sets no size"
        raise IpiuError(msg)
    return batch if len(groups) == 1 else torch.stack(made)


def _together(contract: Contract, images: list[torch.Tensor]) -> torch.Tensor:
    """Pictures of one size and type as the network reads them, (n, channels, rows, columns)."""
    values = _resized_first(contract, images)
    ready = values is not None
    if not ready:
        values = torch.stack([contract.intensities(image) for image in images])
    grey = values.shape[1] != contract.channels
    if grey:
        values = values.mean(1, keepdim=True)
    if contract.fit == "corner":
        values = contract._normalised(values.expand(-1, contract.channels, -1, -1))
        return _sized(contract, values)
    values = values if ready else _sized(contract, values)
    return contract._normalised(values.expand(-1, contract.channels, -1, -1) if grey else values)


def _resized_first(contract: Contract, images: list[torch.Tensor]) -> torch.Tensor | None:
    """Pictures resized and then scaled to 0 to 1, or None where that would not be the same.

    Where nothing is cut off, the two may change places, and what is small is scaled faster. Bytes are rounded after
    resizing, as Pillow does.
    """
    if contract.scaling != "window" or contract.span or contract.fit == "corner" or not contract.size:
        return None
    eight = images[0].dtype == torch.uint8
    low, high = (0, 255) if eight and contract.eight_bit else contract.window or (-1, 0)
    if low != 0:
        return None
    values = torch.stack([plain(image) if eight else plain(image).float() for image in images])
    if contract.clip and (values.min() < 0 or values.max() > high):
        return None
    return _sized(contract, values).float() / high


def _sized(contract: Contract, values: torch.Tensor) -> torch.Tensor:
    """Pictures (n, channel, row, column) brought to the contract's size, in their own type."""
    return contract._sized(values.flatten(0, 1)).unflatten(0, values.shape[:2])


def plain(image: torch.Tensor) -> torch.Tensor:
    """The tensor without what MONAI keeps beside it, which costs time at every operation."""
    return image.as_tensor() if isinstance(image, MetaTensor) else image


def axial(volume: torch.Tensor, most: int) -> list[torch.Tensor]:
    """At most ``most`` axial slices of a volume (channel, i, j, k), evenly spaced, from the feet to the head.

    Each is (channel, row, column): rows from the front, the patient's right at the left, as they are read.

    Raises
    ------
    IpiuError
        Where the volume has no affine, so that nobody knows which way is up.
    """
    if not isinstance(volume, MetaTensor):
        msg = "the volume has no affine, so its axial slices are not known; make it a MetaTensor with its affine"
        raise IpiuError(msg)
    turned = plain(Orientation(axcodes="RAS", labels=None)(volume))
    depth = turned.shape[-1]
    chosen = np.unique(np.linspace(0, depth - 1, min(most, depth)).round().astype(int))
    return [turned[..., place].flip(1, 2).transpose(1, 2) for place in chosen]


def ahead(prepare: Callable[[list], Any], images: Iterable, batch: int) -> Iterator[Any]:
    """``prepare`` of each ``batch`` images in order, made in threads while the one before is being used."""
    source = iter(images)
    workers = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="ipiu-pictures") as pool:
        waiting: deque = deque()
        while True:
            while len(waiting) <= workers and (chunk := list(islice(source, batch))):
                waiting.append(pool.submit(prepare, chunk))
            if not waiting:
                return
            yield waiting.popleft().result()
