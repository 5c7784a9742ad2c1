"""VQA-RAD: questions that clinicians asked about radiological pictures, and their answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from ipiu.cases.case import Case, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.public.pictures import picture
from ipiu.cases.public.terms import Terms
from ipiu.cases.text import read_text
from ipiu.errors import IpiuError

QUESTIONS = "VQA_RAD Dataset Public.json"
PICTURES = "VQA_RAD Image Folder"
NEEDS = ("qid", "image_name", "image_organ", "question", "answer", "answer_type", "question_type", "phrase_type")
TAKES = ("qid_linked_id", "evaluation", "question_rephrase", "question_relation", "question_frame")
# the authors' test set is marked in the phrase type
PHRASES = ("freeform", "para", "test_freeform", "test_para")
ANSWERS = ("OPEN", "CLOSED")
NAME = re.compile(r"\w[\w-]*\.(?:jpg|jpeg|png)", re.IGNORECASE)


def vqa_rad(folder: str | Path | None = None, *, split: str | None = None) -> Cohort:
    """VQA-RAD as its page on OSF gives it out: one JSON file of questions and a folder of pictures.

    A case is one picture with all its questions. The authors' split is by question, and a picture can have questions
    in both parts: a model tested on it may have seen the picture. ``cohort.split`` shares none.

    Parameters
    ----------
    folder
        the folder that holds ``VQA_RAD Dataset Public.json``; it is open, but its files have no published checksums,
        so you download it yourself
    split
        train or test: pictures with a question of that part, and only these questions; None for all

    Returns
    -------
    Cohort
        ``images["image"]`` is the picture. ``labels`` has organ (HEAD, CHEST, ABD), split where it is asked for, and
        questions: a list of mappings with qid, question, answer (text), answer_type (OPEN or CLOSED), question_type
        and phrase_type. ``table()`` has organ and the number of questions of each part.

    Raises
    ------
    IpiuError
        Where no folder is given, the file is damaged, a question stands twice, or a picture's name is of another form.

    References
    ----------
    Lau et al. 2018, https://doi.org/10.1038/sdata.2018.251

    Examples
    --------
    >>> from ipiu.cases.public.vqa_rad import vqa_rad
    >>> cohort = vqa_rad("osfstorage-archive")  # doctest: +SKIP
    >>> cohort[0].labels["questions"][0]["answer"]  # doctest: +SKIP
    'Yes'
    """
    if split not in (None, "train", "test"):
        msg = f"split={split!r} must be 'train', 'test', or None for all questions"
        raise ValueError(msg)
    terms = Terms.of("vqa-rad")
    if folder is None:
        terms.refuse(f"{QUESTIONS!r} and {PICTURES!r}")
    folder = Path(folder)
    asked: dict[str, list[dict[str, Any]]] = {}
    for entry in _entries(folder / QUESTIONS):
        if split is None or split == _part(entry):
            asked.setdefault(entry["image_name"], []).append(entry)
    table = pd.DataFrame(
        [
            {
                "organ": entries[0]["image_organ"],
                "train questions": sum(_part(entry) == "train" for entry in entries),
                "test questions": sum(_part(entry) == "test" for entry in entries),
            }
            for entries in asked.values()
        ],
        index=pd.Index([Path(name).stem for name in asked], name="id"),
    )
    by_id = {Path(name).stem: (name, entries) for name, entries in asked.items()}
    opener = _Picture(folder, by_id, split, terms.source)
    return Cohort(list(by_id), opener, name=terms.name, source=terms.source, table=table)


class _Picture:
    """Opens one picture; a class so that it can go to other processes."""

    each = "pictures"

    def __init__(
        self, folder: Path, asked: dict[str, tuple[str, list[dict[str, Any]]]], split: str | None, source: Source
    ):
        self.folder, self.asked, self.split, self.source = folder, asked, split, source

    def __call__(self, name: str) -> Case:
        file, entries = self.asked[name]
        image = picture(
            self.folder / PICTURES, file, listed_in=self.folder / QUESTIONS, source=self.source, name="picture"
        )
        labels: dict[str, Any] = {"organ": entries[0]["image_organ"]}
        labels |= {"split": self.split} if self.split else {}
        left_out = ("image_name", "image_organ")
        labels["questions"] = [{key: entry[key] for key in entry if key not in left_out} for entry in entries]
        return Case(name, images={"image": image}, labels=labels, source=self.source)


def _part(entry: dict[str, Any]) -> str:
    return "test" if entry["phrase_type"].startswith("test") else "train"


def _entries(path: Path) -> list[dict[str, Any]]:
    """Every question, checked, with the fields that are known; answers as text."""
    try:
        listed = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, IpiuError):
            raise
        msg = f"{path}: is not JSON ({str(error)[:80]}); copy it again from its source"
        raise IpiuError(msg) from error
    if not isinstance(listed, list) or not listed:
        msg = f"{path}: should be a list of questions; copy it again from its source"
        raise IpiuError(msg)
    seen: set[str] = set()
    entries = []
    for number, raw in enumerate(listed, start=1):
        entry = _entry(raw, number, path)
        if entry["qid"] in seen:
            msg = f"{path}: the question {entry['qid']} stands more than once; correct the file"
            raise IpiuError(msg)
        seen.add(entry["qid"])
        entries.append(entry)
    return entries


def _entry(raw: Any, number: int, path: Path) -> dict[str, Any]:
    """One question, checked."""
    missing = next((name for name in NEEDS if not isinstance(raw, dict) or raw.get(name) is None), None)
    if missing is not None:
        msg = f"{path}: question {number} has no {missing!r}; copy the file again from its source"
        raise IpiuError(msg)
    # numbers stand among the answers; blanks behind some of the words
    entry = {name: str(raw[name]).strip() for name in (*NEEDS, *TAKES) if raw.get(name) is not None}
    if not NAME.fullmatch(entry["image_name"]):
        msg = f"{path}: question {number} names the picture {entry['image_name'][:80]!r}, which is no plain file name"
        raise IpiuError(msg)
    for name, known in (("phrase_type", PHRASES), ("answer_type", ANSWERS)):
        if entry[name] not in known:
            msg = f"{path}: question {number} has the {name} {entry[name][:40]!r}, none of {', '.join(known)}"
            raise IpiuError(msg)
    return entry
