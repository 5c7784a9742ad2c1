"""Looking records up and filtering them."""

import subprocess
import sys

import pytest

import ipiu
from ipiu import atlas
from ipiu.errors import IpiuError


def test_an_id_can_be_written_as_item_attribute_or_name():
    record = atlas.models["sam-med2d"]
    assert record is atlas.models.sam_med2d
    assert record is atlas.models["SAM Med2D"]
    assert record is ipiu.atlas.models["sam-med2d"]


def test_ids_complete_with_the_tab_key():
    assert "sam_med2d" in dir(atlas.models)
    assert "sam-med2d" in atlas.models._ipython_key_completions_()
    assert "weights_license" in dir(atlas.models["sam"])


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("medsan", r"no model 'medsan'; did you mean medsam"),
        ("Foundation Ark", r"did you mean ark"),
        ("xyzzy", r"there are \d+, none like it; `ipiu.atlas.find` searches"),
    ],
)
def test_a_wrong_id_answers_with_the_nearest(asked, answer):
    with pytest.raises(KeyError, match=answer):
        atlas.models[asked]


def test_a_wrong_attribute_answers_with_the_nearest():
    with pytest.raises(AttributeError, match="did you mean medsam"):
        atlas.models.medsan  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'modles'; did you mean models"):
        atlas.modles  # noqa: B018
    with pytest.raises(AttributeError, match="no field 'wieghts'; did you mean weights"):
        atlas.models["sam"].wieghts  # noqa: B018


def test_all_conditions_have_to_hold():
    found = atlas.models.where(task="segmentation", modality="ct", prompt="text", open_weights=True)
    assert {"sat", "segvol", "biomedparse"} <= set(found)
    for record in found.values():
        assert "segmentation" in record.tasks
        assert "ct" in record.modalities
        assert "text" in record.prompts
        assert record.weights_access in ("open", "registration")
    assert set(found) < set(atlas.models.where(task="segmentation", modality="ct"))


def test_several_words_have_to_hold_together():
    found = atlas.datasets.where(holds=["image", "ehr", "outcome"])
    assert "inspect" in found
    expected = {d.id for d in atlas.datasets.values() if {"image", "ehr", "outcome"} <= set(d.holds)}
    assert set(found) == expected


def test_the_metrics_for_a_small_lesion_leave_out_those_it_misleads():
    found = atlas.metrics.where(suits="small structures")
    assert {"nsd", "froc"} <= set(found)
    assert not {"dice", "iou", "hd95"} & set(found)
    assert {"dice", "iou"} <= set(atlas.metrics.where(fails="small structures"))


def test_a_word_may_be_written_as_people_read_it():
    ask = atlas.models.where
    assert (
        list(ask(task="report generation"))
        == list(ask(task="report-generation"))
        == list(ask(task="Report_Generation"))
    )
    assert list(ask(modality="X-ray")) == list(ask(modality="xray"))


def test_any_field_can_be_asked_for_and_none_means_not_confirmed():
    assert all(record.venue == "CVPR" for record in atlas.models.where(venue="CVPR").values())
    unknown = atlas.models.where(parameters=None)
    assert 0 < len(unknown) < len(atlas.models)
    assert all(record.parameters is None for record in unknown.values())


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"task": "segment"}, r"task='segment' is no word of the atlas; did you mean segmentation"),
        ({"modality": "radiograph"}, r"did you mean xray"),  # a synonym
        ({"modality": "smell"}, r"there are ct, mri, xray"),
        ({"modlity": "ct"}, r"have no field 'modlity'; did you mean modality"),
        ({"holds": "image"}, r"models have no field 'holds'; (?!did you mean holds)"),
        ({"modality": True}, r"modality=True asks for nothing"),
        ({"modality": []}, r"modality=\[\] asks for nothing"),
        ({"load": 1}, r"have no field 'load'"),
    ],
)
def test_a_wrong_word_answers_with_the_valid_ones(asked, answer):
    with pytest.raises(IpiuError, match=answer):
        atlas.models.where(**asked)


