"""MedMNIST+: 18 small data sets of pictures and volumes, read from their npz files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
import yaml
from monai.data import MetaTensor

from ipiu.cases.case import Case
from ipiu.cases.cohort import Cohort
from ipiu.cases.public.download import RemoteFile, Terms, data_folder, fetch
from ipiu.cases.public.unpack import unpack
from ipiu.errors import IpiuError
from ipiu.names import nearest

SPLITS = ("train", "val", "test")
# deflate packs no tighter than this; the 3D shapes of AdrenalMNIST3D come near
MOST = 1100


@cache
def facts() -> dict[str, Any]:
    """What is known of the 18 subsets: name, task, labels, samples, licence and checksums."""
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def medmnist(
    subset: str = "pneumoniamnist", folder: str | Path | None = None, *, size: int = 28, split: str | None = None
) -> Cohort:
    """One subset of MedMNIST v2 / MedMNIST+ in one of its sizes.

    The npz is unpacked once beside itself, so that images are read from disk one by one. The splits are the data set's
    own; it gives no patient ids, so a case is one image, and of one patient there may be several in one split.

    Parameters
    ----------
    subset
        such as ``"pathmnist"`` or ``"nodulemnist3d"``
    folder
        where ``pathmnist.npz`` (28) or ``pathmnist_64.npz`` is or goes; by default ``medmnist`` in
        :func:`ipiu.cases.public.download.data_folder`
    size
        28, 64, 128 or 224 pixels; 28 or 64 voxels of a 3D subset
    split
        ``"train"``, ``"val"`` or ``"test"``; all where None

    Returns
    -------
    Cohort
        ``images["image"]``: (C, row, column) uint8, or (1, i, j, k) uint8 of a 3D subset. The files state neither
        spacing nor orientation, so the affine has 1 in place of mm. Labels: ``class`` and ``class number``, or, of a
        multi-label subset, one 0 or 1 a finding.

    Raises
    ------
    IpiuError
        Where there is no such subset, the download fails, or the file does not have the arrays it should.

    References
    ----------
    Yang et al. 2023, https://doi.org/10.1038/s41597-022-01721-8

    Examples
    --------
    >>> from ipiu.cases.public.medmnist import medmnist
    >>> medmnist("breastmnist", split="test")[0].images["image"].shape  # doctest: +SKIP
    torch.Size([1, 28, 28])
    """
    known = facts()["subsets"]
    if subset not in known:
        msg = f"there is no MedMNIST subset {subset!r}; {nearest(subset, known)}"
        raise IpiuError(msg)
    if size not in known[subset]["md5"]:
        msg = f"size={size!r}: {subset} comes in {', '.join(str(n) for n in known[subset]['md5'])}"
        raise ValueError(msg)
    if split is not None and split not in SPLITS:
        msg = f"split={split!r} is none of {', '.join(SPLITS)}"
        raise ValueError(msg)
    info = known[subset]
    terms = Terms.of("medmnist", name=info["name"], licence=info["licence"])
    arrays = _arrays(subset, size, Path(folder or data_folder() / "medmnist"), terms)
    return _cohort(subset, info, arrays, terms, (split,) if split else SPLITS)


def _arrays(subset: str, size: int, folder: Path, terms: Terms) -> Path:
    """The folder with one npy file an array."""
    stem = subset if size == 28 else f"{subset}_{size}"
    name = f"{stem}.npz"
    url = facts()["url"].format(file=name)
    file = RemoteFile(url, name, checksum=f"md5:{facts()['subsets'][subset]['md5'][size]}")
    unpacked = folder / f"{stem}_arrays"
    if unpacked.is_dir():
        return unpacked
    return unpack(fetch(file, folder, terms=terms), unpacked, ratio=MOST)


def _cohort(subset: str, info: dict[str, Any], folder: Path, terms: Terms, splits: tuple[str, ...]) -> Cohort:
    """One case an image, over arrays on disk."""
    images = {split: _array(folder, f"{split}_images") for split in splits}
    labels = {split: _array(folder, f"{split}_labels") for split in splits}
    rows: dict[str, tuple[str, int]] = {}
    tables = []
    axes = 4 if info["channels"] == 3 or subset.endswith("3d") else 3
    for split in splits:
        if images[split].ndim != axes or labels[split].ndim != 2 or len(images[split]) != len(labels[split]):
            msg = (
                f"{folder}: {split} has images of shape {images[split].shape} and labels of {labels[split].shape}; "
                "remove the folder and its npz, and call again"
            )
            raise IpiuError(msg)
        rows |= {f"{subset}-{split}-{n:06d}": (split, n) for n in range(len(images[split]))}
        tables.append(_labels(np.asarray(labels[split]), info, folder).assign(split=split))
    table = pd.concat(tables, ignore_index=True).set_axis(pd.Index(list(rows), name="id", dtype=object))
    opener = _Opener(folder, info, rows, table, terms)
    return Cohort(list(rows), opener, name=info["name"], source=terms.source, table=table)


@dataclass(frozen=True)
class _Opener:
    """Opens one image; a class, so that a cohort can be sent to other processes without its arrays."""

    each: ClassVar[str] = "images"

    folder: Path
    info: dict[str, Any]
    rows: dict[str, tuple[str, int]]
    table: pd.DataFrame
    terms: Terms

    def __call__(self, key: str) -> Case:
        split, number = self.rows[key]
        image = _image(np.array(_array(self.folder, f"{split}_images")[number]), self.info, self.terms)
        (known,) = self.table.loc[[key]].to_dict("records")
        notes = ["the data set states neither spacing nor orientation, and no patient ids"]
        return Case(key, images={"image": image}, labels=known, source=self.terms.source, notes=notes)


def _array(folder: Path, name: str) -> np.ndarray:
    """One array, mapped from disk; never a pickle, which could run code."""
    path = folder / f"{name}.npy"
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        msg = f"{path}: is missing or no plain array ({error}); remove {folder} and its npz, and call again"
        raise IpiuError(msg) from error


def _labels(numbers: np.ndarray, info: dict[str, Any], folder: Path) -> pd.DataFrame:
    """One row an image."""
    names = info["labels"]
    most = 1 if "multi-label" in info["task"] else len(names) - 1
    width = len(names) if "multi-label" in info["task"] else 1
    if numbers.shape[1] != width or (numbers.size and not 0 <= numbers.min() <= numbers.max() <= most):
        msg = (
            f"{folder}: labels of shape {numbers.shape} do not fit the {len(names)} labels of {info['name']}; remove "
            "the folder and its npz, and call again"
        )
        raise IpiuError(msg)
    if width > 1:
        return pd.DataFrame(numbers.astype(int), columns=names)
    flat = numbers[:, 0].astype(int)
    return pd.DataFrame({"class": np.array(names, dtype=object)[flat], "class number": flat})


def _image(values: np.ndarray, info: dict[str, Any], terms: Terms) -> MetaTensor:
    """Channel first: a picture that has three colours keeps them last in the file."""
    values = np.moveaxis(values, -1, 0) if info["channels"] == 3 else values[None]
    meta = {
        "unit": "RGB" if len(values) == 3 else "grey level",
        "modality": info["modality"],
        "name": "image",
        "source": str(terms.source),
        "spacing_stated": False,
    }
    return MetaTensor(
        torch.from_numpy(np.ascontiguousarray(values)), affine=torch.eye(4, dtype=torch.float64), meta=meta
    )
