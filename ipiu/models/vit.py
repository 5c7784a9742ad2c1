"""Vision transformers published under the names of timm or open_clip, renamed for the classes of transformers.

timm's VisionTransformer with layer scale is DINOv2's, without it ViT's; the layouts are those of
https://github.com/huggingface/pytorch-image-models (timm/models/vision_transformer.py) and
https://github.com/mlfoundations/open_clip (src/open_clip/transformer.py).
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch

from ipiu.errors import IpiuError

Weights = dict[str, torch.Tensor]
_DINO = {
    "norm1.": "norm1.",
    "norm2.": "norm2.",
    "attn.proj.": "attention.o_proj.",
    "mlp.fc1.": "mlp.fc1.",
    "mlp.fc2.": "mlp.fc2.",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}
_VIT = {
    "norm1.": "layernorm_before.",
    "norm2.": "layernorm_after.",
    "attn.proj.": "attention.o_proj.",
    "mlp.fc1.": "mlp.fc1.",
    "mlp.fc2.": "mlp.fc2.",
}
_CLIP = {
    "ln_1.": "layer_norm1.",
    "ln_2.": "layer_norm2.",
    "attn.out_proj.": "self_attn.out_proj.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
}


def from_timm(state: Weights, heads: int) -> tuple[str, dict[str, Any], Weights]:
    """Class, configuration and weights in transformers of a VisionTransformer of timm.

    Parameters
    ----------
    state
        its weights; a classification head or a last norm over the mean of the patches is left out
    heads
        attention heads, the one number that the weights do not tell

    Returns
    -------
    str, dict, dict
        ``ViTModel``, ``Dinov2Model`` or ``Dinov2WithRegistersModel``, what its configuration takes, and the weights

    Raises
    ------
    IpiuError
        Where a weight has a name that such a transformer does not have.
    """
    try:
        return _timm(state, heads)
    except (KeyError, IndexError, ValueError, StopIteration) as error:
        msg = f"the weights are not those of a vision transformer of timm ({error!r})"
        raise IpiuError(msg) from error


def _timm(state: Weights, heads: int) -> tuple[str, dict[str, Any], Weights]:
    patches = state["patch_embed.proj.weight"]
    width, channels, side = patches.shape[:3]
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    scaled, registers = "blocks.0.ls1.gamma" in state, state.get("reg_token")
    fc1, fc2 = (state[f"blocks.0.mlp.{name}.weight"] for name in ("fc1", "fc2"))
    gated = _gated(state)
    extra = 1 + (0 if registers is None else registers.shape[1])
    places, first = _places(state["pos_embed"], extra)
    config = {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "patch_size": side,
        "num_channels": channels,
        "image_size": math.isqrt(places.shape[1]) * side,
        "layer_norm_eps": 1e-6,
        "qkv_bias": True,
        "hidden_act": "gelu",
    }
    renamed = {
        "embeddings.patch_embeddings.projection.weight": patches,
        "embeddings.patch_embeddings.projection.bias": state["patch_embed.proj.bias"],
        "embeddings.cls_token": state["cls_token"],
        "embeddings.position_embeddings": torch.cat([first[:, :1], places], 1),
        "layernorm.weight": _last(state, "weight"),
        "layernorm.bias": _last(state, "bias"),
    }
    if not scaled:
        if gated or registers is not None:
            msg = "registers or gates without layer scale"
            raise ValueError(msg)
        _blocks(state, renamed, _VIT, "layers")
        return "ViTModel", config | {"intermediate_size": fc1.shape[0]}, renamed
    _blocks(state, renamed, _DINO, "encoder.layer")
    renamed["embeddings.mask_token"] = torch.zeros(1, width)  # used in training only
    config |= {"use_swiglu_ffn": gated, "mlp_ratio": _ratio(width, fc2.shape[1], gated), "apply_layernorm": True}
    if registers is None:
        return "Dinov2Model", config, renamed
    # in transformers registers have no place of their own: timm's is added to them
    renamed["embeddings.register_tokens"] = registers + first[:, 1:]
    return "Dinov2WithRegistersModel", config | {"num_register_tokens": registers.shape[1]}, renamed


def _last(state: Weights, part: str) -> torch.Tensor:
    """The norm after the last block, which pools of patches call ``fc_norm``."""
    return state[f"norm.{part}"] if f"norm.{part}" in state else state[f"fc_norm.{part}"]


def _places(embedding: torch.Tensor, extra: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Position embeddings of the patches, and those of class token and registers, zeros where they have none."""
    count = embedding.shape[1]
    if math.isqrt(count) ** 2 == count:
        return embedding, embedding.new_zeros(1, extra, embedding.shape[2])
    return embedding[:, extra:], embedding[:, :extra]


