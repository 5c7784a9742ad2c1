"""What a model expects of an image: dimensions, unit, window, spacing and size, checked before anything is computed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from monai.data import MetaTensor

from ipiu.atomic import write_atomic
from ipiu.errors import IpiuError


@dataclass(frozen=True)
class Contract:
    """What a model expects.

    Attributes
    ----------
    family
        the kind of adapter: encoder, promptable, volumetric or diffusion
    dims
        2 for pictures (channel, row, column), 3 for volumes (channel, i, j, k)
    unit
        of the intensities, as in ``image.meta["unit"]``: ``HU``, or ``any`` where each image is scaled by itself
    window
        the two intensities that become 0 and 1, in ``unit``; None takes the image's own 0.5th and 99.5th percentile
    spacing
        of the voxels that the network sees, in mm (i, j, k) of RAS+; None leaves the image's own
    thickest
        the widest voxel that is resampled, in mm; what is wider is refused
    size
        pixels that a picture is resized to (rows, columns), after padding to a square
    channels
        of the network's input; a grey picture is repeated, a coloured one averaged
    mean, std
        subtracted and divided by after the window, one number a channel
    labels
        value in the label map -> name

    Examples
    --------
    >>> from ipiu.models.contract import Contract
    >>> Contract("encoder", dims=2, size=(64, 64)).picture(torch.zeros(1, 80, 60)).shape
    torch.Size([1, 64, 64])
    """

    family: str
    dims: int
    unit: str = "any"
    window: tuple[float, float] | None = None
    spacing: tuple[float, float, float] | None = None
    thickest: float = 10.0
    size: tuple[int, int] | None = None
    channels: int = 1
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    labels: dict[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Contract:
        """The contract kept in a JSON file."""
        told = json.loads(Path(path).read_text())
        labels = {int(value): name for value, name in told.pop("labels", {}).items()}
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in told.items()}, labels=labels)

    def write(self, path: Path) -> None:
        """Keep the contract as JSON."""
        write_atomic(path, json.dumps(asdict(self), indent=1) + "\n")

    def check(self, image: torch.Tensor) -> None:
        """Refuse an image that does not keep the contract and cannot be converted safely.

        Raises
        ------
        IpiuError
            Where the dimensions or the unit are others, voxels are too thick, a volume has no affine, or values are
            not finite.
        """
        shape = tuple(image.shape)
        if len(shape) != self.dims + 1:
            form = "a picture (channel, row, column)" if self.dims == 2 else "a volume (channel, i, j, k)"
            msg = f"the image has the shape {shape}; this model reads {form}"
            raise IpiuError(msg)
        if not torch.isfinite(torch.as_tensor(image)).all():
            bad = int((~torch.isfinite(torch.as_tensor(image))).sum())
            msg = f"{bad} values of the image are NaN or infinite; fill or crop them first"
            raise IpiuError(msg)
        meta = getattr(image, "meta", {})
        if self.unit != "any" and meta.get("unit") != self.unit:
            stated = f"states the unit {meta['unit']!r}" if meta.get("unit") else "states no unit"
            msg = f"the image {stated}; this model reads {self.unit}: convert it and set image.meta['unit']"
            raise IpiuError(msg)
        if self.dims == 3:
            self._check_geometry(image)

    def _check_geometry(self, image: torch.Tensor) -> None:
        """Refuse a volume whose place in the patient is not known, or whose slices are too thick."""
        if not isinstance(image, MetaTensor):
            msg = "the volume has no affine; make it a MetaTensor with its affine to RAS+ mm"
            raise IpiuError(msg)
        spacing = [float(width) for width in image.pixdim]
        if max(spacing) > self.thickest:
            msg = (
                f"voxels of {' x '.join(f'{width:.3g}' for width in spacing)} mm: slices above {self.thickest:g} mm "
                "leave out what lies between them; take a finer series"
            )
            raise IpiuError(msg)

    def intensities(self, image: torch.Tensor) -> torch.Tensor:
        """Intensities as the network reads them, from 0 to 1: float32, of the image's own shape."""
        values = torch.as_tensor(image).as_tensor() if isinstance(image, MetaTensor) else torch.as_tensor(image)
        values = values.float()
        low, high = self.window or _percentiles(values)
        return ((values - low) / max(high - low, 1e-6)).clamp(0, 1)

    def picture(self, image: torch.Tensor) -> torch.Tensor:
        """A picture as the network reads it, (channels, rows, columns): checked, scaled, padded to a square, resized."""
        self.check(image)
        values = self.intensities(image)
        if values.shape[0] != self.channels:
            values = values.mean(0, keepdim=True).expand(self.channels, -1, -1)
        if self.size:
            values = fit(values, self.size)
        if self.mean:
            values = (values - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]
        return values


def fit(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A picture (channel, row, column) padded with zeros to a square around its middle, and resized."""
    rows, columns = picture.shape[-2:]
    edge = max(rows, columns)
    left, top = (edge - columns) // 2, (edge - rows) // 2
    wide = torch.nn.functional.pad(picture, (left, edge - columns - left, top, edge - rows - top))
    return torch.nn.functional.interpolate(wide[None], size=size, mode="bilinear", antialias=True)[0]


def _percentiles(values: torch.Tensor) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile; of a large volume, those of every so many voxels."""
    flat = values.flatten()
    flat = flat[:: max(1, flat.numel() // 1_000_000)]
    low, high = torch.quantile(flat, torch.tensor([0.005, 0.995]))
    return float(low), float(high)
