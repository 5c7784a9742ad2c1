"""Which published checkpoints are known, where their files are and which stock class holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml

from ipiu.errors import IpiuError
from ipiu.models import hub, vit
from ipiu.models.bundle import read_bundle
from ipiu.models.contract import Contract
from ipiu.models.processor import FILES as PROCESSORS
from ipiu.models.processor import read_processor
from ipiu.models.stock import build, filled, pretrained
from ipiu.models.weights import chosen, read_json, read_weights

HERE = Path(__file__).parent / "published.yaml"
# family -> the checkpoint in the package that answers offline
TINY = {
    "encoder": "ipiu-tiny-mae",
    "promptable": "ipiu-tiny-sam",
    "volumetric": "ipiu-tiny-vista3d",
    "diffusion": "ipiu-tiny-rflow",
}
# layout -> files that are needed beside the weights
BESIDE = {
    "transformers": ("config.json",),
    "open_clip": ("open_clip_config.json",),
    "bundle": ("configs/metadata.json", "configs/inference.json"),
}
SAFE = ("model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class Published:
    """How a published checkpoint becomes a stock network; the fields are explained in ``published.yaml``.

    Examples
    --------
    >>> from ipiu.models.published import published
    >>> published()["uni2-h"].layout
    'timm'
    """

    name: str
    family: str
    layout: str
    hub: str
    kind: str = ""
    files: tuple[str, ...] = ()
    inside: str = ""
    strip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    heads: int = 0
    network: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    sampler: dict[str, Any] = field(default_factory=dict)
    contract: dict[str, Any] = field(default_factory=dict)
    source: tuple[str, ...] = ()

    @property
    def pickled(self) -> bool:
        """Whether its weights were published as a pickle only."""
        return bool(self.files) and not any(name.endswith(".safetensors") for name in self.files)


@cache
def published() -> dict[str, Published]:
    """All mapped checkpoints: id of the atlas, or name of a MONAI bundle -> how it is read."""
    from ipiu import atlas

    found = {}
    for name, told in yaml.safe_load(HERE.read_text()).items():
        lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
        told = told | lists
        told["kind"] = told.pop("class", "")
        told.setdefault("hub", atlas.models[name].checkpoint.id if name in atlas.models else name)
        found[name] = Published(name, **told)
    return found


def of_hub(repo: str, config: dict[str, Any]) -> Published:
    """How a repository that is not mapped is read, from the class that its config.json names.

    Raises
    ------
    IpiuError
        Where that class belongs to no family.
    """
    name = str((config.get("architectures") or ["no class"])[0])
    family = next((family for family, starts in _KINDS.items() if name.startswith(starts)), None)
    if family is None:
        msg = f"{repo} is a {name}, none of the vision models that ipiu.load knows ({', '.join(TINY)})"
        raise IpiuError(msg)
    kind, only = next(((to, keep) for start, to, keep in _TOWERS if name.startswith(start)), ("", ()))
    return Published(repo, family, "transformers", repo, kind=kind, only=only)


_KINDS = {
    "promptable": ("SamModel", "SamHQ", "Sam2Model", "Sam2Video", "Sam3Tracker", "EdgeTam"),
    "encoder": ("ViT", "Dinov2", "DINOv3", "CLIP", "Siglip", "ConvNext", "Swin", "Beit", "DeiT"),
}
# a pair of towers gives its vision tower
_TOWERS = (
    ("CLIP", "CLIPVisionModelWithProjection", ("vision_model.", "visual_projection.")),
    ("Siglip2", "Siglip2VisionModel", ("vision_model.",)),
    ("Siglip", "SiglipVisionModel", ("vision_model.",)),
)


def fetch(entry: Published, *, pickle: bool) -> Path:
    """The folder with the files of a published checkpoint, fetched from the hub once.

    Raises
    ------
    IpiuError
        Where it is gated, missing or out of reach, or only a pickle was published and none was asked for.
    """
    _refuse_pickle(entry, pickle)
    tiny = TINY[entry.family]
    safe = ["models/model.safetensors"] if entry.layout == "bundle" else SAFE
    weights = [*(name for name in entry.files if name.endswith(".safetensors")), *safe]
    if pickle:
        weights += [*entry.files] if entry.files else ["pytorch_model.bin", "pytorch_model.bin.index.json"]
    root = hub.first(entry.hub, weights, tiny)
    if root is None and not pickle:
        msg = f"{entry.hub} has no safetensors file; if you trust it: ipiu.load({entry.name!r}, pickle=True)"
        raise IpiuError(msg)
    needed = [*BESIDE.get(entry.layout, ()), *entry.decoder.get("files", [])]
    for name in needed:
        root = hub.first(entry.hub, [name], tiny) and root
    if root is None:
        msg = f"{entry.hub} holds none of {', '.join([*weights, *needed])}; its files have other names than expected"
        raise IpiuError(msg)
    if entry.layout == "transformers" and not entry.contract:
        hub.maybe(entry.hub, *PROCESSORS)
    return root


def _refuse_pickle(entry: Published, pickle: bool) -> None:
    """Say how to ask for a checkpoint that is a pickle."""
    if entry.pickled and not pickle:
        msg = (
            f"{entry.name} was published as a pickle only ({entry.files[0]} of {entry.hub}), which could run code; "
            f"if you trust it: ipiu.load({entry.name!r}, pickle=True)"
        )
        raise IpiuError(msg)


def read(entry: Published, folder: Path, *, pickle: bool) -> tuple[torch.nn.Module, Contract, dict[str, Any]]:
    """Network, contract and further parts of a published checkpoint from a folder with its files.

    Raises
    ------
    IpiuError
        Where a file is missing, is a pickle that was not asked for, or holds other weights than the class has.
    """
    if entry.layout == "bundle":
        network, contract = read_bundle(
            folder, pickle=pickle, files=list(entry.files), network=entry.network, contract=entry.contract
        )
        return network, contract, {}
    ask = f"ipiu.load({entry.name!r}, folder={str(folder)!r}, pickle=True)" if entry.name in published() else ""
    whole = read_weights(folder, list(entry.files) or None, pickle=pickle, ask=ask)
    state = chosen(whole, inside=entry.inside, only=entry.only, drop=entry.drop, strip=entry.strip)
    where = entry.name
    if entry.layout == "monai":
        network = filled(build(entry.network), state, where, list(entry.random))
        return network, _contract(entry, {}), _parts(entry, folder, whole, pickle)
    if entry.layout == "transformers":
        network = pretrained(read_json(folder / "config.json"), state, where=where, kind=entry.kind)
        return network, _contract(entry, read_processor(folder)), {}
    prepared: dict[str, Any] = {}
    if entry.layout == "open_clip":
        told = read_json(folder / "open_clip_config.json")
        kind, config, state = vit.from_open_clip(state, told["model_cfg"], entry.heads)
        prepared = _preparation(told)
    else:
        kind, config, state = vit.from_timm(state, entry.heads)
    network = pretrained({"architectures": [kind], **config}, state, where=where, kind=kind)
    return network, _contract(entry, prepared), {}


def _preparation(told: dict[str, Any]) -> dict[str, Any]:
    """What open_clip_config.json says of pictures; what it leaves out is open_clip's own default."""
    side = told["model_cfg"]["vision_cfg"].get("image_size", 224)
    steps = told.get("preprocess_cfg", {})
    return {
        "size": (side, side),
        "mean": tuple(steps.get("mean", (0.48145466, 0.4578275, 0.40821073))),
        "std": tuple(steps.get("std", (0.26862954, 0.26130258, 0.27577711))),
        "resample": steps.get("interpolation", "bicubic"),
        "fit": {"shortest": "crop", "squash": "squash"}.get(steps.get("resize_mode", "shortest"), "crop"),
    }


