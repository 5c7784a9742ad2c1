"""What a generator is asked for, as its network reads it: label maps, body regions, spacing and class."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import MetaTensor
from torch.nn.functional import one_hot

from ipiu.errors import IpiuError
from ipiu.names import nearest

# of the first MAISI, from head to foot; it is told the uppermost and the lowest one
REGIONS = ("head and neck", "thorax", "abdomen", "pelvis")
DEFAULT_REGIONS = ("thorax", "abdomen")


def labels_as_channels(labels: torch.Tensor, code: str, n: int) -> torch.Tensor:
    """A label map (1, ...) of whole numbers as channels (1, channels, ...).

    Parameters
    ----------
    code
        ``value``; ``bits``, the eight binary digits, lowest first, as MAISI's ControlNet was trained; or ``one-hot``
    n
        number of labels, of ``one-hot``

    Raises
    ------
    IpiuError
        Where a label lies outside of what the code can hold.

    Examples
    --------
    >>> labels_as_channels(torch.tensor([[5, 0]]), "bits", 0)[0, :3, 0]
    tensor([1., 0., 1.])
    """
    values = (labels.as_tensor() if isinstance(labels, MetaTensor) else labels).long()
    most = {"value": None, "bits": 256}.get(code, n)
    if values.min() < 0 or (most is not None and values.max() >= most):
        msg = f"the label map holds {int(values.min())} to {int(values.max())}; this model knows 0 to {(most or 0) - 1}"
        raise IpiuError(msg)
    if code == "value":
        return values[None].float()
    if code == "bits":
        return torch.stack([(values >> bit) & 1 for bit in range(8)], 1).float()
    return one_hot(values, n).movedim(-1, 1).float()


def told(
    network: torch.nn.Module, n: int, *, spacing: tuple[float, ...], class_label: int | None, regions: Any = None
) -> dict[str, torch.Tensor]:
    """What a network of MAISI's kind is told beside noise and time, each (n, ...); others are told nothing.

    Parameters
    ----------
    spacing
        mm, told in hundredths
    class_label
        of a class-conditional network, such as 1 for CT
    regions
        name -> 1, of :data:`REGIONS`: the uppermost and the lowest one are told; thorax and abdomen unless given
    """
    said = {}
    if getattr(network, "include_spacing_input", False):
        said["spacing_tensor"] = torch.tensor(spacing).mul(100).expand(n, -1)
    if getattr(network, "include_top_region_index_input", False):
        ends = _ends(regions or dict.fromkeys(DEFAULT_REGIONS, 1))
        for name, end in zip(("top_region_index_tensor", "bottom_region_index_tensor"), ends, strict=True):
            said[name] = one_hot(torch.tensor(end), len(REGIONS)).float().mul(100).expand(n, -1)
    if getattr(network, "num_class_embeds", None) is not None:
        said["class_labels"] = torch.full((n,), class_label or 0)
    return said


def _ends(regions: dict[str, Any]) -> tuple[int, int]:
    """The first and the last region asked for."""
    for name in regions:
        if name not in REGIONS:
            msg = f"there is no body region {name!r}; {nearest(name, REGIONS)}"
            raise IpiuError(msg)
    asked = [place for place, name in enumerate(REGIONS) if regions.get(name)] or [1, 2]
    return asked[0], asked[-1]
