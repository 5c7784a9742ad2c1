"""Small random checkpoints written as the published ones are: their file names, key names and configurations."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from monai.bundle import ConfigParser
from torch import nn

from ipiu.models.published import Published
from ipiu.models.stock import build, quiet

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
OPENAI = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
WIDE = 32  # of every small transformer

# what the networks of MONAI are made smaller by; the names of their weights stay the same
SMALL = {
    "medicalnet-med3d": {"widen_factor": 0.0625},
    "fm-cib": {"widen_factor": 0.0625},
    "ct-fm": {"init_filters": 8},
    "suprem": {"feature_size": 12, "depths": [1, 1, 1, 1]},
    "voco": {"feature_size": 12, "depths": [1, 1, 1, 1]},
    "vista3d": {"encoder_embed_dim": 8},
    "maisi": {"num_channels": [8, 8, 16, 16], "num_head_channels": [0, 0, 8, 8], "norm_num_groups": 4},
    "maisi-v2": {"num_channels": [8, 8, 16, 16], "num_head_channels": [0, 0, 8, 8], "norm_num_groups": 4},
}
DECODER = {"num_channels": [8, 8, 8], "num_res_blocks": [1, 1, 1], "norm_num_groups": 4, "num_splits": 1}
PROCESSORS = {
    "phikon": {"size": {"height": 224, "width": 224}, "mean": IMAGENET, "resample": 2},
    "rad-dino": {"shortest_edge": 518, "mean": ([0.5307] * 3, [0.2583] * 3), "resample": 3},
    "medsiglip": {"size": {"height": 448, "width": 448}, "mean": ([0.5] * 3, [0.5] * 3), "resample": 3},
    "plip": {"shortest_edge": 224, "mean": OPENAI, "resample": 3},
    "monet": {"shortest_edge": 224, "mean": OPENAI, "resample": 3},
    "pubmedclip": {"shortest_edge": 224, "mean": OPENAI, "resample": 3},
    "pathgen-clip": {"shortest_edge": 224, "mean": OPENAI, "resample": 3},
    "sam": {"longest_edge": 1024, "mean": IMAGENET, "resample": 2},
    "medsam": {"longest_edge": 1024, "mean": IMAGENET, "resample": 2},
    "sam2": {"size": {"height": 1024, "width": 1024}, "mean": IMAGENET, "resample": 2},
    "sam3": {"size": {"height": 1008, "width": 1008}, "mean": ([0.5] * 3, [0.5] * 3), "resample": 2},
}


def write(entry: Published, folder: Path) -> nn.Module | dict:
    """Write a small random checkpoint of a mapping; what it returns says what the checkpoint computes."""
    torch.manual_seed(0)
    if entry.name in PROCESSORS:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor(**PROCESSORS[entry.name])))
    return {"transformers": _hub, "timm": _timm, "open_clip": _open_clip, "monai": _monai, "bundle": _bundle}[
        entry.layout
    ](entry, folder)


def processor(mean, resample, size=None, shortest_edge=None, longest_edge=None) -> dict:
    """A preprocessor_config.json as the image processors of transformers write it."""
    told = {"do_normalize": True, "do_rescale": True, "do_resize": True, "resample": resample}
    told |= {"image_mean": mean[0], "image_std": mean[1], "rescale_factor": 1 / 255}
    if shortest_edge:
        crop = {"height": shortest_edge, "width": shortest_edge}
        return told | {"do_center_crop": True, "size": {"shortest_edge": shortest_edge}, "crop_size": crop}
    if longest_edge:
        pad = {"height": longest_edge, "width": longest_edge}
        return told | {"do_pad": True, "size": {"longest_edge": longest_edge}, "pad_size": pad}
    return told | {"size": size}


def _hub(entry: Published, folder: Path) -> nn.Module:
    """A checkpoint of transformers: pairs of towers for what is read as one tower, as they were published."""
    tower = {"hidden_size": WIDE, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    text = tower | {"vocab_size": 32, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1}
    text |= {"pad_token_id": 1, "projection_size": WIDE}
    t = transformers
    if entry.kind == "ViTModel":
        network = t.ViTModel(t.ViTConfig(**tower, image_size=224, patch_size=16), add_pooling_layer=False)
    elif entry.kind == "Dinov2Model":
        side = 518 if entry.name == "rad-dino" else 224
        patch = 16 if entry.name == "phikon-v2" else 14
        tower.pop("intermediate_size")
        gated = entry.name == "midnight-12k"
        network = t.Dinov2Model(t.Dinov2Config(**tower, image_size=side, patch_size=patch, use_swiglu_ffn=gated))
        _move(network, "lambda1")
    elif entry.kind == "SiglipVisionModel":
        vision = tower | {"image_size": 448, "patch_size": 14}
        network = t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=vision))
    elif entry.kind.startswith("CLIP"):
        vision = tower | {"image_size": 224, "patch_size": 14 if entry.name == "pathgen-clip" else 32}
        network = t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    else:
        network = _sam(entry.kind)
    with quiet():
        network.save_pretrained(folder)
    return network.eval()


def _sam(kind: str) -> nn.Module:
    """A small segmenter of the SAM family at the size it was published with."""
    t = transformers
    decoder = {
        "hidden_size": 32,
        "mlp_dim": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "iou_head_hidden_dim": 16,
    }
    prompts = {"hidden_size": 32, "mask_input_channels": 4}
    if kind == "SamModel":
        vision = {"hidden_size": 16, "output_channels": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        vision |= {"num_pos_feats": 16, "mlp_dim": 32, "global_attn_indexes": [], "window_size": 14}
        config = t.SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
        return t.SamModel(config)
    if kind == "Sam2Model":
        backbone = {"hidden_size": 8, "num_attention_heads": 1, "blocks_per_stage": [1, 1, 1, 1]}
        backbone |= {"embed_dim_per_stage": [8, 16, 32, 64], "num_attention_heads_per_stage": [1, 1, 1, 1]}
        backbone |= {"window_size_per_stage": [8, 4, 14, 7], "global_attention_blocks": [3]}
        vision = {"backbone_config": {"model_type": "sam2_hiera_det_model", **backbone}, "fpn_hidden_size": 32}
        vision |= {"backbone_channel_list": [64, 32, 16, 8]}
        config = t.Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
        return t.Sam2Model(config)
    backbone = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    backbone |= {"global_attn_indexes": []}
    vision = {"backbone_config": {"model_type": "sam3_vit_model", **backbone}, "fpn_hidden_size": 32}
    config = t.Sam3TrackerConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    return t.Sam3TrackerModel(config)


def _move(network: nn.Module, part: str) -> None:
    """Give weights that start all alike values of their own, so that a mix-up shows."""
    for name, value in network.named_parameters():
        if part in name:
            nn.init.normal_(value, 1.0, 0.3)


# name -> patch size, layer scale, gated layer, registers and whether they have places, decoder of an autoencoder
TIMM = {
    "uni": {"patch": 16, "scale": True},
    "uni2-h": {"patch": 14, "scale": True, "gated": True, "registers": 8, "placed": False},
    "virchow": {"patch": 14, "scale": True, "gated": True},
    "virchow2": {"patch": 14, "scale": True, "gated": True, "registers": 4},
    "h-optimus-0": {"patch": 14, "scale": True, "gated": True, "registers": 4, "placed": False},
    "prov-gigapath": {"patch": 16, "scale": True, "gated": True},
    "kaiko-pathology": {"patch": 8},
    "mstar": {"patch": 16, "scale": True},
    "retfound": {"patch": 16, "decoder": True},
    "endovit": {"patch": 16, "decoder": True},
    "biomedclip": {"patch": 16},
}


def timm_weights(heads: int, *, patch, scale=False, gated=False, registers=0, placed=True, decoder=False) -> dict:
    """Random weights under the names that timm's VisionTransformer gives them."""
    wide = heads * 4
    inner = 16 if gated else 4 * wide
    inner = (int(wide * 4 * 2 / 3) + 7) // 8 * 8 if gated else inner
    count = (224 // patch) ** 2
    shapes = {
        "cls_token": (1, 1, wide),
        "pos_embed": (1, count + (1 + registers if placed else 0), wide),
        "patch_embed.proj.weight": (wide, 3, patch, patch),
        "patch_embed.proj.bias": (wide,),
        "norm.weight": (wide,),
        "norm.bias": (wide,),
    }
    if registers:
        shapes["reg_token"] = (1, registers, wide)
    for place in range(2):
        block = f"blocks.{place}."
        shapes |= {f"{block}{norm}.{part}": (wide,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
        shapes |= {f"{block}attn.qkv.weight": (3 * wide, wide), f"{block}attn.qkv.bias": (3 * wide,)}
        shapes |= {f"{block}attn.proj.weight": (wide, wide), f"{block}attn.proj.bias": (wide,)}
        both = inner * (2 if gated else 1)
        shapes |= {f"{block}mlp.fc1.weight": (both, wide), f"{block}mlp.fc1.bias": (both,)}
        shapes |= {f"{block}mlp.fc2.weight": (wide, inner), f"{block}mlp.fc2.bias": (wide,)}
        if scale:
            shapes |= {f"{block}ls1.gamma": (wide,), f"{block}ls2.gamma": (wide,)}
    if decoder:
        shapes |= {"mask_token": (1, 1, 16), "decoder_pos_embed": (1, 197, 16), "decoder_pred.weight": (768, 16)}
    state = {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}
    return {name: 1 + value if "norm" in name and name.endswith("weight") else value for name, value in state.items()}


def timm_tokens(state: dict, pixels: torch.Tensor, heads: int) -> torch.Tensor:
    """What timm's VisionTransformer makes of pictures, written down from its source: (n, tokens, features)."""
    f = nn.functional
    side = state["patch_embed.proj.weight"].shape[-1]
    x = f.conv2d(pixels, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=side)
    x = x.flatten(2).transpose(1, 2)
    first = [state[name].expand(len(x), -1, -1) for name in ("cls_token", "reg_token") if name in state]
    if state["pos_embed"].shape[1] == x.shape[1]:
        x = torch.cat([*first, x + state["pos_embed"]], 1)
    else:
        x = torch.cat([*first, x], 1) + state["pos_embed"]
    for place in range(2):
        b = {
            name.removeprefix(f"blocks.{place}."): v for name, v in state.items() if name.startswith(f"blocks.{place}.")
        }
        y = f.layer_norm(x, x.shape[-1:], b["norm1.weight"], b["norm1.bias"], 1e-6)
        qkv = f.linear(y, b["attn.qkv.weight"], b["attn.qkv.bias"])
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in qkv.chunk(3, -1))
        y = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v
        y = f.linear(y.transpose(1, 2).flatten(2), b["attn.proj.weight"], b["attn.proj.bias"])
        x = x + y * b.get("ls1.gamma", torch.ones(1))
        y = f.layer_norm(x, x.shape[-1:], b["norm2.weight"], b["norm2.bias"], 1e-6)
        y = f.linear(y, b["mlp.fc1.weight"], b["mlp.fc1.bias"])
        if b["mlp.fc1.weight"].shape[0] == 2 * b["mlp.fc2.weight"].shape[1]:
            gate, up = y.chunk(2, -1)
            y = f.silu(gate) * up
        else:
            y = f.gelu(y)
        x = x + f.linear(y, b["mlp.fc2.weight"], b["mlp.fc2.bias"]) * b.get("ls2.gamma", torch.ones(1))
    return f.layer_norm(x, x.shape[-1:], state["norm.weight"], state["norm.bias"], 1e-6)


def _save(state: dict, entry: Published, folder: Path) -> None:
    """Keep weights in the file that was published."""
    from safetensors.torch import save_file

    path = folder / entry.files[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path)


def _timm(entry: Published, folder: Path) -> dict:
    state = timm_weights(entry.heads, **TIMM[entry.name])
    _save({entry.inside: state, "epoch": 3} if entry.inside else state, entry, folder)
    return state


def _open_clip(entry: Published, folder: Path) -> dict:
    """A pair of towers of open_clip, the vision tower its own or one of timm."""
    vision = {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32 if entry.name == "quiltnet" else 16}
    told = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": {"context_length": 77}}
    if entry.name == "biomedclip":
        told["vision_cfg"] = {"timm_model_name": "vit_base_patch16_224", "timm_pool": "", "image_size": 224}
        trunk = timm_weights(entry.heads, **TIMM[entry.name])
        state = {f"visual.trunk.{name}": value for name, value in trunk.items()}
        state["visual.head.proj.weight"] = torch.randn(24, entry.heads * 4)
    else:
        trunk = state = _clip_weights(vision)
    state |= {"logit_scale": torch.tensor(1.0), "transformer.resblocks.0.ln_1.weight": torch.ones(8)}
    config = {"model_cfg": told, "preprocess_cfg": {"mean": OPENAI[0], "std": OPENAI[1]}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    _save(state, entry, folder)
    return trunk


def _clip_weights(vision: dict) -> dict:
    """Random weights under the names that open_clip's vision transformer gives them."""
    wide, side = vision["width"], vision["patch_size"]
    shapes = {
        "class_embedding": (wide,),
        "positional_embedding": ((224 // side) ** 2 + 1, wide),
        "conv1.weight": (wide, 3, side, side),
        "proj": (wide, 24),
    }
    shapes |= {f"{norm}.{part}": (wide,) for norm in ("ln_pre", "ln_post") for part in ("weight", "bias")}
    for place in range(vision["layers"]):
        block = f"transformer.resblocks.{place}."
        shapes |= {f"{block}{norm}.{part}": (wide,) for norm in ("ln_1", "ln_2") for part in ("weight", "bias")}
        shapes |= {f"{block}attn.in_proj_weight": (3 * wide, wide), f"{block}attn.in_proj_bias": (3 * wide,)}
        shapes |= {f"{block}attn.out_proj.weight": (wide, wide), f"{block}attn.out_proj.bias": (wide,)}
        shapes |= {f"{block}mlp.c_fc.weight": (4 * wide, wide), f"{block}mlp.c_fc.bias": (4 * wide,)}
        shapes |= {f"{block}mlp.c_proj.weight": (wide, 4 * wide), f"{block}mlp.c_proj.bias": (wide,)}
    return {f"visual.{name}": torch.randn(shape) * 0.2 for name, shape in shapes.items()}


def clip_features(state: dict, pixels: torch.Tensor) -> torch.Tensor:
    """The class token of open_clip's vision transformer after its last norm, from its source: (n, features)."""
    f = nn.functional
    s = {name.removeprefix("visual."): value for name, value in state.items() if name.startswith("visual.")}
    side = s["conv1.weight"].shape[-1]
    x = f.conv2d(pixels, s["conv1.weight"], stride=side).flatten(2).transpose(1, 2)
    x = torch.cat([s["class_embedding"].expand(len(x), 1, -1), x], 1) + s["positional_embedding"]
    x = f.layer_norm(x, x.shape[-1:], s["ln_pre.weight"], s["ln_pre.bias"])
    for place in range(2):
        start = f"transformer.resblocks.{place}."
        b = {name.removeprefix(start): value for name, value in s.items() if name.startswith(start)}
        y = f.layer_norm(x, x.shape[-1:], b["ln_1.weight"], b["ln_1.bias"]).transpose(0, 1)
        attention = [b["attn.in_proj_weight"], b["attn.in_proj_bias"], None, None, False, 0.0]
        out = (b["attn.out_proj.weight"], b["attn.out_proj.bias"])
        y, _ = f.multi_head_attention_forward(y, y, y, y.shape[-1], y.shape[-1] // 64, *attention, *out, training=False)
        x = x + y.transpose(0, 1)
        y = f.layer_norm(x, x.shape[-1:], b["ln_2.weight"], b["ln_2.bias"])
        y = f.gelu(f.linear(y, b["mlp.c_fc.weight"], b["mlp.c_fc.bias"]))
        x = x + f.linear(y, b["mlp.c_proj.weight"], b["mlp.c_proj.bias"])
    return f.layer_norm(x[:, 0], x.shape[-1:], s["ln_post.weight"], s["ln_post.bias"])


def _monai(entry: Published, folder: Path) -> nn.Module:
    """A network of MONAI in the wrapping that it was published in."""
    network = build(entry.network).eval()
    state = network.state_dict()
    if entry.name == "suprem":  # a larger model around it, without the last layer
        state = {f"module.backbone.{n}": v for n, v in state.items() if not n.startswith("out.")}
        state["module.organ_embedding"] = torch.randn(32, 8)
    elif entry.strip:
        state = {f"{entry.strip[0]}{name}": value for name, value in state.items()}
    held = {entry.inside: state, "epoch": 7} if entry.inside else state
    if entry.family == "diffusion":
        held["scale_factor"] = torch.tensor(1.25)
        decoder = build(entry.decoder["network"]).eval()
        (folder / "models").mkdir()
        torch.save(decoder.state_dict(), folder / entry.decoder["files"][0])
    _save(held, entry, folder)
    return network


def _bundle(entry: Published, folder: Path) -> nn.Module:
    """A bundle with the files of the model zoo; MONAI's own parser says what it computes."""
    labels = {"0": "background", "1": "spleen"}
    inference = {
        "imports": ["$import glob"],
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2}
        | {"channels": [4, 8, 16, 16, 16], "strides": [2, 2, 2, 2], "num_res_units": 2, "norm": "batch"},
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": _preparing([1.5, 1.5, 2.0], (-57, 164))},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [96, 96, 96], "overlap": 0.5},
    }
    if entry.name.startswith("swin"):
        inference["network_def"] = {"_target_": "SwinUNETR", "spatial_dims": 3, "in_channels": 1, "out_channels": 14}
        inference["network_def"] |= {"feature_size": 12, "use_checkpoint": False, "depths": [1, 1, 1, 1]}
        labels |= {str(value): f"organ {value}" for value in range(2, 14)}
    elif entry.name.startswith("wholeBody"):
        inference["displayable_configs"] = {"highres": True}
        inference["pixdim"] = "$[1.5, 1.5, 1.5] if @displayable_configs#highres else [3.0, 3.0, 3.0]"
        inference["network_def"] = {"_target_": "SegResNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 105}
        inference["network_def"] |= {"init_filters": 8, "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1]}
        steps = _preparing("@pixdim", None)
        steps += [{"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True}]
        steps += [{"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 1.0}]
        inference["preprocessing"]["transforms"] = steps
        labels |= {str(value): f"structure {value}" for value in range(2, 105)}
    elif entry.name == "vista3d":
        inference["network_def"] = "$monai.networks.nets.vista3d132(in_channels=@input_channels)"
        inference["preprocessing"]["transforms"] = "$@preprocessing_transforms "
        inference["inferer"] = {"_target_": "scripts.inferer.Vista3dInferer", "roi_size": "@patch_size"}
        inference["patch_size"] = [128, 128, 128]
        labels |= {str(value): f"class {value}" for value in range(2, 133)}
    image = {"format": "hounsfield", "num_channels": 1}
    metadata = {"network_data_format": {"inputs": {"image": image}, "outputs": {"pred": {"channel_def": labels}}}}
    (folder / "configs").mkdir(parents=True)
    (folder / "configs/inference.json").write_text(json.dumps(inference))
    (folder / "configs/metadata.json").write_text(json.dumps(metadata))
    if isinstance(inference["network_def"], dict):
        parser = ConfigParser({"network_def": inference["network_def"]})
        network = parser.get_parsed_content("network_def").eval()
    else:
        network = build(entry.network).eval()
    (folder / "models").mkdir()
    torch.save(network.state_dict(), folder / "models/model.pt")
    return network


def _preparing(spacing, window) -> list[dict]:
    """The steps of a bundle's preprocessing."""
    steps = [{"_target_": f"{name}d", "keys": "image"} for name in ("LoadImage", "EnsureChannelFirst", "EnsureType")]
    steps += [{"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"}]
    steps += [{"_target_": "Spacingd", "keys": "image", "pixdim": spacing, "mode": "bilinear"}]
    if window:
        scale = {"a_min": window[0], "a_max": window[1], "b_min": 0, "b_max": 1, "clip": True}
        steps += [{"_target_": "ScaleIntensityRanged", "keys": "image", **scale}]
    return steps