def _contract(entry: Published, prepared: dict[str, Any]) -> Contract:
    """The contract of a mapping: what it states itself, else what the processor's file says."""
    told = {"dims": 2} | (entry.contract or prepared)
    if not entry.contract and not prepared:
        msg = f"{entry.name} has no preprocessor_config.json, so how it expects its pictures is not known"
        raise IpiuError(msg)
    if told["dims"] == 2:
        told = {"channels": 3, "eight_bit": True} | told
    labels = {int(value): name for value, name in told.pop("labels", {}).items()}
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return Contract(entry.family, labels=labels, **told)


def _parts(entry: Published, folder: Path, whole: dict[str, Any], pickle: bool) -> dict[str, Any]:
    """The autoencoder and the sampler of a generator of latents."""
    if entry.family != "diffusion":
        return {}
    from ipiu.models.sampler import Sampler

    told = dict(entry.sampler)
    if "scale_factor" in whole:
        told["scale_factor"] = float(whole["scale_factor"])
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    parts: dict[str, Any] = {"sampler": Sampler(**told)}
    if entry.decoder:
        state = chosen(read_weights(folder, list(entry.decoder["files"]), pickle=pickle), inside="unet_state_dict")
        parts["autoencoder"] = filled(build(entry.decoder["network"]), state, entry.name)
    return parts
