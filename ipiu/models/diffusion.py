"""Generators: a network that turns noise into pictures or volumes, step by step, from MONAI's generative networks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from torch.nn.functional import interpolate, pixel_shuffle
from tqdm.auto import tqdm

from ipiu.errors import IpiuError
from ipiu.models.asked import labels_as_channels, told
from ipiu.models.contract import Contract
from ipiu.models.model import Model
from ipiu.models.sampler import Sampler
from ipiu.models.weights import read_network

SPACING = (1.5, 1.5, 1.5)  # mm
WINDOW = 64  # latents along a side that are decoded at once


class Diffusion(Model):
    """A diffusion model or rectified flow, of pixels or of an autoencoder's latents.

    Attributes
    ----------
    sampler
        the scheduler it was trained with, and what may be asked for
    autoencoder
        turns latents into pictures; None where the network draws pixels
    controlnet
        reads a label map; None where there is none

    References
    ----------
    Liu, X., Gong, C., Liu, Q. (2023). Flow straight and fast. https://doi.org/10.48550/arXiv.2209.03003.
    Guo, P. et al. (2025). MAISI. https://doi.org/10.48550/arXiv.2409.11169.

    Examples
    --------
    >>> import ipiu
    >>> model = ipiu.load("ipiu-tiny-rflow")
    >>> model.sample(2, {"cardiomegaly": 1}, steps=4, progress=False).shape
    torch.Size([2, 1, 64, 64])
    """

    family = "diffusion"

    def __init__(
        self,
        network: torch.nn.Module,
        contract: Contract,
        *,
        sampler: Sampler,
        autoencoder: torch.nn.Module | None = None,
        controlnet: torch.nn.Module | None = None,
        **options,
    ):
        super().__init__(network, contract, **options)
        self.sampler = sampler
        self.autoencoder, self.controlnet = (
            part and part.eval().requires_grad_(False).to(self.device) for part in (autoencoder, controlnet)
        )

    @classmethod
    def extras(cls, folder: Path, *, pickle: bool = False) -> dict[str, Any]:
        """What lies beside the network: ``sampler.json`` and, where there are, ``autoencoder/`` and ``controlnet/``."""
        folder = Path(folder)
        parts = [name for name in ("autoencoder", "controlnet") if (folder / name).is_dir()]
        found = {name: read_network(folder / name, pickle=pickle) for name in parts}
        return {"sampler": Sampler.read(folder / "sampler.json"), **found}

    def sample(
        self,
        n: int,
        condition: dict[str, Any] | torch.Tensor | None = None,
        *,
        steps: int = 20,
        guidance: float = 1.5,
        method: str | None = None,
        size: tuple[int, ...] | None = None,
        spacing: tuple[float, ...] | None = None,
        seed: int = 0,
        batch: int = 16,
        progress: bool = True,
    ) -> MetaTensor:
        """Draw ``n`` pictures or volumes.

        Parameters
        ----------
        n
            how many; the first are the same however many are drawn
        condition
            name -> 1 (there) or 0 (not there), one for all or one for each of the ``n``; what is left out is unsaid. Or
            a label map (1, row, column) or (1, i, j, k), for a model that reads one; or None
        steps
            fewer are faster and coarser
        guidance
            how far to go beyond the condition (1 follows the network, 0 leaves the condition out); named conditions
            only. See https://doi.org/10.48550/arXiv.2207.12598
        method
            ``euler`` or ``heun`` for a rectified flow, ``ddim`` for a diffusion
        size
            of the result in pixels or voxels; that of the contract unless given
        spacing
            of a volume's voxels in mm, that of the contract unless given; it is told to a network that asks for it
        seed
            the same seed starts from the same noise, whatever the condition, the steps and the device
        batch
            how many are drawn at once

        Returns
        -------
        MetaTensor
            (n, 1, row, column), or (n, 1, i, j, k) with an affine of that spacing (RAS+ mm), in the contract's unit and
            window

        Raises
        ------
        IpiuError
            Where a condition is not known or of another size, or the size does not suit the network.
        """
        size, spacing = self._size(size, condition), spacing or self.contract.spacing or SPACING
        noise = self._noise(int(n), size, seed)
        drawn, total = [], int(n) * int(steps)
        with tqdm(total=total, desc="from noise to picture", disable=not progress) as bar:
            for first in range(0, len(noise), batch):
                some = slice(first, first + batch)
                for _, state, _ in self._walk(noise, some, condition, size, spacing, steps, method, guidance):
                    bar.update(len(state))
                drawn.append(self._picture(state))
        return self._placed(torch.cat(drawn), spacing)

    def trajectory(
        self,
        condition: dict[str, Any] | None = None,
        *,
        steps: int = 20,
        guidance: float = 1.5,
        seed: int = 0,
        **options,
    ) -> tuple[list[float], MetaTensor, MetaTensor]:
        """One sample on its way from noise.

        Parameters
        ----------
        options
            ``method``, ``size`` and ``spacing``, as of :meth:`sample`

        Returns
        -------
        tuple
            the time that is left before each step (1 is noise) and at the end (0); the states at these times,
            (steps + 1, 1, ...); the pictures the network expected at each step, (steps, 1, ...)
        """
        size = self._size(options.get("size"), condition)
        spacing = options.get("spacing") or self.contract.spacing or SPACING
        noise = self._noise(1, size, seed)
        walk = self._walk(noise, slice(None), condition, size, spacing, steps, options.get("method"), guidance)
        seen = [(left, self._picture(state), self._picture(guess)) for left, state, guess in walk]
        states = torch.cat([self._picture(noise.to(self.device)), *(state for _, state, _ in seen)])
        guesses = torch.cat([guess for *_, guess in seen])
        return [1.0, *(left for left, *_ in seen)], self._placed(states, spacing), self._placed(guesses, spacing)

    def _walk(self, noise, some, condition, size, spacing, steps, method, guidance) -> Iterator[tuple]:
        """From the noise of some samples to those samples."""
        start = noise[some].to(self.device)
        mapped = isinstance(condition, torch.Tensor)
        regions = condition if not mapped and getattr(self.network, "include_top_region_index_input", False) else None
        said = told(self.network, len(start), spacing=spacing, class_label=self.sampler.class_label, regions=regions)
        ask = partial(self.network, **{name: value.to(self.device) for name, value in said.items()})
        if mapped:
            predict = partial(self._mapped, ask, self._labels(condition, size))
        else:
            named = None if regions else condition
            context = self.sampler.context(len(noise), named)[some].to(self.device)
            predict = partial(self._guided, ask, context, guidance)
        walk = self.sampler.walk(predict, start, steps=steps, method=method)
        while True:
            with self.precision():
                step = next(walk, None)
            if step is None:
                return
            yield step

    def _guided(self, ask, context, guidance, state, times) -> torch.Tensor:
        """The network's answer under named conditions, taken beyond its answer without."""
        if not self.sampler.conditions:
            return ask(state, times).float()
        if guidance == 1 or not context.any():
            return ask(state, times, context=context).float()
        without = ask(state, times, context=torch.zeros_like(context)).float()
        return without + guidance * (ask(state, times, context=context).float() - without)

    def _mapped(self, ask, labels, state, times) -> torch.Tensor:
        """The network's answer to a label map, by its ControlNet or in channels of its own."""
        labels = labels.expand(len(state), *labels.shape[1:])
        if self.controlnet is None:
            return ask(torch.cat([state, labels], 1), times).float()
        classes = {name: value for name, value in ask.keywords.items() if name == "class_labels"}
        down, middle = self.controlnet(x=state, timesteps=times, controlnet_cond=labels, **classes)
        return ask(state, times, down_block_additional_residuals=down, mid_block_additional_residual=middle).float()

    def _size(self, size: tuple[int, ...] | None, condition: Any) -> tuple[int, ...]:
        """The size of the result, which the network can halve as often as it does."""
        mapped = isinstance(condition, torch.Tensor)
        size = tuple(size or (condition.shape[1:] if mapped else self.contract.size or ()))
        step = self.sampler.patch * self.sampler.reduction * 2 ** (len(self.network.block_out_channels) - 1)
        if len(size) != self.contract.dims or any(side < step or side % step for side in size):
            msg = f"size={size} must be {self.contract.dims} numbers, each a multiple of {step}"
            raise IpiuError(msg)
        return size

    def _noise(self, n: int, size: tuple[int, ...], seed: int) -> torch.Tensor:
        """Noise made on the CPU one sample after the other, so that sample i is the same on every device."""
        if n < 1:
            msg = f"n={n} must be at least 1"
            raise IpiuError(msg)
        shape = (self.network.out_channels, *(side // self.sampler.patch // self.sampler.reduction for side in size))
        source = torch.Generator().manual_seed(seed)
        return torch.stack([torch.randn(shape, generator=source) for _ in range(n)])

    def _labels(self, labels: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        """A label map as the network reads it, (1, channels, ...)."""
        joined = self.network.in_channels - self.network.out_channels
        if self.controlnet is None and joined <= 0:
            msg = "this model reads no label map; give named conditions, or load one with a ControlNet"
            raise IpiuError(msg)
        if labels.shape != (1, *size):
            msg = f"the label map has the shape {tuple(labels.shape)}; this sample needs {(1, *size)}"
            raise IpiuError(msg)
        coded = labels_as_channels(labels, self.sampler.label_code, len(self.contract.labels) or joined)
        if self.controlnet is None:  # beside the latents, so at their size
            fine = self.sampler.reduction * self.sampler.patch
            coded = interpolate(coded, size=[side // fine for side in size], mode="nearest-exact")
        return coded.to(self.device)

    def _picture(self, state: torch.Tensor) -> torch.Tensor:
        """Intensities in the contract's unit: latents decoded, patches unfolded, values brought to the window."""
        with self.precision():
            if self.autoencoder is not None:
                state = self._decoded(state / self.sampler.scale_factor)
            if self.sampler.patch > 1:
                state = pixel_shuffle(state, self.sampler.patch)
        low, high = self.sampler.span
        begin, end = self.contract.window or (0.0, 1.0)
        return (((state.float().cpu() - low) / (high - low)).clamp(0, 1) * (end - begin) + begin).clone()

    def _decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as pictures; large volumes in windows, as a decoder needs much memory."""
        decode = self.autoencoder.decode_stage_2_outputs
        if max(latents.shape[2:]) <= WINDOW:
            return decode(latents)
        window = [min(side, WINDOW) for side in latents.shape[2:]]
        return sliding_window_inference(latents, window, 1, decode, overlap=0.4, mode="gaussian")

    def _placed(self, pictures: torch.Tensor, spacing: tuple[float, ...]) -> MetaTensor:
        """Pictures that know their unit and, where they are volumes, their affine."""
        affine = torch.eye(4, dtype=torch.float64)
        if self.contract.dims == 3:
            affine[range(3), range(3)] = torch.tensor(spacing, dtype=torch.float64)
        made = MetaTensor(pictures, affine=affine)
        if self.contract.unit != "any":
            made.meta["unit"] = self.contract.unit
        return made
