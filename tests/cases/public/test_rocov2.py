import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from ipiu.cases.public import rocov2 as module
from ipiu.cases.public.rocov2 import rocov2
from ipiu.errors import IpiuError

TABLES = {
    "train_captions.csv": 'ID,Caption\nROCOv2_2023_train_000001,"Head CT, axial: parotitis on the left. "\n'
    "ROCOv2_2023_train_000002,Chest radiograph.\n",
    "train_concepts.csv": "ID,CUIs\nROCOv2_2023_train_000001,C0040405;C0030580\nROCOv2_2023_train_000002,C1306645\n",
    "train_concepts_manual.csv": "ID,CUIs\nROCOv2_2023_train_000001,C0040405\nROCOv2_2023_train_000002,C1306645\n",
    "valid_captions.csv": "ID,Caption\nROCOv2_2023_valid_000001,Ultrasound of the liver.\n",
    "valid_concepts.csv": "ID,CUIs\nROCOv2_2023_valid_000001,C0041618\n",
    "valid_concepts_manual.csv": "ID,CUIs\nROCOv2_2023_valid_000001,C0041618\n",
    "test_captions.csv": "ID,Caption\nROCOv2_2023_test_000001,Lateral view.\n",
    "test_concepts.csv": "ID,CUIs\nROCOv2_2023_test_000001,\n",
    "test_concepts_manual.csv": "ID,CUIs\n",
    "cui_mapping.csv": "CUI,Canonical name\nC0040405,X-Ray Computed Tomography\nC0030580,Parotid Gland\n",
    "license_information.csv": "ID,PMCID,Attribution,Link\n"
    "ROCOv2_2023_train_000001,PMC1,CC BY [A. Author],https://example.org/1\n"
    "ROCOv2_2023_train_000002,PMC1,CC BY [A. Author],https://example.org/1\n"
    "ROCOv2_2023_valid_000001,PMC2,CC BY-NC [B. Author],https://example.org/2\n"
    "ROCOv2_2023_test_000001,PMC3,CC BY [C. Author],https://example.org/3\n",
}


def jpeg(value):
    stream = io.BytesIO()
    Image.fromarray(np.full((16, 20, 3), value, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def figures():
    for name, text in TABLES.items():
        if name.endswith("_captions.csv"):
            split = name.partition("_")[0]
            for number, line in enumerate(text.splitlines()[1:]):
                yield split, line.split(",")[0], jpeg(10 + number)


def write(folder, changes=None, *, place="{split}_images/{split}"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (TABLES | (changes or {})).items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    for split, figure, content in figures():
        path = folder / place.format(split=split) / f"{figure}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize("place", ["{split}_images/{split}", "{split}_images", "{split}", "images"])
def test_a_case_is_a_figure_with_caption_and_concepts(tmp_path, place):
    case = rocov2(write(tmp_path, place=place))["ROCOv2_2023_train_000001"]
    assert tuple(case.images["image"].shape) == (3, 16, 20)
    assert case.images["image"].meta["source"] == "public benchmark: ROCOv2"
    assert case.report == "Head CT, axial: parotitis on the left."
    assert case.labels == {
        "split": "train",
        "article": "PMC1",
        "licence": "CC BY [A. Author]",
        "concepts": ["C0040405", "C0030580"],
        "concept names": ["X-Ray Computed Tomography", "Parotid Gland"],
    }


def test_manual_concepts_and_figures_without_any(tmp_path):
    cohort = rocov2(write(tmp_path), concepts="manual")
    assert cohort["ROCOv2_2023_train_000001"].labels["concepts"] == ["C0040405"]
    assert cohort["ROCOv2_2023_test_000001"].labels["concepts"] == []


def test_the_splits_are_the_records_and_figures_of_an_article_stay_together(tmp_path):
    folder = write(tmp_path)
    assert {name: len(rocov2(folder, split=name)) for name in ("train", "val", "test")} == {
        "train": 2, "val": 1, "test": 1,
    }  # fmt: skip
    for seed in range(5):
        one, other = rocov2(folder).split(0.5, seed=seed)
        assert not set(one.table()["article"]) & set(other.table()["article"])


def test_it_opens_without_the_tables_that_are_extras(tmp_path):
    cohort = rocov2(write(tmp_path, {"cui_mapping.csv": None, "license_information.csv": None}))
    assert cohort[0].labels == {"split": "train", "concepts": ["C0040405", "C0030580"]}
    assert len(set(cohort.patients)) == 4


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("train_captions.csv", "ID,", "Name,", r"train_captions.csv: has no column 'ID'"),
        ("train_captions.csv", "train_000002", "train_000001", r"row 2 has the ID .* which is empty or stands before"),
        ("train_captions.csv", "ROCOv2_2023_train_000002", "../../secret", r"the ID '../../secret' is not of the form"),
        ("train_concepts.csv", "C1306645", "lung", r"the concept 'lung' is not of the form C0040405"),
        ("valid_captions.csv", "valid_000001", "train_000001", r"is in two splits"),
    ],
)
def test_a_damaged_table_is_refused_in_one_sentence(tmp_path, name, old, new, message):
    with pytest.raises(IpiuError, match=message):
        rocov2(write(tmp_path, {name: TABLES[name].replace(old, new)}))


def test_a_missing_picture_is_named_only_when_it_is_opened(tmp_path):
    folder = write(tmp_path)
    (folder / "test_images/test/ROCOv2_2023_test_000001.jpg").unlink()
    cohort = rocov2(folder)
    assert cohort[0].report
    with pytest.raises(IpiuError, match=r"ROCOv2_2023_test_000001.jpg: there is no such file"):
        cohort["ROCOv2_2023_test_000001"]


def zipped(split):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for part, figure, content in figures():
            if part == split:
                archive.writestr(f"{split}/{figure}.jpg", content)
    return stream.getvalue()


def publish(server, monkeypatch):
    files = {name: text.encode() for name, text in TABLES.items()}
    files |= {f"{split}_images.zip": zipped(split) for split in ("train", "valid", "test")}
    listed = []
    for name, content in files.items():
        server.files[f"/files/{name}/content"] = content
        listed.append(
            {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                "links": {"self": f"{server.url}/files/{name}/content"},
            }
        )
    server.files["/records/10821435"] = json.dumps({"files": listed}).encode()
    monkeypatch.setattr(module, "SERVER", f"{server.url}/records")
    return files


def test_it_is_fetched_with_the_records_checksums(server, monkeypatch, capsys):
    publish(server, monkeypatch)
    cohort = rocov2(split="val")
    assert cohort[0].report == "Ultrasound of the liver."
    assert "license_information.csv" in capsys.readouterr().out
    before = len(server.requests)
    assert len(rocov2()) == 4
    assert len(server.requests) == before


@pytest.mark.parametrize("checksum", [None, ""])
def test_a_record_without_a_checksum_is_refused(server, monkeypatch, checksum):
    publish(server, monkeypatch)
    record = json.loads(server.files["/records/10821435"])
    record["files"][0]["checksum"] = checksum
    server.files["/records/10821435"] = json.dumps(record).encode()
    with pytest.raises(IpiuError, match=r"is not a record of Zenodo \(checksum"):
        rocov2()


def test_a_table_that_is_not_the_published_one_is_refused(server, monkeypatch):
    files = publish(server, monkeypatch)
    server.files["/files/train_captions.csv/content"] = files["train_captions.csv"].replace(b"Head", b"Foot")
    with pytest.raises(IpiuError, match="expected the md5 checksum"):
        rocov2()
