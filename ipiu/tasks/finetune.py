"""Full fine-tuning: every weight of a copy of the encoder moves; or the same network from random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError
from ipiu.names import nearest
from ipiu.tasks.labelled import labelled
from ipiu.tasks.result import Result
from ipiu.tasks.training import Classifier, asked, fit, own_copy, prepared

if TYPE_CHECKING:
    import pandas as pd

    from ipiu.models.encoder import Encoder

STARTS = ("pretrained", "scratch")


def finetune(
    model: Encoder,
    cohort: Cohort,
    label: str | pd.Series,
    *,
    start: str = "pretrained",
    image: str = "radiograph",
    test: float | Sequence[str] = 0.5,
    share: float = 1.0,
    epochs: int = 20,
    rate: float = 5e-4,
    seed: int = 0,
    progress: bool = True,
) -> Result:
    """Train a copy of an encoder with a linear head on some patients and ask it about the others.

    Parameters
    ----------
    model
        an encoder that reads pictures; it stays as it is
    cohort, label, image, test, share
        as for :func:`~ipiu.tasks.probe.probe`. Digital patients are made each time they are asked for; keep them with
        :func:`~ipiu.tasks.features.remember` to train on them more than once
    start
        ``pretrained``: from the model's weights. ``scratch``: the same architecture from random weights, the comparison
        that shows what pretraining was worth
    epochs
        how often each picture is seen
    rate
        the highest learning rate of AdamW
    seed
        of the share, the weights and the order
    progress
        show a bar

    Returns
    -------
    Result
        predictions of the patients held out, and their table; ``fitted`` is the
        :class:`~ipiu.tasks.training.Classifier`

    Raises
    ------
    IpiuError
        Where the model or an image has three dimensions, the label is no class, or the start is not known.

    Examples
    --------
    >>> import ipiu
    >>> from ipiu.tasks.features import remember
    >>> from ipiu.tasks.finetune import finetune
    >>> patients = remember(ipiu.DigitalCohort(100, parts=("radiograph",)), "radiograph")  # doctest: +SKIP
    >>> finetune(ipiu.load("ipiu-tiny-mae"), patients, "emphysema").auroc  # doctest: +SKIP
    """
    if start not in STARTS:
        msg = f"there is no start {start!r}; {nearest(start, STARTS)}"
        raise IpiuError(msg)
    split = labelled(cohort, label, test=test, share=share, seed=seed)
    known, shown = (prepared(model, cohort.subset(list(part.index)), image) for part in (split.train, split.test))
    encoder = own_copy(model) if start == "pretrained" else untrained(model, seed=seed)
    encoder._tower.requires_grad_(True)
    classifier = Classifier(encoder, len(split.classes), known)
    told = f"{start}, {len(split.train)} patients" if progress else None
    fit(classifier, known, split.train.to_numpy(), epochs=epochs, rate=rate, seed=seed, progress=told)
    return asked(classifier, split, shown, seed=seed)


def untrained(model: Encoder, *, seed: int = 0) -> Encoder:
    """The same architecture with random weights, as it was before it saw anything."""
    blank = own_copy(model)
    blank.name = f"{model.name}, untrained"
    torch.manual_seed(seed)
    if hasattr(model.network, "config"):
        fresh = type(model.network)(model.network.config)
        # what no training touches stays, such as the places of patches: transformers 5 leaves those of ViTMAE at zero
        fixed = {name for name, weights in fresh.named_parameters() if not weights.requires_grad}
        old, new = blank.network.state_dict(), fresh.state_dict()
        # by the names of the old: a layer that the checkpoint left out, such as a pooler, is left out here too
        blank.network.load_state_dict({name: old[name] if name in fixed else new[name] for name in old})
    else:
        for part in blank.network.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
    return blank
