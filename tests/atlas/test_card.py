"""A record as people read it."""

from html.parser import HTMLParser

from ipiu import atlas
from ipiu.atlas.record import Record


def text(html: str) -> str:
    parts = []

    class Reader(HTMLParser):
        def handle_data(self, data):
            parts.append(data)

    Reader().feed(html)
    return " ".join(" ".join(parts).split())


def test_a_card_says_what_is_known_and_what_nobody_confirmed():
    record = atlas.models["medsam"]
    said = text(record.card._repr_html_())
    assert "Tasks segmentation our reading" in said
    assert record.code.removeprefix("https://") in said
    expected = ("architecture", "parameters", "pretraining", "scale", "code", "code_license", "weights")
    expected += ("weights_access", "weights_license")
    unknown = [name for name in expected if getattr(record, name) is None]
    assert ("Not confirmed" in said) == bool(unknown)
    assert len(record.card.unconfirmed) == len(unknown)


def test_each_fact_leads_to_its_sources_by_number():
    card = atlas.models["medsam"].card
    for fact in card.facts:
        assert set(fact.sources) <= set(card.sources)
    html = card._repr_html_()
    for url in card.sources:
        assert f"<a href='{url}'>" in html


def test_texts_of_a_record_are_escaped():
    data = dict(atlas.models["medsam"]._data, name="<script>x</script>", architecture="<img src=x onerror=alert(1)>")
    html = Record("models", data).card._repr_html_()
    assert "<script" not in html
    assert "<img" not in html


def test_a_data_sets_card_names_the_sets_inside_it():
    whole = next(d for d in atlas.datasets.values() if d.contains)
    inside = atlas.datasets[whole.contains[0]].name
    assert inside in repr(whole.card)


def test_every_record_has_a_card():
    for kind in ("models", "datasets", "metrics", "challenges", "works"):
        for record in getattr(atlas, kind).values():
            assert record._repr_html_().startswith("<div class='ipiu-record'>"), record
            assert repr(record.card)


def test_a_work_is_not_our_reading():
    assert "our reading" not in repr(atlas.works["adebayo2018sanity"].card)
    assert "our reading" not in atlas.works["adebayo2018sanity"]._repr_html_()
