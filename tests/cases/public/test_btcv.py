import nibabel as nib
import numpy as np
import pytest

from ipiu.cases.public.btcv import btcv
from ipiu.errors import IpiuError
from tests.cases.public.layouts import AFFINE, ct, label_map, write_nifti

# the order that public readers of the Synapse release agree on
ORGANS = [
    "spleen",
    "right kidney",
    "left kidney",
    "gallbladder",
    "esophagus",
    "liver",
    "stomach",
    "aorta",
    "inferior vena cava",
    "portal vein and splenic vein",
    "pancreas",
    "right adrenal gland",
    "left adrenal gland",
]


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "Abdomen" / "RawData"
    for n in (1, 2):
        write_nifti(root / "Training" / "img" / f"img{n:04d}.nii.gz", ct(n))
        write_nifti(root / "Training" / "label" / f"label{n:04d}.nii.gz", label_map(n, 13))
    write_nifti(root / "Testing" / "img" / "img0061.nii.gz", ct(61))
    return root


@pytest.mark.parametrize("up", [0, 1, 2])
def test_the_folder_is_found_from_above(raw, up):
    folder = [raw, raw.parent, raw.parent.parent][up]
    cohort = btcv(folder)
    assert cohort.ids == ("img0001", "img0002", "img0061")


def test_cases_agree_with_nibabel_and_name_thirteen_organs(raw):
    case = btcv(raw)["img0002"]
    np.testing.assert_array_equal(case.images["ct"][0], nib.load(raw / "Training/img/img0002.nii.gz").get_fdata())
    labels = case.images["ct labels"]
    np.testing.assert_array_equal(labels[0], nib.load(raw / "Training/label/label0002.nii.gz").get_fdata())
    np.testing.assert_allclose(labels.affine, AFFINE, atol=1e-6)
    assert [labels.meta["labels"][number] for number in range(1, 14)] == ORGANS
    assert case.images["ct"].meta["unit"] == "HU"


def test_the_official_split_is_kept(raw):
    assert btcv(raw, split="train").ids == ("img0001", "img0002")
    (case,) = btcv(raw, split="test")
    assert list(case.images) == ["ct"]


def test_it_is_never_fetched_and_says_where_to_sign(server):
    with pytest.raises(IpiuError, match=r"synapse\.org.*folder= with the folder that holds RawData/Training/img"):
        btcv()
    assert server.requests == []


def test_another_layout_is_named(tmp_path):
    with pytest.raises(IpiuError, match="give the folder that has RawData"):
        btcv(tmp_path)


def test_a_missing_label_is_named(raw):
    (raw / "Training" / "label" / "label0001.nii.gz").unlink()
    with pytest.raises(IpiuError, match=r"label0001\.nii\.gz: there is no such file"):
        btcv(raw)["img0001"]
