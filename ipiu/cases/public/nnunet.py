"""The raw layout of nnU-Net v2, read as a cohort and written from one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ipiu.cases.case import OWN_FILE, Case, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.files import check_file, reason
from ipiu.cases.public.volumes import PICTURES, VOLUMES, Study, below, cohort_of, label_name
from ipiu.errors import IpiuError

FOLDER = re.compile(r"Dataset\d{3}_[A-Za-z0-9_-]+")
CASE = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
LAYOUT = "dataset.json, imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz"
# geometries closer than this (mm) are taken as one
SAME = 1e-3


def read_nnunet(folder: str | Path, *, split: str | None = None, source: Source | None = None) -> Cohort:
    """A data set in the raw layout of nnU-Net v2.

    Parameters
    ----------
    folder
        such as ``nnUNet_raw/Dataset009_Spleen``
    split
        ``"train"`` (imagesTr with labelsTr) or ``"test"`` (imagesTs, with labelsTs where it is there); both where None
    source
        where the data come from, as the layout has no field for it

    Returns
    -------
    Cohort
        one image a channel, under its name in ``dataset.json`` in small letters: (1, i, j, k) float32; and the label
        map, ``"ct labels"`` beside one image ``"ct"``, ``"labels"`` beside several, with ``meta["labels"]`` and, of a
        data set with regions, ``meta["regions"]``: name -> the integers it is made of

    Raises
    ------
    IpiuError
        Where ``dataset.json`` is not of version 2, or a channel or a label file is missing.

    References
    ----------
    Isensee et al. 2021, https://doi.org/10.1038/s41592-020-01008-z

    Examples
    --------
    >>> from ipiu.cases.public.nnunet import read_nnunet
    >>> read_nnunet("nnUNet_raw/Dataset009_Spleen", split="train")  # doctest: +SKIP
    Cohort('Dataset009_Spleen', 41 patients; own file: Dataset009_Spleen)
    """
    root = Path(folder)
    path = check_file(root / "dataset.json")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        ending = str(facts["file_ending"])
        channels = [str(facts["channel_names"][key]).lower() for key in sorted(facts["channel_names"], key=int)]
        regions = {str(name): _integers(value) for name, value in facts["labels"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: is not of nnU-Net v2 ({reason(error)}); it needs channel_names, labels and file_ending"
        raise IpiuError(msg) from error
    if ending.lower() not in (*VOLUMES, *PICTURES):
        msg = f"{path}: its files end in {ending}, of which {', '.join((*VOLUMES, *PICTURES))} are read; convert them"
        raise IpiuError(msg)
    studies = _studies(root, "Tr", "train", channels, ending) | _studies(root, "Ts", "test", channels, ending)
    several = {name: values for name, values in regions.items() if len(values) > 1}
    return cohort_of(
        studies,
        name=root.name,
        source=source or Source(OWN_FILE.kind, root.name, licence=str(facts.get("licence", "not stated"))),
        structures=_names(regions),
        split=split,
        meta={"regions": regions} if several else None,
    )


def write_nnunet(
    cohort: Cohort | Sequence[Case],
    folder: str | Path,
    *,
    images: Sequence[str] = ("ct",),
    labels: str | None = None,
    keep: Sequence[str] | None = None,
    regions: dict[str, Sequence[str]] | None = None,
    split: str | None = None,
) -> Path:
    """Write a cohort in the raw layout of nnU-Net v2, one case at a time; the folder appears only once it is whole.

    Labels are numbered anew without gaps, as nnU-Net asks: 0 is background, the others keep their order. Cases
    without a label map go into ``imagesTs``.

    Parameters
    ----------
    cohort
        cases that have ``images`` on one grid
    folder
        a new folder named as nnU-Net wants it, such as ``nnUNet_raw/Dataset101_Torso``
    images
        names of the images, in the order of the channels; the name ``"CT"`` is what makes nnU-Net normalise by HU
    labels
        name of the label map; ``"ct labels"`` beside one image ``"ct"``, ``"labels"`` beside several where None
    keep
        names of the structures to keep; what is left out becomes background. All of them where None
    regions
        for region-based training: name -> the structures it is made of, from the largest region to the smallest
    split
        the label that says train or test (as the loaders here give it), where cases with a label map may be test
        cases; their labels go into ``labelsTs``

    Returns
    -------
    pathlib.Path
        ``folder``

    Raises
    ------
    IpiuError
        Where the folder is there already, a case lacks an image, its images are on different grids or hold values
        that are not finite, or a label map has integers without a name.

    Examples
    --------
    >>> from ipiu.cases.public.nnunet import write_nnunet
    >>> write_nnunet(cohort, "Dataset101_Torso", keep=["liver", "spleen"])  # doctest: +SKIP
    """
    folder = Path(folder)
    if not FOLDER.fullmatch(folder.name):
        msg = f"{folder.name!r}: nnU-Net wants names such as 'Dataset101_Torso', with three digits"
        raise ValueError(msg)
    if folder.exists():
        msg = f"{folder}: is there already; remove it, or choose another number"
        raise IpiuError(msg)
    hidden = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        writer = _Writer(hidden, list(images), labels or label_name(dict.fromkeys(images)), keep)
        for case in cohort:
            writer.add(case, test=split is not None and case.labels.get(split) == "test")
        writer.finish(str(getattr(cohort, "name", folder.name)), getattr(cohort, "source", OWN_FILE), regions)
        hidden.replace(folder)
    except OSError as error:
        msg = f"{folder}: cannot be written ({reason(error)}); nothing was kept, mend that and call again"
        raise IpiuError(msg) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return folder


class _Writer:
    """A data set that is being written."""

    def __init__(self, root: Path, images: list[str], labels: str, keep: Sequence[str] | None):
        self.root, self.images, self.labels = root, images, labels
        # name -> new number; filled by ``keep``, or by the names of the first label map
        self.numbers = None if keep is None else {name: n for n, name in enumerate(keep, start=1)}
        self.keep = keep
        self.training = 0
        for part in ("imagesTr", "labelsTr"):
            (root / part).mkdir(parents=True)

    def add(self, case: Case, *, test: bool) -> None:
        """Write one case."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", case.id)
        target = case.images.get(self.labels)
        part = "Ts" if test or target is None else "Tr"
        grid = None
        for channel, image in enumerate(self.images):
            if image not in case.images:
                msg = f"case {case.id!r} has no image {image!r}, only {', '.join(case.images) or 'none'}; see images="
                raise IpiuError(msg)
            volume = case.images[image]
            grid = grid or _grid(volume)
            self._check(case, image, volume, grid)
            self._save(
                volume.as_tensor().numpy()[0], grid, self.root / f"images{part}" / f"{name}_{channel:04d}.nii.gz"
            )
        if target is not None:
            self._check(case, self.labels, target, grid)
            self._save(self._renumber(case, target), grid, self.root / f"labels{part}" / f"{name}.nii.gz")
            self.training += part == "Tr"

    def finish(self, name: str, source: Source, regions: dict[str, Sequence[str]] | None) -> None:
        """Write ``dataset.json``."""
        if not self.training:
            msg = f"no case has a label map {self.labels!r}, and nnU-Net needs at least one; see labels="
            raise IpiuError(msg)
        facts = {
            "channel_names": {str(n): "CT" if image.lower() == "ct" else image for n, image in enumerate(self.images)},
            **(_regions(regions, self.numbers) if regions else {"labels": {"background": 0, **self.numbers}}),
            "numTraining": self.training,
            "file_ending": ".nii.gz",
            "name": name,
            "licence": source.licence,
            "reference": source.url,
            "description": str(source),
        }
        (self.root / "dataset.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def _renumber(self, case: Case, target: Any) -> np.ndarray:
        """The label map under the new numbers."""
        names = {int(value): name for value, name in target.meta.get("labels", {}).items() if int(value)}
        if self.numbers is None:
            self.numbers = {name: n for n, name in enumerate(dict.fromkeys(names[v] for v in sorted(names)), start=1)}
        old = target.as_tensor().numpy()[0]
        table = np.zeros(int(old.max(initial=0)) + 1, dtype=np.uint16)
        for value in np.unique(old):
            if value == 0:
                continue
            name = names.get(int(value))
            if value < 0 or name is None:
                msg = f"case {case.id!r}: its label {int(value)} has no name in meta['labels']; name it there"
                raise IpiuError(msg)
            if name in self.numbers:
                table[value] = self.numbers[name]
            elif self.keep is None:
                msg = (
                    f"case {case.id!r} has the structure {name!r} that the first case does not name; list all in keep="
                )
                raise IpiuError(msg)
        new = table[old]
        return new.astype(np.uint8) if len(self.numbers) < 256 else new

    def _check(self, case: Case, name: str, image: Any, grid: tuple) -> None:
        """Refuse what nnU-Net would refuse."""
        if len(image) != 1 or image.ndim != 4:
            msg = f"case {case.id!r}: {name!r} has the shape {tuple(image.shape)}; one channel (1, i, j, k) is needed"
            raise IpiuError(msg)
        shape, affine = _grid(image)
        if shape != grid[0] or np.abs(affine - grid[1]).max() > SAME:
            msg = f"case {case.id!r}: {name!r} is on another grid than {self.images[0]!r}; resample it first"
            raise IpiuError(msg)
        if image.is_floating_point() and not bool(image.isfinite().all()):
            msg = f"case {case.id!r}: {name!r} has values that are not finite, which nnU-Net refuses; replace them"
            raise IpiuError(msg)

    def _save(self, values: np.ndarray, grid: tuple, path: Path) -> None:
        """One volume as NIfTI, placed by the affine of the grid."""
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            msg = (
                f"two cases would be written as {path.name}; give every case an id of letters, digits and _ of its own"
            )
            raise IpiuError(msg)
        stored = nib.Nifti1Image(np.ascontiguousarray(values), grid[1])
        stored.header.set_xyzt_units("mm")
        nib.save(stored, path)


def _grid(image: Any) -> tuple[tuple[int, ...], np.ndarray]:
    """The size and the affine of an image."""
    return tuple(image.shape[1:]), np.asarray(image.affine, dtype=np.float64)


def _integers(value: Any) -> list[int]:
    """The integers of a label or of a region."""
    return [int(item) for item in value] if isinstance(value, list) else [int(value)]


def _regions(regions: dict[str, Sequence[str]], numbers: dict[str, int]) -> dict[str, Any]:
    """Labels and class order of a data set with regions.

    nnU-Net paints the regions one over the other, each with one number: one that no later region has.
    """
    unknown = sorted({name for names in regions.values() for name in names} - set(numbers))
    if unknown:
        msg = f"regions name the structure {unknown[0]!r}; there are {', '.join(numbers)}"
        raise IpiuError(msg)
    left = sorted(set(numbers) - {name for names in regions.values() for name in names})
    if left:
        msg = f"no region has the structure {left[0]!r}; put it into one, or leave it out with keep="
        raise IpiuError(msg)
    made = {region: sorted(numbers[name] for name in names) for region, names in regions.items()}
    order = []
    for place, (region, values) in enumerate(made.items()):
        later = {value for others in list(made.values())[place + 1 :] for value in others}
        own = [value for value in values if value not in later]
        if not own:
            msg = f"region {region!r} lies within later ones; list regions from the largest to the smallest"
            raise IpiuError(msg)
        order.append(own[0])
    return {"labels": {"background": 0, **made}, "regions_class_order": order}


def _names(regions: dict[str, list[int]]) -> dict[int, str]:
    """A name for every integer: its own, or the smallest region it lies in."""
    names: dict[int, str] = {}
    for name, values in sorted(regions.items(), key=lambda item: len(item[1])):
        for value in values:
            names.setdefault(value, name)
    return dict(sorted(names.items()))


def _studies(root: Path, part: str, split: str, channels: list[str], ending: str) -> dict[str, Study]:
    """The files of one part, each case with all its channels."""
    if part == "Ts" and not (root / "imagesTs").is_dir():
        return {}
    found: dict[str, dict[int, Path]] = {}
    for path in below(root, f"images{part}/*{ending}", LAYOUT):
        match = CASE.fullmatch(path.name.removesuffix(ending))
        if match is None:
            msg = f"{path}: has no channel number; nnU-Net names images CASE_0000{ending}"
            raise IpiuError(msg)
        found.setdefault(match["case"], {})[int(match["channel"])] = path
    studies = {}
    for name, files in found.items():
        if sorted(files) != list(range(len(channels))):
            msg = f"{root}: case {name!r} has the channels {sorted(files)}, dataset.json names {len(channels)}"
            raise IpiuError(msg)
        label = root / f"labels{part}" / f"{name}{ending}"
        if part == "Tr" and not label.is_file():
            msg = f"{label}: there is no such file, and every case of imagesTr has a label map; copy it again"
            raise IpiuError(msg)
        images = {channels[number]: files[number] for number in sorted(files)}
        studies[name] = Study(images, label if label.is_file() else None, split)
    return studies
