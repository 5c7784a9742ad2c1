import json

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from ipiu.cases.case import Case, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.public.nnunet import read_nnunet, write_nnunet
from ipiu.errors import IpiuError
from tests.cases.public.layouts import AFFINE, SHAPE, ct, label_map, write_nifti

ORGANS = {0: "background", 3: "liver", 7: "spleen", 40: "left kidney"}


REGIONS = {"organs": ["liver", "spleen", "left kidney"], "blood-rich": ["spleen", "liver"], "liver only": ["liver"]}


def image(values, affine=AFFINE, **meta):
    return MetaTensor(torch.from_numpy(values)[None], affine=torch.from_numpy(affine), meta=meta)


def organs(seed):
    """A label map with the integers of ``ORGANS``."""
    return np.array(list(ORGANS), dtype=np.uint8)[label_map(seed, 3)]


def case(seed, *, labels=True, **more):
    images = {"ct": image(ct(seed), unit="HU")}
    if labels:
        images["ct labels"] = image(organs(seed), labels=ORGANS)
    return Case(f"torso-{seed}", images=images | more)


def cohort(n=3, **options):
    return Cohort.of([case(seed) for seed in range(n)], name="torsos", source=Source("digital patient", "x"), **options)


def check_as_nnunet_does(root):
    """The rules of nnU-Net's own verification (verify_dataset_integrity of nnunetv2 2), each asserted."""
    facts = json.loads((root / "dataset.json").read_text())
    assert {"labels", "channel_names", "numTraining", "file_ending"} <= set(facts)
    ending = facts["file_ending"]
    cases = sorted({path.name.removesuffix(ending)[:-5] for path in (root / "imagesTr").iterdir()})
    assert len(cases) == facts["numTraining"]
    expected = sorted(facts["labels"].values())
    assert expected == list(range(len(expected)))
    assert facts["labels"]["background"] == 0
    for name in cases:
        label = nib.load(root / "labelsTr" / f"{name}{ending}")
        assert set(np.unique(label.get_fdata())) <= set(expected)
        for channel in facts["channel_names"]:
            volume = nib.load(root / "imagesTr" / f"{name}_{int(channel):04d}{ending}")
            assert volume.shape == label.shape
            assert not np.isnan(volume.get_fdata()).any()
            np.testing.assert_allclose(volume.header.get_zooms(), label.header.get_zooms())
            np.testing.assert_allclose(volume.affine, label.affine)


def test_what_is_written_passes_the_rules_of_nnunet(tmp_path):
    check_as_nnunet_does(write_nnunet(cohort(), tmp_path / "Dataset101_Torso"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{}, {"keep": ["spleen"]}, {"regions": REGIONS}])
def test_what_is_written_passes_nnunet_itself(tmp_path, capfd, options):
    verify = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity")
    root = write_nnunet(cohort(), tmp_path / "Dataset101_Torso", **options)
    verify.verify_dataset_integrity(str(root), num_processes=1)
    said = capfd.readouterr().out
    assert "Done" in said
    assert "Error" not in said
    assert "arning" not in said


def test_labels_are_numbered_without_gaps_under_their_names(tmp_path):
    root = write_nnunet(cohort(), tmp_path / "Dataset101_Torso")
    facts = json.loads((root / "dataset.json").read_text())
    assert facts["labels"] == {"background": 0, "liver": 1, "spleen": 2, "left kidney": 3}
    written = nib.load(root / "labelsTr" / "torso-2.nii.gz").get_fdata()
    np.testing.assert_array_equal(written, label_map(2, 3))


