"""Outlines on request: a picture is encoded once, then answers points, boxes and rough masks in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from monai.data import MetaTensor
from torch.nn.functional import interpolate, pad

from ipiu.errors import IpiuError
from ipiu.models.contract import Contract
from ipiu.models.model import Model
from ipiu.models.prompts import Prompts, check_prompts
from ipiu.models.propagate import propagate

KINDS = ("SamModel", "Sam2Model", "Sam3TrackerModel")
SURE = 8.0  # the logit that a pixel of a mask given by hand stands for


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture as the network's encoder left it.

    Attributes
    ----------
    features
        what the decoder reads
    shape
        rows and columns of the picture
    affine, meta
        of the picture, where it is a MetaTensor
    """

    features: Any
    shape: tuple[int, int]
    affine: torch.Tensor | None
    meta: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Outline:
    """What the network outlined.

    Attributes
    ----------
    masks
        uint8 MetaTensor (n, row, column) on the picture's own grid, best first: one a box, or one or three for points
    scores
        (n,) overlap (intersection over union) with what was meant, as the network expects it
    logits
        (n, row, column) on the network's own grid; what ``mask=outline`` gives back to it
    """

    masks: MetaTensor
    scores: np.ndarray
    logits: torch.Tensor

    @property
    def mask(self) -> np.ndarray:
        """The first mask as a bool array (row, column)."""
        return self.masks[0].numpy().astype(bool)

    def __repr__(self) -> str:
        told = ", ".join(f"{score:.2f}" for score in self.scores)
        return f"Outline({len(self.masks)} of {' x '.join(map(str, self.masks.shape[1:]))} pixels, scores {told})"


