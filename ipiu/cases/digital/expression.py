"""Gene expression: counts of an RNA sequencing of blood that carries a little tissue, from pathway activities."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ipiu.cases.digital.site import REFERENCE, Site
from ipiu.cases.digital.state import State
from ipiu.cases.digital.streams import stream

_TABLE = yaml.load(Path(__file__).with_name("genes.yaml").read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
# pathway -> its genes
PATHWAYS: dict[str, tuple[str, ...]] = {name: tuple(pathway["genes"]) for name, pathway in _TABLE.items()}

GENES = tuple(sorted(gene for genes in PATHWAYS.values() for gene in genes))
_PATHWAY = {gene: name for name, genes in PATHWAYS.items() for gene in genes}
_ENTRIES = np.array([_TABLE[_PATHWAY[gene]]["genes"][gene] for gene in GENES], dtype=float)
_MEAN, _LOADING = _ENTRIES[:, 0], _ENTRIES[:, 1]
# place of each gene's pathway among the pathways
_PLACE = np.array([list(PATHWAYS).index(_PATHWAY[gene]) for gene in GENES])
_SPREAD = np.array([pathway["spread"] for pathway in _TABLE.values()])
_INDEX = pd.Index(GENES, name="gene")

# reads of a whole library, of which the panel is a part: median, and standard deviation of their natural logarithm
_LIBRARY, _LIBRARY_SPREAD = 20e6, 0.35
# Dispersion falls with the mean to a floor, as in the trend of DESeq2 (doi:10.1186/s13059-014-0550-8), and scatters
# about it from gene to gene. Together with the activities a gene's biological coefficient of variation is about 0.4,
# which is usual for unrelated people (the user's guide of edgeR).
_FLOOR, _EXTRA, _SCATTER = 0.07, 1.5, 0.4
# standard deviation of a batch's shift of a gene (log2)
_BATCH = 0.4


def make_expression(state: State, rng: np.random.Generator, *, site: Site = REFERENCE) -> pd.Series:
    """Draw the counts of one patient's sample.

    The activity of a pathway is linear in the patient's diseases, age, body-mass index and smoking, with a spread
    between patients; a gene's mean follows the activity by its loading. Counts are negative binomial: Poisson counts
    of gamma-distributed means. The sample is blood with a little heart, connective and tumour tissue in it, which no
    real one is; ``genes.yaml`` holds the panel.

    Parameters
    ----------
    state
        the patient
    rng
        random numbers of this sample alone
    site
        its ``batch`` shifts every gene by an amount that depends on batch and gene alone; batch 0 does not

    Returns
    -------
    pandas.Series
        int64 counts named ``"counts"``, indexed by HGNC symbol in alphabetical order. ``attrs`` hold ``"unit"``,
        ``"library size"`` (reads of the whole library, of which the panel is a part), ``"batch"`` and ``"sample"``.

    Examples
    --------
    >>> from ipiu.cases.digital.expression import make_expression
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> counts = make_expression(draw_state(0, 7), stream(0, 7, "expression"))
    >>> bool(counts["XIST"] < counts["RPS4Y1"]), draw_state(0, 7).sex
    (True, 'male')
    """
    library = round(_LIBRARY * float(np.exp(_LIBRARY_SPREAD * rng.standard_normal())))
    activity = activities(state) + _SPREAD * rng.standard_normal(len(_SPREAD))
    level = _MEAN + _LOADING * activity[_PLACE] + batch_shift(site.batch)
    mean = library / 1e6 * np.exp2(level)
    shape = 1 / dispersion(mean)
    counts = rng.poisson(rng.gamma(shape, mean / shape))
    series = pd.Series(counts.astype(np.int64), index=_INDEX, name="counts")
    series.attrs = {
        "unit": "counts",
        "library size": library,
        "batch": site.batch,
        "sample": "blood with a little tissue",
    }
    return series


def activities(state: State) -> np.ndarray:
    """Mean activity of each pathway given the patient's causes (log2, 0 in health), in the order of ``PATHWAYS``."""
    values = state.values
    return np.array([sum(w * values[cause] for cause, w in pathway["causes"].items()) for pathway in _TABLE.values()])


def dispersion(mean: np.ndarray) -> np.ndarray:
    """Dispersion of each gene at its mean count: the variance is ``mean + dispersion * mean ** 2``.

    Parameters
    ----------
    mean
        expected counts, in the order of the index
    """
    return (_FLOOR + _EXTRA / np.maximum(mean, 1e-3)) * _scatter()


@lru_cache
def _scatter() -> np.ndarray:
    """How far each gene's dispersion lies from the trend, the same for all patients."""
    normal = np.array([stream(0, 0, f"dispersion of {gene}").standard_normal() for gene in GENES])
    return np.exp(_SCATTER * normal)


@lru_cache(maxsize=64)
def batch_shift(batch: int) -> np.ndarray:
    """Shift of each gene in a batch (log2), in the order of the index; none in batch 0."""
    if batch == 0:
        return np.zeros(len(GENES))
    return _BATCH * np.array([stream(batch, 0, f"batch shift of {gene}").standard_normal() for gene in GENES])
