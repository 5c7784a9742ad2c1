import pytest

from ipiu.cases.public.chexpert import FINDINGS
from ipiu.cases.public.ehrshot import TASKS, ehrshot
from ipiu.errors import IpiuError

EVENTS = """\
patient_id,start,end,code,value,unit,visit_id,omop_table
115967096,1946-03-01 00:00:00,,Gender/F,,,,person
115967096,2019-05-01 08:00:00,2019-05-04 10:00:00,Visit/IP,,,7,visit_occurrence
115967096,2019-05-01 09:00:00,,LOINC/718-7,11.2,g/dL,7,measurement
115967096,2019-05-01 23:59:00,,ICD10CM/I48.0,,,7,condition_occurrence
115967096,2019-05-02 06:00:00,,LOINC/718-7,10.1,g/dL,7,measurement
115967100,2020-01-01 09:00:00,,RxNorm/866924,,,8,drug_exposure
115967100,2020-01-02 09:00:00,,STANFORD_OBS/urine,Positive,,8,observation
115967104,2018-01-02 09:00:00,,SNOMED/230056004,,,9,condition_occurrence
"""
SPLITS = """\
split,omop_person_id
train,115967096
val,115967100
test,115967104
"""
LABELS = {
    "guo_icu": """\
patient_id,prediction_time,value,label_type
115967096,2019-05-01T23:59:00,False,boolean
115967100,2020-01-01T23:59:00,True,boolean
""",
    "lab_anemia": """\
patient_id,prediction_time,value,label_type
115967096,2019-05-02T05:59:00,2,categorical
115967096,2019-05-01T08:59:00,1,categorical
""",
    "chexpert": """\
patient_id,prediction_time,value,label_type
115967100,2020-01-01T23:59:00,9217,categorical
""",
}


def write(folder, *, events=EVENTS, splits=SPLITS, labels=None):
    files = {"data/ehrshot.csv": events, "splits/person_id_map.csv": splits}
    files |= {f"benchmark/{task}/labeled_patients.csv": text for task, text in (LABELS | (labels or {})).items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_case_is_a_patient_with_all_events(tmp_path):
    cohort = ehrshot(write(tmp_path))
    case = cohort["115967096"]
    assert case.record["code"].tolist() == [
        "Gender:F", "Visit:IP", "LOINC:718-7", "ICD-10-CM:I48.0", "LOINC:718-7",
    ]  # fmt: skip
    assert case.record["value"].tolist() == [None, None, 11.2, None, 10.1]
    assert case.record["unit"].tolist()[2] == "g/dL"
    assert case.record["kind"].tolist() == ["", "Encounter", "Observation", "Condition", "Observation"]
    assert case.labels == {"patient": "115967096", "split": "train"}
    assert cohort["115967100"].record["value"].tolist() == [None, "Positive"]


def test_a_prediction_sees_nothing_from_after_its_time(tmp_path):
    cohort = ehrshot(write(tmp_path), task="lab_anemia")
    assert cohort.ids == ("115967096-1", "115967096-2")
    first, second = cohort
    assert (first.labels["lab_anemia"], second.labels["lab_anemia"]) == (1, 2)
    assert first.record["code"].tolist() == ["Gender:F", "Visit:IP"]
    assert second.record["code"].tolist()[-1] == "ICD-10-CM:I48.0"
    assert cohort.patients == ("115967096", "115967096")


def test_labels_are_booleans_grades_and_findings(tmp_path):
    folder = write(tmp_path)
    assert [case.labels["guo_icu"] for case in ehrshot(folder, task="guo_icu")] == [False, True]
    labels = ehrshot(folder, task="chexpert")[0].labels
    assert [name for name in FINDINGS if labels[name]] == ["No Finding", "Lung Lesion", "Support Devices"]
    assert ehrshot(folder, task="chexpert").table().loc["115967100-1", "Edema"] == 0


def test_splits_are_the_data_sets_own_and_by_patient(tmp_path):
    folder = write(tmp_path)
    parts = [set(ehrshot(folder, split=name).patients) for name in ("train", "val", "test")]
    assert parts == [{"115967096"}, {"115967100"}, {"115967104"}]
    with pytest.raises(ValueError, match="split='dev' is not one that EHRSHOT states"):
        ehrshot(folder, split="dev")


def test_the_first_column_that_pandas_writes_is_passed_over(tmp_path):
    numbered = "\n".join(("," if not n else f"{n - 1},") + line for n, line in enumerate(EVENTS.splitlines()))
    assert len(ehrshot(write(tmp_path, events=numbered))[0].record) == 5


def test_it_is_never_fetched(only_loopback):
    with pytest.raises(IpiuError, match=r"EHRSHOT is not fetched from here .* data/ehrshot.csv"):
        ehrshot()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"splits": SPLITS.replace("omop_person_id", "person")}, r"has no column 'omop_person_id'"),
        (
            {"splits": SPLITS + "train,115967104\n"},
            r"row 4 has the omop_person_id '115967104', which is empty or stands",
        ),
        ({"splits": SPLITS.replace("val,", "dev,")}, r"the split 'dev' is none of train, val, test"),
        (
            {"labels": {"guo_icu": LABELS["guo_icu"].replace("True", "maybe")}},
            r"the label 'maybe' is none that guo_icu",
        ),
        ({"splits": SPLITS.replace("omop_person_id", '"omop"_person_id')}, r"its header in line 1 is not well-formed"),
        ({"labels": {"guo_icu": LABELS["guo_icu"].replace("115967100", "3")}}, r"patient 3 is in no split"),
        ({"labels": {"guo_icu": LABELS["guo_icu"].replace("T23:59:00", " soon")}}, r"row 1 has the time .* not ISO"),
        ({"events": EVENTS.replace("code,", "concept,")}, r"ehrshot.csv: has no column 'code'"),
    ],
)
def test_a_damaged_table_is_refused_in_one_sentence(tmp_path, change, message):
    with pytest.raises(IpiuError, match=message):
        list(ehrshot(write(tmp_path, **change), task="guo_icu"))


def test_an_unknown_task_is_answered_with_the_known_ones(tmp_path):
    assert len(TASKS) == 15
    with pytest.raises(ValueError, match="task='sepsis' is none of guo_los"):
        ehrshot(tmp_path, task="sepsis")


def test_a_missing_event_table_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "data/ehrshot.csv").unlink()
    assert len(ehrshot(tmp_path)) == 3
    with pytest.raises(IpiuError, match=r"ehrshot.csv: there is neither this table nor ehrshot.csv.gz"):
        ehrshot(tmp_path)[0]
