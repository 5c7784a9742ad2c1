"""Pictures cut from a volume, the way radiologists look at them, and put back in their place."""

from __future__ import annotations

import nibabel.orientations as nio
import numpy as np
import torch
from monai.data import MetaTensor

from ipiu.errors import IpiuError
from ipiu.names import nearest

# plane -> axis of RAS+ that it is looked at along
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}


def depth(volume: MetaTensor, plane: str) -> int:
    """How many slices a volume has along a plane."""
    turn, axis = _turn(volume), _axis(plane)
    return int(volume.shape[1:][int(np.flatnonzero(turn[:, 0] == axis)[0])])


def cut(volume: MetaTensor, plane: str, index: int) -> MetaTensor:
    """One slice of a volume as a picture.

    Parameters
    ----------
    volume
        (1, i, j, k) with an affine to RAS+ mm, in any orientation
    plane
        ``axial``, ``coronal`` or ``sagittal``
    index
        of the slice: from the feet, the back or the patient's left, whichever way the volume is stored

    Returns
    -------
    MetaTensor
        (1, row, column): the head or the front on top; the patient's right on the left, or the front in a sagittal
        slice. It has the volume's ``meta``.

    Raises
    ------
    IpiuError
        Where there is no such plane or slice.

    Examples
    --------
    >>> volume = MetaTensor(torch.zeros(1, 4, 5, 6), affine=torch.eye(4))
    >>> cut(volume, "axial", 0).shape
    torch.Size([1, 5, 4])
    """
    axis, n = _axis(plane), depth(volume, plane)
    if not 0 <= index < n:
        msg = f"there is no {plane} slice {index}; the volume has 0 to {n - 1}"
        raise IpiuError(msg)
    picture = np.take(_straight(volume), index, axis=axis).T[::-1, ::-1].copy()
    return MetaTensor(torch.from_numpy(picture[None]), meta=_meta(volume))


def across(labels: MetaTensor, plane: str, values: tuple[int, ...]) -> np.ndarray:
    """How many voxels of a label map have one of some values, slice by slice along a plane."""
    straight = np.moveaxis(_straight(labels), _axis(plane), 0)
    return np.isin(np.arange(256), values)[straight].sum(axis=(1, 2))


def stack(pictures: dict[int, np.ndarray], volume: MetaTensor, plane: str) -> MetaTensor:
    """Masks of slices, put back into the volume they were cut from: uint8 (1, i, j, k), empty elsewhere."""
    axis, turn = _axis(plane), _turn(volume)
    straight = np.moveaxis(np.zeros(_straight(volume).shape, np.uint8), axis, 0)
    for index, picture in pictures.items():
        straight[index] = picture[::-1, ::-1].T
    back = nio.ornt_transform(nio.axcodes2ornt("RAS"), turn)
    voxels = nio.apply_orientation(np.moveaxis(straight, 0, axis), back)
    meta = {**_meta(volume), "unit": "mask", "name": "outline"}
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(voxels)[None]), affine=volume.affine, meta=meta)


def _meta(volume: MetaTensor) -> dict:
    """What is known of the volume, apart from where it lies."""
    return {name: value for name, value in volume.meta.items() if name in ("unit", "modality", "window", "name")}


def _turn(volume: MetaTensor) -> np.ndarray:
    """Which axis of RAS+ each axis of the volume runs along, and which way."""
    if not isinstance(volume, MetaTensor) or volume.ndim != 4 or volume.shape[0] != 1:
        msg = f"{type(volume).__name__} of shape {tuple(volume.shape)} is no volume (1, i, j, k) with an affine"
        raise IpiuError(msg)
    return nio.io_orientation(np.asarray(volume.affine, float))


def _straight(volume: MetaTensor) -> np.ndarray:
    """The voxels with their axes nearest to right, anterior, superior."""
    return nio.apply_orientation(volume.as_tensor()[0].numpy(), _turn(volume))


def _axis(plane: str) -> int:
    """The axis of a plane."""
    if plane not in PLANES:
        msg = f"there is no plane {plane!r}; {nearest(plane, PLANES)}"
        raise IpiuError(msg)
    return PLANES[plane]
