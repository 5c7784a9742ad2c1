"""Points and boxes: read in whatever form they come, held against the picture, and put as SAM takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ipiu.errors import IpiuError


@dataclass(frozen=True, eq=False)
class Prompts:
    """What is asked of one picture, in its own pixels.

    Attributes
    ----------
    points
        (n, 2) row and column
    positive
        (n,) whether the thing that is meant is there
    boxes
        (m, 4) top, left, bottom, right
    """

    points: np.ndarray
    positive: np.ndarray
    boxes: np.ndarray

    @classmethod
    def read(cls, points: Iterable[Any], negative: Iterable[Any], boxes: Iterable[Any]) -> Prompts:
        """From lists, tuples, arrays or tensors; one point or one box may come without a list around it."""
        here, there = read_rows(points, 2, "points"), read_rows(negative, 2, "negative")
        positive = np.arange(len(here) + len(there)) < len(here)
        return cls(np.concatenate([here, there]), positive, read_rows(boxes, 4, "boxes"))

    def tensors(self, scale: np.ndarray) -> dict[str, torch.Tensor]:
        """The arguments of the network: x before y, scaled (row, column) as the picture was."""
        told = {}
        if len(self.points):
            told["input_points"] = torch.tensor((self.points * scale)[None, None, :, ::-1].copy(), dtype=torch.float32)
            told["input_labels"] = torch.tensor(self.positive[None, None].astype(int))
        if len(self.boxes):
            boxes = (self.boxes * np.tile(scale, 2))[None][..., [1, 0, 3, 2]]
            told["input_boxes"] = torch.tensor(boxes, dtype=torch.float32)
        return told


def check_prompts(prompts: Prompts, shape: tuple[int, int], *, mask: Any = None, multimask: bool = False) -> None:
    """Refuse what does not fit the picture or one another.

    Raises
    ------
    IpiuError
        In one sentence.
    """
    rows, columns = shape
    size = f"the picture has {rows} rows and {columns} columns"
    if not len(prompts.points) and not len(prompts.boxes) and mask is None:
        msg = "nothing is asked for; give points=[(row, column)], boxes=[(top, left, bottom, right)] or a mask"
        raise IpiuError(msg)
    for row, column in prompts.points:
        # a pixel reaches half a step to either side of its centre; NaN is nowhere
        if not (-0.5 <= row < rows - 0.5 and -0.5 <= column < columns - 0.5):
            msg = f"the point (row {row:g}, column {column:g}) is outside: {size}"
            raise IpiuError(msg)
    for top, left, bottom, right in prompts.boxes:
        told = f"the box (top {top:g}, left {left:g}, bottom {bottom:g}, right {right:g})"
        if not (top >= 0 and left >= 0 and bottom <= rows and right <= columns):
            msg = f"{told} reaches outside: {size}"
            raise IpiuError(msg)
        if not (top < bottom and left < right):
            msg = f"{told} is empty; the order is top, left, bottom, right"
            raise IpiuError(msg)
    if len(prompts.boxes) > 1 and (len(prompts.points) or mask is not None or multimask):
        msg = f"{len(prompts.boxes)} boxes are as many things; points, a mask or multimask go with one box at most"
        raise IpiuError(msg)
    told = getattr(mask, "masks", mask)
    if told is not None and tuple(np.shape(told)[-2:]) != shape:
        msg = f"the mask has the shape {tuple(np.shape(told))} and {size}; resample the mask to the picture first"
        raise IpiuError(msg)
    if told is not None and told is mask and np.ndim(mask) != 2:
        msg = f"the mask has the shape {tuple(np.shape(mask))}; give one mask (row, column)"
        raise IpiuError(msg)


def read_rows(values: Iterable[Any], width: int, name: str) -> np.ndarray:
    """An array (n, width)."""
    try:
        rows = np.asarray([np.asarray(v, float) for v in values], float)
    except (TypeError, ValueError) as error:
        msg = f"{name}={values!r} is no list of {width} numbers each"
        raise IpiuError(msg) from error
    if not rows.size:
        return np.zeros((0, width))
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.shape[1] != width:
        what = {2: "(row, column)", 3: "(i, j, k)"}.get(width, "(top, left, bottom, right)")
        msg = f"{name} has the shape {rows.shape}; give {what} each"
        raise IpiuError(msg)
    return rows
