import hashlib

import numpy as np
import pytest

from ipiu.cases.public import totalsegmentator as module
from ipiu.cases.public.download import RemoteFile
from ipiu.cases.public.totalsegmentator import structures, totalsegmentator
from ipiu.errors import IpiuError
from tests.cases.public.layouts import AFFINE, SHAPE, ct, label_map, write_nifti

HEAD = "image_id;age;gender;institute;study_type;split;manufacturer;scanner_model;kvp;pathology;pathology_location"
ROWS = [
    "s0000;62.0;f;A;ct thorax;train;siemens;x;120.0;no_pathology;",
    "s0004;;m;C;ct neck;test;siemens;x;120.0;tumor;neck",
]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "meta.csv").write_text("\ufeff" + "\n".join([HEAD, *ROWS]) + "\n", encoding="utf-8")
    for seed, name in enumerate(("s0000", "s0004")):
        write_nifti(folder / name / "ct.nii.gz", ct(seed))
        truth = label_map(seed, 117)
        for number, structure in structures().items():
            if number:
                mask = (truth == number).astype(np.uint8)
                write_nifti(folder / name / "segmentations" / f"{structure}.nii.gz", mask)
    return folder


def test_masks_become_one_label_map_under_the_official_numbers(root):
    labels = totalsegmentator(root)["s0004"].images["ct labels"]
    np.testing.assert_array_equal(labels[0], label_map(1, 117))
    np.testing.assert_allclose(labels.affine, AFFINE, atol=1e-6)
    assert labels.meta["labels"][5] == "liver"
    assert str(labels.dtype) == "torch.uint8"


def test_the_table_gives_split_and_facts(root):
    cohort = totalsegmentator(root)
    assert cohort.table()["split"].to_dict() == {"s0000": "train", "s0004": "test"}
    assert cohort["s0000"].labels == {
        "split": "train",
        "age": 62.0,
        "gender": "f",
        "institute": "A",
        "study type": "ct thorax",
    }
    assert "age" not in cohort["s0004"].labels
    assert totalsegmentator(root, split="test").ids == ("s0004",)


def test_only_the_masks_wanted_are_read(root):
    for path in root.glob("*/segmentations/spleen.nii.gz"):
        path.write_bytes(b"torn")
    labels = totalsegmentator(root, keep=["liver", "heart"])[0].images["ct labels"]
    truth = label_map(0, 117)
    np.testing.assert_array_equal(labels[0], np.where(np.isin(truth, [5, 51]), truth, 0))
    assert labels.meta["labels"] == {0: "background", 5: "liver", 51: "heart"}
    with pytest.raises(IpiuError, match=r"spleen\.nii\.gz"):
        totalsegmentator(root)[0]


def test_the_higher_number_stands_where_masks_overlap(root):
    both = np.ones(SHAPE, dtype=np.uint8)
    for name in ("liver", "heart"):
        write_nifti(root / "s0000" / "segmentations" / f"{name}.nii.gz", both)
    assert totalsegmentator(root, keep=["heart", "liver"])[0].images["ct labels"].unique().tolist() == [51]


def test_a_mask_of_another_release_is_not_dropped_in_silence(root):
    write_nifti(root / "s0000" / "segmentations" / "heart_atrium_left.nii.gz", np.zeros(SHAPE, dtype=np.uint8))
    with pytest.raises(IpiuError, match=r"heart_atrium_left\.nii\.gz, which release 2 does not have"):
        totalsegmentator(root)[0]


def test_a_mask_of_another_size_is_named(root):
    write_nifti(root / "s0000" / "segmentations" / "heart.nii.gz", np.zeros((2, 2, 2), dtype=np.uint8))
    with pytest.raises(IpiuError, match=r"heart\.nii\.gz: is \(2, 2, 2\) voxels but"):
        totalsegmentator(root)[0]


def test_a_subject_without_a_row_is_named(root):
    (root / "meta.csv").write_text(f"{HEAD}\n{ROWS[0]}\n")
    with pytest.raises(IpiuError, match="has no row for s0004"):
        totalsegmentator(root)


def test_a_table_of_another_kind_is_refused(root):
    (root / "meta.csv").write_text("a,b\n1,2\n")
    with pytest.raises(IpiuError, match="is not the table of TotalSegmentator"):
        totalsegmentator(root)


def test_an_unknown_structure_is_answered(root):
    with pytest.raises(ValueError, match="keep='Liver' is no structure"):
        totalsegmentator(root, keep=["Liver"])


def test_the_numbers_are_those_of_the_tool():
    known = structures()
    assert len(known) == 118
    picked = {
        1: "spleen",
        25: "sacrum",
        50: "vertebrae_C1",
        63: "inferior_vena_cava",
        90: "brain",
        117: "costal_cartilages",
    }
    assert {number: known[number] for number in picked} == picked


def test_it_is_fetched_checked_and_unpacked_once(server, root, tmp_path, monkeypatch):
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(root).as_posix())
    body = buffer.getvalue()
    server.files["/t.zip"] = body
    digest = hashlib.md5(body).hexdigest()
    monkeypatch.setattr(module, "FILE", RemoteFile(f"{server.url}/t.zip", "t.zip", len(body), f"md5:{digest}"))
    for _ in range(2):
        assert totalsegmentator(tmp_path / "fresh").ids == ("s0000", "s0004")
    assert len(server.requests) == 1
