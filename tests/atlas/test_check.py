"""Records that are wrong are refused with file, line and remedy."""

import re
from datetime import date
from pathlib import Path

import pytest

from ipiu.atlas import store
from ipiu.atlas.check import check
from ipiu.errors import IpiuError

ROOT = Path(__file__).parents[2]


def faults(records) -> list[str]:
    report = check(records, today=date(2026, 12, 1))
    assert not report
    return [str(fault) for fault in (*report.invalid, *report.unlinked)]


def test_the_records_of_the_book_are_valid_and_linked():
    report = check()
    assert report
    assert (report.invalid, report.unlinked) == ([], [])
    assert report.counts["models"] >= 230
    assert report.counts["challenges"] == 12


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "vision",
            "doi: 10.1038/s41467-024-44824-z",
            "doi: doi.org/10.1038/s41467",
            "medsam: doi: .* is not a DOI, as",
        ),
        ("vision", "arxiv: '2304.12306'", "arxiv: 2304.12306v2", "medsam: arxiv: .* is not an arXiv id, as"),
        (
            "vision",
            "modalities: [ct, mri,",
            "modalities: [ct, mrt,",
            "modalities.1: 'mrt' is not a known modality.*mri",
        ),
        ("vision", "code: https://github.com/bowang-lab/MedSAM", "code: github.com/x", "medsam: code: .* full address"),
        ("vision", "code_license: Apache-2.0", "code_license: Apache 2", "LicenseRef-<Name>"),
        ("vision", "weights_access: open", "weights_access: free", "'free' is not a known access"),
        ("vision", "  category: vision\n", "  category: visoin\n", "did you mean vision"),
        ("vision", "  year: 2023\n", "  year: 2033\n", "year is that of the first public version"),
        ("vision", "  tasks: [", "  taks: [", "taks: there is no such field; did you mean tasks"),
        ("metrics", "  family: ", "  familly: ", "family: the field is missing"),
        ("datasets", "  access: ", "  acces: ", "did you mean access"),
        ("works", "  year: 2009", "  year: two thousand", "should be a valid integer"),
    ],
)
def test_a_wrong_field_is_named_with_file_line_and_remedy(records, damage, name, old, new, says):
    line = damage(name, old, new)
    found = [fault for fault in faults(records) if fault.startswith(f"{name}.yaml:")]
    assert any(re.search(says, fault) for fault in found), found
    near = [int(fault.split(":")[1]) for fault in found]
    assert any(abs(number - line) <= 2 or "missing" in says for number in near)


def test_a_field_without_a_source_is_refused(records, damage):
    damage("vision", "fields: [name, title,", "fields: [title,")
    assert any(
        "name: stated without a source; add it to evidence, or leave it out" in fault for fault in faults(records)
    )


def test_a_record_without_any_source_is_refused(records):
    bare = records / "datasets.yaml"
    bare.write_text(bare.read_text() + "\n- id: lonely\n  name: Lonely\n  holds: [image]\n  homepage: https://x.org\n")
    assert any("lonely: evidence: the field is missing" in fault for fault in faults(records))


def test_evidence_for_a_field_that_is_not_stated_is_refused(records, damage):
    damage("vision", "fields: [name, title,", "fields: [name, title, volume_of_air,")
    assert any("volume_of_air: named in evidence but not stated" in fault for fault in faults(records))


def test_an_id_used_twice_is_refused_with_the_place_of_the_other(records, damage):
    line = damage("vision", "- id: hipt\n", "- id: ctranspath\n")
    found = [fault for fault in faults(records) if "used already" in fault]
    assert len(found) == 1
    assert found[0].startswith(f"vision.yaml:{line}:")
    assert "vision.yaml:5" in found[0]


def test_the_same_id_in_two_files_is_refused_by_a_query_too(records, damage):
    damage("pretrained", "- id: biobert\n", "- id: medsam\n")
    with pytest.raises(IpiuError, match="two records of models have the id 'medsam'"):
        store.load("models", records)


def test_an_id_that_no_record_has_is_refused_with_the_nearest(records, damage):
    damage("datasets", "contains: [", "contains: [btcvv, ")
    assert any("no record of datasets has the id 'btcvv'; did you mean btcv" in fault for fault in faults(records))


def test_a_record_in_the_file_of_another_category_is_refused(records, damage):
    damage("vision", "  category: vision\n", "  category: multimodal\n")
    assert any("belongs into multimodal.yaml" in fault for fault in faults(records))


def test_a_mirror_is_no_source(records, damage):
    damage("vision", "https://github.com/bowang-lab/MedSAM\n", "https://www.sciencestack.ai/paper/1\n")
    assert any("is a copy on www.sciencestack.ai" in fault for fault in faults(records))


def test_a_field_stated_twice_is_refused(records, damage):
    line = damage("vision", "  tasks: [", "  tasks: [segmentation]\n  tasks: [")
    assert any(fault.startswith(f"vision.yaml:{line + 1}: 'tasks' is stated twice") for fault in faults(records))


def test_a_file_that_is_no_yaml_is_refused_with_its_line(records, damage):
    line = damage("metrics", "- id: ", "- id: [")
    assert any(fault.startswith("metrics.yaml:") and "no valid YAML" in fault for fault in faults(records))
    assert line > 1


def test_a_file_that_is_no_list_is_refused(records):
    (records / "works.yaml").write_text("id: alone\n")
    assert any("the file has to be a list of records" in fault for fault in faults(records))


def test_sources_not_read_for_long_are_stale_but_not_invalid(records):
    report = check(records, today=date(2029, 1, 1))
    assert report
    assert len(report.stale) == sum(count for kind, count in report.counts.items() if kind != "works")
    assert "26 months ago" in str(report.stale[0])


def test_a_work_without_a_year_is_refused(records, damage):
    damage("works", "  year: 2009\n", "")
    assert any("the field is missing" in fault or "needs a year" in fault for fault in faults(records))


def test_the_record_that_contributing_shows_is_valid(records):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1]
    path = records / "vision.yaml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{example}", encoding="utf-8")
    assert check(records)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  checked: 2026-11\n", "  checked: unknown\n"),
        ("  checked: 2026-11\n", "  checked: 2026-02-30\n"),
        ("  checked: 2026-11\n", "  checked: !x y\n"),
        ("  checked: 2026-11\n", "  ? [a, b]\n  : c\n"),
        ("  category: vision\n", "  category: [vision]\n"),
        ("  checked: 2026-11\n", "  checked: 2026-11\n  evaluated_on: 5\n"),
        ("  checked: 2026-11\n", "  checked: 2026-11\n  evaluated_on: [[btcv]]\n"),
    ],
)
def test_values_of_another_kind_are_named_and_not_stumbled_over(records, damage, old, new):
    line = damage("vision", old, new)
    found = [int(fault.split(":")[1]) for fault in faults(records) if fault.startswith("vision.yaml")]
    assert found
    assert min(abs(number - line) for number in found) < 40  # the line itself, or that of its record


def test_a_wrong_name_inside_a_part_answers_with_the_names_of_that_part(records, damage):
    damage("vision", "    millions: ", "    milions: ")
    assert any(
        "parameters.milions: there is no such field; did you mean millions" in fault for fault in faults(records)
    )


@pytest.mark.parametrize(
    "address", ["https://x.org/a b", "https://x.org/`a`", "https://x.org/a'b", "javascript:alert(1)"]
)
def test_an_address_that_breaks_out_of_its_place_is_refused(records, damage, address):
    damage("vision", "code: https://github.com/bowang-lab/MedSAM", f'code: "{address}"')
    assert any("is not a full address" in fault for fault in faults(records))
