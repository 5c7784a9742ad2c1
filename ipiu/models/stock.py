"""Classes of transformers and MONAI that a checkpoint may name, built from plain numbers and words, and filled."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

from ipiu.errors import IpiuError, require
from ipiu.models.checkpoint import look_for_missing
from ipiu.names import nearest

_MAISI = "monai.apps.generation.maisi.networks"
# a file may name any callable as its network; only these are built, and none of them reads a file or reaches a network
STOCK = {
    **dict.fromkeys(
        (
            "AttentionUnet",
            "AutoencoderKL",
            "BasicUNet",
            "BasicUNetPlusPlus",
            "ControlNet",
            "DenseNet",
            "DenseNet121",
            "DiffusionModelUNet",
            "DynUNet",
            "HighResNet",
            "MedNeXt",
            "ResNet",
            "resnet10",
            "resnet101",
            "resnet152",
            "resnet18",
            "resnet200",
            "resnet34",
            "resnet50",
            "SegResNet",
            "SegResNetDS",
            "SegResNetDS2",
            "SegResNetVAE",
            "SwinUNETR",
            "UNet",
            "UNETR",
            "VISTA3D",
            "vista3d132",
            "ViT",
            "ViTAutoEnc",
            "VNet",
            "VQVAE",
        ),
        "monai.networks.nets",
    ),
    "SegResEncoder": "monai.networks.nets.segresnet_ds",
    **dict.fromkeys(("ClassMappingClassify", "PointMappingSAM"), "monai.networks.nets.vista3d"),
    "AutoencoderKlMaisi": f"{_MAISI}.autoencoderkl_maisi",
    "ControlNetMaisi": f"{_MAISI}.controlnet_maisi",
    "DiffusionModelUNetMaisi": f"{_MAISI}.diffusion_model_unet_maisi",
    **dict.fromkeys(("DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "RFlowScheduler"), "monai.networks.schedulers"),
}
_HOMES = ("monai.networks.nets", "monai.networks.schedulers", _MAISI)
# arguments of networks are small numbers; a larger one is no network of this world
LARGEST = 65536


def build(config: dict[str, Any]) -> Any:
    """A network or noise scheduler of MONAI from the name of its class ``_target_`` and its arguments; weights random.

    Raises
    ------
    IpiuError
        Where the class is not stock, or an argument is not a plain number or word.

    Examples
    --------
    >>> build({"_target_": "SegResNet", "init_filters": 8, "out_channels": 2}).init_filters
    8
    """
    told = dict(config)
    target = str(told.pop("_target_", ""))
    start, _, name = target.rpartition(".")
    home = STOCK.get(name)
    if home is None or not (start == "" or start.startswith(_HOMES)):
        msg = f"the checkpoint names the class {target!r}, which is not built; {nearest(name or 'none', STOCK)}"
        raise IpiuError(msg)
    _plain(told, name)
    if not torch.cuda.is_available():  # the same sums, which MONAI does only on a GPU
        told |= dict.fromkeys({"use_flash_attention", "norm_float16"} & set(told), False)
    told = {
        key: build(value) if isinstance(value, dict) and "_target_" in value else value for key, value in told.items()
    }
    return _made(getattr(import_module(home), name), told, name)


def _made(kind: Any, told: dict[str, Any], name: str) -> Any:
    """An object of a stock class, or the sentence that says which argument it refuses."""
    try:
        return kind(**told)
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError, IndexError, ZeroDivisionError) as error:
        msg = f"{name} cannot be built from the arguments that the checkpoint gives ({error})"
        raise IpiuError(msg) from error


def _plain(value: Any, name: str) -> None:
    """Refuse anything but numbers, words and lists of them: no expressions, no classes, nothing that is fetched."""
    if isinstance(value, dict):
        if value.get("pretrained"):
            msg = f"{name} asks for weights of its own (pretrained={value['pretrained']!r}), which are not fetched"
            raise IpiuError(msg)
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        for inner in value:
            _plain(inner, name)
    elif isinstance(value, str) and value.startswith(("$", "@", "%")):
        msg = f"an argument of {name} is the expression {value!r}, which is not run"
        raise IpiuError(msg)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > LARGEST:
        msg = f"an argument of {name} is {value}, above {LARGEST}; no such network is built"
        raise IpiuError(msg)


def filled(network: torch.nn.Module, state: dict[str, Any], where: str, random: list[str] = ()) -> torch.nn.Module:
    """A network of MONAI with its weights, every one of them, in float32.

    Parameters
    ----------
    random
        prefixes of weights that may be missing, since nothing uses them
    """
    state = {name: v.float() if v.is_floating_point() else v for name, v in state.items()}
    try:
        missing, _ = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        msg = f"the weights of {where} do not fit {type(network).__name__} ({_first(error)})"
        raise IpiuError(msg) from error
    absent = [name for name in missing if not name.startswith(tuple(random))]
    foreign = sorted(set(state) - set(network.state_dict()))
    if absent or foreign:
        what = f"lack {', '.join(absent[:3])}" if absent else f"hold {', '.join(foreign[:3])} besides"
        msg = f"the weights of {where} are those of another network than {type(network).__name__}: {what}"
        raise IpiuError(msg)
    return network.eval()


def pretrained(
    config: dict[str, Any], state: dict[str, torch.Tensor], *, where: str, kind: str = ""
) -> torch.nn.Module:
    """A network of transformers from what its config.json says, with its weights, in float32.

    Parameters
    ----------
    config
        of the checkpoint; a pair of towers gives its vision tower where ``kind`` is one
    kind
        name of the class; empty takes the one that the config names
    """
    transformers = require("transformers", extra="models")
    name = kind or str((config.get("architectures") or ["none"])[0])
    if config.get("auto_map"):
        msg = f"{where} runs Python code that lies beside its weights, which is not done here"
        raise IpiuError(msg)
    form = getattr(transformers, name, None)
    if form is None or not hasattr(form, "from_pretrained"):
        msg = f"{where} names {name}, which this transformers lacks; update it"
        raise IpiuError(msg)
    told = _config(form, config, where)
    # a pooling layer that was never trained is left out rather than filled with noise
    options = {} if any("pooler." in key for key in state) or not _pools(form) else {"add_pooling_layer": False}
    try:
        with quiet():
            network, info = form.from_pretrained(
                None, config=told, state_dict=state, dtype=torch.float32, output_loading_info=True, **options
            )
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        msg = f"the weights of {where} do not fit {name} ({_first(error)})"
        raise IpiuError(msg) from error
    look_for_missing(network, set(info["missing_keys"]), where)
    return network.eval()


def _pools(form: Any) -> bool:
    """Whether a class may be had without its pooling layer."""
    return "add_pooling_layer" in inspect.signature(form.__init__).parameters


def _config(form: Any, config: dict[str, Any], where: str) -> Any:
    """The configuration of a class; names that would choose code are left out."""
    kind = form.config_class
    part = getattr(kind, "base_config_key", "")
    told = config
    if part and isinstance(config.get(part), dict) and config.get("model_type") != kind.model_type:
        told = dict(config[part])
        if "projection_dim" in config:  # it stands above the towers, which have a default of their own
            told["projection_dim"] = config["projection_dim"]
    left = ("auto_map", "quantization_config", "attn_implementation", "experts_implementation", "model_type")
    told = {name: value for name, value in told.items() if not name.startswith("_") and name not in left}
    for name, most in (("num_hidden_layers", 1000), ("hidden_size", LARGEST)):
        if isinstance(told.get(name), int) and told[name] > most:
            msg = f"the config.json of {where} says {name}={told[name]}, above {most}; no such network is built"
            raise IpiuError(msg)
    try:
        return kind.from_dict(told)
    except Exception as error:  # the checks of a configuration raise errors of several libraries
        msg = f"the config.json of {where} does not fit {kind.__name__} ({_first(error)})"
        raise IpiuError(msg) from error


def _first(error: BaseException) -> str:
    """The first line that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the tables and bars that transformers prints while it loads."""
    from transformers.utils import logging as told

    level, bars = told.get_verbosity(), told.is_progress_bar_enabled()
    told.set_verbosity(logging.CRITICAL)
    told.disable_progress_bar()
    try:
        yield
    finally:
        told.set_verbosity(level)
        if bars:
            told.enable_progress_bar()
