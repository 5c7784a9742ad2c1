"""From one outlined slice to a volume: each slice is outlined from what was found on the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from monai.data import MetaTensor

from ipiu.models.clicks import next_click
from ipiu.models.cut import cut, depth, stack

if TYPE_CHECKING:
    from ipiu.models.promptable import Outline, Promptable

ROOM = 0.03  # of the picture's longer side, that a box is wider than the outline on the slice before
UNLIKELY = 0.5  # expected overlap below which the structure is taken to have ended
APART = 0.2  # Dice with the slice before, below which the outline is taken to have jumped to something else


def propagate(model: Promptable, volume: MetaTensor, plane: str, index: int, **prompts) -> MetaTensor:
    """See :meth:`ipiu.models.promptable.Promptable.propagate`."""
    start = model.segment(cut(volume, plane, index), **prompts)
    found = {index: start.mask}
    for way in (1, -1):
        before, at = start.mask, index + way
        while 0 <= at < depth(volume, plane) and before.any():
            outline = _next(model, cut(volume, plane, at), before)
            if outline.scores[0] < UNLIKELY or _dice(before, outline.mask) < APART:
                break
            found[at] = before = outline.mask
            at += way
    return stack(found, volume, plane)


def _next(model: Promptable, picture: MetaTensor, before: np.ndarray) -> Outline:
    """The outline of a slice, asked for with the box, the middle and the mask of the slice before."""
    rows, columns = np.flatnonzero(before.any(axis=1)), np.flatnonzero(before.any(axis=0))
    room = ROOM * max(before.shape)
    box = [
        max(0, rows[0] - room),
        max(0, columns[0] - room),
        min(before.shape[0], rows[-1] + 1 + room),
        min(before.shape[1], columns[-1] + 1 + room),
    ]
    row, column, _ = next_click(before)
    return model.segment(picture, boxes=[box], points=[(row, column)], mask=before)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice overlap of two masks, of which the first is not empty."""
    return 2 * (one & other).sum() / (one.sum() + other.sum())
