"""Probes: how much of a label a simple classifier finds in features that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError, require
from ipiu.names import nearest
from ipiu.tasks.features import encoded
from ipiu.tasks.labelled import labelled
from ipiu.tasks.result import Result, measured

if TYPE_CHECKING:
    import pandas as pd

    from ipiu.models.encoder import Encoder

KINDS = ("linear", "knn")
STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # inverse strengths of regularisation that cross-validation chooses from


def probe(
    model: Encoder | pd.DataFrame,
    cohort: Cohort,
    label: str | pd.Series,
    *,
    image: str = "radiograph",
    kind: str = "linear",
    test: float | Sequence[str] = 0.5,
    share: float = 1.0,
    seed: int = 0,
) -> Result:
    """Train a probe on a frozen encoder's features of some patients and ask it about the others.

    Parameters
    ----------
    model
        an encoder, or what :func:`~ipiu.tasks.features.features` made of the cohort, to use it again
    cohort
        the patients
    label
        a column of ``cohort.table()`` with classes, or a series of classes by id
    image
        which image the encoder sees
    kind
        ``linear``: logistic regression on standardised features, its regularisation chosen by cross-validation among
        the patients that train. ``knn``: the vote of the 15 nearest by cosine, the nearer the louder
    test
        the share of patients that is held out, or their ids
    share
        of the other patients, whose labels are used
    seed
        of the share, the folds and the bootstrap

    Returns
    -------
    Result
        predictions of the patients held out, and their table; ``fitted`` is the scikit-learn pipeline

    Raises
    ------
    IpiuError
        Where the label is no class, a class has no patient, or the probe is not known.

    Notes
    -----
    Alain, G. & Bengio, Y. (2016). Understanding intermediate layers using linear classifier probes.
    https://arxiv.org/abs/1610.01644

    Examples
    --------
    >>> import ipiu
    >>> from ipiu.tasks.probe import probe
    >>> model = ipiu.load("ipiu-tiny-mae")  # doctest: +SKIP
    >>> probe(model, ipiu.DigitalCohort(100, parts=("radiograph",)), "emphysema", share=0.1).auroc  # doctest: +SKIP
    """
    if kind not in KINDS:
        msg = f"there is no probe {kind!r}; {nearest(kind, KINDS)}"
        raise IpiuError(msg)
    split = labelled(cohort, label, test=test, share=share, seed=seed)
    seen = encoded(model, cohort, **({"image": image} if hasattr(model, "encode") else {}))
    known, asked = (seen.loc[part.index].to_numpy() for part in (split.train, split.test))
    fitted = (_linear if kind == "linear" else _nearest)(known, split.train.to_numpy(), seed)
    return measured(split, fitted.predict_proba(asked), fitted=fitted, seed=seed)


def _linear(known: np.ndarray, truth: np.ndarray, seed: int) -> Any:
    """A logistic regression on standardised features."""
    require("sklearn", extra="assess")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    folds = min(5, int(np.bincount(truth).min()))
    if folds < 3:  # too few to choose by
        return line.fit(known, truth)
    search = GridSearchCV(
        line,
        {"logisticregression__C": STRENGTHS},
        scoring="neg_log_loss",
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
    )
    return search.fit(known, truth).best_estimator_


def _nearest(known: np.ndarray, truth: np.ndarray, seed: int) -> Any:
    """The nearest neighbours by cosine, after standardising."""
    require("sklearn", extra="assess")
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    vote = KNeighborsClassifier(min(15, len(truth)), metric="cosine", weights="distance")
    return make_pipeline(StandardScaler(), vote).fit(known, truth)
