"""Whole volumes into named organs: onto the network's grid, through the network, and back into the patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from torch.nn.functional import pad

from ipiu.errors import IpiuError
from ipiu.models import vista
from ipiu.models.clean import clean_up
from ipiu.models.model import Model
from ipiu.models.prompts import read_rows
from ipiu.models.resample import Grid
from ipiu.names import nearest

# HU, or share of the range that a contract reads, below which there is air
AIR = {"HU": -500.0, "any": 0.05}
# networks of another kind than these see windows of one size, whatever the memory
CONVOLUTIONAL = ("SegResNet", "UNet", "BasicUNet", "DynUNet", "VISTA3D", "AttentionUnet", "VNet", "MedNeXt")


class Seen(NamedTuple):
    """A volume as the network sees it.

    Attributes
    ----------
    values
        (channel, i, j, k) on the grid, scaled as the contract says
    grid
        between the image and these values
    box
        the part with a body in it
    """

    values: torch.Tensor
    grid: Grid
    box: tuple[slice, ...]


class Volumetric(Model):
    """Segmenters of volumes: SegResNet, SwinUNETR, UNet, DynUNet, UNETR and VISTA3D of MONAI.

    Attributes
    ----------
    whole
        voxels of the largest volume that a convolutional network reads in one pass; larger ones go through in windows

    Examples
    --------
    >>> import ipiu
    >>> torso = ipiu.load("ipiu-tiny-vista3d")
    >>> ct = ipiu.DigitalCohort(1, parts=("ct",), spacing=9)[0].images["ct"]
    >>> organs = torso.segment(ct, classes=["liver", "spleen"])
    >>> organs.shape == ct.shape, organs.meta["labels"]
    (True, {18: 'liver', 19: 'spleen'})
    """

    family: ClassVar[str] = "volumetric"
    whole: int = 8_000_000

    def segment(
        self,
        image: MetaTensor,
        *,
        classes: Iterable[str] | None = None,
        points: Iterable[Any] = (),
        negative: Iterable[Any] = (),
        mirror: bool = False,
        clean: bool | str = True,
        progress: bool = False,
    ) -> MetaTensor:
        """The label map of a volume.

        Parameters
        ----------
        image
            (channel, i, j, k) with an affine to RAS+ mm, any orientation, ``meta["unit"]`` as the contract says
        classes
            names of the organs that are asked for; all unless said
        points, negative
            places (i, j, k), in voxels of ``image`` and counted from 0, that belong and do not belong to the thing
            that is meant. Without ``classes`` the result is that one thing; with one class, that class as the points
            correct it. VISTA3D alone takes them.
        mirror
            also read the volume with left and right exchanged, and take the mean: twice the time. Worth it where
            both sides are alike, as in a brain
        clean
            drop parts of an organ below a twentieth of its largest part; ``"largest"`` keeps the largest alone,
            False everything
        progress
            show a bar where the volume goes through in windows

        Returns
        -------
        MetaTensor
            (1, i, j, k) uint8 on the image's own grid; ``meta["labels"]`` names its values

        Raises
        ------
        IpiuError
            Where the image does not keep the contract, a class is not known, or a point lies outside.
        """
        self._check(image)
        places, signs = _points(points, negative, image)
        values = self._values(classes)
        asked = classes is not None or not len(places)
        if len(places):
            vista.check(self.network, values, classes)
        seen = self.see(image)
        scores = self._scores(seen, values if asked else None, mirror, progress)
        if len(places):
            scores = self._prompted(seen, scores, places, signs)
        names = {value: self.labels[value] for value in values} if asked else {1: "object"}
        known = [0, *names] if vista.is_vista(self.network) else range(len(scores))
        scores = scores.clone()  # what was made in inference mode cannot be changed outside
        if clean:
            clean_up(scores, largest=clean == "largest")
        start = [side.start for side in seen.box]
        labels = seen.grid.back(scores, [value if value in names else 0 for value in known], start)
        meta = {key: image.meta[key] for key in ("modality", "space", "source") if key in image.meta}
        meta |= {"unit": "label", "name": f"{self.name} labels", "labels": names}
        return MetaTensor(labels, affine=image.affine, meta=meta)

    @property
    def labels(self) -> dict[int, str]:
        """Value in the label map -> name, as the contract says, or numbers where it says nothing."""
        if self.contract.labels:
            return self.contract.labels
        classes = getattr(self.network, "out_channels", None) or 2
        return {value: f"class {value}" for value in range(1, int(classes))}

    def see(self, image: MetaTensor) -> Seen:
        """The volume as the network sees it, with the box around the body.

        The box ends on multiples of what the network's strides ask for, and reaches over the edge of the volume
        only where that is smaller.
        """
        self._check(image)
        grid = Grid.over(image, self.contract.spacing, self.contract.axcodes)
        raw = grid.into(image.as_tensor())
        values = self.contract.intensities(raw)
        body = raw[0] > AIR["HU"] if self.contract.unit == "HU" else torch.ones_like(values[0], dtype=torch.bool)
        return Seen(values, grid, _box(body, _factor(self.network)))

    def _check(self, image: MetaTensor) -> None:
        """Refuse what does not keep the contract."""
        self.contract.check(image)
        if image.shape[0] != self.contract.channels:
            msg = f"the image has {image.shape[0]} channels; this model reads {self.contract.channels}"
            raise IpiuError(msg)

    def _values(self, classes: Iterable[str] | None) -> list[int]:
        """Values of the classes that are asked for."""
        if classes is None:
            return list(self.labels)
        classes = [classes] if isinstance(classes, str) else list(classes)
        named = {name: value for value, name in self.labels.items()}
        for name in classes:
            if name not in named:
                msg = f"this model knows no class {name!r}; {nearest(str(name), named)}"
                raise IpiuError(msg)
        if not classes:
            msg = f"classes is empty; leave it out for all {len(named)}, or name one"
            raise IpiuError(msg)
        return sorted(named[name] for name in classes)

    def _scores(self, seen: Seen, values: list[int] | None, mirror: bool, progress: bool) -> torch.Tensor:
        """Scores (class, i, j, k) in the box, background first, float32 on the CPU."""
        box = _cut(seen)
        if values is None:  # points alone: nothing is there until a point says so
            return torch.stack([torch.zeros(box.shape[2:]), torch.full(box.shape[2:], vista.NOWHERE)])
        scores = self._run(box, values, progress)
        if mirror:
            other = self._run(box.flip(2), values, progress).flip(1)
            scores = (scores + other[self._sides(values)]) / 2
        return scores

    def _run(self, box: torch.Tensor, values: list[int], progress: bool) -> torch.Tensor:
        """The network over a box (1, channel, i, j, k): in one pass, or in windows weighted by a Gaussian."""
        network = vista.by_class(self.network, values) if vista.is_vista(self.network) else self.network
        kind = type(self.network).__name__
        with self.precision():
            box = box.to(self.device)
            if prod(box.shape[2:]) <= self.whole and kind.startswith(CONVOLUTIONAL):
                return network(box)[0].float().cpu()
            roi = self.contract.roi or (96, 96, 96)
            return sliding_window_inference(
                box, roi, 1, network, overlap=0.5, mode="gaussian", device=torch.device("cpu"), progress=progress
            )[0].float()

    def _sides(self, values: list[int]) -> list[int]:
        """The channel of each organ's other side."""
        known = list(values) if vista.is_vista(self.network) else list(self.labels)
        names = [self.labels[value] for value in known]
        swapped = [_other_side(name) for name in names]
        return [0, *(1 + (names.index(to) if to in names else n) for n, to in enumerate(swapped))]

    def _prompted(self, seen: Seen, scores: torch.Tensor, places: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
        """Scores as points change them."""
        on_grid = seen.grid.places(places) - torch.tensor([float(side.start) for side in seen.box])
        with self.precision():
            return vista.prompted(self.network, _cut(seen).to(self.device), scores, on_grid, signs, self.contract.roi)


def _cut(seen: Seen) -> torch.Tensor:
    """The box of a volume (1, channel, i, j, k), padded where it reaches over the edge."""
    shape = seen.values.shape[1:]
    inside = seen.values[
        (slice(None), *(slice(side.start, min(side.stop, n)) for side, n in zip(seen.box, shape, strict=True)))
    ]
    over = [max(side.stop - n, 0) for side, n in zip(seen.box, shape, strict=True)]
    wide = [width for n in reversed(over) for width in (0, n)]
    return pad(inside, wide, value=float(seen.values.min()))[None]


def _box(body: torch.Tensor, factor: Sequence[int]) -> tuple[slice, ...]:
    """The box around a body with two voxels to spare, each side a multiple of ``factor``."""
    box = []
    for axis, step in enumerate(factor):
        found = body.any(dim=[n for n in range(3) if n != axis]).nonzero()
        size = body.shape[axis]
        first, last = (max(int(found[0]) - 2, 0), min(int(found[-1]) + 3, size)) if len(found) else (0, size)
        length = -(-(last - first) // step) * step
        first = max(min(first, size - length), 0)
        box.append(slice(first, first + length))
    return tuple(box)


def _factor(network: torch.nn.Module) -> list[int]:
    """What each side of the network's input has to be a multiple of."""
    encoder = getattr(network, "image_encoder", network)
    if hasattr(encoder, "shape_factor"):
        return [int(n) for n in encoder.shape_factor()]
    if hasattr(encoder, "blocks_down"):
        return [2 ** (len(encoder.blocks_down) - 1)] * 3
    strides = getattr(encoder, "strides", None)
    if strides is not None:
        return [int(n) for n in np.prod([np.broadcast_to(s, 3) for s in strides], axis=0)]
    return [32] * 3


def _points(points: Iterable[Any], negative: Iterable[Any], image: MetaTensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (n, 3) in voxels of the image, and whether each is positive."""
    here, there = read_rows(points, 3, "points"), read_rows(negative, 3, "negative")
    places = np.concatenate([here, there])
    size = image.shape[1:]
    for place in places:
        if not all(-0.5 <= x < n - 0.5 for x, n in zip(place, size, strict=True)):
            told, shape = ", ".join(f"{x:g}" for x in place), " x ".join(map(str, size))
            msg = f"the point ({told}) is outside the image of {shape} voxels; points are voxels (i, j, k), from 0"
            raise IpiuError(msg)
    return torch.from_numpy(places).float(), torch.arange(len(places)) < len(here)


def _other_side(name: str) -> str:
    """The name of the organ that a mirror makes of one."""
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")
