"""The compiled form: made once per content, and never trusted over the records."""

import json

import pytest

from ipiu.atlas import store
from ipiu.errors import IpiuError


@pytest.fixture(autouse=True)
def forget():
    """Nothing is remembered from one test to the next."""
    store.load.cache_clear()
    yield
    store.load.cache_clear()


def compiled(records, name):
    return list((records / "__pycache__").glob(f"{name}.*.json"))


def test_the_compiled_form_says_the_same_as_the_records(records):
    first = store.load("challenges", records)
    store.load.cache_clear()
    assert store.load("challenges", records) == first
    assert json.loads(compiled(records, "challenges")[0].read_text()) == list(first)


def test_a_changed_record_is_read_anew_and_leaves_one_compiled_file(records, damage):
    store.load("challenges", records)
    damage("challenges", "  origin: our operationalisation", "  origin: named in the survey's body")
    before = [record["origin"] for record in store.load("challenges", records)]
    store.load.cache_clear()
    assert [record["origin"] for record in store.load("challenges", records)] != before
    assert len(compiled(records, "challenges")) == 1


def test_a_torn_compiled_file_is_made_anew(records):
    first = store.load("challenges", records)
    compiled(records, "challenges")[0].write_text('[{"id": ')
    store.load.cache_clear()
    assert store.load("challenges", records) == first


def test_a_folder_that_cannot_be_written_to_still_answers(records, monkeypatch):
    def refuse(*args):
        raise PermissionError

    monkeypatch.setattr(store, "write_atomic", refuse)
    assert len(store.load("challenges", records)) == 12
    assert compiled(records, "challenges") == []


def test_a_query_over_a_wrong_record_says_where(records, damage):
    line = damage("vision", "doi: 10.1038/s41467-024-44824-z", "doi: nonsense")
    with pytest.raises(IpiuError, match=rf"vision.yaml:{line}: medsam: doi: 'nonsense' is not a DOI"):
        store.load("models", records)


def test_a_missing_file_is_named(records):
    (records / "works.yaml").unlink()
    with pytest.raises(IpiuError, match=r"works\.yaml: the records cannot be read.*restore the file"):
        store.load("works", records)
