import gzip

import pandas as pd
import pytest

from ipiu.cases.table import read_record
from ipiu.errors import IpiuError

LABS = """time,code,value,unit
2026-03-04T12:00:00+02:00,LOINC:718-7,13.5,g/dL
2026-03-03T08:00:00Z,LOINC:718-7,12.1,g/dL
2026-03-04T09:30:00Z,SNOMED:386661006,,
2026-03-05T09:30:00Z,LOINC:882-1,A+,
"""


def write(path, text=LABS):
    path.write_text(text, encoding="utf-8")
    return path


def test_events_stand_in_order_of_time_in_utc(tmp_path):
    (case,) = read_record(write(tmp_path / "labs.csv"))
    record = case.record
    assert list(record.columns) == ["time", "code", "value", "unit"]
    reference = pd.read_csv(tmp_path / "labs.csv", parse_dates=["time"], date_format="ISO8601")
    expected = sorted(pd.Timestamp(t).tz_convert("UTC") for t in reference.time)
    assert record.time.tolist() == expected
    assert str(record.time.dt.tz) == "UTC"
    assert record.value.tolist() == [12.1, None, 13.5, "A+"]
    assert record.unit.tolist() == ["g/dL", None, "g/dL", None]
    assert case.notes == []


@pytest.mark.parametrize("name", ["labs.tsv", "labs.csv.gz", "labs.tsv.gz", "bom.csv"])
def test_tabs_gzip_and_byte_order_marks_are_read(tmp_path, name):
    text = LABS.replace(",", "\t") if "tsv" in name else LABS
    data = ("\ufeff" if name == "bom.csv" else "").encode() + text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (case,) = read_record(tmp_path / name)
    assert len(case.record) == 4


def test_columns_are_mapped_and_others_left_out_with_a_note(tmp_path):
    text = "drawn,item,result,ward\n2026-03-04T12:00:00Z,Hb,13.5,7B\n"
    columns = {"time": "drawn", "code": "item", "value": "result", "unit": None}
    (case,) = read_record(write(tmp_path / "a.csv", text), columns=columns)
    assert case.record.iloc[0].tolist()[1:] == ["Hb", 13.5, None]
    assert case.notes == ["1 other columns were left out"]


def test_a_missing_column_names_those_that_are_there(tmp_path):
    with pytest.raises(
        IpiuError, match=r"a\.csv: has no column 'time' for time; its columns are when, code, value, unit"
    ):
        read_record(write(tmp_path / "a.csv", LABS.replace("time,", "when,", 1)))
    with pytest.raises(ValueError, match="columns= takes time, code, value, unit; 'when' is not among them"):
        read_record(write(tmp_path / "a.csv"), columns={"when": "time"})


@pytest.mark.parametrize("time", ["03/04/2026 12:00", "20260304", "2026", "17.5", "yesterday", "", "2026-13-01"])
def test_a_time_that_could_be_read_in_two_ways_is_named_with_its_line(tmp_path, time):
    path = write(tmp_path / "a.csv", LABS + f"{time},Hb,1,g\n")
    with pytest.raises(IpiuError, match=rf"a\.csv: line 6 has the time {time!r} \(1 such lines\), not readable"):
        read_record(path)


def test_line_numbers_count_lines_inside_quotes_and_blank_ones(tmp_path):
    path = write(tmp_path / "a.csv", 'time,code,value,unit\n\n2026-03-04,note,"two\nlines",\nnever,Hb,1,g\n')
    with pytest.raises(IpiuError, match="line 5 has the time 'never'"):
        read_record(path)


def test_a_format_settles_day_and_month(tmp_path):
    path = write(tmp_path / "a.csv", "time,code,value,unit\n03/04/2026 12:00,Hb,1,g\n")
    (case,) = read_record(path, format="%d/%m/%Y %H:%M")
    assert case.record.time[0] == pd.Timestamp("2026-04-03T12:00Z")
    with pytest.raises(IpiuError, match="not readable as '%Y'"):
        read_record(path, format="%Y")


