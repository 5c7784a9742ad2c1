"""How VISTA3D is asked: by class, by points, and by points that correct a class (doi:10.48550/arXiv.2406.05285)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from monai.networks.nets.vista3d import VISTA3D

from ipiu.errors import IpiuError

# logit of what no prompt has reached
NOWHERE = -20.0


def is_vista(network: torch.nn.Module) -> bool:
    """Whether a network takes prompts of this kind."""
    return isinstance(network, VISTA3D)


def check(network: torch.nn.Module, values: Sequence[int], classes: Iterable[str] | None) -> None:
    """Refuse points where the network takes none, or where they are meant for several classes at once."""
    if not is_vista(network):
        msg = f"a {type(network).__name__} takes no points; a VISTA3D does: ipiu.load('ipiu-tiny-vista3d')"
        raise IpiuError(msg)
    if classes is not None and len(values) != 1:
        msg = f"points go with one class, not {len(values)}; name the one that they correct, or none"
        raise IpiuError(msg)


def by_class(network: VISTA3D, values: Sequence[int]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network as one that gives a score to the background, which is 0, and to each class that is asked for."""
    prompts = torch.tensor(values)[:, None]

    def run(image: torch.Tensor) -> torch.Tensor:
        logits = network(image, class_vector=prompts.to(image.device)).transpose(0, 1)
        return torch.cat([torch.zeros_like(logits[:, :1]), logits], 1)

    return run


def prompted(
    network: VISTA3D,
    box: torch.Tensor,
    scores: torch.Tensor,
    points: torch.Tensor,
    positive: torch.Tensor,
    roi: Sequence[int] | None,
) -> torch.Tensor:
    """Scores as points change them, in one window around the points.

    Parameters
    ----------
    box
        (1, channel, i, j, k)
    scores
        (2, i, j, k) of background and the thing that is meant; all :data:`NOWHERE` where no class was named
    points, positive
        (n, 3) in voxels of the box; (n,) whether the thing is there
    roi
        voxels of the window, which grows until it holds all points
    """
    window = _window(points, scores.shape[1:], roi or (96, 96, 96))
    start = torch.tensor([side.start for side in window], dtype=torch.float32)
    places = (points - start)[None].to(box.device)
    signs = positive.long()[None].to(box.device)
    logits = network(box[(..., *window)], point_coords=places, point_labels=signs).float()
    before = scores[(1, *window)][None, None].to(box.device)
    if bool((before > NOWHERE).any()):
        everyone = torch.ones(1, dtype=torch.bool, device=box.device)
        logits = network.connected_components_combine(before.clone(), logits, places, signs, everyone)
    scores = scores.clone()
    scores[(1, *window)] = logits[0, 0].cpu()
    return scores


def _window(points: torch.Tensor, shape: Sequence[int], roi: Sequence[int]) -> tuple[slice, ...]:
    """The window around points, a multiple of 16 voxels along each side, inside the box."""
    window = []
    for axis, (size, width) in enumerate(zip(shape, roi, strict=True)):
        low, high = float(points[:, axis].min()), float(points[:, axis].max())
        length = max(width, -(-int(high - low + 9) // 16) * 16)
        length = min(length, size)
        first = min(max(round((low + high) / 2 - length / 2), 0), size - length)
        window.append(slice(first, first + length))
    return tuple(window)
