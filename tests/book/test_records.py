"""A page for every record."""

import re

import pytest

from ipiu import atlas
from ipiu.atlas.record import Record
from ipiu.book import records
from ipiu.book.markdown import literal
from ipiu.book.records import KINDS, record_docs, record_pages


@pytest.fixture(scope="module")
def pages():
    return record_pages()


def test_every_record_has_a_page_and_the_index_leads_there(pages):
    every = [record for kind in KINDS for record in getattr(atlas, kind).values()]
    assert len(pages) == len(every) + 1
    for record in every:
        path = record.page.replace(".html", ".md")
        assert f"# {literal(record.name)}" in pages[path]
        assert f"({record.kind}/{record.id}.md)" in pages["book/atlas/index.md"]
    assert sorted(record_docs()) == sorted(path.removesuffix(".md") for path in pages)


def test_links_between_records_lead_to_pages_that_exist(pages):
    for path, text in pages.items():
        for target in re.findall(r"\]\(\.\./(\w+/[\w-]+\.md)\)", text):
            assert f"book/atlas/{target}" in pages, path


def test_a_work_is_cited_by_its_key(pages):
    assert f"{{cite:p}}`{atlas.models['medsam'].key}`" in pages["book/atlas/models/medsam.md"]


def test_a_data_sets_page_names_the_models_that_use_it(pages):
    model = next(m for m in atlas.models.values() if m.pretrained_on)
    text = pages[f"book/atlas/datasets/{model.pretrained_on[0]}.md"]
    assert "Models pretrained on it" in text
    assert f"(../models/{model.id}.md)" in text


def test_a_dimensions_page_marks_its_origin(pages):
    for challenge in atlas.challenges.values():
        assert challenge.origin in pages[f"book/atlas/challenges/{challenge.id}.md"]


def test_a_metrics_page_has_its_formula(pages):
    text = pages["book/atlas/metrics/dice.md"]
    assert f"```{{math}}\n{atlas.metrics['dice'].definition}\n```" in text


def test_texts_of_a_record_are_neither_markup_nor_html():
    data = dict(atlas.models["medsam"]._data, name="`x` <script>", architecture="[a](b) **c** {{d}} <img src=x>")
    page = records._page(Record("models", data))
    assert "<script>" not in page
    assert "<img" not in page
    assert r"\[a\]\(b\) \*\*c\*\* \{\{d\}\}" in page
