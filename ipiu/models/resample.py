"""A network's grid laid over an image, and the way back into the patient, without the shift of a voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class Grid:
    """Voxels of about a wanted width over an image, edge on edge with it.

    Its axes are the image's own, in another order and direction where the orientation asks for it: an oblique image
    stays oblique, and nothing is turned. The number of voxels along each side is rounded, so that their width differs
    from the wanted one by less than half a voxel over the whole side; the affine says the width there is.

    Attributes
    ----------
    order, turned
        for each axis of the grid, the image's axis it runs along, and whether it runs the other way
    image
        voxels of the image along the grid's axes (i, j, k)
    shape
        voxels of the grid (i, j, k)
    affine
        voxel of the grid -> RAS+ mm, 4 x 4
    """

    order: tuple[int, int, int]
    turned: tuple[bool, bool, bool]
    image: tuple[int, int, int]
    shape: tuple[int, int, int]
    affine: np.ndarray

    @classmethod
    def over(cls, image: MetaTensor, spacing: Sequence[float] | None = None, axcodes: str = "RAS") -> Grid:
        """The grid over an image (channel, i, j, k); without a spacing, that of the image.

        Examples
        --------
        >>> from ipiu.models.resample import Grid
        >>> Grid.over(MetaTensor(torch.zeros(1, 30, 20, 10)), (2, 2, 2)).shape
        (15, 10, 5)
        """
        affine, shape = np.asarray(image.affine.cpu(), float), tuple(image.shape[1:])
        turn = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(axcodes)))
        order = tuple(int(n) for n in np.argsort(turn[:, 0]))
        turned = tuple(bool(turn[axis, 1] < 0) for axis in order)
        affine = affine @ inv_ornt_aff(turn, shape)
        sizes = tuple(shape[axis] for axis in order)
        widths = nib.affines.voxel_sizes(affine)
        wanted = sizes
        if spacing is not None:
            wanted = tuple(max(1, round(n * w / s)) for n, w, s in zip(sizes, widths, spacing, strict=True))
        wider = np.array(sizes) / wanted
        # the first corners coincide, not the centres of the first voxels
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = np.diag(wider), wider / 2 - 0.5
        return cls(order, turned, sizes, wanted, affine @ moved)

    def into(self, values: torch.Tensor) -> torch.Tensor:
        """Values (channel, i, j, k) of the image on the grid, float32.

        Where the grid is coarser, a voxel is the weighted mean of those it covers, as it would be in a scanner.
        """
        return resized(self._turn(values), self.shape)

    def places(self, points: torch.Tensor) -> torch.Tensor:
        """Points (point, 3) in voxels of the image, in voxels of the grid; both count from the first voxel's centre."""
        points = points[:, list(self.order)].double()
        sizes = torch.tensor(self.image, dtype=torch.float64)
        points = torch.where(torch.tensor(self.turned), sizes - 1 - points, points)
        return ((points + 0.5) * (torch.tensor(self.shape) / sizes) - 0.5).float()

    def back(self, scores: torch.Tensor, values: Sequence[int], start: Sequence[int] = (0, 0, 0)) -> torch.Tensor:
        """The label map of scores on the grid, or on a box of it that begins at ``start``.

        Scores are interpolated linearly and the highest wins, so that a border between two organs runs between the
        voxels of the grid. One class at a time, and each only around where it wins on the grid, for speed and memory.

        Parameters
        ----------
        scores
            (class, i, j, k) on the grid, the background first
        values
            what each class becomes in the label map

        Returns
        -------
        torch.Tensor
            (1, i, j, k) on the image's grid, uint8, or int16 where values ask for it
        """
        kind = torch.uint8 if max(values) < 256 else torch.int16
        labels = torch.zeros(self.image, dtype=kind)
        whole = tuple(slice(begin, begin + size) for begin, size in zip(start, scores.shape[1:], strict=True))
        area, lines = self._lines(whole)
        best = _read(scores[0], lines, start)
        view = labels[area]
        winner = scores.argmax(0)
        for number in range(1, len(scores)):
            box = _box(winner == number, start)
            if box is None:
                continue
            part, lines = self._lines(box)
            inner = tuple(slice(p.start - a.start, p.stop - a.start) for p, a in zip(part, area, strict=True))
            score = _read(scores[number], lines, start)
            better = score > best[inner]
            best[inner][better] = score[better]
            view[inner][better] = values[number]
        return self._return(labels)[None]

    def _lines(self, box: Sequence[slice]) -> tuple[tuple[slice, ...], list[torch.Tensor]]:
        """The image's voxels less than a grid voxel from a box of the grid, and where on the grid they lie."""
        area, lines = [], []
        for side, size, n in zip(box, self.shape, self.image, strict=True):
            places = (torch.arange(n) + 0.5) * (size / n) - 0.5
            near = ((places > side.start - 1) & (places < side.stop)).nonzero()
            first, last = int(near[0]), int(near[-1]) + 1
            area.append(slice(first, last))
            lines.append(places[first:last])
        return tuple(area), lines

    def _turn(self, values: torch.Tensor) -> torch.Tensor:
        """Values (channel, i, j, k) along the grid's axes."""
        values = torch.as_tensor(values).permute(0, *(axis + 1 for axis in self.order))
        return values.flip([n + 1 for n in range(3) if self.turned[n]])

    def _return(self, labels: torch.Tensor) -> torch.Tensor:
        """A label map (i, j, k) along the image's axes."""
        labels = labels.flip([n for n in range(3) if self.turned[n]])
        return labels.permute(*(int(n) for n in np.argsort(self.order))).contiguous()


def resized(values: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Values (channel, i, j, k) with another number of voxels between the same edges: linear, means where coarser."""
    values = values.float().contiguous()
    if tuple(values.shape[2:]) != tuple(size[1:]):
        planes = values.flatten(0, 1)[:, None]
        planes = interpolate(planes, size=tuple(size[1:]), mode="bilinear", antialias=True)
        values = planes[:, 0].unflatten(0, values.shape[:2])
    if values.shape[1] != size[0]:
        rows = values.flatten(2)[None]
        rows = interpolate(rows, size=(size[0], prod(size[1:])), mode="bilinear", antialias=True)
        values = rows[0].unflatten(2, tuple(size[1:]))
    return values


def _box(mask: torch.Tensor, start: Sequence[int]) -> tuple[slice, ...] | None:
    """The box around a mask (i, j, k), in voxels of the grid; None where the mask is empty."""
    box = []
    for axis, begin in enumerate(start):
        found = mask.any(dim=[n for n in range(3) if n != axis]).nonzero()
        if not len(found):
            return None
        box.append(slice(int(found[0]) + begin, int(found[-1]) + 1 + begin))
    return tuple(box)


def _read(values: torch.Tensor, lines: Sequence[torch.Tensor], start: Sequence[int]) -> torch.Tensor:
    """Values (i, j, k), whose first voxel is ``start``, at the places along each axis: linear between voxels."""
    for axis, (places, begin) in enumerate(zip(lines, start, strict=True)):
        places, last = places - begin, values.shape[axis] - 1
        below = places.floor().clamp(0, last)
        part = (places - below).clamp(0, 1)
        lower = values.index_select(axis, below.long())
        if not part.any():
            values = lower
            continue
        upper = values.index_select(axis, (below + 1).clamp(max=last).long())
        values = torch.lerp(lower, upper, part.view([-1 if n == axis else 1 for n in range(3)]).to(lower.dtype))
    return values
