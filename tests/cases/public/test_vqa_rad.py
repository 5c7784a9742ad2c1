import json

import numpy as np
import pytest
from PIL import Image

from ipiu.cases.public.vqa_rad import vqa_rad
from ipiu.errors import IpiuError


def question(qid, image, phrase, answer, kind="CLOSED", organ="HEAD"):
    return {
        "qid": str(qid),
        "phrase_type": phrase,
        "qid_linked_id": "03f451ca-de62-4617-9679-e836026a7642",
        "image_case_url": "https://medpix.nlm.nih.gov/case?id=48e1dd0e",
        "image_name": image,
        "image_organ": organ,
        "evaluation": "not evaluated",
        "question": "Are regions of the brain infarcted?",
        "question_rephrase": "NULL",
        "question_relation": "NULL",
        "question_frame": "NULL",
        "question_type": "PRES",
        "answer": answer,
        "answer_type": kind,
    }


ENTRIES = [
    question(0, "synpic54610.jpg", "freeform", "Yes"),
    question(1, "synpic29265.jpg", "freeform", "No", "CLOSED ", "CHEST"),
    question(2, "synpic54610.jpg", "test_para", 4, "OPEN"),
]


def write(folder, entries=ENTRIES):
    pictures = folder / "VQA_RAD Image Folder"
    pictures.mkdir(parents=True, exist_ok=True)
    for name in ("synpic54610.jpg", "synpic29265.jpg"):
        Image.fromarray(np.full((12, 10, 3), 90, np.uint8)).save(pictures / name)
    text = entries if isinstance(entries, str) else json.dumps(entries)
    (folder / "VQA_RAD Dataset Public.json").write_text(text, encoding="utf-8")
    return folder


def test_a_case_is_a_picture_with_all_its_questions(tmp_path):
    cohort = vqa_rad(write(tmp_path))
    case = cohort["synpic54610"]
    assert tuple(case.images["image"].shape) == (3, 12, 10)
    assert case.labels["organ"] == "HEAD"
    assert [entry["answer"] for entry in case.labels["questions"]] == ["Yes", "4"]
    assert cohort["synpic29265"].labels["questions"][0]["answer_type"] == "CLOSED"
    assert cohort.source.licence == "CC0-1.0"
    assert cohort.table().loc["synpic54610"].tolist() == ["HEAD", 1, 1]


def test_the_authors_split_is_by_question(tmp_path):
    folder = write(tmp_path)
    train, test = vqa_rad(folder, split="train"), vqa_rad(folder, split="test")
    assert train.ids == ("synpic54610", "synpic29265")
    assert test.ids == ("synpic54610",)
    assert [entry["qid"] for entry in test[0].labels["questions"]] == ["2"]
    assert repr(test).startswith(f"Cohort({test.name!r}, 1 pictures; ")
    one, other = vqa_rad(folder).split(0.5)
    assert not set(one.ids) & set(other.ids)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([ENTRIES[0], ENTRIES[0]], "the question 0 stands more than once"),
        ([ENTRIES[0] | {"image_name": "../secret.jpg"}], "question 1 names the picture '../secret.jpg'"),
        ([ENTRIES[0] | {"image_name": "/etc/passwd"}], "question 1 names the picture '/etc/passwd'"),
        ([ENTRIES[0] | {"phrase_type": "dev"}], "question 1 has the phrase_type 'dev', none of freeform"),
        ([ENTRIES[0] | {"answer_type": "YES"}], "question 1 has the answer_type 'YES', none of OPEN, CLOSED"),
        ([ENTRIES[0] | {"answer": None}], "question 1 has no 'answer'"),
        (["text"], "question 1 has no 'qid'"),
        ({"qid": 1}, "should be a list of questions"),
        ("[{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, entries, message):
    with pytest.raises(IpiuError, match=message):
        vqa_rad(write(tmp_path, entries))


def test_without_a_folder_it_says_where_to_get_it(only_loopback):
    with pytest.raises(IpiuError, match=r"; download it yourself on https://osf.io/89kps/"):
        vqa_rad()


def test_a_picture_is_read_when_its_case_is_opened(tmp_path):
    folder = write(tmp_path)
    (folder / "VQA_RAD Image Folder/synpic29265.jpg").unlink()
    cohort = vqa_rad(folder)
    assert cohort[0].images
    with pytest.raises(IpiuError, match="there is no such file"):
        cohort[1]
