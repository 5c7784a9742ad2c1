"""Clicks as an experimenter simulates them: the middle of what is meant, then the middle of the largest mistake.

The protocol is that of interactive segmentation, as in RITM (Sofiiuk et al. 2022, DOI 10.1109/ICIP46576.2022.9897365)
and Segment Anything (Kirillov et al. 2023, DOI 10.1109/ICCV51070.2023.00371).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt, label

if TYPE_CHECKING:
    import pandas as pd

    from ipiu.cases.case import Case
    from ipiu.models.promptable import Encoded, Outline, Promptable


def next_click(truth: np.ndarray, mask: np.ndarray | None = None) -> tuple[int, int, bool] | None:
    """Where one would click next.

    Parameters
    ----------
    truth
        what is to be outlined, bool (row, column)
    mask
        what is outlined so far; without it the first click is placed

    Returns
    -------
    row, column, positive
        the pixel of the largest connected mistake that lies furthest from its rim; ``positive`` where it belongs to
        the structure. None where nothing is wrong.

    Examples
    --------
    >>> truth = np.zeros((9, 9), bool)
    >>> truth[2:7, 2:7] = True
    >>> next_click(truth)
    (4, 4, True)
    """
    wrong = truth if mask is None else truth != mask
    if not wrong.any():
        return None
    missed, extra = (_largest(wrong & side) for side in (truth, ~truth))
    positive = missed.sum() >= extra.sum()
    # the rim of the picture is a rim, too
    depth = distance_transform_edt(np.pad(missed if positive else extra, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(row), int(column), bool(positive)


def refine(model: Promptable, encoded: Encoded, truth: np.ndarray, n: int = 5) -> Iterator[Outline]:
    """Outline something click by click, each answer refined by the next click.

    Parameters
    ----------
    model, encoded
        the model, and the picture as it encoded it
    truth
        what is to be outlined, bool (row, column)
    n
        number of clicks; where nothing is wrong any more the answer stays

    Yields
    ------
    Outline
        after each click
    """
    outline, clicks = None, {True: [], False: []}
    for _ in range(n):
        click = next_click(truth, None if outline is None else outline.mask)
        if click is not None:
            clicks[click[2]].append(click[:2])
            outline = model.segment(encoded, points=clicks[True], negative=clicks[False], mask=outline)
        yield outline


def click_table(
    model: Promptable, cases: Iterable[Case], *, clicks: int = 5, most: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Dice after each click, of every structure of digital patients that is large enough to point at.

    Parameters
    ----------
    model
        promptable
    cases
        digital patients; of each structure one picture is drawn, see :func:`ipiu.models.structures.examples`
    clicks
        how many
    most
        structures of a patient that were trained, and as many that were held out, drawn at random; None takes all
    seed
        of what is drawn

    Returns
    -------
    DataFrame
        patient, part, structure, held out, click (from 1), dice, expected (the overlap that the model expects)
    """
    import pandas as pd

    from ipiu.models.structures import examples

    rows = []
    for number, case in enumerate(cases):
        rng = np.random.default_rng([seed, number])
        found = list(examples(case, rng))
        for place in sorted(_some([one[0].held_out for one in found], most, rng)):
            structure, picture, truth = found[place]
            what = (case.id, structure.part, structure.name, structure.held_out)
            for n, outline in enumerate(refine(model, model.encode(picture), truth, clicks), 1):
                rows.append((*what, n, dice(truth, outline.mask), float(outline.scores[0])))
    return pd.DataFrame(rows, columns=["patient", "part", "structure", "held out", "click", "dice", "expected"])


def _some(held_out: list[bool], most: int | None, rng: np.random.Generator) -> list[int]:
    """Places of at most so many of either kind."""
    order = [int(place) for place in rng.permutation(len(held_out))]
    return [place for kind in (False, True) for place in [p for p in order if held_out[p] is kind][:most]]


def dice(truth: np.ndarray, mask: np.ndarray) -> float:
    """Dice overlap of two bool masks, of which the first is not empty."""
    return float(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece."""
    pieces, n = label(mask)
    return mask if n < 2 else pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
