"""Classification measured: ranking, decisions at a threshold, and calibration, with intervals over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from ipiu.assess.bootstrap import bootstrap
from ipiu.errors import IpiuError, require
from ipiu.names import nearest

if TYPE_CHECKING:
    import pandas as pd


def classification(
    truth: Sequence,
    probability: Sequence,
    *,
    metrics: Sequence[str] = ("AUROC", "average precision", "balanced accuracy", "calibration error"),
    threshold: float = 0.5,
    groups: Sequence | None = None,
    n: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """How well predicted probabilities agree with the truth.

    Parameters
    ----------
    truth
        (N,) of 0 and 1, or whole numbers from 0 where there are more than two classes
    probability
        (N,) of class 1, or (N, classes), from 0 to 1
    metrics
        of :data:`METRICS`. ``AUROC``: the chance that a patient with the finding ranks above one without.
        ``average precision``: the area under precision against recall; chance is the prevalence.
        ``balanced accuracy``: the mean share of each class that is found; chance is 1/classes.
        ``sensitivity`` and ``specificity``: the shares of patients with and without the finding that are called right.
        ``calibration error``: the mean gap between confidence and accuracy in 15 bins (ECE), 0 is best. Of more
        than two classes, the first two are means over one class against the rest, and sensitivity and specificity
        are refused
    threshold
        a probability above it is called positive; of more than two classes the likeliest is called
    groups
        the patient of each row, where a patient has several
    n, seed
        of the bootstrap

    Returns
    -------
    pandas.DataFrame
        index: the metric; columns ``value``, ``low`` and ``high`` (95 %), ``n`` rows and ``positive`` of them (with
        several classes: not of class 0)

    Raises
    ------
    IpiuError
        Where a probability is not one, the two differ in length, only one class is there, or a metric is not known.

    Notes
    -----
    ECE: Guo, C. et al. (2017). https://arxiv.org/abs/1706.04599.

    Examples
    --------
    >>> from ipiu.assess.classification import classification
    >>> float(classification([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).loc["AUROC", "value"])
    0.75
    """
    import pandas as pd

    truth, probability = _checked(truth, probability)
    several = probability.ndim == 2
    known = [name for name in METRICS if not (several and name in ("sensitivity", "specificity"))]
    unknown = [metric for metric in metrics if metric not in known]
    if unknown:
        classes = probability.shape[1] if several else "two"
        msg = f"there is no metric {unknown[0]!r} of {classes} classes; {nearest(unknown[0], known)}"
        raise IpiuError(msg)
    rows = {}
    for metric in metrics:
        measure = partial(_where_all, METRICS[metric](threshold))
        found = bootstrap(measure, truth, probability, groups=groups, n=n, seed=seed)
        rows[metric] = {"value": found.value, "low": found.low, "high": found.high}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
    return table.assign(n=len(truth), positive=int((truth > 0).sum()))


def auroc(truth: np.ndarray, probability: np.ndarray) -> float:
    """The chance that a row of class 1 ranks above one of class 0, ties counted half (Mann and Whitney's U)."""
    positive = truth.sum()
    ranks = _rankdata()(probability)
    return (ranks[truth == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive))


@cache
def _rankdata() -> Callable:
    return require("scipy.stats", extra="assess").rankdata


def average_precision(truth: np.ndarray, probability: np.ndarray) -> float:
    """Precision at each distinct probability, weighted by the recall that is gained there."""
    order = np.argsort(-probability, kind="stable")
    # rows of equal probability are called together, so only the last of them is a threshold
    last = np.append(np.diff(probability[order]) != 0, True)
    found = np.cumsum(truth[order])[last]
    called = np.flatnonzero(last) + 1
    return float(np.sum(found / called * np.diff(found, prepend=0)) / truth.sum())


def calibration_error(truth: np.ndarray, probability: np.ndarray, *, bins: int = 15) -> float:
    """The gap between mean confidence and accuracy in bins of equal width, weighted by their rows (ECE)."""
    if probability.ndim == 2:
        truth, probability = probability.argmax(1) == truth, probability.max(1)
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, probability - truth)).sum() / len(truth))


def recall(truth: np.ndarray, called: np.ndarray, value: int) -> float:
    """The share of a class that is called so: sensitivity for class 1, specificity for class 0."""
    return float(np.mean(called[truth == value] == value))


def _each(measure: Callable) -> Callable:
    """A metric of two classes; of more, its mean over one class against the rest."""

    def measured(truth: np.ndarray, probability: np.ndarray) -> float:
        if probability.ndim == 1:
            return measure(truth, probability)
        return np.mean([measure((truth == c).astype(int), column) for c, column in enumerate(probability.T)])

    return measured


def _recalls(truth: np.ndarray, probability: np.ndarray, *, threshold: float, values: tuple[int, ...] | None) -> float:
    """The mean recall of some classes, or of all."""
    called = (probability > threshold).astype(int) if probability.ndim == 1 else probability.argmax(1)
    return np.mean([recall(truth, called, value) for value in values or np.unique(truth)])


# a thousand resamples of each ask for functions of microseconds; the tests hold them to scikit-learn and torchmetrics
METRICS = {
    "AUROC": lambda threshold: _each(auroc),
    "average precision": lambda threshold: _each(average_precision),
    "balanced accuracy": lambda threshold: partial(_recalls, threshold=threshold, values=None),
    "sensitivity": lambda threshold: partial(_recalls, threshold=threshold, values=(1,)),
    "specificity": lambda threshold: partial(_recalls, threshold=threshold, values=(0,)),
    "calibration error": lambda threshold: calibration_error,
}


def _where_all(measure: Callable, truth: np.ndarray, probability: np.ndarray) -> float:
    """A metric, or NaN where a class was not drawn."""
    classes = 2 if probability.ndim == 1 else probability.shape[1]
    return float(measure(truth, probability)) if np.bincount(truth, minlength=classes).all() else float("nan")


def _checked(truth: Sequence, probability: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays that can be measured."""
    truth, probability = np.asarray(truth), np.asarray(probability, dtype=np.float32)
    if len(truth) != len(probability):
        msg = f"{len(truth)} true classes and {len(probability)} probabilities; give one of each a row"
        raise IpiuError(msg)
    if not np.isfinite(probability).all() or probability.min() < 0 or probability.max() > 1:
        span = f"{probability.min():.3g} to {probability.max():.3g}"
        msg = f"scores from {span} are no probabilities; give them from 0 to 1"
        raise IpiuError(msg)
    if truth.dtype.kind == "f" and np.isnan(truth).any():
        msg = f"{int(np.isnan(truth).sum())} true classes are missing (NaN); leave those patients out"
        raise IpiuError(msg)
    truth = truth.astype(np.int64)
    classes = 2 if probability.ndim == 1 else probability.shape[1]
    if len(np.unique(truth)) < 2 or truth.min() < 0 or truth.max() >= classes:
        found = np.unique(truth).tolist()
        msg = f"{len(truth)} rows hold the true classes {found}; at least two of the {classes} from 0 are needed"
        raise IpiuError(msg)
    return truth, probability
