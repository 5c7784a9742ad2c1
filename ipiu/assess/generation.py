"""Generated pictures measured: how far from real ones, how unlike one another, and how many are copies."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ipiu.assess.bootstrap import Estimate, bootstrap
from ipiu.errors import IpiuError

FINEST = 11  # pixels, the kernel of SSIM


@dataclass(frozen=True)
class Frechet:
    """A Fréchet distance with what it means nothing without: the encoder and the numbers of pictures."""

    estimate: Estimate
    encoder: str
    generated: int
    real: int

    def __str__(self) -> str:
        return f"{self.estimate:.3g} by {self.encoder}, {self.generated} generated against {self.real} real"


@dataclass(frozen=True)
class Copies:
    """How many generated pictures lie closer to a training picture than real ones do.

    Attributes
    ----------
    share
        of the generated pictures whose nearest training picture is closer than ``threshold``. Where the generator
        copies nothing and draws as real pictures are, it is about ``quantile``
    threshold
        distance below which only ``quantile`` of held-out real pictures have a training picture
    distance, nearest
        of each generated picture, (n,): how far its nearest training picture is, and which one that is
    held_out
        distance of each held-out real picture to its nearest training picture
    """

    share: Estimate
    quantile: float
    threshold: float
    distance: np.ndarray
    nearest: np.ndarray
    held_out: np.ndarray


def frechet(generated: np.ndarray, real: np.ndarray, *, encoder: str, n: int = 200, seed: int = 0) -> Frechet:
    """Fréchet distance between the features of generated and of real pictures, each taken for a Gaussian.

    It is 0 where mean and covariance agree, and has the unit of the features squared. Distances by different encoders,
    or of different numbers of pictures, cannot be compared: few pictures make it larger. Compare with the distance
    between two sets of real pictures that are as many.

    Parameters
    ----------
    generated, real
        features (pictures, numbers); more pictures than numbers in each, or the covariances are singular
    encoder
        what made the features, such as ``ipiu-tiny-mae, 16 principal components``
    n
        number of resamples

    Returns
    -------
    Frechet
        the interval is the value and 1.96 standard deviations of its resamples to either side: resampled sets hold
        pictures twice and are always too far apart, so their percentiles would miss the value

    Raises
    ------
    IpiuError
        Where there are too few pictures, or features of another length or not finite.

    References
    ----------
    Heusel, M. et al. (2017). https://doi.org/10.48550/arXiv.1706.08500, by :class:`monai.metrics.FIDMetric`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> here, there = rng.normal(0, 1, (500, 2)), rng.normal(3, 1, (500, 2))
    >>> round(frechet(here, there, encoder="none").estimate.value)  # 3 squared, twice
    18
    """
    from monai.metrics import FIDMetric
    from scipy.stats import bootstrap as resampled

    one, two = (_features(name, values, wide=True) for name, values in (("generated", generated), ("real", real)))
    if one.shape[1] != two.shape[1]:
        msg = f"the features have {one.shape[1]} and {two.shape[1]} numbers; make both with one encoder"
        raise IpiuError(msg)
    metric = FIDMetric()

    def distance(some: np.ndarray, others: np.ndarray) -> float:
        return float(metric(torch.from_numpy(one[some]), torch.from_numpy(two[others])))

    places = (np.arange(len(one)), np.arange(len(two)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `disp` argument", DeprecationWarning)  # MONAI's call of scipy
        value = max(0.0, distance(*places))  # a hair below 0 by rounding
        drawn = resampled(places, distance, n_resamples=n, vectorized=False, method="percentile", rng=seed)
    reach = 1.96 * float(drawn.standard_error)
    return Frechet(Estimate(value, max(0.0, value - reach), value + reach), encoder, len(one), len(two))


def diversity(pictures: torch.Tensor, *, data_range: float = 1.0, seed: int = 0) -> Estimate:
    """Mean MS-SSIM between pictures drawn in pairs: 1 where all are the same, lower where they differ.

    Parameters
    ----------
    pictures
        (n, channel, row, column) or (n, channel, i, j, k); each is in one pair
    data_range
        the greatest less the least intensity that is possible

    Returns
    -------
    Estimate
        compare it with that of real pictures, which are alike too

    References
    ----------
    Odena, A., Olah, C., Shlens, J. (2017). https://doi.org/10.48550/arXiv.1610.09585; MS-SSIM by
    :class:`monai.metrics.MultiScaleSSIMMetric`, with as many scales as the size allows.

    Examples
    --------
    >>> print(diversity(torch.rand(1, 1, 64, 64).expand(8, -1, -1, -1)))
    1.00 (1.00 to 1.00)
    """
    from monai.metrics import MultiScaleSSIMMetric

    values = torch.as_tensor(pictures).float()
    values = values.as_tensor() if hasattr(values, "as_tensor") else values
    if values.ndim not in (4, 5) or len(values) < 4 or min(values.shape[2:]) < FINEST:
        shape = tuple(values.shape)
        msg = f"pictures of shape {shape}; give (n, channel, row, column), n of 4 and sides of {FINEST} pixels or more"
        raise IpiuError(msg)
    scales = next(s for s in (5, 4, 3, 2, 1) if min(values.shape[2:]) // max(2 ** (s - 1), (s - 1) ** 2) >= FINEST)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    metric = MultiScaleSSIMMetric(
        values.ndim - 2, data_range=data_range, weights=tuple(weights / weights.sum()), reduction="none"
    )
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    half = len(order) // 2
    likeness = metric(values[order[:half]], values[order[half : 2 * half]])
    return bootstrap(np.mean, likeness.numpy().ravel(), seed=seed)


def copies(
    generated: np.ndarray, training: np.ndarray, held_out: np.ndarray, *, quantile: float = 0.05, seed: int = 0
) -> Copies:
    """Look for the training picture nearest to each generated one, with held-out real pictures as the yardstick.

    Parameters
    ----------
    generated, training, held_out
        features or pixels, (pictures, ...); ``training`` all the generator has seen, ``held_out`` real and never seen
    quantile
        of the held-out distances that marks what is suspiciously close

    Notes
    -----
    A generator whose pictures are smoother than real ones is close to everything, and flagged without having copied:
    look at the pairs.

    References
    ----------
    Carlini, N. et al. (2023). https://doi.org/10.48550/arXiv.2301.13188.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> training, fresh = rng.normal(size=(300, 8)), rng.normal(size=(200, 8))
    >>> copies(training[:50], training, fresh).share.value  # each one a copy
    1.0
    """
    from sklearn.neighbors import NearestNeighbors

    sets = {"generated": generated, "training": training, "held_out": held_out}
    made, seen, fresh = (_features(name, values) for name, values in sets.items())
    if not made.shape[1] == seen.shape[1] == fresh.shape[1]:
        msg = f"rows of {made.shape[1]}, {seen.shape[1]} and {fresh.shape[1]} numbers; make all three in one way"
        raise IpiuError(msg)
    if not 0 < quantile < 1 or quantile * len(fresh) < 1:
        msg = f"quantile={quantile} of {len(fresh)} held-out pictures is less than one; give more, or a larger quantile"
        raise IpiuError(msg)
    search = NearestNeighbors(n_neighbors=1).fit(seen)
    distance, nearest = (found[:, 0] for found in search.kneighbors(made))
    yardstick = search.kneighbors(fresh)[0][:, 0]
    share = _two_sample(lambda one, two: np.mean(one < np.quantile(two, quantile)), distance, yardstick, seed)
    threshold = float(np.quantile(yardstick, quantile))
    return Copies(share, quantile, threshold, distance, nearest, yardstick)


def _two_sample(statistic: Callable[..., float], one: np.ndarray, two: np.ndarray, seed: int) -> Estimate:
    """A statistic of two independent samples with its percentile interval."""
    from scipy.stats import bootstrap as resampled

    drawn = resampled((one, two), statistic, n_resamples=1000, vectorized=False, method="percentile", rng=seed)
    low, high = drawn.confidence_interval
    return Estimate(float(statistic(one, two)), float(low), float(high))


def _features(name: str, values: np.ndarray, *, wide: bool = False) -> np.ndarray:
    """Rows of finite numbers; with ``wide``, more rows than numbers in each."""
    rows = np.asarray(values, dtype=np.float64)
    rows = rows.reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        msg = f"{name} holds numbers that are not finite; look at the pictures behind them"
        raise IpiuError(msg)
    if len(rows) < 2 or (wide and len(rows) <= rows.shape[1]):
        msg = (
            f"{name} has {len(rows)} pictures and {rows.shape[1]} numbers each; give more pictures than numbers, "
            "such as fewer principal components"
        )
        raise IpiuError(msg)
    return rows
