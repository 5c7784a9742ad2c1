"""Segmentation measured: Dice, normalised surface distance and HD95 a label, in mm, with intervals over patients."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from ipiu.assess.bootstrap import bootstrap
from ipiu.errors import IpiuError, require

if TYPE_CHECKING:
    import pandas as pd

# what is bounded is averaged; of distances, which a miss makes infinite, the median is taken
METRICS = {"Dice": np.mean, "NSD": np.mean, "HD95": np.median}


def scores(
    predicted: torch.Tensor,
    truth: torch.Tensor,
    *,
    labels: Mapping[int, str] | None = None,
    tolerance: float = 3.0,
    distances: bool = True,
) -> pd.DataFrame:
    """Dice, NSD and HD95 of one patient, one row a label.

    The distances are MONAI's, between the voxels at the two borders, each label within its own box.

    Parameters
    ----------
    predicted, truth
        label maps of whole numbers, (1, i, j, k) or, of a picture, (1, row, column); MetaTensors with an affine to mm,
        or tensors without one, whose distances are then in voxels
    labels
        value -> name of the structures that are measured; ``truth.meta["labels"]`` unless given, else each value found
    tolerance
        how far apart two borders may be and still agree, in mm (NSD)
    distances
        False leaves out NSD and HD95, which take nearly all of the time

    Returns
    -------
    pandas.DataFrame
        index: the name of the label; columns Dice, NSD (both 0 to 1), HD95 (mm), ``truth`` and ``predicted``
        (voxels). Where neither mask has the label, all three are NaN: there is nothing to overlap. Where only one has
        it, Dice and NSD are 0 and HD95 is infinite, so that leaving a structure out is never rewarded.

    Raises
    ------
    IpiuError
        Where the two have another geometry, or hold no whole numbers.

    Notes
    -----
    Maier-Hein, L. et al. (2024). Metrics reloaded. https://doi.org/10.1038/s41592-023-02151-z: what a method failed to
    give takes the worst value. Nikolov, S. et al. (2021) define the NSD: https://doi.org/10.2196/26151.

    Examples
    --------
    >>> import torch
    >>> from ipiu.assess.segmentation import scores
    >>> square = torch.zeros(1, 8, 8, dtype=torch.uint8)
    >>> square[0, 2:6, 2:6] = 1
    >>> float(scores(square, square, labels={1: "square"}).loc["square", "Dice"])
    1.0
    """
    import pandas as pd

    spacing = _spacing(predicted, truth)
    maps = [_whole(name, mask) for name, mask in (("predicted", predicted), ("truth", truth))]
    if labels is None:
        labels = getattr(truth, "meta", {}).get("labels") or _found(maps)
    boxes = [_boxes(mask, max(labels, default=0)) for mask in maps]
    rows = []
    for value in labels:
        box = _around([found[value - 1] for found in boxes], maps[0].shape)
        pair = [torch.from_numpy(mask[box] == value) for mask in maps]
        rows.append(_row(*pair, spacing=spacing, tolerance=tolerance, distances=distances))
    return pd.DataFrame(rows, index=pd.Index(labels.values(), name="label"))


def summary(scored: Mapping[str, pd.DataFrame], *, n: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The scores of many patients as one table, with 95 % intervals over patients.

    Parameters
    ----------
    scored
        patient -> what :func:`scores` returned
    n, seed
        of the bootstrap

    Returns
    -------
    pandas.DataFrame
        index: the label; for each metric the mean (of HD95 the median, a miss counted as infinitely far) as an
        :class:`~ipiu.assess.bootstrap.Estimate`; ``n`` patients in whom either mask has the label, and of those the
        number ``missed`` (in the truth alone) and ``invented`` (in the prediction alone)
    """
    import pandas as pd

    together = pd.concat(scored, names=["patient", "label"])
    rows = {}
    for name, label in together.groupby("label", sort=False):
        seen = label[(label["truth"] > 0) | (label["predicted"] > 0)]
        row = {m: bootstrap(how, seen[m], n=n, seed=seed) for m, how in METRICS.items() if m in seen and len(seen)}
        missed, invented = (seen["predicted"] == 0).sum(), (seen["truth"] == 0).sum()
        rows[name] = row | {"n": len(seen), "missed": int(missed), "invented": int(invented)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")


def _row(predicted: torch.Tensor, truth: torch.Tensor, *, spacing: tuple, tolerance: float, distances: bool) -> dict:
    """The scores of one label."""
    voxels = {"truth": int(truth.sum()), "predicted": int(predicted.sum())}
    if not any(voxels.values()):
        found = {"Dice": np.nan, "NSD": np.nan, "HD95": np.nan}
    elif not all(voxels.values()):
        found = {"Dice": 0.0, "NSD": 0.0, "HD95": np.inf}
    else:
        compute_dice = require("monai.metrics", extra="assess").compute_dice
        found = {"Dice": float(compute_dice(predicted[None, None], truth[None, None]))}
        if distances:
            found |= _surfaces(predicted, truth, spacing, tolerance)
    return {name: value for name, value in found.items() if distances or name == "Dice"} | voxels


def _surfaces(predicted: torch.Tensor, truth: torch.Tensor, spacing: tuple, tolerance: float) -> dict[str, float]:
    """NSD and HD95 from MONAI's distances between the two borders; its two metrics would measure them twice."""
    from monai.metrics.utils import get_edge_surface_distance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI calls a function of its own in a way it gives up
        _, (there, back), _ = get_edge_surface_distance(predicted, truth, spacing=spacing, symmetric=True)
    close = (there <= tolerance).sum() + (back <= tolerance).sum()
    far = max(float(torch.quantile(there, 0.95)), float(torch.quantile(back, 0.95)))
    return {"NSD": float(close / (len(there) + len(back))), "HD95": far}


def _spacing(predicted: torch.Tensor, truth: torch.Tensor) -> tuple[float, ...]:
    """The width of the voxels that both share."""
    dims = len(truth.shape) - 1
    if tuple(predicted.shape) != tuple(truth.shape) or dims not in (2, 3) or truth.shape[0] != 1:
        msg = (
            f"the mask has the shape {tuple(predicted.shape)} and the reference {tuple(truth.shape)}; "
            "both must be (1, i, j, k) or (1, row, column) on one grid: resample the mask first"
        )
        raise IpiuError(msg)
    affines = [np.asarray(mask.affine) if hasattr(mask, "affine") else None for mask in (predicted, truth)]
    if affines[0] is not None and affines[1] is not None and not np.allclose(*affines, rtol=0, atol=1e-2):
        where = [np.array2string(affine[:-1, -1], precision=1) for affine in affines]
        wide = [np.array2string(np.linalg.norm(affine[:-1, :-1], axis=0), precision=2) for affine in affines]
        msg = (
            f"the mask lies at {where[0]} with voxels of {wide[0]} mm, the reference at {where[1]} with {wide[1]} mm, "
            "or one is turned; resample the mask onto the reference first"
        )
        raise IpiuError(msg)
    known = next((affine for affine in affines if affine is not None), np.eye(dims + 1))
    return tuple(float(width) for width in np.linalg.norm(known[:-1, :-1], axis=0)[:dims])


def _whole(name: str, mask: torch.Tensor) -> np.ndarray:
    """A label map as an array of whole numbers, without its channel."""
    values = np.asarray(mask)[0]
    if values.dtype == bool or values.dtype.kind in "iu":
        return np.ascontiguousarray(values.astype(np.uint8 if values.max(initial=0) < 256 else np.int32))
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or values.min(initial=0) < 0:
        msg = f"the {name} mask holds values that are no whole numbers from 0; threshold it first"
        raise IpiuError(msg)
    return values.astype(np.int32)


def _found(maps: list[np.ndarray]) -> dict[int, str]:
    """The values that stand in either map, as their own names."""
    values = np.union1d(*(np.unique(mask) for mask in maps))
    return {int(value): str(value) for value in values if value}


def _boxes(mask: np.ndarray, largest: int) -> list[tuple[slice, ...] | None]:
    """The box of each value from 1, None where it is not found."""
    return require("scipy.ndimage", extra="assess").find_objects(mask, max_label=largest)


def _around(boxes: list[tuple[slice, ...] | None], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A box that holds all, with one voxel of air, in which surfaces and distances are those of the whole."""
    present = [box for box in boxes if box is not None]
    if not present:
        return tuple(slice(0, 0) for _ in shape)
    axes = zip(*present, strict=True)
    return tuple(slice(max(min(s.start for s in a) - 1, 0), max(s.stop for s in a) + 1) for a in axes)
