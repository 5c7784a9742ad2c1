"""What a network leaves lying about: parts of an organ far smaller than the organ."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import find_objects, label

SMALL = 0.05  # of the largest part


def clean_up(scores: torch.Tensor, *, largest: bool = False) -> None:
    """Take small parts out of every class, in place; a voxel that is taken goes to the class with the next score.

    Parameters
    ----------
    scores
        (class, i, j, k), background first
    largest
        keep the largest part of each class alone, instead of all above a twentieth of it
    """
    winner = scores.argmax(0).numpy()
    for number, box in enumerate(find_objects(winner), start=1):
        if box is None:
            continue
        parts, n = label(winner[box] == number)
        if n < 2:
            continue
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        kept = np.arange(n + 1) == sizes.argmax() if largest else sizes >= SMALL * sizes.max()
        kept[0] = True
        dropped = torch.from_numpy(~kept[parts])
        scores[number][box][dropped] = scores.min() - 1