class Promptable(Model):
    """Segment Anything and its descendants: ``SamModel``, ``Sam2Model`` and ``Sam3TrackerModel`` of transformers.

    Examples
    --------
    >>> import ipiu
    >>> sam = ipiu.load("ipiu-tiny-sam")
    >>> picture = torch.rand(1, 90, 120)
    >>> encoded = sam.encode(picture)
    >>> sam.segment(encoded, points=[(40, 60)], negative=[(10, 10)]).masks.shape
    torch.Size([1, 90, 120])
    """

    family: ClassVar[str] = "promptable"

    def __init__(self, network: torch.nn.Module, contract: Contract, **told):
        super().__init__(network, contract, **told)
        kind = type(network).__name__
        if kind not in KINDS:
            msg = f"{self.name} is a {kind}; a promptable model is one of {', '.join(KINDS)}"
            raise IpiuError(msg)
        side = int(network.config.prompt_encoder_config.image_size)
        if tuple(contract.size or ()) != (side, side) or contract.fit not in ("corner", "squash"):
            msg = f"the contract of {self.name} makes {contract.size} ({contract.fit}) of a picture; the network reads "
            msg += f"({side}, {side}), squashed or from the upper left corner"
            raise IpiuError(msg)
        #: pixels along each side of what the encoder sees, and of the decoder's masks
        self.side, self.grid = side, 4 * (side // int(network.config.prompt_encoder_config.patch_size))

    def encode(self, image: torch.Tensor) -> Encoded:
        """Run the encoder, which takes nearly all of the time.

        Parameters
        ----------
        image
            picture (channel, row, column). What becomes black and white is, in this order: the contract's window,
            ``image.meta["window"]`` as (centre, width), the picture's own percentiles

        Returns
        -------
        Encoded
            to be given to :meth:`segment` as often as one likes

        Raises
        ------
        IpiuError
            Where the picture does not keep the contract.
        """
        pixels = self._looked_at(image).picture(image)
        with self.precision():
            features = self.network.get_image_embeddings(pixels[None].to(self.device))
        shape = tuple(int(n) for n in image.shape[-2:])
        return Encoded(features, shape, getattr(image, "affine", None), dict(getattr(image, "meta", {})))

    def _looked_at(self, image: torch.Tensor) -> Contract:
        """The contract, with the window that the picture states where the contract leaves it open."""
        window = getattr(image, "meta", {}).get("window")
        if window is None or self.contract.window is not None or self.contract.scaling not in ("window", "minmax"):
            return self.contract
        centre, width = window
        return replace(
            self.contract, window=(centre - width / 2, centre + width / 2), scaling="window", eight_bit=False
        )

    def segment(
        self,
        image: torch.Tensor | Encoded,
        *,
        points: Iterable[tuple[float, float]] = (),
        negative: Iterable[tuple[float, float]] = (),
        boxes: Iterable[Any] = (),
        mask: Outline | np.ndarray | torch.Tensor | None = None,
        multimask: bool = False,
    ) -> Outline:
        """Outline what the prompts mean.

        Parameters
        ----------
        image
            a picture, or what :meth:`encode` made of it
        points, negative
            (row, column) of pixels that belong to the one thing that is meant, and of pixels that do not
        boxes
            (top, left, bottom, right) as in ``picture[top:bottom, left:right]``; several boxes are several things, and
            then stand alone
        mask
            the outline so far, to be refined: an :class:`Outline`, or a mask (row, column) of the picture's size
        multimask
            three answers to one ambiguous prompt instead of one, best first

        Returns
        -------
        Outline

        Raises
        ------
        IpiuError
            Where nothing is asked for, a prompt lies outside the picture, or the mask has another size.

        Examples
        --------
        >>> import ipiu
        >>> sam = ipiu.load("ipiu-tiny-sam")
        >>> sam.segment(torch.rand(1, 90, 120), boxes=[(10, 20, 50, 60)]).scores.shape
        (1,)
        """
        prompts = Prompts.read(points, negative, boxes)
        encoded = image if isinstance(image, Encoded) else None
        shape = encoded.shape if encoded else tuple(int(n) for n in image.shape[-2:])
        check_prompts(prompts, shape, mask=mask, multimask=multimask)
        encoded = encoded or self.encode(image)
        told = {
            name: values.to(self.device)
            for name, values in prompts.tensors(np.divide(self._filled(shape, self.side), shape)).items()
        }
        if mask is not None:
            told["input_masks"] = self._dense(mask).to(self.device)
        with self.precision():
            answer = self.network(image_embeddings=encoded.features, multimask_output=multimask, **told)
        # (object, answer): one of the two is one
        logits, scores = answer.pred_masks[0].flatten(0, 1).float().cpu(), answer.iou_scores[0].flatten().float().cpu()
        order = scores.argsort(descending=True) if multimask else torch.arange(len(scores))
        return self._outline(logits[order], scores[order], encoded)

    def propagate(self, volume: MetaTensor, plane: str, index: int, **prompts) -> MetaTensor:
        """Outline a structure on one slice, and from there slice by slice as far as it goes.

        The next slice is asked for with the box, the middle and the mask of the one before. It ends, on either side,
        where the model expects an overlap below 0.5 or the outline jumps. Nothing looks back: an error is carried on.

        Parameters
        ----------
        volume
            (1, i, j, k) with an affine to RAS+ mm; ``meta["window"]`` says what is black and white, as for
            :meth:`encode`
        plane, index
            where to begin, as :func:`ipiu.models.cut.cut` counts them
        prompts
            points, negative, boxes or mask on that slice, as for :meth:`segment`

        Returns
        -------
        MetaTensor
            uint8 (1, i, j, k) on the volume's own grid

        Examples
        --------
        >>> import ipiu
        >>> sam = ipiu.load("ipiu-tiny-sam")
        >>> volume = MetaTensor(torch.rand(1, 40, 40, 3), affine=torch.eye(4))
        >>> sam.propagate(volume, "axial", 1, points=[(20, 20)]).shape
        torch.Size([1, 40, 40, 3])
        """
        return propagate(self, volume, plane, index, **prompts)

    def _outline(self, logits: torch.Tensor, scores: torch.Tensor, encoded: Encoded) -> Outline:
        """Masks on the picture's grid."""
        filled = logits[None]
        if self.contract.fit == "corner":
            rows, columns = self._filled(encoded.shape, self.side)
            wide = interpolate(filled, size=(self.side, self.side), mode="bilinear", align_corners=False)
            filled = wide[..., :rows, :columns]
        masks = interpolate(filled, size=encoded.shape, mode="bilinear", align_corners=False)[0] > 0
        meta = {"unit": "mask", "name": "outline", "modality": encoded.meta.get("modality", "")}
        return Outline(MetaTensor(masks.to(torch.uint8), affine=encoded.affine, meta=meta), scores.numpy(), logits)

    def _dense(self, mask: Outline | np.ndarray | torch.Tensor) -> torch.Tensor:
        """A mask as the decoder reads it: logits (1, 1, row, column) on its own grid."""
        if isinstance(mask, Outline):
            return mask.logits[:1, None]
        values = torch.as_tensor(np.asarray(mask) > 0)[None, None].float()
        rows, columns = self._filled(values.shape[-2:], self.grid)
        fitted = interpolate(values, size=(rows, columns), mode="bilinear", antialias=True) * 2 * SURE - SURE
        return pad(fitted, (0, self.grid - columns, 0, self.grid - rows), value=-SURE)

    def _filled(self, shape: tuple[int, int], side: int) -> tuple[int, int]:
        """Rows and columns that a picture fills, from the upper left corner, of a square of ``side`` pixels."""
        scale, _ = self.contract.frame(shape)
        return tuple(max(1, int(n * by * side / self.side + 0.5)) for n, by in zip(shape, scale, strict=True))
