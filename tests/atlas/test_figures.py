"""The pictures of the atlas show what the records say."""

import json
import os
import re
import subprocess
import sys

import pytest

from ipiu import atlas
from ipiu.atlas.vocabulary import CATEGORY

FIGURES = {
    "taxonomy": lambda: atlas.figures.taxonomy(atlas.models),
    "timeline": lambda: atlas.figures.timeline(atlas.models),
    "coverage": lambda: atlas.figures.coverage(atlas.models),
    "openness": lambda: atlas.figures.openness(atlas.models),
    "scale": lambda: atlas.figures.scale(atlas.models),
    "people": lambda: atlas.figures.people(atlas.datasets),
    "leakage": lambda: atlas.figures.leakage(atlas.models, atlas.datasets),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_has_words_a_table_and_the_same_bytes_every_time(name):
    once, again = FIGURES[name](), FIGURES[name]()
    assert len(once.alt) > 20
    assert len(once.table) > 0
    assert once.to_html() == again.to_html()


def test_the_graph_is_drawn_the_same_whatever_the_order_of_sets():
    code = "from ipiu import atlas\nprint(atlas.figures.leakage(atlas.models, atlas.datasets).to_html())"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(drawn) == 1


@pytest.mark.parametrize("name", ["taxonomy", "timeline", "scale", "people", "leakage"])
def test_marks_lead_to_pages_of_records(name):
    pages = {record.page for kind in ("models", "datasets") for record in getattr(atlas, kind).values()}
    led = set(re.findall(r'"(book/[^"]+)"', json.dumps(json.loads(FIGURES[name]().figure.to_json()))))
    assert led
    assert led <= pages


def test_the_treemap_holds_every_model_once():
    tree = FIGURES["taxonomy"]().figure.data[0]
    leaves = [id for id in tree.ids if id in atlas.models]
    assert sorted(leaves) == sorted(atlas.models)
    counts = dict(zip(tree.ids, tree.values, strict=True))
    assert counts["all"] == len(atlas.models) == sum(counts[category] for category in CATEGORY)


def test_the_timeline_has_one_mark_a_model():
    chart = FIGURES["timeline"]()
    assert sum(len(trace.x) for trace in chart.figure.data) == len(atlas.models)
    assert chart.table.to_numpy().sum() == len(atlas.models)


def test_the_heat_map_counts_what_a_query_counts():
    table = FIGURES["coverage"]().table
    assert table.loc["CT", "segmentation"] == len(atlas.models.where(modality="ct", task="segmentation"))


def test_openness_keeps_what_is_not_confirmed_apart():
    table = FIGURES["openness"]().table
    assert (table.groupby("what").sum().sum(axis=1) == len(atlas.models)).all()
    unknown = table["not confirmed"].groupby("what").sum()
    assert unknown["code"] == len(atlas.models.where(code=None))
    assert unknown["weights"] == len(atlas.models.where(weights_access=None))
    assert unknown["licence"] == len(atlas.models.where(weights_license=None))


def test_overlaps_name_the_collection_through_which_training_meets_test():
    meets = atlas.figures.overlaps(atlas.models, atlas.datasets)
    assert {"same data set"} < set(meets["how"])
    through = meets[meets["how"] != "same data set"].iloc[0]
    assert through["pretrained on"] in through["how"]
    assert through["tested on"] in through["how"]


def test_a_selection_of_data_sets_is_drawn_without_the_others():
    few = atlas.datasets.where(modality="ct")
    meets = atlas.figures.overlaps(atlas.models, few)
    named = {record.name for record in few.values()}
    assert len(meets) > 0
    assert set(meets["pretrained on"]) | set(meets["tested on"]) <= named
    assert len(atlas.figures.leakage(atlas.models, few).figure.data) > 1


def test_no_mark_lies_outside_its_panel():
    figure = atlas.figures.scale(atlas.models).figure
    for trace in figure.data:
        for letter in "xy":
            axis = getattr(trace, f"{letter}axis") or letter
            low, high = figure.layout[axis.replace(letter, f"{letter}axis")].range
            assert all(10**low < value < 10**high for value in trace[letter])
