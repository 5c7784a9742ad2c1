"""Encoders: pictures or volumes in, one vector for each image or for each of its patches out."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation, ResizeWithPadOrCrop, Spacing
from tqdm.auto import tqdm

from ipiu.errors import IpiuError
from ipiu.models.model import Model
from ipiu.models.pictures import ahead, axial, listed, pictures, plain, read

log = logging.getLogger(__name__)
LEVELS = ("image", "patch")
SLICES = 32  # of a volume, seen by a network that reads pictures
DIVISIBLE = 32  # voxels; what SwinUNETR halves five times


class Encoder(Model):
    """Vision transformers and ConvNeXts of transformers, and encoders of MONAI, behind one verb.

    ViT, ViTMAE, DINOv2 (with registers or without), DINOv3, SigLIP, CLIP and ConvNeXt read pictures; SegResNet,
    SwinUNETR, ViT and DenseNet of MONAI read volumes or pictures, as the contract says.

    Examples
    --------
    >>> import ipiu, torch
    >>> model = ipiu.load("ipiu-tiny-mae")
    >>> model.encode(torch.rand(1, 120, 100)).shape
    (1, 192)
    >>> model.encode(torch.rand(1, 120, 100), level="patch").shape
    (1, 64, 192)
    """

    family: ClassVar[str] = "encoder"

    def __init__(self, network: torch.nn.Module, *args, **options):
        super().__init__(network, *args, **options)
        self._tower = _tower(self.network)
        # volumes whose size the contract leaves open are seen one by one
        self._of_one_size = self.contract.dims == 2 or self.contract.size is not None

    def encode(self, images: Any, *, level: str = "image", batch: int = 64, progress: str | None = None) -> np.ndarray:
        """Vectors of images.

        Pictures are read, grouped by size and prepared together, in threads, while the network sees those before.

        Parameters
        ----------
        images
            a picture (channel, row, column), a volume (channel, i, j, k) with its affine, a file, a folder of PNG, JPEG
            or TIFF files (in the order of their names), or any number of these, of whatever sizes. A generator is read
            as it goes, so a cohort need not fit in memory
        level
            ``image``: one vector an image. It is the class token, or what the network itself makes of all patches where
            it was trained to (SigLIP, CLIP, ConvNeXt), or the mean of the patches (MONAI, and masked autoencoders,
            whose class token has no task). ``patch``: one vector a patch
        batch
            images at a time
        progress
            what the progress bar says; no bar where it is None

        Returns
        -------
        ndarray
            float32, (n, features), or (n, patches, features) with patches row by row from the top left (of a volume as
            its array lies, k fastest). A network for pictures sees a volume as at most ``SLICES`` = 32 axial slices,
            evenly spaced from feet to head; their vectors are averaged, or follow one another for ``patch``.

        Raises
        ------
        IpiuError
            Where an image does not keep the contract, or there is none.
        """
        if level not in LEVELS:
            msg = f"level={level!r}; choose one of {', '.join(LEVELS)}"
            raise IpiuError(msg)
        found, given = [], listed(images)
        total = len(given) if hasattr(given, "__len__") else None
        with tqdm(total=total, desc=progress, disable=progress is None) as bar:
            for ready, counts in ahead(self._prepare, given, batch if self._of_one_size else 1):
                found += _pooled(self._seen(ready, level, batch), counts, level)
                bar.update(len(counts))
        if not found:
            msg = "there are no images to encode"
            raise IpiuError(msg)
        if len({vectors.shape for vectors in found}) > 1:
            msg = "the images have different numbers of patches; encode them one by one, or ask for level='image'"
            raise IpiuError(msg)
        return np.stack(found)

    def attention(self, image: Any) -> np.ndarray:
        """Where the class token of the last layer looks: (heads, rows, columns), over the grid of patches.

        The weights of one head add up to what the class token leaves to the patches, at most 1.

        Raises
        ------
        IpiuError
            Where the network has no class token.
        """
        given = list(listed(image))
        ready, _ = self._prepare(given[:1])
        rows, columns = self._grid(ready)
        with self.precision(), _eager(self._tower):
            told = self._tower(ready.to(self.device), output_attentions=True, **self._options(ready))
        if not getattr(told, "attentions", None) or told.attentions[-1].shape[-1] == rows * columns:
            msg = f"{type(self._tower).__name__} has no class token whose attention could be shown"
            raise IpiuError(msg)
        return told.attentions[-1][0, :, 0, -rows * columns :].float().cpu().numpy().reshape(-1, rows, columns)

    def _prepare(self, images: list) -> tuple[torch.Tensor, list[int]]:
        """What the network sees of some images, and how many pictures or volumes of it belong to each."""
        images = [read(image) for image in images]
        if self.contract.dims == 3:
            return torch.stack([self._volume(image) for image in images]), [1] * len(images)
        slices = [self._slices(image) if image.ndim == 4 else [image] for image in images]
        return pictures(self.contract, [one for several in slices for one in several]), [len(s) for s in slices]

    def _slices(self, volume: torch.Tensor) -> list[torch.Tensor]:
        """Axial slices, in grey levels that are the same throughout the volume."""
        log.info("a network for pictures: the volume is seen as at most %d axial slices", SLICES)
        slices = axial(volume, SLICES)
        meta = getattr(volume, "meta", {})
        return [MetaTensor(one, meta={"unit": meta.get("unit")}) for one in slices]

    def _volume(self, volume: torch.Tensor) -> torch.Tensor:
        """A volume as a network for volumes sees it."""
        contract = self.contract
        contract.check(volume)
        turned = Orientation(axcodes=contract.axcodes, labels=None)(volume.float())
        if contract.spacing:
            turned = Spacing(pixdim=contract.spacing, mode="bilinear", padding_mode="border")(turned)
        values = contract.intensities(turned)
        if values.shape[0] != contract.channels:
            values = values.mean(0, keepdim=True).expand(contract.channels, -1, -1, -1)
        size = contract.size or [-(-n // DIVISIBLE) * DIVISIBLE for n in values.shape[1:]]
        values = plain(ResizeWithPadOrCrop(size)(values))
        if contract.mean:
            mean, std = (torch.tensor(told)[:, None, None, None] for told in (contract.mean, contract.std))
            values = (values - mean) / std
        return values

    def _seen(self, ready: torch.Tensor, level: str, batch: int) -> np.ndarray:
        """The network's vectors of prepared images, ``batch`` at a time."""
        found = []
        with self.precision():
            for part in ready.split(batch):
                vectors = self._vectors(part.to(self.device, non_blocking=True), level)
                found.append(vectors.float().cpu())
        return torch.cat(found).numpy()

    def _vectors(self, part: torch.Tensor, level: str) -> torch.Tensor:
        """Vectors (n, features) or (n, patches, features) of one batch."""
        if not hasattr(self._tower, "config"):
            patches = _monai(self._tower, part)
            return patches.mean(1) if level == "image" else patches
        told = self._tower(part, **self._options(part))
        tokens = told.last_hidden_state
        if tokens.ndim == 4:  # ConvNeXt: (n, features, row, column)
            return told.pooler_output if level == "image" else tokens.flatten(2).transpose(1, 2)
        rows, columns = self._grid(part)
        patches = tokens[:, -rows * columns :]
        if level == "patch":
            return patches
        kind = self._tower.config.model_type
        if kind.startswith(("siglip", "clip")):
            return told.pooler_output
        return patches.mean(1) if kind == "vit_mae" else tokens[:, 0]

    def _grid(self, ready: torch.Tensor) -> tuple[int, int]:
        """Rows and columns of patches."""
        patch = getattr(self._tower.config, "patch_size", 1)
        high, wide = (patch, patch) if isinstance(patch, int) else patch
        return ready.shape[-2] // high, ready.shape[-1] // wide

    def _options(self, part: torch.Tensor) -> dict[str, torch.Tensor]:
        """What a masked autoencoder is told beside the pictures: to leave the patches in their order."""
        if self._tower.config.model_type != "vit_mae":
            return {}
        rows, columns = self._grid(part)
        return {"noise": torch.arange(rows * columns, device=part.device).expand(len(part), -1)}


