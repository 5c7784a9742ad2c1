import hashlib
import io
import json
import tarfile

import nibabel as nib
import numpy as np
import pytest
from monai.apps import DecathlonDataset

from ipiu.cases.public import decathlon as module
from ipiu.cases.public.decathlon import decathlon
from ipiu.cases.public.download import RemoteFile
from ipiu.errors import IpiuError
from tests.cases.public.layouts import AFFINE, ct, label_map, write_nifti

SPLEEN, BRAIN = "Task09_Spleen", "Task01_BrainTumour"


def facts(modality, labels, training, test):
    """A dataset.json of the Decathlon's form."""
    return {
        "name": "Spleen",
        "description": "Spleen Segmentation",
        "reference": "Memorial Sloan Kettering Cancer Center",
        "licence": "CC-BY-SA 4.0",
        "release": "1.0 06/08/2018",
        "tensorImageSize": "3D",
        "modality": modality,
        "labels": labels,
        "numTraining": len(training),
        "numTest": len(test),
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in training],
        "test": [f"./imagesTs/{n}.nii.gz" for n in test],
    }


def spleen(folder):
    root = folder / SPLEEN
    for n, name in enumerate(("spleen_2", "spleen_10")):
        write_nifti(root / "imagesTr" / f"{name}.nii.gz", ct(n))
        write_nifti(root / "labelsTr" / f"{name}.nii.gz", label_map(n, 1))
        write_nifti(root / "imagesTr" / f"._{name}.nii.gz", ct(n))  # what macOS leaves in these archives
    write_nifti(root / "imagesTs" / "spleen_7.nii.gz", ct(7))
    text = facts({"0": "CT"}, {"0": "background", "1": "spleen"}, ["spleen_2", "spleen_10"], ["spleen_7"])
    (root / "dataset.json").write_text(json.dumps(text))
    return root


def brain(folder):
    root = folder / BRAIN
    values = np.stack([ct(n) for n in range(4)], axis=-1)
    write_nifti(root / "imagesTr" / "BRATS_001.nii.gz", values)
    write_nifti(root / "labelsTr" / "BRATS_001.nii.gz", label_map(0, 3))
    modality = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    labels = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
    (root / "dataset.json").write_text(json.dumps(facts(modality, labels, ["BRATS_001"], [])))
    return root, values


def packed(root):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(root, root.name)
    return buffer.getvalue()


def test_cases_agree_with_nibabel_voxel_by_voxel(tmp_path):
    root = spleen(tmp_path)
    cohort = decathlon(SPLEEN, tmp_path)
    assert cohort.ids == ("spleen_2", "spleen_10", "spleen_7")
    case = cohort["spleen_10"]
    np.testing.assert_array_equal(case.images["ct"][0], nib.load(root / "imagesTr/spleen_10.nii.gz").get_fdata())
    np.testing.assert_array_equal(case.images["ct labels"][0], nib.load(root / "labelsTr/spleen_10.nii.gz").get_fdata())
    np.testing.assert_allclose(case.images["ct"].affine, AFFINE, atol=1e-6)
    assert case.images["ct"].meta["unit"] == "HU"
    assert case.images["ct labels"].meta["labels"] == {0: "background", 1: "spleen"}
    assert case.source.licence == "CC-BY-SA-4.0"


def test_the_training_list_is_the_one_monai_reads(tmp_path):
    spleen(tmp_path)
    theirs = DecathlonDataset(tmp_path, SPLEEN, "training", val_frac=0.0, cache_num=0, transform=lambda item: item)
    ours = decathlon(SPLEEN, tmp_path, split="train")
    assert sorted(item["image"].rsplit("/", 1)[1].removesuffix(".nii.gz") for item in theirs) == sorted(ours.ids)


def test_test_cases_have_no_labels(tmp_path):
    spleen(tmp_path)
    (case,) = decathlon(SPLEEN, tmp_path, split="test")
    assert list(case.images) == ["ct"]
    assert case.labels["split"] == "test"


