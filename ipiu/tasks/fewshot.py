"""A few examples instead of training: the class whose mean example is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ipiu.assess.classification import METRICS
from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError
from ipiu.tasks.features import encoded
from ipiu.tasks.labelled import Labelled, labelled
from ipiu.tasks.result import Result, measured

if TYPE_CHECKING:
    import pandas as pd

    from ipiu.models.encoder import Encoder

TEMPERATURE = 0.1  # of the softmax over cosine similarities


def fewshot(
    model: Encoder | pd.DataFrame,
    cohort: Cohort,
    label: str | pd.Series,
    *,
    k: int = 5,
    draws: int = 20,
    image: str = "radiograph",
    test: float | Sequence[str] = 0.5,
    seed: int = 0,
) -> Result:
    """Show ``k`` patients of each class, and call every other patient by the nearest class mean (cosine).

    Which examples are shown matters more than anything else when they are few, so it is done ``draws`` times.

    Parameters
    ----------
    model
        an encoder, or what :func:`~ipiu.tasks.features.features` made of the cohort
    cohort, label, image, test
        as for :func:`~ipiu.tasks.probe.probe`
    k
        examples of each class
    draws
        how often examples are drawn
    seed
        of the draws

    Returns
    -------
    Result
        probabilities, averaged over the draws; the table gives the mean of each metric over the draws and, as ``low``
        and ``high``, the range that holds 95 % of the draws, not an interval over patients

    Raises
    ------
    IpiuError
        Where a class has fewer than ``k`` patients that are not held out.

    Notes
    -----
    Snell, J. et al. (2017). Prototypical networks for few-shot learning. https://arxiv.org/abs/1703.05175
    """
    split = labelled(cohort, label, test=test)
    seen = encoded(model, cohort, **({"image": image} if hasattr(model, "encode") else {}))
    _enough(split, k)
    # directions from the mean of the training patients: all pictures of one kind point much the same way
    known, asked = (seen.loc[part.index].to_numpy() for part in (split.train, split.test))
    middle, spread = known.mean(0), known.std(0) + 1e-6
    known, asked = ((rows - middle) / spread for rows in (known, asked))
    draw, truth = np.random.default_rng(seed), split.train.to_numpy()
    each = [_called(known, truth, asked, k, draw) for _ in range(draws)]
    result = measured(split, np.mean(each, axis=0), seed=seed)
    values = np.array([_values(split, found, result.table.index) for found in each])
    spread = dict(zip(("low", "high"), np.quantile(values, [0.025, 0.975], axis=0), strict=True))
    return Result(result.predictions, result.table.assign(value=values.mean(0), **spread), k * len(split.classes))


def _called(known: np.ndarray, truth: np.ndarray, asked: np.ndarray, k: int, draw: np.random.Generator) -> np.ndarray:
    """Probabilities (asked, classes) after one draw of examples."""
    classes = np.unique(truth)
    shown = [draw.choice(np.flatnonzero(truth == value), k, replace=False) for value in classes]
    means = np.stack([known[places].mean(0) for places in shown])
    likeness = _unit(asked) @ _unit(means).T / TEMPERATURE
    likeness = np.exp(likeness - likeness.max(1, keepdims=True))
    return likeness / likeness.sum(1, keepdims=True)


def _values(split: Labelled, probability: np.ndarray, metrics: pd.Index) -> list[float]:
    """The metrics of one draw."""
    asked = probability[:, 1] if len(split.classes) == 2 else probability
    return [METRICS[name](0.5)(split.test.to_numpy(), asked) for name in metrics]


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def _enough(split: Labelled, k: int) -> None:
    """Refuse more examples than there are."""
    counts = split.train.value_counts()
    if k < 1 or counts.min() < k:
        rare = split.classes[counts.idxmin()]
        msg = f"k={k} examples of each class, but only {counts.min()} patients of class {rare}; choose k from 1 to that"
        raise IpiuError(msg)
