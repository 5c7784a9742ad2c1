"""An interval around any number, by drawing the patients again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ipiu.errors import IpiuError


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; prints as ``0.87 (0.84 to 0.90)``, and takes a format such as ``f"{e:.3f}"``."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec or ".2f") for number in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"

    def __str__(self) -> str:
        return format(self, "")


def bootstrap(
    statistic: Callable[..., float],
    *arrays: Sequence,
    groups: Sequence | None = None,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """A statistic of paired arrays with its percentile interval over patients.

    Parameters
    ----------
    statistic
        takes as many arrays as are given and returns a number; a resample on which it is NaN is left out, such as an
        AUROC where one class was not drawn
    arrays
        rows that belong together, equally many in each
    groups
        the patient of each row: patients are drawn, with all their rows. Without it each row is a patient
    n
        number of resamples
    seed
        the same seed gives the same interval
    level
        of the interval

    Returns
    -------
    Estimate
        the statistic of all rows, and the interval; its ends are NaN where there are fewer than two patients

    Raises
    ------
    IpiuError
        Where the arrays differ in length or have no row.

    Notes
    -----
    Efron, B. (1979). Bootstrap methods: another look at the jackknife. https://doi.org/10.1214/aos/1176344552.
    Rows of one patient are alike, so an interval over rows would be too narrow. The interval is that of
    :func:`scipy.stats.bootstrap` with ``method="percentile"``, which knows neither groups nor resamples to leave out.

    Examples
    --------
    >>> import numpy as np
    >>> from ipiu.assess.bootstrap import bootstrap
    >>> print(bootstrap(np.mean, [0.8, 0.9, 0.7, 0.8, 0.9, 0.8]))
    0.82 (0.77 to 0.87)
    """
    columns = [np.asarray(array) for array in arrays]
    rows = _rows(columns, groups)
    value = float(statistic(*columns))
    if len(rows) < 2:
        return Estimate(value, float("nan"), float("nan"))

    def again(drawn: np.ndarray) -> float:
        kept = np.concatenate([rows[patient] for patient in drawn]) if groups is not None else drawn
        return float(statistic(*(column[kept] for column in columns)))

    drawings = np.random.default_rng(seed).integers(0, len(rows), (n, len(rows)))
    found = np.array([again(drawn) for drawn in drawings])
    found = found[~np.isnan(found)]
    if not len(found):
        return Estimate(value, float("nan"), float("nan"))
    # infinity, such as a distance to nothing, takes no part in an interpolation
    method = "linear" if np.isfinite(found).all() else "inverted_cdf"
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], method=method)
    return Estimate(value, float(low), float(high))


def _rows(columns: list[np.ndarray], groups: Sequence | None) -> list[np.ndarray]:
    """The rows of each patient."""
    lengths = [len(column) for column in columns] + ([] if groups is None else [len(groups)])
    if len(set(lengths)) != 1 or not lengths[0]:
        msg = f"the arrays have {' and '.join(map(str, lengths))} rows; give equally many, at least one"
        raise IpiuError(msg)
    if groups is None:
        return list(np.arange(lengths[0])[:, None])
    import pandas as pd

    patients, names = pd.factorize(np.asarray(groups))
    return [np.flatnonzero(patients == patient) for patient in range(len(names))]