def _tower(network: torch.nn.Module) -> torch.nn.Module:
    """The part of a network that sees: the vision tower of a pair, the encoder of an autoencoder, unmasked."""
    if not hasattr(network, "base_model_prefix"):
        parts = ("swinViT", "encode", "patch_embedding", "features", "conv_init", "layer4")
        if not any(hasattr(network, name) for name in parts):
            msg = f"{type(network).__name__} is no encoder that is known; give a ViT, SwinUNETR, SegResNet or DenseNet"
            raise IpiuError(msg)
        return network
    if not hasattr(network, "embeddings"):
        names = (network.base_model_prefix, "vision_model")
        network = next((getattr(network, name) for name in names if hasattr(network, name)), None)
    if getattr(network, "main_input_name", None) != "pixel_values":
        msg = f"{type(network).__name__} is no vision model; give a ViT, ViTMAE, DINO, SigLIP, CLIP or ConvNeXt"
        raise IpiuError(msg)
    if network.config.model_type != "vit_mae":
        return network
    # the same weights in an encoder of its own: the whole network goes on hiding patches
    seeing, embeddings = copy.copy(network), copy.copy(network.embeddings)
    embeddings.config = copy.copy(network.config)
    embeddings.config.mask_ratio = 0.0
    seeing._modules = network._modules | {"embeddings": embeddings}
    return seeing


def _monai(network: torch.nn.Module, part: torch.Tensor) -> torch.Tensor:
    """Patches (n, patches, features) of the deepest stage of a network of MONAI."""
    if hasattr(network, "swinViT"):
        found = network.swinViT(part, network.normalize)[-1]
    elif hasattr(network, "encode"):
        found = network.encode(part)[0]
    elif hasattr(network, "features"):
        found = network.features(part)
    elif hasattr(network, "conv_init"):  # SegResEncoder
        found = network(part)[-1]
    elif hasattr(network, "layer4"):  # ResNet, up to where it pools
        found = network.act(network.bn1(network.conv1(part)))
        found = found if network.no_max_pool else network.maxpool(found)
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            found = stage(found)
    else:
        tokens = network(part)[0]
        return tokens[:, 1:] if hasattr(network, "cls_token") else tokens
    return found.flatten(2).transpose(1, 2)


def _pooled(vectors: np.ndarray, counts: list[int], level: str) -> list[np.ndarray]:
    """One array an image: of several slices the mean, or all their patches one after the other."""
    slices = np.split(vectors, np.cumsum(counts)[:-1])
    return [several.mean(0) if level == "image" else several.reshape(-1, several.shape[-1]) for several in slices]


@contextmanager
def _eager(network: torch.nn.Module) -> Iterator[None]:
    """Attention computed so that its weights can be seen."""
    before = network.config._attn_implementation
    network.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.set_attn_implementation(before)
