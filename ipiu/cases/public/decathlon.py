"""The Medical Segmentation Decathlon: ten segmentation tasks, read as their ``dataset.json`` lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai.apps import DecathlonDataset
from monai.data import load_decathlon_datalist

from ipiu.cases.cohort import Cohort
from ipiu.cases.files import check_file, reason
from ipiu.cases.public.download import RemoteFile, Terms, data_folder, fetch
from ipiu.cases.public.unpack import unpack
from ipiu.cases.public.volumes import Study, cohort_of
from ipiu.errors import IpiuError
from ipiu.names import nearest

# task -> its archive, from the addresses and checksums that MONAI publishes
FILES = {
    task: RemoteFile(url, f"{task}.tar", checksum=f"md5:{DecathlonDataset.md5[task]}")
    for task, url in DecathlonDataset.resource.items()
}


def decathlon(task: str, folder: str | Path | None = None, *, split: str | None = None) -> Cohort:
    """One task of the Medical Segmentation Decathlon.

    Parameters
    ----------
    task
        such as ``"Task09_Spleen"``
    folder
        where the task's folder is, or where it is downloaded to; by default ``decathlon`` in
        :func:`ipiu.cases.public.download.data_folder`
    split
        ``"train"`` (with labels) or ``"test"`` (without); both where None

    Returns
    -------
    Cohort
        one image a channel, named as in ``dataset.json`` in small letters (``"ct"``, or ``"flair"``, ``"t1w"`` ...),
        each (1, i, j, k) float32 in HU or arbitrary units; and the label map ``"ct labels"`` beside one image,
        ``"labels"`` beside several, with its structures named

    Raises
    ------
    IpiuError
        Where there is no such task, the download fails, or ``dataset.json`` is not as it should be or points outside
        its folder.

    References
    ----------
    Antonelli et al. 2022, https://doi.org/10.1038/s41467-022-30695-9

    Examples
    --------
    >>> from ipiu.cases.public.decathlon import decathlon
    >>> decathlon("Task09_Spleen", split="train")  # doctest: +SKIP
    Cohort('Task09_Spleen', 41 patients; public benchmark: Medical Segmentation Decathlon)
    """
    if task not in FILES:
        msg = f"there is no task {task!r}; {nearest(task, FILES)}"
        raise IpiuError(msg)
    terms = Terms.of("msd")
    folder = Path(folder or data_folder() / "decathlon")
    root = folder if (folder / "dataset.json").is_file() else folder / task
    if not root.is_dir():
        root = unpack(fetch(FILES[task], folder, terms=terms), root)
    return read_decathlon(root, terms=terms, split=split)


def read_decathlon(root: Path, *, terms: Terms, split: str | None = None) -> Cohort:
    """A folder with a ``dataset.json`` of the Decathlon's form.

    Raises
    ------
    IpiuError
        Where ``dataset.json`` lacks a part or points outside the folder.
    """
    path = check_file(root / "dataset.json")
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        channels = tuple(facts["modality"][key].lower() for key in sorted(facts["modality"], key=int))
        structures = {int(value): str(name) for value, name in facts["labels"].items()}
        listed = {
            part: load_decathlon_datalist(path, is_segmentation=True, data_list_key=key)
            for part, key in (("train", "training"), ("test", "test"))
            if facts.get(key)
        }
        studies = {
            study_id: study
            for part, items in listed.items()
            for study_id, study in (_study(item, part, channels, root) for item in items)
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, IpiuError):
            raise
        msg = f"{path}: is not as the Decathlon writes it ({reason(error)}); unpack the archive again"
        raise IpiuError(msg) from error
    return cohort_of(studies, name=root.name, source=terms.source, structures=structures, split=split)


def _study(item: dict[str, str] | str, part: str, channels: tuple[str, ...], root: Path) -> tuple[str, Study]:
    """The files of one entry of the list."""
    item = item if isinstance(item, dict) else {"image": item}
    files = {name: Path(item[name]) for name in ("image", "label") if item.get(name)}
    for file in files.values():
        if not file.resolve().is_relative_to(root.resolve()):
            msg = f"{root / 'dataset.json'}: lists {str(file)[:80]!r}, outside its folder; download the archive again"
            raise IpiuError(msg)
    name = files["image"].name.removesuffix(".nii.gz")
    several = channels if len(channels) > 1 else ()
    image = {"image" if several else channels[0]: files["image"]}
    return name, Study(image, files.get("label"), part, channels=several)
