"""Networks built from the files of a checkpoint: stock classes only, safetensors unless a pickle is asked for."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ipiu.errors import IpiuError, require

# a file may name any callable as its network; only these are built
STOCK = ("monai.networks.", "monai.apps.generation.")


def read_network(folder: Path, *, pickle: bool = False) -> torch.nn.Module:
    """The network of a checkpoint folder with its weights, in float32.

    Parameters
    ----------
    folder
        ``config.json`` of transformers, or ``network.json`` with a ``_target_`` of MONAI and its arguments, beside
        ``model.safetensors``
    pickle
        also read a ``.pt``, ``.pth`` or ``.bin`` file, with ``weights_only=True``

    Raises
    ------
    IpiuError
        Where a file is missing, names a class that is not stock, or holds other weights.
    """
    folder = Path(folder)
    if (folder / "network.json").is_file():
        network = build(json.loads((folder / "network.json").read_text()))
        network.load_state_dict({name: v.float() for name, v in read_weights(folder, pickle=pickle).items()})
        return network
    if not (folder / "config.json").is_file():
        msg = f"{folder} holds neither config.json nor network.json; give the folder with model.safetensors"
        raise IpiuError(msg)
    transformers = require("transformers", extra="models")
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    kind = getattr(transformers, name, None)
    if kind is None:
        msg = f"{folder / 'config.json'} names {name}, which this transformers lacks; update it"
        raise IpiuError(msg)
    return kind.from_pretrained(folder, use_safetensors=not pickle, dtype=torch.float32)


def build(config: dict[str, Any]) -> torch.nn.Module:
    """A network of MONAI from its dotted name ``_target_`` and its arguments."""
    told = dict(config)
    target = str(told.pop("_target_", ""))
    if not target.startswith(STOCK):
        msg = f"network.json names {target!r}; only classes of {' and '.join(STOCK)} are built"
        raise IpiuError(msg)
    module, _, name = target.rpartition(".")
    return getattr(import_module(module), name)(**told)


def read_weights(folder: Path, *, pickle: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of a folder's ``model.safetensors`` or, where asked for, of its pickle."""
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    if path.is_file():
        return load_file(path)
    found = sorted(p for p in folder.iterdir() if p.suffix in (".pt", ".pth", ".bin"))
    if found and pickle:
        return torch.load(found[0], map_location="cpu", weights_only=True)
    if found:
        remedy = f"if you trust it: ipiu.load({str(folder)!r}, pickle=True)"
        msg = f"{found[0].name} is a pickle, which could run code; {remedy}"
        raise IpiuError(msg)
    msg = f"{folder} holds no model.safetensors"
    raise IpiuError(msg)


def save_network(network: torch.nn.Module, folder: Path, config: dict[str, Any] | None = None) -> None:
    """Keep a network in half precision, as :func:`read_network` reads it; ``config`` is that of a MONAI network."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    if config is None:
        network.half().save_pretrained(folder)
        network.float()
        return
    (folder / "network.json").write_text(json.dumps(config, indent=1) + "\n")
    half = {n: v.half().contiguous() if v.is_floating_point() else v for n, v in network.state_dict().items()}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
