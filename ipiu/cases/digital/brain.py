"""Brain MR: T1-, T2- and FLAIR-like images of one head, or an image of random contrast, with the truth behind them."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from monai.data import MetaTensor
from scipy import ndimage

from ipiu.cases.digital.brain_anatomy import Head, draw_head
from ipiu.cases.digital.brain_lattice import LATTICE, SIZE, check_spacing, draw_field, to_grid
from ipiu.cases.digital.site import REFERENCE, Site
from ipiu.cases.digital.state import State
from ipiu.errors import IpiuError

LABELS = {
    1: "grey matter",
    2: "white matter",
    3: "cerebrospinal fluid",
    4: "ventricles",
    5: "skull",
    6: "scalp",
    7: "tumour core",
    8: "oedema",
    9: "white matter lesion",
    10: "face and neck",
}

SEQUENCES = ("t1", "t2", "flair")

# Brightness of each tissue on T1, T2 and FLAIR, relative to white matter on T1: the order that a radiologist expects
# at 1.5 and 3 T. The enhancing rim is bright on T1 as after a gadolinium contrast medium.
BRIGHTNESS = {
    "grey matter": (0.70, 0.60, 0.66),
    "white matter": (1.00, 0.42, 0.53),
    "cerebrospinal fluid": (0.27, 1.15, 0.12),
    "bone": (0.10, 0.07, 0.07),
    "marrow": (0.55, 0.35, 0.35),
    "scalp": (1.15, 0.62, 0.62),
    "muscle": (0.58, 0.22, 0.28),
    "fat": (1.10, 0.60, 0.55),
    "globe": (0.26, 1.10, 0.14),
    "enhancing tumour": (1.35, 0.68, 0.86),
    "necrosis": (0.42, 0.98, 0.55),
    "oedema": (0.72, 0.84, 1.02),
    "white matter lesion": (0.86, 0.72, 0.98),
}


def make_brain(
    state: State,
    rng: np.random.Generator,
    *,
    spacing: float | tuple[float, float, float] = 2.0,
    site: Site = REFERENCE,
    contrast: Literal["clinical", "random"] = "clinical",
) -> dict[str, MetaTensor]:
    """Make the brain MR of one patient.

    The anatomy is that of the MNI152 average, which nilearn ships, deformed at random; its size follows sex and
    height, its fluid spaces widen with age, and white matter lesions come with age and hypertension. Face, eyes
    and neck are only hinted at.

    Parameters
    ----------
    state, rng
        the patient, and random numbers of its own such as ``stream(seed, index, "brain")``
    spacing
        of the voxels in mm, one number or three (right, front, head). The field of view is 192 x 224 x 192 mm,
        to the nearest voxel; slices thicker than 2 mm are averages of thinner ones.
    site
        gives the noise and the bias field
    contrast
        ``"clinical"`` gives images like T1-weighted, T2-weighted and FLAIR ones. T1 is as after a gadolinium contrast
        medium where there is a tumour (``meta["contrast medium"]``), whose rim takes it up. ``"random"`` gives one
        image whose tissues have random brightness and whose slices have random thickness, which trains a network
        that does not depend on the sequence (SynthSeg: Billot et al. 2023, doi:10.1016/j.media.2023.102789).

    Returns
    -------
    dict of MetaTensor
        ``"brain t1"``, ``"brain t2"``, ``"brain flair"`` (or ``"brain random"``): float32 (1, i, j, k), arbitrary
        unit, affine to RAS+ mm; ``"brain labels"``: uint8 of the same shape, named by ``meta["labels"]``

    Raises
    ------
    ImportError
        Where nilearn is not installed; the message says how to install it.
    IpiuError
        Where the spacing is not 0.5 to 12 mm, or the contrast has no such name.

    Examples
    --------
    >>> from ipiu.cases.digital.brain import make_brain
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> images = make_brain(draw_state(0, 7), stream(0, 7, "brain"), spacing=4)
    >>> images["brain t1"].shape
    torch.Size([1, 48, 56, 48])
    """
    if contrast not in ("clinical", "random"):
        msg = f"contrast={contrast!r} must be 'clinical' or 'random'"
        raise IpiuError(msg)
    spacing = check_spacing(spacing)
    head = draw_head(state, rng, spacing)
    medium = head.fractions["enhancing tumour"].any()
    if contrast == "clinical":
        images = {f"brain {name}": _acquire(head, n, rng, site) for n, name in enumerate(SEQUENCES)}
    else:
        images = {"brain random": _acquire_random(head, rng, site, spacing)}
    found = {}
    for name, values in images.items():
        meta = {"modality": "MR", "unit": "arbitrary", "name": name}
        if name == "brain t1":
            meta["contrast medium"] = bool(medium)
        found[name] = _tensor(values, head.affine, meta)
    meta = {"modality": "", "unit": "label", "name": "brain labels", "labels": dict(LABELS)}
    found["brain labels"] = _tensor(_label(head), head.affine, meta)
    return found


def _tensor(values: np.ndarray, affine: np.ndarray, meta: dict) -> MetaTensor:
    return MetaTensor(torch.from_numpy(values[None]), affine=torch.from_numpy(affine.copy()), meta=meta)


def _label(head: Head) -> np.ndarray:
    """The tissue with the largest share of each voxel."""
    share = head.fractions
    parts = [
        share["air"],
        share["grey matter"],
        share["white matter"],
        np.where(head.ventricles, 0, share["cerebrospinal fluid"]),
        np.where(head.ventricles, share["cerebrospinal fluid"], 0),
        share["bone"] + share["marrow"],
        share["scalp"],
        share["enhancing tumour"] + share["necrosis"],
        share["oedema"],
        share["white matter lesion"],
        share["muscle"] + share["fat"] + share["globe"],
    ]
    best, label = parts[0].copy(), np.zeros(parts[0].shape, np.uint8)
    for number, part in enumerate(parts[1:], start=1):
        more = part > best
        label[more], best[more] = number, part[more]
    return label


def _acquire(head: Head, sequence: int, rng: np.random.Generator, site: Site) -> np.ndarray:
    """One image: mixed tissue, texture, bias field, gain and Rician noise."""
    # scanners and patients differ by some per cent
    means = {name: row[sequence] * math.exp(0.04 * rng.standard_normal()) for name, row in BRIGHTNESS.items()}
    image = _mix(head, means)
    image *= 1 + np.float32(0.025) * head.texture
    image *= np.exp(np.float32(site.mr_bias) * _bias(rng, image.shape))
    return _rician(image, site.mr_noise, rng) * np.float32(300 * math.exp(0.3 * rng.standard_normal()))


def _mix(head: Head, means: dict[str, float]) -> np.ndarray:
    """Brightness of each voxel: its tissues weighted by their shares."""
    image = np.zeros_like(head.texture)
    for name, mean in means.items():
        image += np.float32(mean) * head.fractions[name]
    return image


def _bias(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A smooth field of unit variance over the head: coils do not see all of it alike."""
    axes = [
        ((np.arange(n, dtype=np.float32) + 0.5) * np.float32(size / n / LATTICE))
        for n, size in zip(shape, SIZE, strict=True)
    ]
    field = draw_field(rng, 90)
    field -= field.mean()
    return to_grid(field / max(float(field.std()), 1e-6), axes)


