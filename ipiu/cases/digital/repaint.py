"""The head of a label map in a contrast that no sequence has: brightness, sharpness, noise and stripping at random."""

from __future__ import annotations

import math

import numpy as np
import torch
from monai.data import MetaTensor
from torch.nn.functional import avg_pool3d, conv3d, interpolate, max_pool3d, one_hot

from ipiu.cases.digital.brain import LABELS
from ipiu.errors import IpiuError

CLASSES = max(LABELS) + 1  # with air
# what is left when the skull is taken off
BRAIN = (1, 2, 4, 7, 8, 9)
OUTSIDE = (5, 6, 10)


def repaint(labels: MetaTensor, rng: np.random.Generator, *, voxel: float = 2.0) -> MetaTensor:
    """An image of random contrast of the head that a label map of :data:`~ipiu.cases.digital.brain.LABELS` shows.

    Each tissue has a random brightness and texture; a bias field, slices of random thickness, noise, a gamma and, for
    a third of the images, removal of the skull follow. A network that has seen thousands of these depends on no
    sequence (SynthSeg: Billot et al. 2023, doi:10.1016/j.media.2023.102789). Unlike
    ``make_brain(contrast="random")``, which mixes the shares of tissue in each voxel, it needs only the label map.

    Parameters
    ----------
    labels
        whole numbers (1, i, j, k)
    rng
        random numbers; others give another contrast of the same head
    voxel
        width of a voxel in mm, to which blur and slice thickness are scaled

    Returns
    -------
    MetaTensor
        float32 (1, i, j, k) from 0 to 1, with the affine of ``labels``

    Raises
    ------
    IpiuError
        Where a label is not one of a digital head.

    Examples
    --------
    >>> import ipiu
    >>> labels = ipiu.DigitalCohort(1, parts=("brain",))[0].images["brain labels"]
    >>> repaint(labels, np.random.default_rng(0)).shape
    torch.Size([1, 96, 112, 96])
    """
    values = torch.as_tensor(labels)[0].long()
    if values.ndim != 3 or int(values.min()) < 0 or int(values.max()) >= CLASSES:
        msg = f"labels of shape {tuple(labels.shape)}; a digital head is (1, i, j, k) with labels 0 to {CLASSES - 1}"
        raise IpiuError(msg)
    values = values.as_tensor() if isinstance(values, MetaTensor) else values
    image, _ = paint(one_hot(values, CLASSES).movedim(-1, 0).float(), rng, voxel=voxel)
    meta = {"modality": "MR", "unit": "arbitrary", "name": "brain repainted"}
    return MetaTensor(image, affine=getattr(labels, "affine", None), meta=meta)


def brightness(rng: np.random.Generator) -> np.ndarray:
    """A brightness at random for each label, from 0 to 1."""
    means = rng.uniform(0.05, 1.0, CLASSES).astype(np.float32)
    means[4] = means[3]  # ventricles hold the same fluid
    means[0] = 0.0 if rng.random() < 0.7 else 0.1 * rng.random()
    return means