def test_values_types_and_place_survive(tmp_path):
    root = write_nnunet(cohort(), tmp_path / "Dataset101_Torso")
    stored = nib.load(root / "imagesTr" / "torso-1_0000.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(stored.dataobj), ct(1))
    assert stored.get_data_dtype() == np.int16
    np.testing.assert_allclose(stored.affine, AFFINE, atol=1e-5)
    assert stored.header.get_xyzt_units()[0] == "mm"


def test_simpleitk_sees_the_image_in_the_same_place(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    root = write_nnunet(Cohort.of([case(0)]), tmp_path / "Dataset101_Torso")
    # NIfTI wants orthonormal directions in ITK; an oblique sform with shear would be refused there
    straight = np.diag([-0.8, -0.9, 2.5, 1.0])
    straight[:3, 3] = (40.5, -12.25, 7.0)
    one = Case("a", images={"ct": image(ct(0), straight), "ct labels": image(organs(0), straight, labels=ORGANS)})
    root = write_nnunet([one], tmp_path / "Dataset102_Straight")
    read = sitk.ReadImage(str(root / "imagesTr" / "a_0000.nii.gz"))
    np.testing.assert_allclose(read.GetSpacing(), (0.8, 0.9, 2.5), rtol=1e-6)
    np.testing.assert_allclose(read.GetOrigin(), (-40.5, 12.25, 7.0), rtol=1e-6)  # ITK counts to the left and the back
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read).transpose(2, 1, 0), ct(0))


def test_what_is_written_reads_back_the_same(tmp_path):
    root = write_nnunet(cohort(), tmp_path / "Dataset101_Torso")
    back = read_nnunet(root)
    assert back.ids == ("torso-0", "torso-1", "torso-2")
    for seed in range(3):
        images = back[f"torso-{seed}"].images
        np.testing.assert_array_equal(images["ct"][0], ct(seed))
        np.testing.assert_array_equal(images["ct labels"][0], label_map(seed, 3))
        np.testing.assert_allclose(images["ct"].affine, AFFINE, atol=1e-5)
        assert images["ct labels"].meta["labels"] == {0: "background", 1: "liver", 2: "spleen", 3: "left kidney"}
        assert images["ct"].meta["unit"] == "HU"


def test_only_the_structures_kept_are_written(tmp_path):
    root = write_nnunet(cohort(), tmp_path / "Dataset101_Torso", keep=["spleen", "liver"])
    check_as_nnunet_does(root)
    written = nib.load(root / "labelsTr" / "torso-0.nii.gz").get_fdata()
    expected = np.select([organs(0) == 7, organs(0) == 3], [1, 2], 0)
    np.testing.assert_array_equal(written, expected)


def test_regions_are_written_with_a_number_of_their_own(tmp_path):
    root = write_nnunet(cohort(), tmp_path / "Dataset101_Torso", regions=REGIONS)
    facts = json.loads((root / "dataset.json").read_text())
    assert facts["labels"] == {"background": 0, "organs": [1, 2, 3], "blood-rich": [1, 2], "liver only": [1]}
    assert facts["regions_class_order"] == [3, 2, 1]
    # painting the regions in that order gives the label map back
    values = label_map(0, 3)
    painted = np.zeros_like(values)
    for members, number in zip(list(facts["labels"].values())[1:], facts["regions_class_order"], strict=True):
        painted[np.isin(values, members)] = number
    np.testing.assert_array_equal(painted, values)


@pytest.mark.parametrize(
    ("regions", "match"),
    [
        ({"a": ["liver"], "b": ["spleen", "liver", "left kidney"]}, "'a' lies within later ones"),
        ({"a": ["liver", "spleen"]}, "no region has the structure 'left kidney'"),
        ({"a": ["liver", "heart"]}, "regions name the structure 'heart'"),
    ],
)
def test_regions_that_cannot_be_painted_are_refused(tmp_path, regions, match):
    with pytest.raises(IpiuError, match=match):
        write_nnunet(cohort(), tmp_path / "Dataset101_Torso", regions=regions)
    assert list(tmp_path.iterdir()) == []


def test_several_channels_keep_their_order(tmp_path):
    cases = []
    for seed in range(2):
        parts = {name: image(ct(10 * seed + n)) for n, name in enumerate(("brain t1", "brain t2"))}
        cases.append(Case(f"p{seed}", images=parts | {"labels": image(organs(seed), labels=ORGANS)}))
    root = write_nnunet(cases, tmp_path / "Dataset7_x".replace("7", "007"), images=["brain t1", "brain t2"])
    check_as_nnunet_does(root)
    back = read_nnunet(root)[1]
    assert list(back.images) == ["brain t1", "brain t2", "labels"]
    np.testing.assert_array_equal(back.images["brain t2"][0], ct(11))