def _rician(image: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """The magnitude of a complex signal with Gaussian noise (Gudbjartsson & Patz 1995, doi:10.1002/mrm.1910340618)."""
    real, imaginary = (rng.standard_normal(image.shape, dtype=np.float32) * np.float32(noise) for _ in range(2))
    return np.sqrt((image + real) ** 2 + imaginary**2)


def _acquire_random(head: Head, rng: np.random.Generator, site: Site, spacing: tuple[float, ...]) -> np.ndarray:
    """One image of a sequence that nobody has: brightness, sharpness, slice thickness, bias and gamma at random."""
    means = dict(zip(BRIGHTNESS, rng.uniform(0.05, 1.0, len(BRIGHTNESS)).tolist(), strict=True))
    spread = rng.uniform(0.0, 0.12)
    thickness, axis = rng.uniform(1.0, 9.0), int(rng.integers(3))
    gamma = math.exp(0.4 * rng.standard_normal())
    image = _mix(head, means) + np.float32(spread) * head.texture * (1 - head.fractions["air"])
    image *= np.exp(np.float32(max(site.mr_bias, 0.3)) * _bias(rng, image.shape))
    image = _rician(np.maximum(image, 0), site.mr_noise, rng)
    # a slice of some thickness as a Gaussian point spread, 0.75 of it as in SynthSeg
    image = ndimage.gaussian_filter1d(image, 0.75 * thickness / spacing[axis] / 2.0, axis=axis)
    return (image / image.max()) ** np.float32(gamma)
