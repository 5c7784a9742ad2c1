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
    axcodes
        orientation of the voxels that the network sees, as MONAI writes it
    roi
        voxels of the window that a volume is run through in; None leaves the choice to the adapter
    thickest
        the widest voxel that is resampled, in mm; what is wider is refused
    size
        pixels that a picture is resized to (rows, columns), or voxels that a generator makes (i, j, k)
    channels
        of the network's input; a grey picture is repeated, a coloured one averaged
    mean, std
        subtracted and divided by after the window, one number a channel
    scaling
        ``window`` as above; ``minmax`` takes the image's own least and greatest value; ``nonzero`` leaves zeros and
        turns each channel's other values into standard scores
    clip
        whether what lies outside the window becomes its ends
    span
        what the least and greatest scaled value become, such as (-1, 1); None leaves the scaled values
    eight_bit
        pictures of uint8 are read as fractions of 255, as the processors of transformers do; others by ``window``
    fit
        how a picture becomes ``size``: ``pad`` around its middle, ``corner`` (its longer side resized, then padded
        below and to the right, after ``mean``), ``squash``, or ``crop`` (its shorter side resized to ``shorter``, then
        the middle)
    shorter
        pixels of the shorter side before ``crop``; None is that of ``size``
    resample
        ``bilinear`` or ``bicubic``
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
    axcodes: str = "RAS"
    roi: tuple[int, int, int] | None = None
    thickest: float = 10.0
    size: tuple[int, ...] | None = None
    channels: int = 1
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scaling: str = "window"
    clip: bool = True
    span: tuple[float, float] | None = None
    eight_bit: bool = False
    fit: str = "pad"
    shorter: int | None = None
    resample: str = "bilinear"
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
        """Intensities as the network reads them, from 0 to 1 unless ``scaling`` or ``span`` say else.

        Returns
        -------
        torch.Tensor
            float32, of the image's own shape
        """
        values = image.as_tensor() if isinstance(image, MetaTensor) else torch.as_tensor(image)
        eight = self.eight_bit and values.dtype == torch.uint8
        values = values.float()
        if self.scaling == "nonzero":
            values = _scores(values)
        else:
            low, high = (0.0, 255.0) if eight else self._ends(values)
            values = (values - low) / max(high - low, 1e-6)
            values = values.clamp(0, 1) if self.clip else values
        if self.span:
            low, high = values.min(), values.max()
            values = (values - low) / (high - low).clamp(min=1e-6) * (self.span[1] - self.span[0]) + self.span[0]
        return values

    def _ends(self, values: torch.Tensor) -> tuple[float, float]:
        """The two intensities that become 0 and 1."""
        if self.scaling == "minmax":
            return float(values.min()), float(values.max())
        return self.window or _percentiles(values)

    def picture(self, image: torch.Tensor) -> torch.Tensor:
        """A picture as the network reads it, (channels, rows, columns): checked, scaled, resized and normalised."""
        self.check(image)
        values = self.intensities(image)
        if values.shape[0] != self.channels:
            values = values.mean(0, keepdim=True).expand(self.channels, -1, -1)
        if self.fit == "corner":  # what is padded afterwards is zero for the network, as SAM was trained
            return self._sized(self._normalised(values))
        return self._normalised(self._sized(values))

    def _normalised(self, values: torch.Tensor) -> torch.Tensor:
        """Values less the mean, in standard deviations."""
        if not self.mean:
            return values
        return (values - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]

    def _sized(self, picture: torch.Tensor) -> torch.Tensor:
        """A picture brought to ``size``."""
        if not self.size:
            return picture
        if self.fit == "pad":
            return fit(picture, self.size, resample=self.resample)
        scale, offset = self.frame(picture.shape[-2:])
        shape = tuple(int(side * by + 0.5) for side, by in zip(picture.shape[-2:], scale, strict=True))
        resized = _resize(picture, shape, self.resample)
        if self.fit == "corner":
            return torch.nn.functional.pad(resized, (0, self.size[1] - shape[1], 0, self.size[0] - shape[0]))
        top, left = (int(-side) for side in offset)
        return resized[..., top : top + self.size[0], left : left + self.size[1]]

    def frame(self, shape: tuple[int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where a picture of ``shape`` lies in the network's input.

        Returns
        -------
        tuple
            scale and offset (row, column): a place p of the picture, measured from the outer edge of its first pixel,
            lies at ``p * scale + offset``
        """
        if not self.size:
            return (1.0, 1.0), (0.0, 0.0)
        rows, columns = shape
        if self.fit == "squash":
            return (self.size[0] / rows, self.size[1] / columns), (0.0, 0.0)
        if self.fit == "crop":
            scale = (self.shorter or min(self.size)) / min(rows, columns)
            wide = [int(side * scale + 0.5) for side in shape]
            top, left = ((side - kept) // 2 for side, kept in zip(wide, self.size, strict=True))
            return (scale, scale), (-float(top), -float(left))
        edge = max(rows, columns)
        scale = (self.size[0] / edge, self.size[1] / edge)
        if self.fit == "corner":
            return scale, (0.0, 0.0)
        return scale, ((edge - rows) // 2 * scale[0], (edge - columns) // 2 * scale[1])


def fit(picture: torch.Tensor, size: tuple[int, int], *, resample: str = "bilinear") -> torch.Tensor:
    """A picture (channel, row, column) padded with zeros to a square around its middle, and resized."""
    rows, columns = picture.shape[-2:]
    edge = max(rows, columns)
    left, top = (edge - columns) // 2, (edge - rows) // 2
    wide = torch.nn.functional.pad(picture, (left, edge - columns - left, top, edge - rows - top))
    return _resize(wide, size, resample)


def _resize(picture: torch.Tensor, size: tuple[int, int], resample: str) -> torch.Tensor:
    """A picture resized without aliasing."""
    return torch.nn.functional.interpolate(picture[None], size=size, mode=resample, antialias=True)[0]


def _scores(values: torch.Tensor) -> torch.Tensor:
    """Standard scores of each channel's values that are not zero."""
    from monai.transforms import NormalizeIntensity

    return NormalizeIntensity(nonzero=True, channel_wise=True)(values)


def _percentiles(values: torch.Tensor) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile; of a large volume, those of every so many voxels."""
    flat = values.flatten()
    flat = flat[:: max(1, flat.numel() // 1_000_000)]
    low, high = torch.quantile(flat, torch.tensor([0.005, 0.995]))
    return float(low), float(high)
