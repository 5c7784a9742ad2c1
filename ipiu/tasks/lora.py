"""LoRA: the encoder's weights stay, and small matrices beside its queries and values are trained, with peft."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError, require
from ipiu.tasks.labelled import labelled
from ipiu.tasks.result import Result
from ipiu.tasks.training import Classifier, asked, fit, own_copy, prepared

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from ipiu.models.encoder import Encoder

# what transformers and MONAI call the projections to queries and values, or all three in one
NAMES = ("query", "value", "q_proj", "v_proj", "qkv")


def lora(
    model: Encoder,
    cohort: Cohort,
    label: str | pd.Series,
    *,
    rank: int = 8,
    image: str = "radiograph",
    test: float | Sequence[str] = 0.5,
    share: float = 1.0,
    epochs: int = 20,
    rate: float = 2e-3,
    seed: int = 0,
    progress: bool = True,
) -> Result:
    """Train low-rank changes of an encoder's attention, and a linear head, on some patients and ask about the others.

    Parameters
    ----------
    model
        an encoder with attention that reads pictures; it stays as it is
    cohort, label, image, test, share
        as for :func:`~ipiu.tasks.finetune.finetune`
    rank
        of the change of each matrix: W + B A with B (out, rank) and A (rank, in), scaled by 2
    epochs
        how often each picture is seen
    rate
        the highest learning rate of AdamW; above that of full fine-tuning, as few weights move
    seed
        of the share, the matrices and the order
    progress
        show a bar

    Returns
    -------
    Result
        as of :func:`~ipiu.tasks.finetune.finetune`; ``fitted.counted()`` says how few parameters were trained

    Raises
    ------
    IpiuError
        Where the network has no attention, the model or an image has three dimensions, or the label is no class.

    Notes
    -----
    Hu, E. J. et al. (2022). LoRA: low-rank adaptation of large language models. https://arxiv.org/abs/2106.09685
    """
    split = labelled(cohort, label, test=test, share=share, seed=seed)
    known, shown = (prepared(model, cohort.subset(list(part.index)), image) for part in (split.train, split.test))
    encoder = own_copy(model)
    adapt(encoder._tower, rank=rank, seed=seed)
    classifier = Classifier(encoder, len(split.classes), known)
    told = f"LoRA, {len(split.train)} patients" if progress else None
    fit(classifier, known, split.train.to_numpy(), epochs=epochs, rate=rate, seed=seed, progress=told)
    return asked(classifier, split, shown, seed=seed)


def adapt(network: torch.nn.Module, *, rank: int = 8, seed: int = 0) -> None:
    """Put trainable low-rank matrices beside the queries and values of a network, in place, and freeze the rest."""
    import torch

    peft = require("peft", extra="models")
    found = {name.rpartition(".")[2] for name, part in network.named_modules() if isinstance(part, torch.nn.Linear)}
    targets = sorted(found & set(NAMES))
    if not targets:
        msg = f"{type(network).__name__} has no queries and values to adapt; give a transformer, or use finetune"
        raise IpiuError(msg)
    torch.manual_seed(seed)
    network.requires_grad_(False)
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
    peft.inject_adapter_in_model(config, network)
