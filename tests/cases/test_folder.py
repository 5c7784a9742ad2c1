"""Cohorts written to disk and streamed back; the patients are small ones made here, not digital ones."""

import hashlib
import json
import os
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from monai.data import MetaTensor

import ipiu
from ipiu import Case, Cohort, IpiuError, Signal
from ipiu.cases.case import Outcome, Source
from ipiu.cases.folder import CASE, write_cohort
from ipiu.cases.grouped import GroupedCohort
from ipiu.cases.parallel import in_order

SOURCE = Source("own file", "made for a test")
AFFINE = torch.tensor([[0, -2.5, 0, 10], [1.5, 0, 0, -3.25], [0, 0, 3, 7], [0, 0, 0, 1]], dtype=torch.float64)


def make_case(name, *, fail_at=None):
    """A case with every part; ``fail_at`` makes one patient fail, as a killed run would."""
    if name == fail_at:
        raise KeyboardInterrupt
    rng = np.random.default_rng(int(name[-1]))
    labels = {"unit": "label", "modality": "SEG", "name": "", "labels": {1: "liver", 7: "a <b>"}}
    images = {
        "ct": MetaTensor(
            torch.from_numpy(rng.integers(-1000, 1000, (1, 5, 6, 7)).astype("float32")),
            affine=AFFINE,
            meta={"unit": "HU", "modality": "CT", "name": "torso"},
        ),
        "ct labels": MetaTensor(
            torch.from_numpy(rng.integers(0, 8, (1, 5, 6, 7), dtype="uint8")), affine=AFFINE, meta=labels
        ),
        "radiograph": MetaTensor(torch.from_numpy(rng.integers(0, 4096, (1, 9, 8), dtype="uint16"))),
        "masks": MetaTensor(
            torch.from_numpy(rng.integers(0, 2, (5, 9, 8), dtype="uint8")),
            meta={"channels": ("a", "b", "c", "d", "e"), "boxes": {"a": (0, 1, 4, 5)}},
        ),
        "fundus": MetaTensor(torch.from_numpy(rng.integers(0, 256, (3, 9, 8), dtype="uint8"))),
        "mr": MetaTensor(torch.from_numpy(rng.normal(size=(1, 4, 4, 4)).astype("float32")), affine=AFFINE),
    }
    record = pd.DataFrame(
        {
            "time": pd.to_datetime(["2024-01-02T03:04:05Z", "2024-05-06T07:08:09Z"]),
            "code": ["LOINC:2160-0", "LOINC:2160-0"],
            "value": pd.Series([0.9, "high" if name[-1] == "2" else 1.1], dtype=object),
            "unit": ["mg/dL", "mg/dL"],
        }
    )
    expression = pd.Series([3, 0, 12], index=pd.Index(["A1BG", "TP53", "XIST"], name="gene"), name="counts")
    expression.attrs["unit"] = "counts"
    return Case(
        name,
        images=images,
        report="First line.\nSecond: 12 mm nodule – ü.\r\nThird.",
        record=record,
        signals={"ecg": Signal(np.round(rng.normal(size=(2, 50)), 1).astype("float32"), 500.0, ("I", "V1"))},
        expression=expression,
        outcome=Outcome(12.5, True),
        labels={"age": 61.5, "sex": "male", "diabetes": True},
        source=SOURCE,
        notes=["a note"],
    )


def make_cohort(n=3, **options):
    return Cohort([f"patient/{i}" for i in range(n)], partial(make_case, **options), name="three", source=SOURCE)


