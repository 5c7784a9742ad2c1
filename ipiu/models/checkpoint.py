"""Published weights in the stock class that loads them, safetensors only."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipiu.errors import IpiuError, require
from ipiu.models.hub import what_failed

if TYPE_CHECKING:
    from ipiu.atlas.record import Model


def load(model: Model, source: str | Path | None = None, **options: Any) -> Any:
    """A model with its weights.

    Parameters
    ----------
    model
        the record; its ``checkpoint`` names the hub id and the class
    source
        a folder, or another hub id, to take the weights from
    options
        handed to ``from_pretrained`` of the class, such as ``dtype="bfloat16"``

    Returns
    -------
    transformers.PreTrainedModel
        in evaluation mode

    Raises
    ------
    IpiuError
        Where the atlas knows no stock class for it, the weights cannot be reached or are gated, or exist only as a
        pickle, which could run code on this machine.
    ImportError
        Where transformers is not installed.

    Examples
    --------
    >>> from ipiu import atlas
    >>> atlas.models["phikon"].load()        # fetches the weights
    """
    if not model.runnable:
        msg = f"{model.id}: {_why_not(model)}; `atlas.models.where(runnable=True)` lists those that run"
        raise IpiuError(msg)
    if "use_safetensors" in options:
        msg = f"{model.id}: use_safetensors cannot be chosen; a pickle could run code on this machine"
        raise IpiuError(msg)
    transformers = require("transformers", extra="models")
    from safetensors import SafetensorError

    where = str(source or model.checkpoint.id)
    kind = getattr(transformers, model.checkpoint.loader.removeprefix("transformers."), None)
    if kind is None:
        msg = f"{model.id}: this transformers has no {model.checkpoint.loader}; update transformers"
        raise IpiuError(msg)
    try:
        network, told = kind.from_pretrained(where, use_safetensors=True, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        msg = f"{model.id}: {what_failed(error, where)}"
        raise IpiuError(msg) from error
    look_for_missing(network, set(told["missing_keys"]), where)
    return network.eval()


def look_for_missing(network: Any, missing: set[str], where: str) -> None:
    """Refuse weights of another model, and say which few parts the weights do not hold and are random therefore."""
    needed = {name for name, _ in network.named_parameters()}
    absent, form = sorted(missing & needed), type(network).__name__
    if len(absent) > len(needed) / 2:
        msg = f"{where} lacks {len(absent)} of the {len(needed)} weights of {form}: it holds those of another model"
        raise IpiuError(msg)
    if absent:
        named = f"{', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''}"
        warnings.warn(f"{where} holds no weights for {named} of {form}; these parts stay random", stacklevel=4)


def _why_not(model: Model) -> str:
    """Why a record cannot be loaded."""
    checkpoint = model.checkpoint
    if checkpoint is None:
        return "the atlas knows no checkpoint of it"
    if checkpoint.remote_code:
        return f"{checkpoint.id} runs Python code that lies beside its weights, which is not done here"
    if not checkpoint.loader.startswith("transformers."):
        return f"it loads with {checkpoint.loader}, not with a class of transformers"
    if model.open_weights is None:
        return "no source confirmed that its weights can be downloaded"
    return (
        f"its weights are given out only {'on request' if model.weights_access == 'request' else 'under an agreement'}"
    )