def test_cases_without_labels_become_the_test_set(tmp_path):
    root = write_nnunet([case(0), case(1, labels=False)], tmp_path / "Dataset101_Torso")
    check_as_nnunet_does(root)
    assert [path.name for path in (root / "imagesTs").iterdir()] == ["torso-1_0000.nii.gz"]
    (test,) = read_nnunet(root, split="test")
    assert list(test.images) == ["ct"]


def test_a_label_of_the_case_can_name_the_test_set(tmp_path):
    cases = [case(seed) for seed in range(3)]
    for one, part in zip(cases, ("train", "test", "train"), strict=True):
        one.labels["split"] = part
    root = write_nnunet(cases, tmp_path / "Dataset101_Torso", split="split")
    check_as_nnunet_does(root)
    assert read_nnunet(root).table()["split"].to_dict() == {"torso-0": "train", "torso-2": "train", "torso-1": "test"}
    assert (root / "labelsTs" / "torso-1.nii.gz").is_file()


def broken(how):
    bad = case(1)
    if how == "grid":
        moved = AFFINE + np.eye(4, k=3)
        bad.images["ct labels"] = image(organs(1), moved, labels=ORGANS)
    elif how == "shape":
        bad.images["ct labels"] = image(np.zeros((2, 2, 2), dtype=np.uint8), labels=ORGANS)
    elif how == "nan":
        bad.images["ct"] = image(np.full(SHAPE, np.nan, dtype=np.float32))
    elif how == "unnamed":
        bad.images["ct labels"] = image(organs(1), labels={3: "liver"})
    elif how == "new":
        bad.images["ct labels"] = image(organs(1), labels=ORGANS | {7: "stomach"})
    elif how == "missing":
        del bad.images["ct"]
    elif how == "channels":
        bad.images["ct"] = MetaTensor(torch.zeros(2, *SHAPE), affine=torch.from_numpy(AFFINE))
    elif how == "twice":
        bad.id = "torso 0"
        return [case(0), bad, Case("torso_0", images=bad.images)]
    return [case(0), bad]


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ("grid", "'ct labels' is on another grid than 'ct'"),
        ("shape", "'ct labels' is on another grid than 'ct'"),
        ("nan", "not finite"),
        ("unnamed", "its label 7 has no name"),
        ("new", "'stomach' that the first case does not name"),
        ("missing", "has no image 'ct', only ct labels"),
        ("channels", "one channel"),
        ("twice", r"two cases would be written as torso_0_0000\.nii\.gz"),
    ],
)
def test_what_nnunet_would_refuse_is_not_written_at_all(tmp_path, how, match):
    with pytest.raises(IpiuError, match=match):
        write_nnunet(broken(how), tmp_path / "Dataset101_Torso")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path):
    def cases():
        yield case(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_nnunet(cases(), tmp_path / "Dataset101_Torso")
    assert list(tmp_path.iterdir()) == []


def test_names_and_folders_in_the_way_are_answered(tmp_path):
    with pytest.raises(ValueError, match="Dataset101_Torso"):
        write_nnunet(cohort(), tmp_path / "torso")
    (tmp_path / "Dataset101_Torso").mkdir()
    with pytest.raises(IpiuError, match="is there already"):
        write_nnunet(cohort(), tmp_path / "Dataset101_Torso")
    (tmp_path / "file").touch()
    with pytest.raises(IpiuError, match=r"cannot be written \(Not a directory\); nothing was kept"):
        write_nnunet(cohort(), tmp_path / "file" / "Dataset101_Torso")
    with pytest.raises(IpiuError, match="no case has a label map"):
        write_nnunet([case(0, labels=False)], tmp_path / "Dataset102_Torso")


@pytest.fixture
def raw(tmp_path):
    """A data set as nnU-Net's documentation has it, written without this package."""
    root = tmp_path / "Dataset005_Prostate"
    for n in (0, 1):
        write_nifti(root / "imagesTr" / f"prostate_{n:02d}_0000.nii.gz", ct(n))
        write_nifti(root / "imagesTr" / f"prostate_{n:02d}_0001.nii.gz", ct(n + 10))
        write_nifti(root / "labelsTr" / f"prostate_{n:02d}.nii.gz", label_map(n, 2))
    facts = {
        "channel_names": {"0": "T2", "1": "ADC"},
        "labels": {"background": 0, "PZ": 1, "TZ": 2},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(facts))
    return root


def change(root, **facts):
    text = json.loads((root / "dataset.json").read_text()) | facts
    (root / "dataset.json").write_text(json.dumps(text))


def test_the_documented_layout_is_read(raw):
    one = read_nnunet(raw)["prostate_01"]
    assert list(one.images) == ["t2", "adc", "labels"]
    np.testing.assert_array_equal(one.images["adc"][0], ct(11))
    assert one.images["labels"].meta["labels"] == {0: "background", 1: "PZ", 2: "TZ"}
    assert one.images["t2"].meta["modality"] == "MR"


def test_regions_are_kept(raw):
    change(raw, labels={"background": 0, "whole gland": [1, 2], "TZ": [2]}, regions_class_order=[1, 2])
    meta = read_nnunet(raw)[0].images["labels"].meta
    assert meta["regions"] == {"background": [0], "whole gland": [1, 2], "TZ": [2]}
    assert meta["labels"] == {0: "background", 1: "whole gland", 2: "TZ"}


def test_pictures_are_read_too(tmp_path):
    from PIL import Image

    root = tmp_path / "Dataset120_Roads"
    for part in ("imagesTr", "labelsTr"):
        (root / part).mkdir(parents=True)
    grey, truth = np.arange(48, dtype=np.uint8).reshape(6, 8), label_map(0, 1, (6, 8))
    Image.fromarray(grey).save(root / "imagesTr" / "a_0000.png")
    Image.fromarray(truth).save(root / "labelsTr" / "a.png")
    facts = {"channel_names": {"0": "grey"}, "labels": {"background": 0, "road": 1}, "numTraining": 1}
    (root / "dataset.json").write_text(json.dumps(facts | {"file_ending": ".png"}))
    images = read_nnunet(root)[0].images
    np.testing.assert_array_equal(images["grey"][0], grey)
    np.testing.assert_array_equal(images["grey labels"][0], truth)


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"channel_names": None}, "is not of nnU-Net v2"),
        ({"labels": {"0": "background", "1": "PZ"}}, "is not of nnU-Net v2"),  # version 1 has them the other way round
        ({"file_ending": ".mha"}, r"end in \.mha, of which"),
        ({"channel_names": {"0": "T2"}}, r"has the channels \[0, 1\], dataset\.json names 1"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(raw, facts, match):
    change(raw, **facts)
    with pytest.raises(IpiuError, match=match):
        read_nnunet(raw)


def test_a_missing_file_is_named(raw):
    (raw / "labelsTr" / "prostate_00.nii.gz").unlink()
    with pytest.raises(IpiuError, match=r"prostate_00\.nii\.gz: there is no such file"):
        read_nnunet(raw)
    (raw / "imagesTr" / "prostate_01_0001.nii.gz").unlink()
    with pytest.raises(IpiuError):
        read_nnunet(raw)


def test_memory_holds_one_case_at_a_time(tmp_path):
    alive, most = [], []

    def open_case(name):
        import gc
        import weakref

        gc.collect()
        most.append(sum(ref() is not None for ref in alive))
        made = case(int(name))
        made.id = name
        alive.append(weakref.ref(made))
        return made

    write_nnunet(Cohort([str(n) for n in range(3)], open_case), tmp_path / "Dataset101_Torso")
    assert max(most) <= 1
