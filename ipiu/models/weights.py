"""Tensors of a checkpoint: safetensors, or a pickle where that was asked for; and checkpoints of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ipiu.errors import IpiuError
from ipiu.models.hub import shards
from ipiu.models.stock import build, filled, pretrained

PICKLES = (".pt", ".pth", ".bin", ".torch", ".ckpt")


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
        return filled(build(read_json(folder / "network.json")), read_weights(folder, pickle=pickle), str(folder))
    if not (folder / "config.json").is_file():
        msg = f"{folder} holds neither config.json nor network.json; give the folder with model.safetensors"
        raise IpiuError(msg)
    config = read_json(folder / "config.json")
    return pretrained(config, read_weights(folder, pickle=pickle), where=str(folder))


def read_weights(
    folder: Path, files: list[str] | None = None, *, pickle: bool = False, ask: str = ""
) -> dict[str, Any]:
    """What a folder's safetensors file holds, whole or in shards, or else its pickle, where that was asked for.

    Parameters
    ----------
    folder
        of the checkpoint
    files
        names of the weights, those in safetensors first; None takes ``model.safetensors`` or any pickle that lies there
    ask
        the call that asks for a pickle, as the error says it

    Raises
    ------
    IpiuError
        Where there are no weights, a file is torn, or only a pickle exists and ``pickle`` is False.
    """
    for name in [f for f in files or () if f.endswith(".safetensors")] + ["model.safetensors"]:
        if (folder / name).is_file():
            return _safe(folder / name)
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return {name: v for shard in shards(index) for name, v in _safe(folder / shard).items()}
    found = _pickles(folder, files)
    if not found:
        msg = f"{folder} holds no {' or '.join(files) if files else 'model.safetensors'}"
        raise IpiuError(msg)
    if not pickle:
        ask = ask or f"ipiu.load({str(folder)!r}, pickle=True)"
        msg = f"{found[0].name} is a pickle, which could run code; if you trust it: {ask}"
        raise IpiuError(msg)
    return {name: v for path in found for name, v in read_pickle(path).items()}


def _pickles(folder: Path, files: list[str] | None) -> list[Path]:
    """The pickle of a folder, or its shards."""
    if files is not None:
        return [folder / name for name in files if (folder / name).is_file()][:1]
    index = folder / "pytorch_model.bin.index.json"
    if index.is_file():
        return [folder / name for name in shards(index)]
    return sorted(path for path in folder.iterdir() if path.suffix in PICKLES)[:1]


def _safe(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of one safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        msg = f"{path} is no safetensors file that can be read ({error}); fetch it again"
        raise IpiuError(msg) from error


def read_pickle(path: Path) -> dict[str, Any]:
    """What a pickle of tensors holds; nothing in it is run.

    Raises
    ------
    IpiuError
        Where the pickle holds other things than tensors, numbers and names.
    """
    import argparse
    import pickle

    try:
        # many training scripts keep their arguments beside the weights, as a bag of names that does nothing
        with torch.serialization.safe_globals([argparse.Namespace]):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"{path.name} is not a pickle of tensors alone and was not run ({reason})"
        raise IpiuError(msg) from error
    if not isinstance(held, dict):
        msg = f"{path.name} holds a {type(held).__name__}, not weights by name"
        raise IpiuError(msg)
    return held


def chosen(
    state: dict[str, Any], *, inside: str = "", only: list = (), drop: list = (), strip: list = ()
) -> dict[str, Any]:
    """The weights meant by a mapping: those of an entry, with or without some prefixes, shortened by others."""
    if inside and inside in state:  # some publish the same weights bare
        state = state[inside]
    found = {}
    for name, value in state.items():
        if (only and not name.startswith(tuple(only))) or name.startswith(tuple(drop)):
            continue
        start = next((prefix for prefix in strip if name.startswith(prefix)), "")
        if isinstance(value, torch.Tensor):
            found[name.removeprefix(start)] = value
    return found


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a checkpoint."""
    try:
        told = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        msg = f"{path} cannot be read as JSON ({error})"
        raise IpiuError(msg) from error
    if not isinstance(told, dict):
        msg = f"{path} holds a {type(told).__name__}, not names with values"
        raise IpiuError(msg)
    return told


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
