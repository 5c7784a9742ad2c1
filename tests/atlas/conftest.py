"""A folder with the record files, to be damaged by a test."""

import shutil

import pytest

from ipiu.atlas.store import FOLDER


@pytest.fixture
def records(tmp_path):
    """A copy of the record files."""
    folder = tmp_path / "records"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def damage(records):
    """Replace a text in one record file, once; return the line it stood on."""

    def change(name: str, old: str, new: str) -> int:
        path = records / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    return change
