"""TotalSegmentator: CT with one mask a structure, put together into one label map when a case is opened."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from monai.data import MetaTensor

from ipiu.cases.cohort import Cohort
from ipiu.cases.files import check_file, reason
from ipiu.cases.nifti import read_nifti
from ipiu.cases.public.download import RemoteFile, Terms, data_folder, fetch
from ipiu.cases.public.unpack import unpack
from ipiu.cases.public.volumes import Study, below, cohort_of, on_grid_of
from ipiu.errors import IpiuError

LAYOUT = "meta.csv and s0000/ct.nii.gz with s0000/segmentations/*.nii.gz"
# release 2.0.1 on Zenodo
FILE = RemoteFile(
    "https://zenodo.org/records/10047292/files/Totalsegmentator_dataset_v201.zip?download=1",
    "Totalsegmentator_dataset_v201.zip",
    size=23_581_218_285,
    checksum="md5:fe250e5718e0a3b5df4c4ea9d58a62fe",
)


@cache
def structures() -> dict[int, str]:
    """The 117 structures of release 2 under the numbers that TotalSegmentator gives them; 0 is background."""
    names = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return {0: "background", **dict(enumerate(names, start=1))}


def totalsegmentator(
    folder: str | Path | None = None, *, split: str | None = None, keep: list[str] | None = None
) -> Cohort:
    """The CT data set of TotalSegmentator.

    Parameters
    ----------
    folder
        the folder with ``meta.csv``, or where it is downloaded to (23.6 GB); by default ``totalsegmentator`` in
        :func:`ipiu.cases.public.download.data_folder`
    split
        ``"train"``, ``"val"`` or ``"test"`` as ``meta.csv`` has it; all where None
    keep
        names of the structures wanted, so that only their masks are read; all of them where None

    Returns
    -------
    Cohort
        ``images["ct"]`` (1, i, j, k) float32 in HU, and ``images["ct labels"]`` (1, i, j, k) uint8 with the numbers of
        :func:`structures`. Masks are read when a case is opened, which takes a while for all 117. Where two masks
        overlap, the higher number stands.

    Raises
    ------
    IpiuError
        Where the download fails or the folder has another layout.

    References
    ----------
    Wasserthal et al. 2023, https://doi.org/10.1148/ryai.230024

    Examples
    --------
    >>> from ipiu.cases.public.totalsegmentator import totalsegmentator
    >>> totalsegmentator(keep=["liver", "spleen"])[0].images["ct labels"].unique()  # doctest: +SKIP
    tensor([0, 1, 5], dtype=torch.uint8)
    """
    names = structures()
    unknown = sorted(set(keep or ()) - set(names.values()))
    if unknown:
        msg = f"keep={unknown[0]!r} is no structure of TotalSegmentator; structures() names them, such as 'liver'"
        raise ValueError(msg)
    terms = Terms.of("totalsegmentator")
    root = Path(folder or data_folder() / "totalsegmentator")
    if not (root / "meta.csv").is_file() and not any(root.glob("s*/ct.nii.gz")):
        root = unpack(fetch(FILE, root, terms=terms), root / FILE.name.removesuffix(".zip"))
    wanted = {number: name for number, name in names.items() if keep is None or number == 0 or name in keep}
    return cohort_of(
        _studies(root),
        name="TotalSegmentator",
        source=terms.source,
        structures=wanted,
        split=split,
        read_labels=_combine,
    )


def _studies(root: Path) -> dict[str, Study]:
    """One study a folder, with what ``meta.csv`` says of it."""
    path = check_file(root / "meta.csv")
    try:
        # the file begins with a byte order mark
        meta = pd.read_csv(path, sep=";", encoding="utf-8-sig", dtype={"image_id": str}).set_index("image_id")
    except (ValueError, KeyError) as error:
        msg = f"{path}: is not the table of TotalSegmentator ({reason(error)}); unpack the archive again"
        raise IpiuError(msg) from error
    studies = {}
    for ct in below(root, "s*/ct.nii.gz", LAYOUT):
        name = ct.parent.name
        if name not in meta.index:
            msg = f"{path}: has no row for {name}, whose folder is there; unpack the archive again"
            raise IpiuError(msg)
        row = meta.loc[name].dropna().to_dict()
        facts = {key.replace("_", " "): row[key] for key in ("age", "gender", "institute", "study_type") if key in row}
        studies[name] = Study({"ct": ct}, ct.parent / "segmentations", str(row.get("split", "not stated")), facts)
    return studies


def _combine(folder: Path, wanted: dict[int, str]) -> MetaTensor:
    """One label map of the masks in a folder."""
    strange = sorted(
        {path.name for path in folder.glob("[!.]*.nii.gz")} - {f"{n}.nii.gz" for n in structures().values()}
    )
    if strange:
        msg = f"{folder}: has {strange[0]}, which release 2 does not have; give the folder of release 2"
        raise IpiuError(msg)
    present = {number: path for number, name in wanted.items() if (path := folder / f"{name}.nii.gz").is_file()}
    if not present:
        msg = f"{folder}: holds none of the masks wanted ({', '.join(list(wanted.values())[1:4])} ...)"
        raise IpiuError(msg)
    (case,) = read_nifti(next(iter(present.values())), labels=wanted)
    first = case.images["image"]
    combined = np.zeros(first.shape, dtype=np.uint8)
    for number, path in sorted(present.items()):
        mask = _mask(path)
        if mask.shape != first.shape[1:]:
            msg = f"{path}: is {mask.shape} voxels but the masks beside it are {tuple(first.shape[1:])}; copy it again"
            raise IpiuError(msg)
        combined[0][mask] = number
    labels = {number: wanted[number] for number in (0, *present)}
    return on_grid_of(first, torch.from_numpy(combined), labels=labels)


def _mask(path: Path) -> np.ndarray:
    """A mask as booleans (i, j, k)."""
    (case,) = read_nifti(path, labels={1: "structure"})
    return case.images["image"].numpy()[0] > 0