def test_several_channels_become_several_images_on_one_grid(tmp_path):
    root, values = brain(tmp_path)
    case = decathlon(BRAIN, root)[0]  # the task's own folder does as well
    assert list(case.images) == ["flair", "t1w", "t1gd", "t2w", "labels"]
    for number, name in enumerate(("flair", "t1w", "t1gd", "t2w")):
        np.testing.assert_array_equal(case.images[name][0], values[..., number])
        assert case.images[name].meta["modality"] == "MR"
        np.testing.assert_allclose(case.images[name].affine, AFFINE, atol=1e-6)
    assert case.images["labels"].meta["labels"][3] == "enhancing tumour"


def test_an_archive_is_fetched_checked_and_unpacked_once(server, tmp_path, monkeypatch, capsys):
    body = packed(spleen(tmp_path / "made"))
    server.files["/t.tar"] = body
    file = RemoteFile(f"{server.url}/t.tar", f"{SPLEEN}.tar", checksum=f"md5:{hashlib.md5(body).hexdigest()}")
    monkeypatch.setitem(module.FILES, SPLEEN, file)
    for _ in range(2):
        cohort = decathlon(SPLEEN, tmp_path / "data")
        assert len(cohort) == 3
    assert len(server.requests) == 1
    assert "Medical Segmentation Decathlon: licence CC-BY-SA-4.0; open download" in capsys.readouterr().out
    assert (tmp_path / "data" / SPLEEN / "dataset.json").is_file()
    assert not list((tmp_path / "data").rglob("._*"))


def test_addresses_and_checksums_are_monai_s():
    assert set(module.FILES) == set(DecathlonDataset.resource)
    for task, file in module.FILES.items():
        assert file.url == DecathlonDataset.resource[task]
        assert file.checksum == f"md5:{DecathlonDataset.md5[task]}"
        assert file.url.startswith("https://")


@pytest.mark.parametrize("image", ["../outside.nii.gz", "/etc/hostname"])
def test_a_list_that_points_outside_its_folder_is_refused(tmp_path, image):
    root = spleen(tmp_path)
    text = json.loads((root / "dataset.json").read_text())
    text["training"][0]["image"] = image
    (root / "dataset.json").write_text(json.dumps(text))
    with pytest.raises(IpiuError, match="outside its folder"):
        decathlon(SPLEEN, tmp_path)


NO_CHANNEL = '{"modality": {}, "labels": {}, "training": [{"image": "imagesTr/spleen_2.nii.gz"}]}'


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"modality": {"0": "CT"}}', '{"modality": "CT", "labels": {}}', NO_CHANNEL]
)
def test_a_damaged_list_is_one_sentence(tmp_path, text):
    root = spleen(tmp_path)
    (root / "dataset.json").write_text(text)
    with pytest.raises(IpiuError, match="is not as the Decathlon writes it"):
        decathlon(SPLEEN, tmp_path)


def test_a_file_with_too_few_channels_is_named(tmp_path):
    root, values = brain(tmp_path)
    write_nifti(root / "imagesTr" / "BRATS_001.nii.gz", values[..., :3])
    with pytest.raises(IpiuError, match=r"has 3 volumes, the data set names 4"):
        decathlon(BRAIN, tmp_path)[0]


def test_labels_of_another_size_are_refused(tmp_path):
    root = spleen(tmp_path)
    write_nifti(root / "labelsTr" / "spleen_2.nii.gz", label_map(0, 1, (3, 3, 3)))
    with pytest.raises(IpiuError, match="3x3x3 voxels but the image 'ct' is 6x5x4"):
        decathlon(SPLEEN, tmp_path)["spleen_2"]


def test_labels_in_another_place_are_noted(tmp_path):
    root = spleen(tmp_path)
    moved = AFFINE.copy()
    moved[0, 3] += 5
    write_nifti(root / "labelsTr" / "spleen_2.nii.gz", label_map(0, 1), moved)
    assert "differ by up to 5 mm" in decathlon(SPLEEN, tmp_path)["spleen_2"].notes[-1]


def test_an_unknown_task_or_split_is_answered(tmp_path):
    spleen(tmp_path)
    with pytest.raises(IpiuError, match="did you mean Task09_Spleen"):
        decathlon("Task9_Spleen")
    with pytest.raises(ValueError, match="has test, train"):
        decathlon(SPLEEN, tmp_path, split="val")