def paint(
    shares: torch.Tensor,
    rng: np.random.Generator,
    *,
    voxel: float = 2.0,
    means: np.ndarray | None = None,
    severity: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """An image (1, i, j, k) of random contrast, and what of the head it shows (i, j, k), true where not removed.

    ``shares`` (class, i, j, k) is the share that each label has of each voxel; ``means`` are the brightnesses of the
    labels, and ``severity`` how bad the scan can be, from 0 to 1; both are drawn unless given.
    """
    means = brightness(rng) if means is None else means
    severity = rng.random() if severity is None else severity
    grain = rng.uniform(0.0, 0.03 + 0.06 * severity, CLASSES).astype(np.float32) * (np.arange(CLASSES) > 0)
    image = torch.tensordot(torch.from_numpy(means), shares, 1)
    spread = torch.tensordot(torch.from_numpy(grain), shares, 1)
    image = image + spread * (0.8 * noise(image.shape, rng, 2.0 / voxel * 2) + 0.6 * noise(image.shape, rng, 6))
    image = _dress(image, shares, rng)
    image = image * torch.exp(rng.uniform(0.0, 0.1 + 0.3 * severity) * noise(image.shape, rng, 45 / voxel))
    sd = rng.uniform(0.0, 0.015 + 0.04 * severity)
    real, imaginary = (sd * torch.from_numpy(rng.standard_normal(image.shape, np.float32)) for _ in range(2))
    image = torch.sqrt((image.clamp(min=0) + real) ** 2 + imaginary**2)
    image, kept = _strip(image, shares, rng, voxel)
    image = _thicken(image, rng, voxel, severity)
    low, high = np.quantile(image.numpy().ravel()[::7], (0.005, 0.995))
    image = ((image - low) / max(high - low, 1e-6)).clamp(0, 1)
    return image[None] ** math.exp((0.1 + 0.3 * severity) * rng.standard_normal()), kept


def noise(shape: tuple[int, ...], rng: np.random.Generator, step: float) -> torch.Tensor:
    """A smooth random field of about unit variance that changes over ``step`` voxels."""
    coarse = [max(2, math.ceil(n / step) + 1) for n in shape]
    field = torch.from_numpy(rng.standard_normal(coarse, np.float32))[None, None]
    return interpolate(field, size=tuple(shape), mode="trilinear", align_corners=True)[0, 0] * 1.5


def _dress(image: torch.Tensor, shares: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Marrow between the tables of the skull, and patches of fat and muscle: outside the brain nothing is uniform."""
    skull = shares[5]
    marrow = ((avg_pool3d(skull[None, None], 3, 1, 1)[0, 0] - 0.55) / 0.3).clamp(0, 1) * skull
    image = image + marrow * rng.uniform(-0.5, 0.8)
    patches = sum(shares[n] for n in OUTSIDE) * noise(image.shape, rng, rng.uniform(3, 16))
    return image + patches * rng.uniform(0.0, 0.25)


def _strip(
    image: torch.Tensor, shares: torch.Tensor, rng: np.random.Generator, voxel: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the skull off a third of the images, with a rim of fluid of random width."""
    if rng.random() > 0.35:
        return image, torch.ones_like(image, dtype=torch.bool)
    brain = (sum(shares[n] for n in BRAIN)[None, None] > 0.5).float()
    # sulci are closed, then a rim is left
    width, rim = max(1, round(rng.uniform(2, 9) / voxel)), round(rng.uniform(0, 5) / voxel)
    closed = -max_pool3d(-max_pool3d(brain, 2 * width + 1, 1, width), 2 * width + 1, 1, width)
    kept = (max_pool3d(closed, 2 * rim + 1, 1, rim) if rim else closed)[0, 0] > 0.5
    return image * kept, kept


def _thicken(image: torch.Tensor, rng: np.random.Generator, voxel: float, severity: float) -> torch.Tensor:
    """Blur all axes a little, and of half of the images one axis as thick slices do."""
    sigma = np.full(3, rng.uniform(0.4, 0.9 + 0.7 * severity) / voxel)
    thick = rng.random() < 0.5
    if thick:
        axis, thickness = int(rng.integers(3)), rng.uniform(2.0, 2.0 + 7.0 * severity)
        # a slice as a Gaussian point spread, 0.75 of its thickness as in SynthSeg
        sigma[axis] = 0.75 * thickness / voxel / 2
    for along, width in enumerate(sigma):
        if width > 0.2:
            image = _gaussian(image, along, float(width))
    if thick and rng.random() < 0.5:
        # the middles of the slices, with straight lines between them
        size = list(image.shape)
        size[axis] = max(2, round(size[axis] * voxel / max(thickness, voxel)))
        middles = interpolate(image[None, None], size=size, mode="nearest-exact")
        image = interpolate(middles, size=image.shape, mode="trilinear")[0, 0]
    return image


def _gaussian(image: torch.Tensor, axis: int, sigma: float) -> torch.Tensor:
    """Blur along one axis; the border goes on with zeros."""
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
    shape[axis + 2], padding[axis] = -1, reach
    return conv3d(image[None, None], (kernel / kernel.sum()).view(shape), padding=padding)[0, 0]