def tree(folder):
    """Every file and what is in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path):
    return make_cohort().to_disk(tmp_path / "cohort", progress=False)


def test_every_part_comes_back_as_it_was(folder):
    opened = Cohort.open(folder)
    for before, after in zip(make_cohort(), opened, strict=True):
        assert (after.id, after.report, after.outcome, after.labels, after.notes, after.source) == (
            before.id, before.report, before.outcome, before.labels, before.notes, before.source
        )  # fmt: skip
        assert list(after.images) == list(before.images)
        for name, image in before.images.items():
            again = after.images[name]
            assert again.dtype == image.dtype, name
            assert torch.equal(again.as_tensor(), image.as_tensor()), name
            assert torch.equal(again.affine, image.affine), name
            for key in ("unit", "modality", "labels", "channels", "boxes"):
                assert again.meta.get(key) == image.meta.get(key), (name, key)
        assert np.allclose(after.signals["ecg"].values, before.signals["ecg"].values, atol=1e-6)
        assert (after.signals["ecg"].leads, after.signals["ecg"].rate) == (("I", "V1"), 500.0)
        pd.testing.assert_series_equal(after.expression, before.expression)
        assert after.expression.attrs == before.expression.attrs
        pd.testing.assert_frame_equal(after.record, before.record, check_dtype=False)


def test_a_record_is_a_fhir_bundle_and_a_table_where_fhir_has_no_place_for_a_value(folder):
    places = [folder / "cases" / f"{n:06d}" for n in range(3)]
    assert [(place / "record.fhir.json").is_file() for place in places] == [True, True, False]
    assert [(place / "record.csv").is_file() for place in places] == [False, False, True]


def test_the_table_is_there_without_opening_a_case(folder):
    shutil.rmtree(folder / "cases" / "000001")
    opened = Cohort.open(folder)
    pd.testing.assert_frame_equal(opened.table(), make_cohort().table(), check_dtype=False)
    assert opened[0].id == "patient/0"


def test_other_tools_open_the_files(folder):
    import nibabel as nib
    from PIL import Image

    place = folder / "cases" / "000000"
    ct = nib.load(place / "ct.nii.gz")
    assert ct.get_data_dtype() == np.int16
    assert np.array_equal(np.asarray(ct.dataobj), make_case("patient/0").images["ct"][0].numpy())
    assert np.allclose(ct.affine, AFFINE)
    with Image.open(place / "fundus.png") as picture:
        assert picture.size == (8, 9)
    assert ipiu.open(place / "ecg.hea").signals["ecg"].rate == 500
    assert (place / "report.txt").read_bytes().decode() == make_case("patient/0").report


def test_two_runs_write_the_same_bytes(folder, tmp_path):
    assert tree(make_cohort().to_disk(tmp_path / "again", progress=False)) == tree(folder)


@pytest.mark.slow
def test_workers_write_the_same_bytes(tmp_path):
    cohort = ipiu.DigitalCohort(6, seed=1, parts=("ct", "record", "ecg", "expression", "outcome"), spacing=12.0)
    one = cohort.to_disk(tmp_path / "one", progress=False)
    two = cohort.to_disk(tmp_path / "two", workers=2, progress=False)
    assert tree(one) == tree(two)


def test_a_stopped_run_leaves_no_half_case_and_goes_on_where_it_was(folder, tmp_path):
    target = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        make_cohort(fail_at="patient/2").to_disk(target, progress=False)
    assert sorted(path.name for path in (target / "cases").iterdir()) == ["000000", "000001"]
    with pytest.raises(IpiuError, match="2 of 3 cases are written; call to_disk again"):
        Cohort.open(target)
    kept = (target / "cases" / "000001" / CASE).stat().st_mtime_ns
    make_cohort().to_disk(target, progress=False)
    assert (target / "cases" / "000001" / CASE).stat().st_mtime_ns == kept
    assert tree(target) == tree(folder)


def test_what_a_killed_run_left_is_cleared_away(folder):
    left = folder / "cases" / ".writing-killed"
    left.mkdir()
    make_cohort().to_disk(folder, progress=False)
    assert not left.exists()


def test_a_folder_with_something_else_is_not_written_to(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(IpiuError, match="is not empty and holds no cohort"):
        make_cohort().to_disk(tmp_path / "mine")
    with pytest.raises(IpiuError, match="holds another cohort"):
        make_cohort(2).to_disk(folder)


@pytest.mark.parametrize("change", ["seed", "spacing", "knob"])
def test_a_digital_cohort_made_otherwise_is_another_cohort(tmp_path, change):
    make = partial(ipiu.DigitalCohort, 1, parts=("outcome",))
    make().to_disk(tmp_path, progress=False)
    other = {"seed": {"seed": 1}, "spacing": {"spacing": 5.0}, "knob": {"label_noise": 0.1}}[change]
    with pytest.raises(IpiuError, match="holds another cohort"):
        make(**other).to_disk(tmp_path, progress=False)


@pytest.mark.parametrize("name", ["../secret.nii.gz", "/etc/passwd", "..", ""])
def test_a_name_that_points_elsewhere_is_refused(folder, name):
    path = folder / "cases" / "000000" / CASE
    about = json.loads(path.read_text())
    about["images"]["ct"]["file"] = name
    path.write_text(json.dumps(about))
    with pytest.raises(IpiuError, match="not in the folder"):
        Cohort.open(folder)[0]


def test_damage_is_said_in_one_sentence(folder, tmp_path):
    (folder / "cases" / "000000" / CASE).write_text("{")
    with pytest.raises(IpiuError, match="cannot be read"):
        Cohort.open(folder)[0]
    (folder / "cases" / "000001" / "ct.nii.gz").write_bytes(b"torn")
    with pytest.raises(IpiuError, match=r"ct\.nii\.gz"):
        Cohort.open(folder)[1]
    with pytest.raises(IpiuError, match="holds no cohort"):
        Cohort.open(tmp_path)
    about = json.loads((folder / "cohort.json").read_text())
    (folder / "cohort.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(IpiuError, match="format 99"):
        Cohort.open(folder)


def test_the_one_door_opens_a_cohort_too(folder):
    assert len(ipiu.open(folder)) == 3


def test_a_cohort_that_cannot_go_to_another_process_says_so(tmp_path):
    cohort = Cohort.of([make_case("patient/0")])
    cohort._open = lambda name: None
    with pytest.raises(IpiuError, match="use workers=1"):
        write_cohort(cohort, tmp_path / "x", workers=2, progress=False)


@pytest.mark.slow
def test_a_worker_that_is_ended_is_said_in_one_sentence():
    with pytest.raises(IpiuError, match=r"one of 2 worker processes was ended.*use fewer workers"):
        list(in_order(os._exit, [1], workers=2))


def test_cases_of_one_patient_stay_together_after_a_stay_on_disk(tmp_path):
    ids = [f"patient/{i}" for i in range(6)]
    studies = GroupedCohort(ids, make_case, patients=["a", "a", "b", "b", "c", "c"], source=SOURCE)
    opened = Cohort.open(studies.to_disk(tmp_path / "studies", progress=False))
    for part in opened.split(0.34, seed=1):
        assert len(part) in (2, 4)
        assert all(part.patients.count(patient) == 2 for patient in set(part.patients))
    about = json.loads((tmp_path / "studies" / "cohort.json").read_text())
    about["made"]["patients"] = ["a"]
    (tmp_path / "studies" / "cohort.json").write_text(json.dumps(about))
    with pytest.raises(IpiuError, match="do not go with its 6 cases"):
        Cohort.open(tmp_path / "studies")


def test_map_applies_a_function_in_order():
    assert list(make_cohort().map(lambda case: case.id)) == ["patient/0", "patient/1", "patient/2"]


def written(tmp_path, name="patient/0", **parts):
    """One case written, and read again."""
    return Cohort.open(Cohort.of([Case(name, **parts)]).to_disk(tmp_path / "one", progress=False))[0]


def test_a_digital_patient_comes_back_with_every_part(tmp_path):
    cohort = ipiu.DigitalCohort(1, parts=("fundus", "report", "record", "ecg", "ppg", "expression", "outcome"))
    after, before = Cohort.open(cohort.to_disk(tmp_path / "digital", progress=False))[0], cohort[0]
    assert after.present == before.present
    for name, signal in before.signals.items():
        assert np.allclose(after.signals[name].values, signal.values, atol=1e-4)
        assert after.signals[name].unit == signal.unit
    for name, image in before.images.items():
        assert torch.equal(after.images[name].as_tensor(), image.as_tensor())
        assert after.images[name].meta["source"] == image.meta["source"]


def test_names_that_differ_in_signs_alone_get_files_of_their_own(tmp_path):
    names = ("ct labels", "ct_labels", "CT-labels", "ct labels 2", "肝", "肺", "x" * 300)
    images = {name: MetaTensor(torch.full((1, 3, 3), n, dtype=torch.uint8)) for n, name in enumerate(names)}
    after = written(tmp_path, images=images)
    assert [int(after.images[name].max()) for name in names] == list(range(len(names)))


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32"])
def test_the_largest_number_of_a_type_comes_back(tmp_path, kind):
    limit = np.finfo(kind).max if kind == "float32" else np.iinfo(kind).max
    image = MetaTensor(torch.from_numpy(np.array([[[[0, limit, 1]]]], dtype=kind)))
    again = written(tmp_path, images={"x": image}).images["x"]
    assert again.dtype == image.dtype
    assert torch.equal(again.as_tensor(), image.as_tensor())


@pytest.mark.parametrize("kind", ["bool", "int8", "int64", "float16", "float64"])
def test_a_type_that_would_not_come_back_is_refused(tmp_path, kind):
    image = MetaTensor(torch.from_numpy(np.zeros((1, 2, 2, 2), dtype=kind)))
    with pytest.raises(IpiuError, match=f"of the type {kind}.*convert it"):
        written(tmp_path, images={"x": image})


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([0.0, np.nan, 1.5], "mV"),
        ([0.0, np.nan, 1.5], "a.u."),
        ([0.0, -2e5, np.nan], "a.u."),
        ([3e6, 0.0, -5.0], "mm Hg"),
        ([1.0, 2.0, 3.0], ""),
    ],
)
def test_a_signal_of_any_range_and_unit_comes_back(tmp_path, values, unit):
    signal = Signal(np.array([values], dtype="float32"), 100.0, ("one",), unit)
    again = written(tmp_path, signals={"x": signal}).signals["x"]
    assert np.allclose(again.values, signal.values, rtol=1e-6, atol=5e-3, equal_nan=True)
    assert again.unit == unit


def test_an_infinite_sample_is_refused(tmp_path):
    with pytest.raises(IpiuError, match="infinite value"):
        written(tmp_path, signals={"x": Signal(np.array([[0, np.inf]]), 100.0, ("one",))})


@pytest.mark.parametrize("change", ["a column more", "no row", "no time", "kind"])
def test_a_record_that_fhir_cannot_hold_comes_back_from_its_table(tmp_path, change):
    record = make_case("patient/2").record
    if change == "a column more":
        record = make_case("patient/1").record.assign(ward=["A", "B"])
    elif change == "no row":
        record = record.iloc[:0]
    elif change == "no time":
        record = record.assign(time=pd.to_datetime([None, "2024-05-06T07:08:09Z"], utc=True))
    else:
        record = record.assign(kind="Observation")
    again = written(tmp_path, record=record).record
    assert list(again.columns) == list(record.columns)
    pd.testing.assert_frame_equal(again, record, check_dtype=False, check_index_type=False)


def test_arrays_in_what_json_holds_become_lists_and_the_rest_is_refused(tmp_path):
    image = MetaTensor(torch.zeros((1, 2, 2), dtype=torch.uint8), meta={"box": np.arange(4)})
    assert written(tmp_path, images={"x": image}).images["x"].meta["box"] == (0, 1, 2, 3)
    with pytest.raises(IpiuError, match="Timestamp, which JSON cannot hold"):
        written(tmp_path / "other", labels={"born": pd.Timestamp("1950-01-01")})


def test_a_table_is_the_same_after_a_stop(tmp_path):
    cohort = Cohort.of([Case("a", labels={"dose": np.float32(0.1)}, source=SOURCE)])
    folder = cohort.to_disk(tmp_path / "once", progress=False)
    before = tree(folder)
    (folder / "table.parquet").unlink()
    assert tree(cohort.to_disk(folder, progress=False)) == before


def test_each_case_keeps_a_source_of_its_own(tmp_path):
    cases = [Case(name, source=Source("own file", name)) for name in ("a", "b")]
    opened = Cohort.open(Cohort.of(cases).to_disk(tmp_path / "two", progress=False))
    assert [case.source.name for case in opened] == ["a", "b"]


def test_a_case_that_is_not_whole_is_not_overwritten(folder):
    (folder / "cases" / "000001" / CASE).unlink()
    with pytest.raises(IpiuError, match="000001: is not a case that was written whole; remove it"):
        make_cohort().to_disk(folder, progress=False)


def change_json(path, *keys, value):
    about = json.loads(path.read_text())
    place = about
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("images", "ct", "shape"), [-1, -210]),
        (("images", "ct", "shape"), [10**9, 10**9]),
        (("images", "ct", "shape"), "210"),
        (("images", "ct", "affine"), [[1, 2], [3]]),
        (("images", "ct", "affine"), [[float("nan")] * 4] * 4),
        (("images", "ct", "type"), "object"),
        (("images", "ct labels", "meta", "labels"), {"one": "liver"}),
        (("images", "ct", "file"), "a\0b"),
        (("signals", "ecg", "leads"), ["I"]),
        (("signals", "ecg", "leads"), [1, 2]),
        (("outcome",), ["soon", "yes", 3]),
        (("outcome",), [1.0]),
        (("labels",), ["a"]),
        (("notes",), [1]),
        (("notes",), "abc"),
        (("id",), 7),
        (("source",), {"kind": "own file", "name": 3, "licence": "", "url": ""}),
        (("source",), "own file"),
        (("record",), ["ward"]),
        (("expression",), []),
    ],
)
def test_a_case_that_states_what_cannot_be_is_refused_in_one_sentence(folder, keys, value):
    change_json(folder / "cases" / "000000" / CASE, *keys, value=value)
    with pytest.raises(IpiuError, match="000000"):
        Cohort.open(folder)[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ids", ["a", "a", "b"]),
        ("ids", [["a"], "b", "c"]),
        ("ids", {"a": 1}),
        ("name", 7),
        ("source", {"kind": "own file"}),
        ("source", None),
    ],
)
def test_a_cohort_that_states_what_cannot_be_is_refused_in_one_sentence(folder, key, value):
    change_json(folder / "cohort.json", key, value=value)
    with pytest.raises(IpiuError, match="is not as it was written"):
        Cohort.open(folder)


def test_a_table_of_other_patients_is_refused(folder):
    change_json(folder / "cohort.json", "ids", value=["a", "b", "c"])
    with pytest.raises(IpiuError, match="are not those of the cohort's ids"):
        Cohort.open(folder)


def test_deep_json_and_text_that_is_none_are_refused(folder):
    (folder / "cases" / "000000" / CASE).write_text("[" * 100_000)
    (folder / "cases" / "000001" / "report.txt").write_bytes(b"\xff\xfe\x00")
    for place in (0, 1):
        with pytest.raises(IpiuError, match=f"00000{place}"):
            Cohort.open(folder)[place]


def test_what_would_pass_the_memory_limit_is_not_read(folder, monkeypatch):
    monkeypatch.setenv("IPIU_MAX_GIB", "1e-7")
    with pytest.raises(IpiuError, match="above the limit"):
        Cohort.open(folder)
