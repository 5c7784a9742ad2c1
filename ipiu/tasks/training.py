"""A classifier on top of an encoder, and the loop that trains it, with accelerate."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional
from tqdm.auto import tqdm

from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError, require
from ipiu.tasks.features import images
from ipiu.tasks.labelled import Labelled
from ipiu.tasks.result import Result, measured

if TYPE_CHECKING:
    from ipiu.models.encoder import Encoder


class Classifier(torch.nn.Module):
    """An encoder's own copy with a linear head on its standardised vectors.

    Attributes
    ----------
    encoder
        the adapter; its network is what training changes
    head
        (D) -> (classes)
    """

    def __init__(self, encoder: Encoder, classes: int, pictures: torch.Tensor):
        super().__init__()
        self.encoder, self.tower = encoder, encoder._tower
        seen = torch.from_numpy(encoder._seen(pictures, "image", 64))
        # constants of the pictures that train, so that the head's task does not depend on the encoder's units
        self.register_buffer("middle", seen.mean(0))
        self.register_buffer("spread", seen.std(0) + 1e-2 if len(seen) > 1 else torch.ones(seen.shape[1]))
        self.head = torch.nn.Linear(seen.shape[1], classes)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) of prepared pictures (n, channel, row, column)."""
        return self.head((self.encoder._vectors(pictures, "image") - self.middle) / self.spread)

    def counted(self) -> tuple[int, int]:
        """Parameters that are trained, and all of the encoder and its head."""
        every = [*self.tower.parameters(), *self.head.parameters()]
        return sum(p.numel() for p in every if p.requires_grad), sum(p.numel() for p in every)


def own_copy(model: Encoder) -> Encoder:
    """The model again, with weights of its own, so that training leaves the original as it was."""
    return copy.deepcopy(model)


def prepared(model: Encoder, cohort: Cohort, image: str) -> torch.Tensor:
    """All pictures of a cohort as the network reads them, (N, channel, row, column), in its order.

    Raises
    ------
    IpiuError
        Where the model reads volumes, or a patient's image is one.
    """
    if model.contract.dims != 2:
        msg = "the model reads volumes; training is for models that read pictures"
        raise IpiuError(msg)
    found = []
    for name, picture in zip(cohort.ids, images(cohort, image, progress=False), strict=True):
        if picture.ndim != 3:
            msg = (
                f"the image {image!r} of patient {name!r} is a volume; training reads pictures, so choose a slice first"
            )
            raise IpiuError(msg)
        found.append(model.contract.picture(picture))
    return torch.stack(found)


def fit(
    classifier: Classifier,
    pictures: torch.Tensor,
    truth: np.ndarray,
    *,
    epochs: int,
    rate: float,
    batch: int = 32,
    seed: int = 0,
    progress: str | None = None,
) -> None:
    """Train the parameters that ask for a gradient: AdamW, warm-up and cosine, pictures moved a little each time."""
    accelerate = require("accelerate", extra="models")
    torch.manual_seed(seed)
    accelerator = accelerate.Accelerator(cpu=classifier.encoder.device.type == "cpu")
    data = torch.utils.data.TensorDataset(pictures, torch.tensor(np.array(truth), dtype=torch.long))
    draw = torch.Generator().manual_seed(seed)
    loader = torch.utils.data.DataLoader(data, min(batch, len(data)), shuffle=True, generator=draw)
    trained = [p for p in classifier.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=0.05)
    steps = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _warm_then_cosine(step, steps))
    network, optimiser, loader = accelerator.prepare(classifier, optimiser, loader)
    network.train()
    with tqdm(total=steps, desc=progress, disable=progress is None) as bar:
        for _ in range(epochs):
            for seen, wanted in loader:
                loss = functional.cross_entropy(network(moved(seen)), wanted)
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(trained, 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
                bar.update()
                bar.set_postfix(loss=f"{loss.item():.3f}")
    classifier.eval()


def asked(classifier: Classifier, split: Labelled, pictures: torch.Tensor, *, seed: int = 0) -> Result:
    """The result of a trained classifier on the pictures of those who were held out."""
    with classifier.encoder.precision():
        parts = [classifier(part.to(classifier.encoder.device)) for part in pictures.split(64)]
        probability = torch.cat(parts).float().softmax(1).cpu().numpy()
    return measured(split, probability, fitted=classifier, seed=seed)


def moved(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures a little larger, smaller, to the side, brighter or flatter, each at random; left stays left."""
    n = len(pictures)
    theta = torch.zeros(n, 2, 3, device=pictures.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 + 0.1 * (2 * torch.rand(n, device=pictures.device) - 1)
    theta[:, :, 2] = 0.1 * (2 * torch.rand(n, 2, device=pictures.device) - 1)
    grid = functional.affine_grid(theta, list(pictures.shape), align_corners=False)
    seen = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    contrast, light = (1 + 0.2 * torch.randn(2, n, 1, 1, 1, device=pictures.device) * 0.5).unbind()
    return seen * contrast + (light - 1)


def _warm_then_cosine(step: int, steps: int) -> float:
    """Share of the learning rate at a step."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
