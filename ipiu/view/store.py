"""Volumes as NIfTI bytes, written once per content beside the pages."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from ipiu.atomic import write_atomic
from ipiu.view.layers import Layer

_HEAD = 352  # where voxels start in a single-file NIfTI-1


@dataclass(frozen=True)
class Volume:
    """The bytes of one NIfTI-1 file, and the name that follows from them."""

    nifti: bytes

    @property
    def key(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the file before compression."""
        return hashlib.sha256(self.nifti).hexdigest()[:16]

    def packed(self) -> bytes:
        """The file as .nii.gz, the same bytes every time."""
        return gzip.compress(self.nifti, 6, mtime=0)


def encode(layer: Layer) -> Volume:
    """A layer as NIfTI-1 with whole-number voxels.

    Label maps keep their integers. Probabilities take steps of 1/255. An image keeps its values exactly where they are
    multiples of one step that fit 16 bits, as HU and stored values do; else each is rounded to one of 65,535 steps
    between the smallest and the largest.
    """
    if layer.kind == "labels":
        stored, slope, intercept = layer.voxels, 1.0, 0.0
        stored = stored.astype(np.uint8 if stored.max(initial=0) < 256 else np.int16)
    elif layer.kind == "probability":
        stored, slope, intercept = np.rint(layer.voxels * np.float32(255)).astype(np.uint8), 1 / 255, 0.0
    else:
        stored, slope, intercept = _whole(layer.voxels)
    header = nib.Nifti1Header()
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(stored.shape)
    header.set_zooms(np.sqrt((layer.affine[:3, :3] ** 2).sum(axis=0)))
    header.set_sform(layer.affine, code="scanner")
    header.set_xyzt_units("mm")
    header.set_slope_inter(slope, intercept)
    header["vox_offset"], header["magic"] = _HEAD, b"n+1"
    return Volume(header.binaryblock + bytes(_HEAD - len(header.binaryblock)) + stored.tobytes("F"))


def write_script(volume: Volume, folder: str | Path) -> Path:
    """Write a volume as a script that registers it, unless it is there; works from file:// where fetching does not.

    Returns
    -------
    Path
        ``folder/<key>.js``
    """
    path = Path(folder) / f"{volume.key}.js"
    if path.exists():
        return path
    text = f'(window.ipiuVolumes=window.ipiuVolumes||{{}})["{volume.key}"]="{b64encode(volume.packed()).decode()}";\n'
    write_atomic(path, text)
    return path


def _whole(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """(whole numbers, slope, intercept) that stand for an image's values."""
    low, high = float(values.min()), float(values.max())
    step = _step(values)
    levels = (high - low) / step if step else np.inf
    if levels <= 65535:
        whole = np.rint((values - low) / step)
        if np.allclose(whole * step + low, values, rtol=0, atol=1e-3 * step):
            return _narrow(whole, low, step)
    step = (high - low) / 65535 or 1.0
    return _narrow(np.rint((values - low) / step), low, step)


def _narrow(whole: np.ndarray, low: float, step: float) -> tuple[np.ndarray, float, float]:
    """Counts from 0 in the smallest type that holds them; values that were whole numbers keep slope 1."""
    top = whole.max()
    if step == 1.0 and low >= -32768 and low + top <= 32767 and (low < 0 or low + top > 255):
        return (whole + low).astype(np.int16), 1.0, 0.0
    if top <= 255:
        return whole.astype(np.uint8), step, low
    return (whole - 32768).astype(np.int16), step, low + 32768 * step


def _step(values: np.ndarray) -> float:
    """The distance between neighbouring values: 1 for whole numbers, 0 where a sample of them shows no step."""
    if values.dtype.kind in "iu" or np.array_equal(values, np.rint(values)):
        return 1.0
    sample = np.unique(values.ravel()[:: max(1, values.size // 200_000)].astype(np.float64))
    span = float(values.max()) - float(values.min())
    smallest = np.diff(sample).min() if sample.size > 1 else 0.0
    return span / round(span / smallest) if smallest > span / 65536 else 0.0
