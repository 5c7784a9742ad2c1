import pickle

import numpy as np
import pytest
from PIL import Image

from ipiu.cases.public.chexpert import FINDINGS, chexpert
from ipiu.errors import IpiuError

# the header of version 1.0
HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
TRAIN = [
    "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0",
    "CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,PA,,,-1.0,1.0,,-1.0,,,-1.0,,-1.0,,1.0,",
    "CheXpert-v1.0-small/train/patient00002/study2/view2_lateral.jpg,Female,87,Lateral,,,,-1.0,1.0,,-1.0,,,-1.0,,-1.0,,1.0,",
    "CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Female,83,Frontal,AP,,,,1.0,,,-1.0,,,0.0,0.0,,,",
]
VALID = ["CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP," + "0.0," * 13 + "1.0"]


def write(folder, train=TRAIN, valid=VALID, *, pictures=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("valid", valid)):
        (folder / f"{name}.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    for number, row in enumerate([*TRAIN, *VALID] if pictures else []):
        path = folder / row.split(",")[0].partition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((24, 32), 40 * number, np.uint8)).save(path)
    return folder


def test_a_case_is_a_study_with_its_views_and_findings(tmp_path):
    cohort = chexpert(write(tmp_path))
    assert cohort.ids == (
        "patient00001/study1", "patient00002/study2", "patient00002/study1", "patient64541/study1",
    )  # fmt: skip
    case = cohort["patient00002/study2"]
    assert list(case.images) == ["view1_frontal", "view2_lateral"]
    assert [image.meta["name"] for image in case.images.values()] == ["frontal PA", "lateral"]
    assert tuple(case.images["view1_frontal"].shape) == (1, 24, 32)
    assert float(case.images["view2_lateral"][0, 0, 0]) == 80
    assert case.images["view1_frontal"].meta["source"] == "public benchmark: CheXpert"
    assert case.labels == {
        "patient": "patient00002", "split": "train", "sex": "Female", "age": 87,
        "Cardiomegaly": -1, "Lung Opacity": 1, "Edema": -1, "Atelectasis": -1, "Pleural Effusion": -1, "Fracture": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("uncertain", "expected"), [("keep", -1), ("positive", 1), ("negative", 0), ("missing", None)])
def test_uncertain_absent_and_not_mentioned_stay_apart(tmp_path, uncertain, expected):
    cohort = chexpert(write(tmp_path), uncertain=uncertain)
    assert cohort["patient00002/study2"].labels.get("Cardiomegaly") == expected
    assert cohort["patient00001/study1"].labels["Pneumothorax"] == 0
    assert "Edema" not in cohort["patient00001/study1"].labels
    table = cohort.table()
    assert np.isnan(table.loc["patient00001/study1", "Edema"])
    np.testing.assert_equal(table.loc["patient00002/study2", "Cardiomegaly"], np.nan if expected is None else expected)
    assert len(FINDINGS) == 14


def test_splits_are_stated_and_share_no_patient(tmp_path):
    folder = write(tmp_path)
    assert [len(chexpert(folder, split=name)) for name in ("train", "val")] == [3, 1]
    for seed in range(5):
        one, other = chexpert(folder).split(0.5, seed=seed)
        assert not set(one.patients) & set(other.patients)
    with pytest.raises(ValueError, match="split='valid' is not one that CheXpert states; it has 'train', 'val'"):
        chexpert(folder, split="valid")


def test_a_study_is_read_from_its_own_pictures_only(tmp_path):
    folder = write(tmp_path)
    for path in folder.glob("**/*.jpg"):
        if "patient64541" not in str(path):
            path.write_bytes(b"broken")
    cohort = chexpert(folder)
    assert cohort[3].labels["Support Devices"] == 1
    with pytest.raises(IpiuError, match="cannot be decoded"):
        cohort[0]


def test_a_cohort_can_go_to_another_process(tmp_path):
    assert pickle.loads(pickle.dumps(chexpert(write(tmp_path))))[3].labels["split"] == "val"


@pytest.mark.parametrize(
    "path",
    [
        "CheXpert-v1.0/train/../../../../etc/passwd",
        "/etc/passwd",
        "CheXpert-v1.0/train/patient00001/study1/../../../secret_frontal.jpg",
        "CheXpert-v1.0/train/patient00001/study1/..\\view1_frontal.jpg",
        "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg\n",
        "..CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg",
    ],
)
def test_a_path_of_another_form_is_refused(tmp_path, path):
    folder = write(tmp_path, train=[f'"{path}",Female,68,Frontal,AP' + "," * 14], pictures=False)
    with pytest.raises(IpiuError, match=r"row 1 has the Path .* not of the form CheXpert-v1.0/train/patient00001"):
        chexpert(folder)


def test_a_link_that_leaves_the_folder_is_not_followed(tmp_path):
    folder = write(tmp_path / "CheXpert-v1.0-small")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "outside.jpg")
    inside = folder / "train/patient00001/study1/view1_frontal.jpg"
    inside.unlink()
    inside.symlink_to(tmp_path / "outside.jpg")
    with pytest.raises(IpiuError, match="view1_frontal"):
        chexpert(folder)[0]


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        ([TRAIN[0].replace("1.0,,", "2.0,,", 1)], VALID, r"row 1 has No Finding = '2.0'; correct it to 1, 0, -1"),
        ([TRAIN[0], TRAIN[0]], VALID, r"the Path '.*study1/view1_frontal.jpg' stands more than once"),
        ([TRAIN[1], TRAIN[2].replace("-1.0,1.0", "0.0,1.0")], VALID, r"the views of patient00002/study2 differ"),
        (TRAIN, [VALID[0].replace("patient64541", "patient00001")], r"patient00001 is in the splits 'train' and 'val'"),
        ([TRAIN[0] + ",1"], VALID, r"train.csv: row 1 has 20 cells and the header 19"),
    ],
)
def test_a_damaged_table_is_refused_in_one_sentence(tmp_path, train, valid, message):
    with pytest.raises(IpiuError, match=message):
        chexpert(write(tmp_path, train, valid, pictures=False))


def test_a_missing_column_is_named(tmp_path):
    write(tmp_path)
    text = (tmp_path / "train.csv").read_text(encoding="utf-8")
    (tmp_path / "train.csv").write_text(text.replace("Edema", "Oedema"), encoding="utf-8")
    with pytest.raises(IpiuError, match=r"train.csv: has no column 'Edema'"):
        chexpert(tmp_path)


def test_it_is_never_fetched(only_loopback, tmp_path):
    with pytest.raises(IpiuError, match=r"CheXpert is not fetched from here .* holds train.csv, valid.csv"):
        chexpert()
    with pytest.raises(IpiuError, match=r"has neither train.csv nor valid.csv"):
        chexpert(tmp_path)


def test_an_unknown_policy_is_answered(tmp_path):
    with pytest.raises(ValueError, match="uncertain='ones' must be one of keep, positive, negative, missing"):
        chexpert(tmp_path, uncertain="ones")
