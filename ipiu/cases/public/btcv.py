"""BTCV: abdominal CT with 13 organs, as Synapse gives it out."""

from __future__ import annotations

from pathlib import Path

from ipiu.cases.cohort import Cohort
from ipiu.cases.public.terms import Terms
from ipiu.cases.public.volumes import Study, below, cohort_of

LAYOUT = "RawData/Training/img/img0001.nii.gz and RawData/Training/label/label0001.nii.gz"
STRUCTURES = {
    0: "background",
    1: "spleen",
    2: "right kidney",
    3: "left kidney",
    4: "gallbladder",
    5: "esophagus",
    6: "liver",
    7: "stomach",
    8: "aorta",
    9: "inferior vena cava",
    10: "portal vein and splenic vein",
    11: "pancreas",
    12: "right adrenal gland",
    13: "left adrenal gland",
}


def btcv(folder: str | Path | None = None, *, split: str | None = None) -> Cohort:
    """The abdominal CT of *Beyond the Cranial Vault*.

    Its files are given out by Synapse to those who signed in and accepted the terms, so they are never fetched from
    here.

    Parameters
    ----------
    folder
        the folder ``RawData``, or the one that holds it or ``Abdomen/RawData``
    split
        ``"train"`` (30 patients with labels) or ``"test"`` (20 without); both where None

    Returns
    -------
    Cohort
        ``images["ct"]`` (1, i, j, k) float32 in HU, and ``images["ct labels"]`` (1, i, j, k) with 13 named organs

    Raises
    ------
    IpiuError
        Without ``folder``: where to sign and what is then expected. Where the folder has another layout.

    References
    ----------
    Landman et al. 2015, https://www.synapse.org/#!Synapse:syn3193805

    Examples
    --------
    >>> from ipiu.cases.public.btcv import btcv
    >>> btcv("RawData", split="train")[0].images["ct labels"].meta["labels"][6]  # doctest: +SKIP
    'liver'
    """
    terms = Terms.of("btcv", name="BTCV")
    if folder is None:
        terms.refuse(LAYOUT)
    root = Path(folder)
    root = next((root / name for name in ("RawData", "Abdomen/RawData") if (root / name).is_dir()), root)
    studies = {}
    for path in below(root, "Training/img/img*.nii.gz", LAYOUT):
        label = root / "Training" / "label" / path.name.replace("img", "label")
        studies[path.name.removesuffix(".nii.gz")] = Study({"ct": path}, label, "train")
    for path in sorted(root.glob("Testing/img/img*.nii.gz")):
        studies[path.name.removesuffix(".nii.gz")] = Study({"ct": path}, None, "test")
    return cohort_of(studies, name="BTCV", source=terms.source, structures=STRUCTURES, split=split)
