"""Bundles of MONAI, read without being run: of their JSON files plain values are used, expressions never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ipiu.errors import IpiuError
from ipiu.models.contract import Contract
from ipiu.models.stock import build, filled
from ipiu.models.weights import chosen, read_json, read_weights

WEIGHTS = ["models/model.safetensors", "models/model.pt"]
# steps that change nothing about the intensities or the grid that a contract states
NEUTRAL = {
    "LoadImage",
    "EnsureChannelFirst",
    "EnsureType",
    "ToTensor",
    "CropForeground",
    "CastToType",
    "VistaPreTransform",
}


def read_bundle(
    folder: Path,
    *,
    pickle: bool = False,
    files: list[str] | None = None,
    network: dict[str, Any] | None = None,
    contract: dict[str, Any] | None = None,
) -> tuple[torch.nn.Module, Contract]:
    """The network and the contract of a bundle folder.

    Parameters
    ----------
    folder
        with ``configs/metadata.json``, ``configs/inference.json`` and ``models/model.safetensors`` or ``model.pt``
    pickle
        also read ``model.pt``, with ``weights_only=True``
    network, contract
        what stands in the bundle as an expression, and is therefore given here

    Raises
    ------
    IpiuError
        Where something that is needed is an expression, or a step or class is not known.
    """
    whole, told = read_json(folder / "configs/inference.json"), read_json(folder / "configs/metadata.json")
    given = network or _network(whole)
    made = build(given)
    state = chosen(read_weights(folder, files or WEIGHTS, pickle=pickle), inside="model")
    steps = _steps(whole) if not (contract and "window" in contract) else {}
    fields = {"dims": 3} | _said(told) | steps | _roi(whole) | (contract or {})
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    if "spacing" in fields and not _numbers(fields["spacing"]):
        msg = f"the bundle {folder.name} computes its spacing ({fields['spacing']!r}), which is not run here"
        raise IpiuError(msg)
    return filled(made, state, folder.name), Contract("volumetric", **fields)


def _network(whole: dict[str, Any]) -> dict[str, Any]:
    """The class and the arguments of the network, references resolved."""
    for name in ("network_def", "network"):
        if isinstance(whole.get(name), dict):
            return {key: _resolved(value, whole) for key, value in whole[name].items()}
    msg = f"the bundle makes its network by {whole.get('network_def', whole.get('network'))!r}, which is not run here"
    raise IpiuError(msg)


def _resolved(value: Any, whole: dict[str, Any], depth: int = 0) -> Any:
    """A value with its references ``@name`` or ``@name#part`` looked up; expressions stay as they are."""
    if depth > 20:
        msg = f"the bundle's reference {value!r} leads in a circle"
        raise IpiuError(msg)
    if isinstance(value, dict):
        return {name: _resolved(inner, whole, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, whole, depth + 1) for inner in value]
    if not (isinstance(value, str) and value.startswith("@")):
        return value
    found: Any = whole
    for part in value[1:].replace("::", "#").split("#"):
        if not isinstance(found, dict) or part not in found:
            msg = f"the bundle refers to {value!r}, which it does not hold"
            raise IpiuError(msg)
        found = found[part]
    return _resolved(found, whole, depth + 1)


def _said(told: dict[str, Any]) -> dict[str, Any]:
    """Unit, channels and labels from metadata.json."""
    data = told.get("network_data_format") or {}
    image = next(iter((data.get("inputs") or {}).values()), {})
    labels = next(iter((data.get("outputs") or {}).values()), {}).get("channel_def") or {}
    return {
        "unit": "HU" if image.get("format") == "hounsfield" else "any",
        "channels": int(image.get("num_channels", 1)),
        "labels": {int(value): str(name) for value, name in labels.items() if int(value) > 0},
    }


def _steps(whole: dict[str, Any]) -> dict[str, Any]:
    """What the preprocessing of inference.json does, in the words of a contract."""
    preparing = whole.get("preprocessing") or {}
    steps = _resolved(preparing.get("transforms", []) if isinstance(preparing, dict) else preparing, whole)
    if not isinstance(steps, list):
        msg = f"the bundle prepares its images by {steps!r}, which is not run here"
        raise IpiuError(msg)
    fields: dict[str, Any] = {}
    for step in steps:
        name = str(step.get("_target_", "")).rpartition(".")[2].removesuffix("d")
        if name == "Orientation":
            fields["axcodes"] = step["axcodes"]
        elif name == "Spacing":
            fields["spacing"] = step["pixdim"]
        elif name == "ScaleIntensityRange" and (step.get("b_min"), step.get("b_max")) == (0, 1):
            fields |= {"window": (step["a_min"], step["a_max"]), "clip": bool(step.get("clip"))}
        elif name == "NormalizeIntensity" and step.get("nonzero"):
            fields["scaling"] = "nonzero"
        elif name == "ScaleIntensity":
            fields["span"] = (step.get("minv", 0.0), step.get("maxv", 1.0))
        elif name not in NEUTRAL:
            msg = f"the bundle prepares its images with {step.get('_target_')}, which a contract cannot state"
            raise IpiuError(msg)
    return fields


def _roi(whole: dict[str, Any]) -> dict[str, Any]:
    """The window that a volume is run through in."""
    inferer = whole.get("inferer")
    size = _resolved(inferer.get("roi_size"), whole) if isinstance(inferer, dict) else None
    return {"roi": tuple(size)} if _numbers(size) and len(size) == 3 else {}


def _numbers(value: Any) -> bool:
    """Whether a value is a list of numbers."""
    return isinstance(value, (list, tuple)) and all(isinstance(v, (int, float)) for v in value)
