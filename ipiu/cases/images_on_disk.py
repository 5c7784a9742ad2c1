"""Images of a case as files: NIfTI for volumes and masks, PNG for pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image

from ipiu.cases.nifti import read_nifti
from ipiu.cases.picture import read_picture
from ipiu.errors import IpiuError

# what MONAI keeps in a MetaTensor's meta for itself
_OWN = {"affine", "original_affine", "space", "spatial_shape", "original_channel_dim", "filename_or_obj", "source"}
_TYPES = ("uint8", "int16", "uint16", "int32", "float32")


def write_image(image: MetaTensor, folder: Path, stem: str) -> dict[str, Any]:
    """Write an image and return what its file has no field for.

    Raises
    ------
    IpiuError
        Where the values are of a type that would not come back as it is.
    """
    values = image.numpy()
    if str(values.dtype) not in _TYPES:
        msg = f"image {stem!r} is of the type {values.dtype}, files hold {', '.join(_TYPES)}; convert it to one of them"
        raise IpiuError(msg)
    picture = values.ndim == 3 and len(values) in (1, 3) and values.dtype in (np.uint8, np.uint16)
    if picture and (values.dtype == np.uint8 or len(values) == 1):
        name = f"{stem}.png"
        Image.fromarray(values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)).save(folder / name)
    else:
        name = f"{stem}.nii.gz"
        _write_nifti(values, np.asarray(image.affine, dtype=float), folder / name)
    return {
        "file": name,
        "type": str(values.dtype),
        "shape": list(values.shape),
        "affine": np.asarray(image.affine, dtype=float).tolist(),
        "meta": {key: value for key, value in image.meta.items() if isinstance(key, str) and key not in _OWN},
    }


def read_image(folder: Path, entry: dict[str, Any]) -> MetaTensor:
    """Read an image with the meta it was written with.

    Raises
    ------
    IpiuError
        Where the entry points out of the folder or states what cannot be, or the file is damaged.
    """
    path, shape = inside(folder, entry["file"]), entry["shape"]
    if entry["type"] not in _TYPES:
        msg = f"{folder}: an image claims the type {entry['type']!r}; write the cohort again"
        raise IpiuError(msg)
    affine = np.asarray(entry["affine"], dtype=float)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        msg = f"{path}: its affine is stated as {entry['affine']!r:.80}, not as four by four numbers; write it again"
        raise IpiuError(msg)
    if path.suffix == ".png":
        values = read_picture(path)[0].images["image"].numpy()
    else:
        whole = {} if entry["type"] != "float32" else None  # as labels, integers do not go through float32
        values = read_nifti(path, labels=whole)[0].images["image"].numpy()
    if not all(isinstance(n, int) and n > 0 for n in shape) or values.size != math.prod(shape):
        msg = f"{path}: holds {values.shape}, not the {shape!r:.80} that was written; write the cohort again"
        raise IpiuError(msg)
    values = values.reshape(shape)  # a picture in a NIfTI file has a third axis of one
    meta = {key: _tuples(value) for key, value in entry["meta"].items() if key not in _OWN}
    if "labels" in meta:
        meta["labels"] = {int(code): name for code, name in meta["labels"].items()}
    return MetaTensor(torch.from_numpy(values.astype(entry["type"])), affine=torch.from_numpy(affine), meta=meta)


def inside(folder: Path, name: str) -> Path:
    """A file of the folder by its plain name."""
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
        msg = f"{folder}: it names the file {name!r}, which is not in the folder; write the cohort again"
        raise IpiuError(msg)
    return folder / name


def _write_nifti(values: np.ndarray, affine: np.ndarray, path: Path) -> None:
    """Channel first to NIfTI's order: channels become the fourth axis, and a picture gets a third of one."""
    stored = _smallest(values)
    stored = stored[..., None] if stored.ndim == 3 else stored
    volume = stored[0] if len(stored) == 1 else np.moveaxis(stored, 0, -1)
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, path)


def _smallest(values: np.ndarray) -> np.ndarray:
    """Whole numbers stored as such: a CT in float32 takes half the room as int16, and loses nothing."""
    if values.dtype.kind != "f" or not np.isfinite(values).all() or (values != np.rint(values)).any():
        return values
    limits = np.iinfo(np.int16)
    return values.astype(np.int16) if limits.min <= values.min() and values.max() <= limits.max else values


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples again."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
