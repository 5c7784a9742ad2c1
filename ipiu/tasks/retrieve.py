"""Similar cases: the patients whose image lies nearest, and how often they share what the query has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ipiu.assess.bootstrap import Estimate, bootstrap
from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError
from ipiu.tasks.features import encoded
from ipiu.tasks.labelled import labelled

if TYPE_CHECKING:
    from ipiu.models.encoder import Encoder


def retrieve(query: str | np.ndarray, features: pd.DataFrame, *, k: int = 5) -> pd.DataFrame:
    """The ``k`` patients most similar to a query, by the cosine of their standardised features.

    Parameters
    ----------
    query
        a patient among the features, who is not found himself; or a vector (D,) of the same encoder
    features
        (N, D) by patient, from :func:`~ipiu.tasks.features.features`
    k
        how many

    Returns
    -------
    pandas.DataFrame
        index: ids, the most similar first; column ``similarity``, from -1 to 1

    Raises
    ------
    IpiuError
        Where the patient is not known, the vector has another length, or there are not ``k`` others.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from ipiu.tasks.retrieve import retrieve
    >>> seen = pd.DataFrame(np.eye(3), index=["a", "b", "c"])
    >>> retrieve(np.array([0.1, 0.9, 0.0]), seen, k=1).index[0]
    'b'
    """
    if isinstance(query, str) and query not in features.index:
        msg = f"the features have no patient {query!r}; their first is {features.index[0]!r}"
        raise IpiuError(msg)
    own = isinstance(query, str)
    vector = features.loc[query].to_numpy() if own else np.asarray(query, dtype=float).reshape(-1)
    if len(vector) != features.shape[1]:
        msg = f"the query has {len(vector)} numbers and the features {features.shape[1]}; encode both with one model"
        raise IpiuError(msg)
    _enough(k, len(features) - own)
    others = features.drop(query) if own else features
    middle, spread = features.mean().to_numpy(), features.std(ddof=0).to_numpy() + 1e-6
    likeness = _unit((others.to_numpy() - middle) / spread) @ _unit((vector - middle)[None] / spread)[0]
    found = pd.Series(likeness, index=others.index, name="similarity")
    return found.sort_values(ascending=False, kind="stable").head(k).to_frame()


def precision_at_k(
    model: Encoder | pd.DataFrame,
    cohort: Cohort,
    label: str | pd.Series,
    *,
    k: int = 5,
    image: str = "radiograph",
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How many of the ``k`` most similar patients are of the query's class, each patient asked in turn.

    Parameters
    ----------
    model
        an encoder, or what :func:`~ipiu.tasks.features.features` made of the cohort
    cohort, label, image
        as for :func:`~ipiu.tasks.probe.probe`; nothing is trained, so nobody is held out
    k
        how many are looked at
    seed
        of the bootstrap

    Returns
    -------
    predictions : pandas.DataFrame
        by patient: ``class``, and ``precision``, the share of the ``k`` nearest that are of the same class
    table : pandas.DataFrame
        class -> ``value`` with its 95 % interval over the patients who ask (``low``, ``high``), ``chance`` (the share
        of the class among the others) and ``n``

    Examples
    --------
    >>> import numpy as np, pandas as pd, ipiu
    >>> from ipiu.tasks.retrieve import precision_at_k
    >>> cohort = ipiu.DigitalCohort(30, parts=())
    >>> seen = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), index=cohort.ids)
    >>> list(precision_at_k(seen, cohort, "sex")[1].index)
    ['female', 'male']
    """
    _enough(k, len(cohort) - 1)
    split = labelled(cohort, label, test=())
    truth = split.train.loc[list(cohort.ids)].to_numpy()
    seen = encoded(model, cohort, **({"image": image} if hasattr(model, "encode") else {})).to_numpy()
    rows = _unit((seen - seen.mean(0)) / (seen.std(0) + 1e-6))
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
    same = (truth[nearest] == truth[:, None]).mean(1)
    names = [split.classes[value] for value in truth]
    predictions = pd.DataFrame({"class": names, "precision": same}, index=pd.Index(cohort.ids, name="id"))
    table = {}
    for value, name in enumerate(split.classes):
        mine = truth == value
        found: Estimate = bootstrap(np.mean, same[mine], seed=seed)
        chance = (mine.sum() - 1) / (len(truth) - 1)
        table[name] = {"value": found.value, "low": found.low, "high": found.high, "chance": chance, "n": mine.sum()}
    return predictions, pd.DataFrame.from_dict(table, orient="index").rename_axis("class")


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def _enough(k: int, others: int) -> None:
    """Refuse more neighbours than there are patients."""
    if not 1 <= k <= others:
        msg = f"k={k} similar patients among {others} others; choose from 1 to {others}"
        raise IpiuError(msg)
