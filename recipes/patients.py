"""The digital patients that the tiny checkpoints are trained and tuned on, as arrays kept in `_build/recipes`.

The split is by seed. Patients of seed 1000 train, those of seed 1001 choose between settings, and neither is used in a
chapter, a test or a benchmark, which draw other seeds (`tests/recipes` holds them to it).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate
from tqdm.auto import tqdm

from ipiu import Case, DigitalCohort
from ipiu.models.split import TRAIN_SEED, TUNE_SEED

KEPT = Path(__file__).parents[1] / "_build" / "recipes"
TORSO = (4.5, 4.5, 5.0)  # mm; 96 x 96 x 96 voxels
PICTURE = 192  # pixels along each side of a radiograph or fundus picture


def patients(part: str, n: int, *, seed: int = TRAIN_SEED) -> dict[str, np.ndarray]:
    """Arrays of one part of ``n`` digital patients, made once and kept.

    Parameters
    ----------
    part
        ``ct``, ``radiograph``, ``brain`` or ``fundus``
    n
        number of patients
    seed
        :data:`TRAIN_SEED` or :data:`TUNE_SEED`

    Returns
    -------
    dict of ndarray
        name of the image -> (n, ...), memory-mapped. CT and brain are (n, i, j, k) in RAS+; pictures are
        (n, channel, row, column), ``PICTURE`` pixels a side. A radiograph comes with the patients' labels.
    """
    cohort = DigitalCohort(n, seed=seed, parts=(part,), spacing=TORSO)
    key = hashlib.sha256(json.dumps([cohort.recipe(), n, PICTURE], default=str).encode()).hexdigest()[:12]
    folder = KEPT / f"{part}-{n}-{key}"
    if not folder.is_dir():
        _make(cohort, folder)
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}


def _make(cohort: DigitalCohort, folder: Path) -> None:
    """Write the arrays of a cohort; the folder has its name only when it is whole."""
    begun = folder.with_name(f"{folder.name}.part")
    begun.mkdir(parents=True, exist_ok=True)
    kept: dict[str, np.ndarray] = {}
    made = cohort.map(_arrays, workers=os.cpu_count() or 1)
    for place, arrays in enumerate(tqdm(made, total=len(cohort), desc=f"patients for {folder.name}")):
        for name, values in arrays.items():
            if name not in kept:
                shape = (len(cohort), *values.shape)
                kept[name] = np.lib.format.open_memmap(begun / f"{name}.npy", "w+", values.dtype, shape)
            kept[name][place] = values
    for array in kept.values():
        array.flush()
    begun.rename(folder)


def _arrays(case: Case) -> dict[str, np.ndarray]:
    """The arrays of one patient."""
    found = {}
    for name, image in case.images.items():
        values = image.as_tensor()
        if name in ("radiograph", "radiograph masks", "fundus", "fundus labels"):
            found[name] = square(values, PICTURE, smooth=name in ("radiograph", "fundus"))
        else:
            found[name] = values[0].half().numpy() if values.is_floating_point() else values[0].numpy()
    if "radiograph" in case.images:
        found["labels"] = np.array([float(case.labels[name]) for name in FINDINGS], np.float32)
    return found


# labels of a patient that a radiograph may show
FINDINGS = ("cardiomegaly", "consolidation", "pneumothorax", "lung nodule", "pleural effusion", "emphysema")


def square(picture: torch.Tensor, side: int, *, smooth: bool = True) -> np.ndarray:
    """A picture (channel, row, column) padded to a square and resized, in its own type."""
    rows, columns = picture.shape[-2:]
    edge = max(rows, columns)
    top, left = (edge - rows) // 2, (edge - columns) // 2
    wide = torch.zeros(picture.shape[0], edge, edge)
    wide[:, top : top + rows, left : left + columns] = picture.float()
    mode = {"mode": "bilinear", "antialias": True} if smooth else {"mode": "nearest-exact"}
    resized = interpolate(wide[None], size=(side, side), **mode)[0]
    return resized.round().numpy().astype(picture.numpy().dtype)


if __name__ == "__main__":
    for part, n in (("ct", 320), ("radiograph", 1200), ("brain", 240), ("fundus", 600)):
        patients(part, n)
        patients(part, 40, seed=TUNE_SEED)
