"""Images of a cohort, kept in memory, and what a frozen encoder sees in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm

from ipiu.cases.case import Case
from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError
from ipiu.names import nearest

if TYPE_CHECKING:
    import pandas as pd

    from ipiu.models.encoder import Encoder


def remember(cohort: Cohort, *images: str, workers: int = 1, progress: bool = True) -> Cohort:
    """A cohort whose cases are made once and stay in memory, with the images named and no other.

    Digital patients are made anew each time they are asked for; what trains on them asks often.

    Parameters
    ----------
    cohort
        the patients
    images
        which to keep; all where none is named
    workers
        processes that make them
    progress
        show a bar

    Examples
    --------
    >>> import ipiu
    >>> from ipiu.tasks.features import remember
    >>> kept = remember(ipiu.DigitalCohort(3, parts=("radiograph",), spacing=9), "radiograph", progress=False)
    >>> list(kept[0].images)
    ['radiograph']
    """
    made = cohort.map(partial(_only, images=images), workers=workers)
    cases = list(tqdm(made, total=len(cohort), desc=f"{len(cohort)} patients", disable=not progress))
    return Cohort.of(cases, name=cohort.name, source=cohort.source)


def features(
    model: Encoder,
    cohort: Cohort,
    *,
    image: str = "radiograph",
    workers: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """The vectors of a frozen encoder, one row a patient: made once, they serve every probe.

    Parameters
    ----------
    model
        an encoder
    cohort
        the patients; they are opened one by one
    image
        which image of each
    workers
        processes that open them
    progress
        show a bar

    Returns
    -------
    pandas.DataFrame
        (N, D) float32, indexed by patient

    Raises
    ------
    IpiuError
        Where a patient lacks the image, or it does not keep the model's contract.

    Examples
    --------
    >>> import ipiu
    >>> from ipiu.tasks.features import features
    >>> model = ipiu.load("ipiu-tiny-mae")
    >>> cohort = ipiu.DigitalCohort(3, parts=("radiograph",), spacing=9)
    >>> features(model, cohort, progress=False).shape
    (3, 192)
    """
    import pandas as pd

    vectors = model.encode(images(cohort, image, workers=workers, progress=progress))
    return pd.DataFrame(vectors, index=pd.Index(cohort.ids, name="id"))


def images(cohort: Cohort, image: str, *, workers: int = 1, progress: bool = True) -> Iterator[torch.Tensor]:
    """One image of each patient, in order, as they are opened."""
    made = cohort.map(partial(_image, name=image), workers=workers)
    return tqdm(made, total=len(cohort), desc=f"{image} of {len(cohort)} patients", disable=not progress)


def encoded(model: Encoder | pd.DataFrame, cohort: Cohort, **options) -> pd.DataFrame:
    """Features of the patients of a cohort: those given, or those that the model sees.

    Raises
    ------
    IpiuError
        Where features are given that lack a patient.
    """
    if hasattr(model, "encode"):
        return features(model, cohort, **options)
    lacking = [name for name in cohort.ids if name not in model.index]
    if lacking:
        msg = f"the features lack {len(lacking)} patients of the cohort, the first is {lacking[0]!r}; encode them, too"
        raise IpiuError(msg)
    return model.loc[list(cohort.ids)]


def _image(case: Case, *, name: str) -> torch.Tensor:
    """An image of a patient."""
    if name not in case.images:
        msg = f"patient {case.id!r} has no image {name!r}; {nearest(name, case.images)}"
        raise IpiuError(msg)
    return case.images[name]


def _only(case: Case, *, images: tuple[str, ...]) -> Case:
    """A case with some of its images."""
    if images:
        case.images = {name: _image(case, name=name) for name in images}
    return case
