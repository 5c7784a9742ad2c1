"""Works, their keys, and the file of references."""

import re
from pathlib import Path

import pytest
from pybtex.database import parse_string

from ipiu import atlas
from ipiu.atlas import cite
from ipiu.book.records import record_pages

ROOT = Path(__file__).parents[2]
REQUIRED = {"article": ("journal",), "inproceedings": ("booktitle",), "book": ("publisher",), "misc": ()}


@pytest.fixture(scope="module")
def library():
    """book/references.bib as pybtex reads it."""
    return parse_string((ROOT / "book/references.bib").read_text(encoding="utf-8"), "bibtex")


def test_the_file_of_references_is_in_step_with_the_records():
    text = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    assert text == cite.everything(), "run `ipiu atlas bib`"


def test_every_entry_is_complete(library):
    assert len(library.entries) > 350
    for key, entry in library.entries.items():
        assert entry.persons["author"], key
        for field in ("title", "year", *REQUIRED[entry.type]):
            assert entry.fields.get(field), f"{key} lacks {field}"
        found_by = {"doi", "eprint", "url", "publisher", "journal"} & set(entry.fields)
        assert found_by, f"{key} leads nowhere"


def test_titles_keep_their_capitals_and_signs(library):
    entry = library.entries[atlas.models["medsam"].key]
    assert entry.fields["title"] == "{Segment anything in medical images}"
    assert library.entries["jiao2026ipiu"].persons["author"][-1].last_names == ["others"]


def test_one_work_has_one_key_however_many_records_name_it(library):
    assert atlas.models["ct-clip"].key == atlas.models["ct-chat"].key == atlas.datasets["ct-rate"].key
    dois = [entry.fields["doi"].lower() for entry in library.entries.values() if "doi" in entry.fields]
    assert len(dois) == len(set(dois))


def test_a_work_of_the_list_lends_its_id_as_key():
    metric = next(m for m in atlas.metrics.values() if m.doi == "10.1038/s41592-023-02151-z")
    assert metric.key == "maierhein2024metrics"


def test_a_record_without_a_work_has_no_key():
    assert atlas.challenges["data"].key is None
    assert atlas.challenges["data"].bibtex() == ""


def test_a_citation_names_people_title_venue_year_and_address():
    assert atlas.models["medsam"].cite() == (
        "Ma et al. Segment anything in medical images. Nature Communications 15 (2024). "
        "https://doi.org/10.1038/s41467-024-44824-z"
    )


def test_the_bibtex_of_a_selection_holds_each_work_once():
    text = atlas.models.where(task="segmentation").bibtex()
    keys = re.findall(r"^@\w+\{(.+),$", text, re.MULTILINE)
    assert keys == sorted(set(keys))
    assert atlas.models["medsam"].key in keys


def test_what_the_book_cites_is_in_the_file_and_nothing_else(library):
    pages = [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").rglob("*.ipynb")]
    cited = {
        key.strip()
        for page in pages
        for keys in re.findall(r"\{(?:foot)?cite:?\w*\}`([^`]+)`", page.read_text(encoding="utf-8"))
        for key in keys.split(",")
    }
    assert len(cited) > 40
    assert cited <= set(library.entries)
    records = "\n".join(record_pages().values())
    cited |= set(re.findall(r"\{cite:p\}`([^`]+)`", records))
    assert set(library.entries) == cited, "a work that nothing cites"