def _ratio(width: int, inner: int, gated: bool) -> float:
    """The ratio from which DINOv2's configuration computes the inner width."""
    if not gated:
        return inner // width if inner % width == 0 else inner / width
    for ratio in (4, inner * 3 / 2 / width, (inner + 0.5) * 3 / 2 / width):
        if (int(int(width * ratio) * 2 / 3) + 7) // 8 * 8 == inner:
            return ratio
    msg = f"a gated layer of {inner} inside {width}"
    raise ValueError(msg)


def _blocks(state: Weights, renamed: Weights, names: dict[str, str], home: str) -> None:
    """The weights of all blocks, with the three projections that timm keeps together taken apart."""
    gated = _gated(state)
    for name, value in state.items():
        found = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if not found:
            continue
        layer, rest = f"{home}.{found[1]}.", found[2]
        if rest.startswith("attn.qkv."):
            part = rest.removeprefix("attn.qkv.")
            for letter, third in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{layer}attention.{letter}_proj.{part}"] = third
            continue
        if rest.startswith("mlp.") and gated:
            _gate(renamed, layer, rest, value)
            continue
        start = next(prefix for prefix in names if rest.startswith(prefix))
        renamed[f"{layer}{names[start]}{rest.removeprefix(start)}"] = value


def _gated(state: Weights) -> bool:
    """Whether the inner layer is a pair of which one half gates the other."""
    return state["blocks.0.mlp.fc1.weight"].shape[0] == 2 * state["blocks.0.mlp.fc2.weight"].shape[1]


def _gate(renamed: Weights, layer: str, rest: str, value: torch.Tensor) -> None:
    """The two halves of a gated layer: what passes through SiLU, and what it is multiplied with."""
    part = rest.rpartition(".")[2]
    if rest.startswith("mlp.fc1."):
        gate, up = value.chunk(2)
        renamed[f"{layer}mlp.gate_proj.{part}"], renamed[f"{layer}mlp.up_proj.{part}"] = gate, up
    else:
        renamed[f"{layer}mlp.down_proj.{part}"] = value


def from_open_clip(state: Weights, config: dict[str, Any], heads: int = 0) -> tuple[str, dict[str, Any], Weights]:
    """Class, configuration and weights in transformers of the vision tower of an open_clip checkpoint.

    Parameters
    ----------
    state
        weights of the pair; those of the text tower are left out
    config
        ``model_cfg`` of its open_clip_config.json
    heads
        attention heads where the tower is one of timm

    Returns
    -------
    str, dict, dict
        ``CLIPVisionModelWithProjection``, or a class that holds a tower of timm, without the projection that follows it
    """
    if any(name.startswith("visual.trunk.") for name in state):
        trunk = {n.removeprefix("visual.trunk."): v for n, v in state.items() if n.startswith("visual.trunk.")}
        return from_timm(trunk, heads)
    try:
        return _open_clip({n.removeprefix("visual."): v for n, v in state.items() if n.startswith("visual.")}, config)
    except (KeyError, StopIteration, ValueError, TypeError) as error:
        msg = f"the weights are not those of a vision tower of open_clip ({error!r})"
        raise IpiuError(msg) from error


def _open_clip(state: Weights, told: dict[str, Any]) -> tuple[str, dict[str, Any], Weights]:
    vision = told["vision_cfg"]
    width, side = state["conv1.weight"].shape[0], state["conv1.weight"].shape[2]
    config = {
        "hidden_size": width,
        "num_hidden_layers": vision["layers"],
        "num_attention_heads": width // vision.get("head_width", 64),
        "patch_size": side,
        "image_size": vision["image_size"],
        "intermediate_size": state["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        "projection_dim": state["proj"].shape[1],
        "layer_norm_eps": 1e-5,
        "hidden_act": "quick_gelu" if told.get("quick_gelu") else "gelu",
    }
    home = "vision_model."
    renamed = {
        f"{home}embeddings.class_embedding": state["class_embedding"],
        f"{home}embeddings.position_embedding.weight": state["positional_embedding"],
        f"{home}embeddings.patch_embedding.weight": state["conv1.weight"],
        "visual_projection.weight": state["proj"].T.contiguous(),
    }
    for part in ("weight", "bias"):
        renamed[f"{home}pre_layrnorm.{part}"] = state[f"ln_pre.{part}"]
        renamed[f"{home}post_layernorm.{part}"] = state[f"ln_post.{part}"]
    for name, value in state.items():
        found = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", name)
        if not found:
            continue
        layer, rest = f"{home}encoder.layers.{found[1]}.", found[2]
        if rest.startswith("attn.in_proj_"):
            for letter, third in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{layer}self_attn.{letter}_proj.{rest.removeprefix('attn.in_proj_')}"] = third
            continue
        start = next(prefix for prefix in _CLIP if rest.startswith(prefix))
        renamed[f"{layer}{_CLIP[start]}{rest.removeprefix(start)}"] = value
    return "CLIPVisionModelWithProjection", config, renamed
