"""Full text over all records."""

import pytest

from ipiu import atlas
from ipiu.errors import IpiuError


def test_records_with_all_words_come_first():
    found = atlas.find("3D promptable CT", most=5)
    assert len(found) == 5
    for record in found:
        assert record.kind == "models"
        assert record.prompts
        assert "3d" in record.dimensionality
        assert "ct" in record.modalities


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("MedSAM", "medsam"),
        ("electrocardiogram", "ecg-fm"),  # a synonym that the record itself does not use
        ("segment anything medical", "medsam"),
        ("heart attack", "whas500"),
        ("bounding boxes click", "sam-med2d"),
        ("retin", "retfound"),  # the beginning of a word
    ],
)
def test_a_record_is_found_by_name_synonym_title_and_beginning(text, id):
    assert id in [record.id for record in atlas.find(text, most=40)]


def test_a_question_about_a_small_lesion_finds_metrics_made_for_it():
    found = atlas.find("5 mm lesion", most=5)
    assert {record.kind for record in found} == {"metrics"}
    assert all("small structures" in record.suits for record in found)


def test_words_that_nothing_has_find_nothing():
    assert atlas.find("xyzzyx") == []
    assert repr(atlas.find("xyzzyx")) == "nothing"


@pytest.mark.parametrize("text", ["a AND", "NEAR(", "name:*", "'; DROP TABLE records; --"])
def test_signs_of_the_query_language_are_only_text(text):
    atlas.find(text)
    assert atlas.find("MedSAM")[0].id == "medsam"


def test_signs_without_a_word_are_refused():
    with pytest.raises(IpiuError, match="there is nothing to look for"):
        atlas.find('"*')


def test_what_is_found_shows_names_and_escapes_them(monkeypatch):
    found = atlas.find("medsam", most=2)
    monkeypatch.setitem(found[0]._data, "name", "<script>")
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()
