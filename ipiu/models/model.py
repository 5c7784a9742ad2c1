"""What every adapter has: a stock network, a card, a contract, a device and a precision."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch

from ipiu.models.contract import Contract


class Model:
    """A stock network behind the verbs of its family; :func:`ipiu.load` makes one.

    Attributes
    ----------
    name
        atlas id, hub id or folder that it was loaded by
    network
        the class of transformers or MONAI, in evaluation mode
    contract
        what it expects of an image
    card
        what is known of it: the atlas record's card, or the model card beside a checkpoint
    """

    family: ClassVar[str] = ""

    def __init__(
        self,
        network: torch.nn.Module,
        contract: Contract,
        *,
        name: str = "",
        card: Any = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        self.name, self.contract, self.card = name or type(network).__name__, contract, card
        self.device, self.dtype = torch.device(device), dtype
        self.network = network.eval().requires_grad_(False).to(self.device)

    def precision(self) -> AbstractContextManager:
        """The context in which the network is run: no gradients, and autocast where the precision is not float32."""
        return _Precision(self.device.type, self.dtype)

    def __repr__(self) -> str:
        millions = sum(p.numel() for p in self.network.parameters()) / 1e6
        kind = type(self.network).__name__
        return f"{type(self).__name__}({self.name!r}: {kind}, {millions:.1f} M parameters, {self.device})"


class _Precision:
    """Inference mode and autocast together."""

    def __init__(self, kind: str, dtype: torch.dtype):
        self.inference = torch.inference_mode()
        self.autocast = torch.autocast(kind, dtype=dtype, enabled=dtype != torch.float32)

    def __enter__(self) -> None:
        self.inference.__enter__()
        self.autocast.__enter__()

    def __exit__(self, *told) -> None:
        self.autocast.__exit__(*told)
        self.inference.__exit__(*told)
