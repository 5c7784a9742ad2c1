"""What the loaders of segmentation benchmarks share: images and label maps in files, opened when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from monai.data import MetaTensor

from ipiu.cases.case import Case, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.nifti import read_nifti
from ipiu.cases.picture import read_picture
from ipiu.errors import IpiuError

PICTURES = (".png", ".tif", ".tiff")
VOLUMES = (".nii", ".nii.gz", ".mgz")


class Study(NamedTuple):
    """The files of one patient.

    Attributes
    ----------
    images
        name -> file; where ``channels`` names several, one file holds them all along its fourth axis
    labels
        the label map, where it is given out
    split
        train, val or test, as the data set states it
    facts
        what else is known of the patient
    channels
        names along the fourth axis of a file that holds several images
    """

    images: dict[str, Path]
    labels: Path | None
    split: str
    facts: dict[str, Any] = {}  # noqa: RUF012
    channels: tuple[str, ...] = ()


def modality_of(channel: str) -> tuple[str, str]:
    """The DICOM word and the unit of a channel, from the name a data set gives it."""
    word = channel.lower()
    if word == "ct" or word.startswith("ct "):
        return "CT", "HU"
    if word.startswith(("mr", "t1", "t2", "flair", "adc", "dwi", "pd", "cine")):
        return "MR", "arbitrary"
    return "", "stored value"


def cohort_of(
    studies: dict[str, Study],
    *,
    name: str,
    source: Source,
    structures: dict[int, str],
    split: str | None = None,
    read_labels: Callable[[Path, dict[int, str]], MetaTensor] | None = None,
    meta: dict[str, Any] | None = None,
) -> Cohort:
    """A lazy cohort over files.

    Parameters
    ----------
    studies
        id -> the files of one patient
    name, source
        as of :class:`ipiu.cases.cohort.Cohort`
    structures
        names of the label map's integers
    split
        only this part; all of them where None
    read_labels
        how a label map is read, where it is not one file
    meta
        put into ``meta`` of every label map, such as regions
    """
    known = sorted({study.split for study in studies.values()})
    if split is not None and split not in known:
        msg = f"split={split!r}: {name} has {', '.join(known) or 'no cases'}"
        raise ValueError(msg)
    chosen = {key: study for key, study in studies.items() if split in (None, study.split)}

    table = pd.DataFrame(
        [{"split": study.split, "labelled": study.labels is not None, **study.facts} for study in chosen.values()],
        index=pd.Index(list(chosen), name="id", dtype=object),
    )
    opener = _Opener(chosen, source, structures, read_labels or read_label_map, meta or {})
    return Cohort(list(chosen), opener, name=name, source=source, table=table)


@dataclass(frozen=True)
class _Opener:
    """Opens one case; a class, so that a cohort can be sent to other processes."""

    studies: dict[str, Study]
    source: Source
    structures: dict[int, str]
    read_labels: Callable[[Path, dict[int, str]], MetaTensor]
    meta: dict[str, Any]

    def __call__(self, key: str) -> Case:
        study = self.studies[key]
        images, notes = _images(study)
        if study.labels is not None:
            labels = self.read_labels(study.labels, self.structures)
            _check_grid(images, labels, study.labels, notes)
            name = label_name(images)
            labels.meta.update(self.meta | {"name": name})
            images[name] = labels
        for image in images.values():
            image.meta["source"] = str(self.source)
        return Case(key, images=images, labels={"split": study.split, **study.facts}, source=self.source, notes=notes)


def label_name(images: dict[str, Any]) -> str:
    """What a label map is called: ``"ct labels"`` beside one image ``"ct"``, ``"labels"`` beside several."""
    return f"{next(iter(images))} labels" if len(images) == 1 else "labels"


def read_image(path: Path, name: str) -> tuple[MetaTensor, list[str]]:
    """One image with its name, modality and unit, and what its reader noted."""
    modality, unit = modality_of(name)
    if _ending(path) in PICTURES:
        (case,) = read_picture(path, modality=modality)
    else:
        (case,) = read_nifti(path, unit=unit, modality=modality)
    image = case.images["image"]
    image.meta["name"] = name
    return image, case.notes


def read_label_map(path: Path, structures: dict[int, str]) -> MetaTensor:
    """One label map with the names of its integers."""
    if _ending(path) in PICTURES:
        (case,) = read_picture(path)
        stored = case.images["image"]
        values = stored.as_tensor()
        if len(values) != 1:
            msg = f"{path}: a label map has one channel, this picture has {len(values)}; save it in grey levels"
            raise IpiuError(msg)
        image = on_grid_of(stored, values.to(torch.uint8), unit="label", labels=dict(structures))
    else:
        (case,) = read_nifti(path, labels=structures)
        image = case.images["image"]
    return image


def on_grid_of(image: MetaTensor, values: torch.Tensor, **meta: Any) -> MetaTensor:
    """Other values in the place of an image, with parts of its ``meta`` replaced."""
    kept = {name: value for name, value in image.meta.items() if name != "affine"}
    return MetaTensor(values, affine=image.affine.clone(), meta=kept | meta)


def below(folder: Path, pattern: str, layout: str) -> list[Path]:
    """The files of a pattern in the order of their names, at least one."""
    # macOS leaves ._name beside every file it packs
    found = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    if not found:
        msg = f"{folder}: holds no {pattern}; give the folder that has {layout}"
        raise IpiuError(msg)
    return found


def _ending(path: Path) -> str:
    """The file's ending in small letters, with .gz and what stands before it."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def _images(study: Study) -> tuple[dict[str, MetaTensor], list[str]]:
    """The images of a study; one file with several channels becomes several images on one grid."""
    images: dict[str, MetaTensor] = {}
    notes: list[str] = []
    for name, path in study.images.items():
        image, said = read_image(path, name)
        if not study.channels:
            images[name] = image
            notes += [note for note in said if note not in notes]
            continue
        if len(image) != len(study.channels):
            msg = (
                f"{path}: has {len(image)} volumes, the data set names {len(study.channels)} "
                f"({', '.join(study.channels)}); copy it again from its source"
            )
            raise IpiuError(msg)
        for number, channel in enumerate(study.channels):
            modality, unit = modality_of(channel)
            values = image.as_tensor()[number : number + 1].clone()
            images[channel] = on_grid_of(image, values, name=channel, modality=modality, unit=unit)
        notes += [note for note in said if "volumes stand" not in note]
    return images, notes


def _check_grid(images: dict[str, MetaTensor], labels: MetaTensor, path: Path, notes: list[str]) -> None:
    """Labels must have the image's size; where only the place differs, say so."""
    for name, image in images.items():
        if image.shape[1:] != labels.shape[1:]:
            size, other = ("x".join(str(n) for n in x.shape[1:]) for x in (labels, image))
            msg = f"{path}: is {size} voxels but the image {name!r} is {other}; copy the two that belong together"
            raise IpiuError(msg)
        far = float(np.abs(np.asarray(image.affine) - np.asarray(labels.affine)).max())
        if far > 1e-2:
            notes.append(f"the affines of {name!r} and of its labels differ by up to {far:.3g} mm; both were kept")
