"""Structures of digital patients that the tiny promptable model was trained to outline, and those held out.

Held out means: pictures that show the structure were seen, its outline never was. What is thin and everywhere (grey
matter, vessels of the retina, ribs, fat) is in neither list, because nobody points at it with one click.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from monai.data import MetaTensor
from scipy.ndimage import binary_closing, label

from ipiu.cases.case import Case
from ipiu.cases.digital.radiograph import CHANNELS
from ipiu.models.cut import PLANES, across, cut

# Pixels of a 128 x 128 picture, one patch of the network: what is smaller is left out, in training and when measured
SMALLEST = 64
_SIDE = 128


@dataclass(frozen=True)
class Structure:
    """Something that can be pointed at.

    Attributes
    ----------
    part
        of a digital patient: ``ct``, ``radiograph``, ``brain`` or ``fundus``
    name
        what it is called
    labels
        values of the label map that make it up; of a radiograph, channels of its masks
    held_out
        whether its outline was kept out of training
    """

    part: str
    name: str
    labels: tuple[int, ...]
    held_out: bool = False

    @property
    def _table(self) -> np.ndarray:
        """For each value of a label map whether it belongs to the structure."""
        return np.isin(np.arange(256), self.labels)

    def mask(self, labels: np.ndarray) -> np.ndarray:
        """Its largest connected piece on a picture, bool (row, column): one click means one thing.

        Parameters
        ----------
        labels
            label map (row, column), or masks (channel, row, column) of a radiograph
        """
        whole = self._table[labels] if labels.ndim == 2 else labels[list(self.labels)].any(axis=0)
        if self.part == "fundus":
            # vessels lie on top of what is behind them in the label map
            whole = binary_closing(whole, iterations=max(1, len(whole) // 64))
        pieces, n = label(whole)
        if n < 2:
            return whole
        return pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()


def _channels(*names: str) -> tuple[int, ...]:
    """Channels of a radiograph's masks."""
    return tuple(list(CHANNELS).index(name) for name in names)


STRUCTURES = (
    Structure("ct", "liver", (50, 76)),
    Structure("ct", "heart", (30, 31, 32, 33, 34)),
    Structure("ct", "right lung", (20, 21, 22)),
    Structure("ct", "left lung", (23, 24)),
    Structure("ct", "aorta", (35,)),
    Structure("ct", "inferior vena cava", (36,)),
    Structure("ct", "pulmonary artery", (38,)),
    Structure("ct", "trachea", (25,)),
    Structure("ct", "stomach", (54,)),
    Structure("ct", "bowel", (55,)),
    Structure("ct", "pancreas", (57,)),
    Structure("ct", "spine", (5, 13)),
    Structure("ct", "sternum", (8,)),
    Structure("ct", "scapula", (9,)),
    Structure("ct", "humerus", (11,)),
    Structure("ct", "pelvis", (12,)),
    Structure("ct", "pleural effusion", (70, 71)),
    Structure("ct", "pneumothorax", (72, 73)),
    Structure("ct", "consolidation", (74,)),
    Structure("ct", "spleen", (51,), held_out=True),
    Structure("ct", "right kidney", (52,), held_out=True),
    Structure("ct", "left kidney", (53,), held_out=True),
    Structure("ct", "gallbladder", (56,), held_out=True),
    Structure("radiograph", "right lung", _channels("right lung")),
    Structure("radiograph", "left lung", _channels("left lung")),
    Structure("radiograph", "pleural effusion", _channels("pleural effusion right", "pleural effusion left")),
    Structure("radiograph", "pneumothorax", _channels("pneumothorax right", "pneumothorax left")),
    Structure("radiograph", "consolidation", _channels("consolidation")),
    Structure("radiograph", "heart", _channels("heart"), held_out=True),
    Structure("brain", "head", tuple(range(1, 11))),
    Structure("brain", "brain", (1, 2, 4, 7, 8, 9)),
    Structure("brain", "white matter", (2, 9)),
    Structure("brain", "tumour core", (7,)),
    Structure("brain", "oedema", (8,)),
    Structure("brain", "ventricles", (4,), held_out=True),
    Structure("fundus", "fovea", (3,)),
    Structure("fundus", "haemorrhage", (5,)),
    Structure("fundus", "hard exudate", (6,)),
    Structure("fundus", "cotton-wool spot", (7,)),
    Structure("fundus", "optic disc", (1,), held_out=True),
)


def objects(part: str, labels: np.ndarray) -> Iterator[tuple[Structure, np.ndarray]]:
    """The structures of a picture that are large enough to point at, each with its mask.

    Parameters
    ----------
    part
        ``ct``, ``radiograph``, ``brain`` or ``fundus``
    labels
        label map (row, column), or masks (channel, row, column) of a radiograph

    Yields
    ------
    Structure, ndarray of bool (row, column)

    Examples
    --------
    >>> labels = np.zeros((128, 128), np.uint8)
    >>> labels[20:60, 30:70] = 50
    >>> [structure.name for structure, _ in objects("ct", labels)]
    ['liver']
    """
    for structure in STRUCTURES:
        if structure.part == part:
            mask = structure.mask(labels)
            if mask.sum() >= _least(labels):
                yield structure, mask


# HU that become black and white: soft tissue, as (centre, width)
SOFT_TISSUE = (40.0, 400.0)


def examples(case: Case, rng: np.random.Generator) -> Iterator[tuple[Structure, MetaTensor, np.ndarray]]:
    """For each structure of a digital patient one picture that shows it, drawn at random, with its mask.

    Of a CT or a brain the plane is drawn first, then a slice on which the structure is large enough to point at.

    Yields
    ------
    Structure, MetaTensor (channel, row, column), ndarray of bool (row, column)
    """
    images = case.images
    for part in ("radiograph", "fundus"):
        if part in images:
            labels = images["radiograph masks" if part == "radiograph" else "fundus labels"].numpy()
            for structure, mask in objects(part, labels if part == "radiograph" else labels[0]):
                yield structure, images[part], mask
    for part, names in (("ct", ["ct"]), ("brain", ["brain t1", "brain t2", "brain flair"])):
        if names[0] in images:
            for structure in (one for one in STRUCTURES if one.part == part):
                image = images[names[rng.integers(len(names))]]
                labels = images[f"{part} labels"]
                plane = str(rng.choice(list(PLANES)))
                found = _slice(structure, labels, plane, rng)
                if found is not None:
                    picture = cut(image, plane, found[0])
                    if part == "ct":
                        picture.meta["window"] = SOFT_TISSUE
                    yield structure, picture, found[1]


def _slice(structure: Structure, labels: MetaTensor, plane: str, rng: np.random.Generator):
    """Index and mask of a slice, drawn from those on which the structure is large enough."""
    size = across(labels, plane, structure.labels)
    for index in rng.permutation(np.flatnonzero(size >= SMALLEST * (min(labels.shape[1:]) / _SIDE) ** 2)):
        values = cut(labels, plane, int(index))[0].numpy()
        mask = structure.mask(values)
        if mask.sum() >= _least(values):
            return int(index), mask
    return None


def _least(labels: np.ndarray) -> float:
    """Pixels that a mask must have."""
    return SMALLEST * (max(labels.shape[-2:]) / _SIDE) ** 2
