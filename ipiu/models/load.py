"""From a name to a model that runs: a tiny checkpoint, an atlas id, a hub id, a bundle or a folder."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ipiu.errors import IpiuError
from ipiu.models import hub
from ipiu.models.bundle import read_bundle
from ipiu.models.card import ModelCard
from ipiu.models.contract import Contract
from ipiu.models.model import Model
from ipiu.models.published import Published, fetch, of_hub, published, read
from ipiu.models.weights import read_json, read_network
from ipiu.names import nearest

TINY = Path(__file__).parent / "tiny"
PREFIX = "ipiu-tiny-"
# family -> its adapter
FAMILIES = {
    "encoder": "ipiu.models.encoder.Encoder",
    "promptable": "ipiu.models.promptable.Promptable",
    "volumetric": "ipiu.models.volumetric.Volumetric",
    "diffusion": "ipiu.models.diffusion.Diffusion",
}
DTYPES = ("float32", "bfloat16", "float16")


def load(
    source: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    pickle: bool = False,
    folder: str | Path | None = None,
) -> Model:
    """A model that runs.

    Parameters
    ----------
    source
        ``ipiu-tiny-...``, an id of the atlas, a hub id (owner/name), the name of a MONAI bundle, or a folder with a
        checkpoint
    device
        ``auto`` takes the GPU where there is one; or ``cpu``, ``cuda``, ``cuda:1``, ``mps``
    dtype
        ``auto`` is bfloat16 on a GPU and float32 elsewhere, so that a chapter prints the same digits on every CPU;
        ``bfloat16`` is faster on a CPU with AMX
    pickle
        also read weights that exist only as a pickle, with ``weights_only=True``
    folder
        where the files of a published model already lie, so that nothing is fetched

    Raises
    ------
    IpiuError
        Where there is no such model, its weights cannot be reached, are gated, or exist only as a pickle.

    Examples
    --------
    >>> import ipiu
    >>> sam = ipiu.load("ipiu-tiny-sam")
    >>> sam.contract.size
    (128, 128)
    >>> ipiu.load("medsam")                              # doctest: +SKIP
    >>> ipiu.load("uni", folder="uni/", pickle=True)     # doctest: +SKIP
    """
    where = _device(device)
    precision = _dtype(dtype, where)
    name = str(source)
    network, contract, card, parts = _read(source, pickle, folder)
    module, _, kind = FAMILIES[contract.family].rpartition(".")
    adapter = getattr(import_module(module), kind)
    return adapter(network, contract, name=name, card=card, device=where, dtype=precision, **parts)


def tiny() -> list[str]:
    """The names of the checkpoints that come with the package."""
    return sorted(f"{PREFIX}{path.parent.name}" for path in TINY.glob("*/contract.json"))


def _read(source: str | Path, pickle: bool, folder: str | Path | None) -> tuple[torch.nn.Module, Contract, Any, dict]:
    """Network, contract, card and further parts of whatever was named."""
    name = str(source)
    if folder is not None or name in published():
        entry = _entry(name, folder)
        card = _card(entry)
        place = Path(folder) if folder is not None else fetch(entry, pickle=pickle)
        if not place.is_dir():
            msg = f"there is no folder {place}; check the path"
            raise IpiuError(msg)
        network, contract, parts = read(entry, place, pickle=pickle)
        return network, contract, card, parts
    if name.startswith(PREFIX) and name in tiny():
        return _own(TINY / name.removeprefix(PREFIX), name, pickle)
    if Path(source).is_dir():
        return _folder(Path(source), pickle)
    return _elsewhere(name, pickle)


def _entry(name: str, folder: str | Path | None) -> Published:
    """The mapping of a published model."""
    if name not in published():
        msg = f"{name!r} is not mapped, so that the files in {folder} cannot be read; {nearest(name, published())}"
        raise IpiuError(msg)
    return published()[name]


def _own(folder: Path, name: str, pickle: bool) -> tuple[torch.nn.Module, Contract, Any, dict]:
    """A checkpoint in the layout of this package: contract.json and its network."""
    contract = Contract.read(folder / "contract.json")
    if contract.family not in FAMILIES:
        msg = f"{folder / 'contract.json'} names the family {contract.family!r}; {nearest(contract.family, FAMILIES)}"
        raise IpiuError(msg)
    module, _, kind = FAMILIES[contract.family].rpartition(".")
    extras = getattr(getattr(import_module(module), kind), "extras", None)
    parts = extras(folder, pickle=pickle) if extras else {}
    return read_network(folder, pickle=pickle), contract, ModelCard.read(folder / "README.md", name), parts


def _folder(folder: Path, pickle: bool) -> tuple[torch.nn.Module, Contract, Any, dict]:
    """A folder of this package, a bundle of MONAI, or what transformers saves."""
    card = ModelCard.read(folder / "README.md", folder.name)
    if (folder / "contract.json").is_file():
        return _own(folder, folder.name, pickle)
    if (folder / "configs/inference.json").is_file():
        network, contract = read_bundle(folder, pickle=pickle)
        return network, contract, card, {}
    if (folder / "config.json").is_file():
        network, contract, parts = read(of_hub(str(folder), read_json(folder / "config.json")), folder, pickle=pickle)
        return network, contract, card, parts
    msg = f"{folder} holds no contract.json, config.json or configs/inference.json; give the folder of a checkpoint"
    raise IpiuError(msg)


def _elsewhere(name: str, pickle: bool) -> tuple[torch.nn.Module, Contract, Any, dict]:
    """A repository of the hub, or a bundle that is not mapped."""
    from ipiu import atlas

    if name in atlas.models:
        raise IpiuError(_unmapped(atlas.models[name]))
    if re.fullmatch(r"[A-Za-z0-9][\w-]*/[\w.-]+", name):
        root = hub.first(name, ["config.json"], "ipiu-tiny-mae")
        if root is None:
            msg = f"{name} holds no config.json, so that its class is not known; the atlas may map it under an id"
            raise IpiuError(msg)
        entry = of_hub(name, read_json(root / "config.json"))
    elif re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)+", name):  # as MONAI names its bundles
        entry = Published(name, "volumetric", "bundle", f"MONAI/{name}", files=("models/model.pt",))
    else:
        known = [*tiny(), *published()]
        msg = f"there is no model {name!r}; {nearest(name, known)}"
        if "/" in name or name.startswith((".", "~")):
            msg = f"there is no folder {name}; check the path"
        raise IpiuError(msg)
    root = fetch(entry, pickle=pickle)
    hub.maybe(entry.hub, "README.md")
    network, contract, parts = read(entry, root, pickle=pickle)
    return network, contract, ModelCard.read(root / "README.md", name), parts


def _unmapped(model: Any) -> str:
    """Why a model of the atlas is none of those that are mapped."""
    from ipiu.models.published import TINY as offline

    if model.checkpoint and model.checkpoint.remote_code:
        why = f"{model.checkpoint.id} runs Python code that lies beside its weights, which is not done here"
    elif model.checkpoint:
        why = f"it loads with {model.checkpoint.loader}, which no adapter wraps"
    else:
        why = "the atlas knows no checkpoint of it"
    return f"{model.id}: {why}; {len(published())} others are mapped, and {', '.join(offline.values())} run offline"


def _card(entry: Published) -> Any:
    """The atlas record's card, or the little that is known of a bundle."""
    from ipiu import atlas

    if entry.name in atlas.models:
        return atlas.models[entry.name].card
    return ModelCard(entry.name, {"files": f"https://huggingface.co/{entry.hub}", "sources": ", ".join(entry.source)})


def _device(device: str) -> torch.device:
    """The device of a name."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
    except (RuntimeError, TypeError) as error:
        msg = f"device={device!r} is none that torch knows; choose auto, cpu, cuda, cuda:1 or mps"
        raise IpiuError(msg) from error
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(where.type, False) or (where.type == "cuda" and (where.index or 0) >= torch.cuda.device_count()):
        msg = f"device={device!r} is not on this machine; choose auto or cpu"
        raise IpiuError(msg)
    return where


def _dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The precision of a name."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        msg = f"dtype={dtype!r}; choose auto, {', '.join(DTYPES)}"
        raise IpiuError(msg)
    return getattr(torch, dtype)