def test_times_without_a_zone_are_taken_as_utc_and_counted(tmp_path):
    (case,) = read_record(
        write(tmp_path / "a.csv", "time,code,value,unit\n2026-03-04,Hb,1,g\n2026-03-04T10:00,Hb,1,g\n")
    )
    assert case.notes == ["2 times have no time zone and were taken as UTC"]
    assert case.record.time.tolist() == [pd.Timestamp("2026-03-04", tz="UTC"), pd.Timestamp("2026-03-04T10:00Z")]


MANY = "subject_id,time,code,value,unit\nMRN77,2026-03-04,Hb,1,g\nMRN11,2026-03-03,Hb,2,g\nMRN77,2026-03-01,Hb,3,g\n"


def test_patients_get_pseudonyms_unless_their_ids_are_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", MANY)
    first, second = read_record(path, patient="subject_id")
    assert (first.id, second.id) == ("patient-1", "patient-2")
    assert first.record.value.tolist() == [3, 1]
    assert "MRN" not in repr(first) + first._repr_html_() + first.record.to_string()
    assert [case.id for case in read_record(path, patient="subject_id", keep_ids=True)] == ["MRN77", "MRN11"]


def test_patients_are_never_mixed_unasked(tmp_path):
    path = write(tmp_path / "a.csv", MANY)
    with pytest.raises(IpiuError, match="column 'subject_id' may tell patients apart; say patient='subject_id'"):
        read_record(path)
    assert len(read_record(path, patient=False)) == 1
    with pytest.raises(IpiuError, match="has no column 'mrn'"):
        read_record(path, patient="mrn")
    with pytest.raises(IpiuError, match="line 3 names no patient"):
        read_record(write(path, MANY.replace("MRN11", "")), patient="subject_id")


@pytest.mark.parametrize("name", ["PatientName", "Subject ID", "name", "MRN", "case-id", "id"])
def test_columns_that_may_name_patients_are_known_by_many_spellings(tmp_path, name):
    path = write(tmp_path / "a.csv", MANY.replace("subject_id", name))
    with pytest.raises(IpiuError, match=f"column '{name}' may tell patients apart"):
        read_record(path)


def test_a_gzip_name_in_capitals_is_unpacked(tmp_path):
    (tmp_path / "A.CSV.GZ").write_bytes(gzip.compress(LABS.encode()))
    assert len(read_record(tmp_path / "A.CSV.GZ")[0].record) == 4


def test_columns_must_be_a_mapping(tmp_path):
    with pytest.raises(TypeError, match="must say where each column stands"):
        read_record(write(tmp_path / "a.csv", LABS), columns=["time"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("time;code;value;unit\n", "neither a comma nor a tab"),
        ("time,code,value,unit\n", "has a header and no rows"),
        (",,\n,,\n", "has no cell with text"),
        ("time,code,value,unit,time\n2026-01-01,a,1,g,2\n", "the column 'time' stands more than once"),
        (LABS + "2026-03-04,Hb,1\n", "line 6 has 3 cells and the header 4"),
        (LABS + '2026-03-04,"Hb,1,g\n', "is not well-formed"),
    ],
)
def test_tables_that_cannot_be_read_get_one_sentence(tmp_path, text, message):
    with pytest.raises(IpiuError, match=rf"a\.csv: .*{message}"):
        read_record(write(tmp_path / "a.csv", text))


def test_torn_and_foreign_bytes_get_one_sentence(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(LABS.encode())[:-9])
    with pytest.raises(IpiuError, match=r"a\.csv\.gz: cannot be read"):
        read_record(tmp_path / "a.csv.gz")
    (tmp_path / "a.csv").write_bytes(LABS.encode() + b"\xff\xfe")
    with pytest.raises(IpiuError, match="is not UTF-8 text"):
        read_record(tmp_path / "a.csv")


def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_MAX_GIB", "0.001")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(LABS.encode() + b" " * 5_000_000))
    with pytest.raises(IpiuError, match=r"a\.csv\.gz: its text, once parsed, asks for .* above the limit"):
        read_record(tmp_path / "a.csv.gz")