def test_the_table_has_one_row_a_record_and_keeps_what_is_not_confirmed_apart():
    table = atlas.models.table("name", "modalities", "parameters", "doi")
    assert list(table.index) == list(atlas.models)
    assert table.loc["medsam", "doi"] == "10.1038/s41467-024-44824-z"
    assert table["parameters"].dtype == "Float64"
    assert table["parameters"].isna().sum() == len(atlas.models.where(parameters=None))
    assert "ct, mri" in table.loc["medsam", "modalities"]


def test_a_record_cannot_be_changed_by_changing_what_it_hands_out():
    atlas.models["sam"].tasks.append("cooking")
    assert "cooking" not in atlas.models["sam"].tasks


def test_every_stated_field_leads_to_its_sources():
    record = atlas.models["medsam"]
    assert any("github.com/bowang-lab/MedSAM" in url for url in record.sources("code"))
    assert record.sources("category") == []  # our reading
    assert record.link == "https://doi.org/10.1038/s41467-024-44824-z"


def test_no_id_is_hidden_behind_a_method():
    for kind in ("models", "datasets", "metrics", "challenges"):
        records = getattr(atlas, kind)
        for id, record in records.items():
            assert getattr(records, id.replace("-", "_")) is record, id


def test_a_first_query_imports_nothing_heavy():
    heavy = ("torch", "monai", "numpy", "pandas", "pydantic", "yaml", "packaging", "plotly", "itables")
    code = (
        "import sys, ipiu.atlas as a; a.models.where(task='segmentation', modality='ct')\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    len(atlas.models)  # the compiled form is there
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_at_least_sixty_models_name_a_checkpoint_and_the_class_that_loads_it():
    import transformers

    named = [model for model in atlas.models.values() if model.checkpoint]
    assert len(named) >= 60
    for model in named:
        package, _, name = model.checkpoint.loader.partition(".")
        if package == "transformers":
            assert hasattr(transformers, name), model.id
        if model.checkpoint.hub == "huggingface":
            assert model.checkpoint.id.count("/") == 1, model.id


def test_the_origin_of_each_of_the_twelve_dimensions_is_marked():
    origins = [challenge.origin for challenge in atlas.challenges.values()]
    assert origins.count("named in the survey's abstract") == 4
    assert origins.count("named in the survey's body") == 1
    assert origins.count("our operationalisation") == 7


def test_of_several_values_a_field_with_one_value_has_to_be_any():
    both = atlas.models.where(category=["vision", "pretrained"])
    assert len(both) == len(atlas.models.where(category="vision")) + len(atlas.models.where(category="pretrained"))
    years = atlas.models.where(year=range(2023, 2025))
    assert {record.year for record in years.values()} == {2023, 2024}
    assert list(atlas.models.where(modalities="CT")) == list(atlas.models.where(modality="ct"))


def test_an_empty_selection_still_refuses_a_wrong_field():
    none = atlas.models.where(year=1800)
    assert len(none) == 0
    with pytest.raises(IpiuError, match="no field 'bogus'"):
        none.where(bogus=1)
    assert list(none.table("name").columns) == ["name"]


def test_showing_a_collection_leaves_the_verb_in_place():
    code = (
        "from ipiu import atlas\n"
        "atlas.models._repr_html_()\n"
        "print(atlas.show(atlas.models.where(modality='ecg'), title='ECG'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("Table('ECG'")


def test_without_itables_a_collection_is_a_plain_table(monkeypatch):
    from ipiu.atlas import listing

    def missing(records):
        msg = 'itables is not installed; run: pip install "ipiu[atlas]"'
        raise ImportError(msg)

    monkeypatch.setattr(listing, "show", missing)
    html = atlas.models.where(modality="ppg")._repr_html_()
    assert "pip install" in html
    assert "PaPaGei" in html


def test_a_record_refuses_to_be_changed():
    with pytest.raises(AttributeError, match="records are not changed in memory; mend year"):
        atlas.models["sam"].year = 1


def test_links_lead_to_pages_in_the_book_and_to_works_elsewhere(monkeypatch):
    found = atlas.models.where(modality="ppg")
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    assert atlas.links(found)["papagei"] == "../../book/atlas/models/papagei.html"
    monkeypatch.delenv("IPIU_PAGES")
    assert atlas.links(found)["papagei"].startswith("https://")
