"""How noise becomes a picture: the scheduler a network was trained with, its conditions, and fewer-step solvers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ipiu.atomic import write_atomic
from ipiu.errors import IpiuError
from ipiu.models.stock import build
from ipiu.names import nearest

# solvers of each kind of scheduler; the first one is taken unless another is asked for
METHODS = {"flow": ("euler", "heun"), "ddpm": ("ddim",)}


@dataclass(frozen=True)
class Sampler:
    """What is needed beside a network and its contract to draw from it.

    Attributes
    ----------
    scheduler
        ``_target_`` and arguments of the MONAI scheduler that the network was trained with
    conditions
        names of what may be asked for, in the order of the context; each is 1 (there), -1 (not there) or 0 (unsaid)
    patch
        pixels along a side that are folded into channels before the network sees them
    span
        the two values of the network, or of its autoencoder, that become the two ends of the contract's window
    scale_factor
        that latents are divided by before they are decoded
    reduction
        pixels of the picture along a side of one latent
    label_code
        how a label map is handed over: ``bits`` (MAISI, eight channels), ``one-hot`` or ``value``
    class_label
        the class that a class-conditional network is told, such as MAISI's 1 for CT

    Examples
    --------
    >>> from ipiu.models.sampler import Sampler
    >>> Sampler({"_target_": "monai.networks.schedulers.RFlowScheduler"}).kind
    'flow'
    """

    scheduler: dict[str, Any] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    patch: int = 1
    span: tuple[float, float] = (-1.0, 1.0)
    scale_factor: float = 1.0
    reduction: int = 1
    label_code: str = "one-hot"
    class_label: int | None = None

    @classmethod
    def read(cls, path: Path) -> Sampler:
        """The sampler kept in a JSON file."""
        told = json.loads(Path(path).read_text())
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})

    def write(self, path: Path) -> None:
        """Keep the sampler as JSON."""
        write_atomic(path, json.dumps(asdict(self), indent=1) + "\n")

    @property
    def kind(self) -> str:
        """``flow`` for a rectified flow, ``ddpm`` for a diffusion that predicts noise, sample or velocity."""
        return "flow" if str(self.scheduler.get("_target_")).endswith("RFlowScheduler") else "ddpm"

    def context(self, n: int, told: dict[str, Any] | None) -> torch.Tensor:
        """Conditions as the network reads them, (n, 1, conditions).

        Parameters
        ----------
        told
            name -> 1 or 0, one for all or one for each of the ``n``; None, or a name left out, is unsaid

        Raises
        ------
        IpiuError
            Where a name is not known or a value is another.
        """
        context = torch.zeros(n, 1, len(self.conditions))
        for name, value in (told or {}).items():
            if name not in self.conditions:
                known = nearest(name, self.conditions) if self.conditions else "it was trained without conditions"
                msg = f"this model knows no condition {name!r}; {known}"
                raise IpiuError(msg)
            values = torch.as_tensor(value, dtype=torch.float32)
            if values.shape not in ((), (n,)) or not ((values == 0) | (values == 1)).all():
                msg = f"{name}={value!r} must be 1 (there) or 0 (not there), one number or one for each of the {n}"
                raise IpiuError(msg)
            context[:, 0, self.conditions.index(name)] = values * 2 - 1
        return context

    def walk(
        self, network: Callable[..., torch.Tensor], noise: torch.Tensor, *, steps: int, method: str | None = None
    ) -> Iterator[tuple[float, torch.Tensor, torch.Tensor]]:
        """Go from noise to a sample.

        Parameters
        ----------
        network
            takes a state and its times (n,) and returns what the network predicts
        noise
            (n, channels, ...)
        steps
            number of steps; ``heun`` asks the network twice in each but the last
        method
            ``euler`` or ``heun`` (second order, for a rectified flow), ``ddim`` for a diffusion

        Yields
        ------
        tuple
            after each step: the time that is left (1 is noise, 0 the sample), the state, and the sample that the
            network expected before the step

        References
        ----------
        Song, J. et al. (2021). Denoising diffusion implicit models. https://doi.org/10.48550/arXiv.2010.02502.
        Karras, T. et al. (2022), on Heun's method. https://doi.org/10.48550/arXiv.2206.00364.
        """
        method = method or METHODS[self.kind][0]
        if method not in METHODS[self.kind]:
            msg = f"method={method!r}; a network trained as this one is sampled by {' or '.join(METHODS[self.kind])}"
            raise IpiuError(msg)
        most = int(self.scheduler.get("num_train_timesteps", 1000))
        if not 1 <= int(steps) <= most:
            msg = f"steps={steps} must lie between 1 and {most}, the steps of training"
            raise IpiuError(msg)
        return (self._flow if self.kind == "flow" else self._ddim)(network, noise, int(steps), method)

    def _flow(self, network, noise, steps, method):
        """Along the velocity, by Euler's or Heun's method."""
        scheduler = build(self.scheduler)
        numel = noise[0, 0].numel()
        scheduler.set_timesteps(steps, input_img_size_numel=numel)
        # whole numbers, because the scheduler cuts the next time down to one
        times = [*scheduler.timesteps.round().int().tolist(), 0]
        state = noise
        for now, then in pairwise(times):
            velocity = network(state, _times(state, now))
            ahead, guess = scheduler.step(velocity, now, state, then)
            if method == "heun" and then > 0:
                velocity = (velocity + network(ahead, _times(state, then))) / 2
                ahead, _ = scheduler.step(velocity, now, state, then)
            state = ahead
            yield then / scheduler.num_train_timesteps, state, guess

    def _ddim(self, network, noise, steps, method):
        """With the noise schedule of training, without new noise."""
        told = {name: value for name, value in self.scheduler.items() if name != "variance_type"}
        scheduler = build({**told, "_target_": "DDIMScheduler"})
        scheduler.set_timesteps(steps)
        whole = scheduler.num_train_timesteps
        # evenly from the last time down, as far apart as `step` takes them to be; MONAI's own lie further apart
        times = range(whole - 1, whole - 1 - steps * (whole // steps), -(whole // steps))
        state = noise
        for left, now in zip(reversed(range(steps)), times, strict=True):
            state, guess = scheduler.step(network(state, _times(state, now)), now, state)
            state = state if left else guess
            yield left / steps, state, guess


def _times(state: torch.Tensor, now: int) -> torch.Tensor:
    """The same time for each sample."""
    return torch.full((len(state),), float(now), device=state.device)
