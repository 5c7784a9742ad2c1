"""From a name to a model that runs: a tiny checkpoint, an atlas id, a hub id, a bundle or a folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch

from ipiu.errors import IpiuError
from ipiu.models.contract import Contract
from ipiu.models.model import Model
from ipiu.models.weights import read_network
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


def load(source: str | Path, *, device: str = "auto", dtype: str = "auto", pickle: bool = False) -> Model:
    """A model that runs.

    Parameters
    ----------
    source
        ``ipiu-tiny-...``, an id of the atlas, a hub id, the name of a MONAI bundle, or a folder with a checkpoint
    device
        ``auto`` takes the GPU where there is one; or ``cpu``, ``cuda``, ``cuda:1``, ``mps``
    dtype
        ``auto`` is bfloat16 on a GPU and float32 elsewhere, so that a chapter prints the same digits on every CPU;
        ``bfloat16`` is faster on a CPU with AMX
    pickle
        also read weights that exist only as a pickle, with ``weights_only=True``

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
    """
    folder = _folder(source)
    contract = Contract.read(folder / "contract.json")
    where = _device(device)
    module, _, name = FAMILIES[contract.family].rpartition(".")
    adapter = getattr(import_module(module), name)
    network = read_network(folder, pickle=pickle)
    return adapter(network, contract, name=str(source), card=None, device=where, dtype=_dtype(dtype, where))


def tiny() -> list[str]:
    """The names of the checkpoints that come with the package."""
    return sorted(f"{PREFIX}{path.parent.name}" for path in TINY.glob("*/contract.json"))


def _folder(source: str | Path) -> Path:
    """The folder of a checkpoint."""
    if Path(source).is_dir():
        return Path(source)
    if source in tiny():
        return TINY / str(source).removeprefix(PREFIX)
    msg = f"there is no model {str(source)!r}; {nearest(str(source), tiny())}"
    raise IpiuError(msg)


def _device(device: str) -> torch.device:
    """The device of a name."""
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The precision of a name."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return getattr(torch, dtype)
