"""Who trains and who is asked: a label of a cohort as classes, split by patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError
from ipiu.names import nearest

MOST = 20  # classes; what has more values is a measurement


@dataclass(frozen=True)
class Labelled:
    """Patients with a label.

    Attributes
    ----------
    train, test
        class of each patient as whole numbers from 0, by id; no patient is in both
    classes
        what the numbers stand for
    """

    train: pd.Series
    test: pd.Series
    classes: tuple


def labelled(
    cohort: Cohort, label: str | pd.Series, *, test: float | Sequence[str] = 0.5, share: float = 1.0, seed: int = 0
) -> Labelled:
    """The patients of a cohort, split into those that train and those that are asked.

    Parameters
    ----------
    cohort
        the patients
    label
        a column of ``cohort.table()`` with classes, or a series of classes by id
    test
        the share of patients that is held out, or their ids
    share
        of the training patients, whose labels are used: at least one of each class, drawn anew by each ``seed``
    seed
        of the share. Which patients are held out does not depend on it, so that draws can be compared

    Raises
    ------
    IpiuError
        Where the label is not known, missing in a patient or no class, or a class has no patient to train on.

    Examples
    --------
    >>> import ipiu
    >>> from ipiu.tasks.labelled import labelled
    >>> found = labelled(ipiu.DigitalCohort(20, seed=0, parts=()), "hypertension", test=0.5)
    >>> len(found.train), len(found.test), found.classes
    (10, 10, (False, True))
    """
    values = (label if isinstance(label, pd.Series) else _column(cohort, label)).reindex(list(cohort.ids))
    truth, classes = _codes(values)
    asked = cohort.split(1 - test)[1].ids if isinstance(test, float) else tuple(test)
    unknown = [name for name in asked if name not in truth.index]
    if unknown:
        msg = f"the cohort has no patient {unknown[0]!r} to be tested; give ids of the cohort"
        raise IpiuError(msg)
    known = truth.drop(list(asked))
    lacking = set(range(len(classes))) - set(known)
    if lacking:
        msg = (
            f"none of the {len(known)} patients that train is {values.name}={classes[min(lacking)]}; take more patients"
        )
        raise IpiuError(msg)
    return Labelled(_share(known, share, seed), truth.loc[list(asked)], classes)


def _column(cohort: Cohort, label: str) -> pd.Series:
    """A label of each patient."""
    table = cohort.table()
    if label not in table:
        msg = f"the cohort has no label {label!r}; {nearest(label, table.columns)}"
        raise IpiuError(msg)
    return table[label]


def _codes(values: pd.Series) -> tuple[pd.Series, tuple]:
    """Classes as whole numbers in sorted order."""
    if values.isna().any():
        lacking = values.index[values.isna()]
        msg = f"{len(lacking)} patients have no {values.name}, the first is {lacking[0]!r}; leave them out with subset"
        raise IpiuError(msg)
    classes = sorted(values.unique().tolist())
    if not 2 <= len(classes) <= MOST:
        msg = f"{values.name} has {len(classes)} different values; give 2 to {MOST} classes, such as table['age'] > 60"
        raise IpiuError(msg)
    return values.map({value: place for place, value in enumerate(classes)}).astype(int), tuple(classes)


def _share(truth: pd.Series, share: float, seed: int) -> pd.Series:
    """A share of the patients, drawn class by class so that none is lost; in the order of the cohort."""
    if not 0 < share <= 1:
        msg = f"share={share} must be above 0 and at most 1"
        raise IpiuError(msg)
    draw = np.random.default_rng(seed)
    places = [draw.permutation(np.flatnonzero(truth == value)) for value in np.unique(truth)]
    kept = np.concatenate([found[: max(1, round(share * len(found)))] for found in places])
    return truth.iloc[np.sort(kept)]
