import gzip
import pickle

import pytest

from ipiu.cases.case import Outcome
from ipiu.cases.public.mimic_iv import icd, mimic_iv, mimic_iv_demo
from ipiu.errors import IpiuError

# headers as on https://mimic.mit.edu/docs/iv/ and in the files of version 2.2
TABLES = {
    "hosp/patients": """\
subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod
10000032,F,52,2180,2014 - 2016,2180-09-09
10001217,F,55,2157,2011 - 2013,
10001725,M,91,2110,2011 - 2013,
10002428,F,80,2155,2011 - 2013,
""",
    "hosp/admissions": """\
subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,admission_location,\
discharge_location,insurance,language,marital_status,race,edregtime,edouttime,hospital_expire_flag
10000032,22595853,2180-05-06 22:23:00,2180-05-07 17:15:00,,URGENT,P874LG,TRANSFER FROM HOSPITAL,HOME,Other,ENGLISH,\
WIDOWED,WHITE,2180-05-06 19:17:00,2180-05-06 23:30:00,0
10000032,25742920,2180-08-05 23:44:00,2180-08-07 17:50:00,,EW EMER.,P060TX,EMERGENCY ROOM,HOSPICE,Medicaid,ENGLISH,\
WIDOWED,WHITE,2180-08-05 20:58:00,2180-08-06 01:44:00,0
10001217,24597018,2158-11-18 22:56:00,2158-11-25 18:00:00,,EW EMER.,P3610N,EMERGENCY ROOM,HOME,Other,?,\
MARRIED,WHITE,2158-11-18 17:35:00,2158-11-19 00:12:00,0
10001725,25563031,2110-04-11 15:08:00,2110-04-14 15:00:00,2110-04-14 15:00:00,EW EMER.,P35SU0,PACU,DIED,Other,ENGLISH,\
MARRIED,WHITE,,,1
""",
    "hosp/diagnoses_icd": """\
subject_id,hadm_id,seq_num,icd_code,icd_version
10000032,22595853,1,5723,9
10000032,22595853,2,E9352,9
10001217,24597018,1,G062,10
10001725,25563031,1,I10,10
""",
    "hosp/d_icd_diagnoses": """\
icd_code,icd_version,long_title
5723   ,9,Portal hypertension
G062,10,"Extradural and subdural abscess, unspecified"
""",
    "hosp/labevents": """\
labevent_id,subject_id,hadm_id,specimen_id,itemid,order_provider_id,charttime,storetime,value,valuenum,valueuom,\
ref_range_lower,ref_range_upper,flag,priority,comments
1,10000032,,45421181,50912,P28Z0X,2180-03-23 11:51:00,2180-03-23 15:15:00,0.4,0.4,mg/dL,0.4,1.1,,ROUTINE,
2,10000032,,45421181,50931,P28Z0X,2180-03-23 11:51:00,2180-03-23 15:56:00,___,95,mg/dL,70,105,,ROUTINE,"IF FASTING,
70-100 NORMAL"
3,10000032,,45421182,50912,P28Z0X,2180-03-22 11:51:00,2180-03-23 15:15:00,<0.2,0.2,mg/dL,0.4,1.1,,ROUTINE,
4,10001217,24597018,1234,51463,,2158-11-19 00:10:00,2158-11-19 01:00:00,FEW,,,,,,STAT,
""",
    "hosp/d_labitems": """\
itemid,label,fluid,category
50912,Creatinine,Blood,Chemistry
50931,Glucose,Blood,Chemistry
51463,Bacteria,Urine,Hematology
""",
    "hosp/prescriptions": """\
subject_id,hadm_id,pharmacy_id,poe_id,poe_seq,order_provider_id,starttime,stoptime,drug_type,drug,formulary_drug_cd,\
gsn,ndc,prod_strength,form_rx,dose_val_rx,dose_unit_rx,form_val_disp,form_unit_disp,doses_per_24_hrs,route
10000032,22595853,12775705,10000032-55,55,P85UQ1,2180-05-07 00:00:00,2180-05-07 22:00:00,MAIN,Furosemide,FURO40,\
008209,51079007320,40mg Tablet,,40,mg,1,TAB,1,PO/NG
10000032,22595853,18415984,10000032-42,42,P23SJA,,,MAIN,Sodium Chloride 0.9%  Flush,NACLFLUSH,,0,10 mL Syringe,,3-10,\
mL,0.3-1,SYR,3,IV
10001217,24597018,1,10001217-4,4,,2158-11-19 08:00:00,,MAIN,Sodium Chloride 0.9%  Flush,NACLFLUSH,,0,,,3-10,mL,,,,IV
""",
    "icu/chartevents": """\
subject_id,hadm_id,stay_id,caregiver_id,charttime,storetime,itemid,value,valuenum,valueuom,warning
10000032,22595853,39553978,18704,2180-05-06 23:30:00,2180-05-06 23:43:00,220045,91,91,bpm,0
""",
    "icu/d_items": """\
itemid,label,abbreviation,linksto,category,unitname,param_type,lownormalvalue,highnormalvalue
220045,Heart Rate,HR,chartevents,Routine Vital Signs,bpm,Numeric,,
""",
}


def write(folder, changes=None, *, packed=True):
    for name, text in (TABLES | (changes or {})).items():
        path = folder / f"{name}.csv{'.gz' if packed else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if packed else text.encode())
    return folder


@pytest.mark.parametrize("packed", [True, False])
def test_a_record_has_labs_drugs_and_diagnoses_in_the_order_of_time(tmp_path, packed):
    record = mimic_iv_demo(write(tmp_path, packed=packed))["10000032"].record
    assert [f"{row.time:%Y-%m-%d %H:%M} {row.code} {row.value} {row.unit}" for row in record.itertuples()] == [
        "2180-03-22 11:51 MIMIC-lab:50912 <0.2 mg/dL",
        "2180-03-23 11:51 MIMIC-lab:50912 0.4 mg/dL",
        "2180-03-23 11:51 MIMIC-lab:50931 95.0 mg/dL",
        "2180-05-07 00:00 NDC:51079007320 40.0 mg",
        "2180-05-07 17:15 ICD-9-CM:572.3 None None",
        "2180-05-07 17:15 ICD-9-CM:E935.2 None None",
    ]
    assert str(record["time"].dtype).endswith("UTC]")
    assert record["display"].tolist()[1] == "Creatinine, Blood"
    assert record["display"].tolist()[4] == "Portal hypertension"
    assert set(record["kind"]) == {"Observation", "Condition", "MedicationRequest"}


def test_events_without_a_time_are_counted_and_text_stays_text(tmp_path):
    cohort = mimic_iv_demo(write(tmp_path))
    assert "1 events state no time and were left out" in cohort["10000032"].notes
    values = cohort["10001217"].record.set_index("code")["value"]
    assert values["MIMIC-lab:51463"] == "FEW"
    assert values["MIMIC-drug:Sodium Chloride 0.9%  Flush"] == "3-10"


def test_death_counts_from_the_first_admission_and_censoring_is_a_year_after_the_last_discharge(tmp_path):
    cohort = mimic_iv_demo(write(tmp_path))
    assert cohort["10000032"].outcome == Outcome(126.0, True)  # 6 May to 9 September 2180
    assert cohort["10001217"].outcome == Outcome(372.0, False)  # 18 November 2158 to 25 November 2159
    assert cohort["10002428"].outcome is None  # never admitted
    assert len(cohort["10002428"].record) == 0


def test_labels_and_the_table_agree(tmp_path):
    cohort = mimic_iv_demo(write(tmp_path))
    assert cohort["10001217"].labels == {
        "sex": "female", "years": "2011 - 2013", "age": 56, "admissions": 1, "died in hospital": False,
    }  # fmt: skip
    assert "age" not in cohort["10001725"].labels  # above 89
    table = cohort.table()
    assert table["died in hospital"].tolist() == [False, False, True, False]
    assert table.loc["10000032", "time"] == 126


def test_bedside_measurements_come_where_they_are_asked_for(tmp_path):
    record = mimic_iv_demo(write(tmp_path), chartevents=True)["10000032"].record
    pulse = record[record["code"] == "MIMIC-chart:220045"].iloc[0]
    assert (pulse["value"], pulse["unit"], pulse["display"]) == (91.0, "bpm", "Heart Rate")


def test_the_events_are_sorted_once_and_again_only_when_a_table_changed(tmp_path):
    folder = write(tmp_path / "data")
    cache = tmp_path / "cache"
    mimic_iv_demo(folder, cache=cache)[0]
    (made,) = cache.glob("*.sqlite")
    before = made.stat().st_mtime_ns
    mimic_iv_demo(folder, cache=cache)[1]
    assert made.stat().st_mtime_ns == before
    write(folder, {"hosp/labevents": TABLES["hosp/labevents"].replace(",0.4,0.4,mg", ",0.5,0.5,mg")})
    record = mimic_iv_demo(folder, cache=cache)["10000032"].record
    assert 0.5 in record["value"].tolist()


def test_versions_that_share_a_cache_do_not_read_each_other(tmp_path):
    changed = {"hosp/labevents": TABLES["hosp/labevents"].replace("0.4", "0.7")}
    first = mimic_iv_demo(write(tmp_path / "first"), cache=tmp_path / "cache")
    other = mimic_iv_demo(write(tmp_path / "other", changed), cache=tmp_path / "cache")
    before = first["10000032"].record
    assert not other["10000032"].record.equals(before)
    assert first["10000032"].record.equals(before)


def test_a_cohort_can_go_to_another_process(tmp_path):
    cohort = mimic_iv_demo(write(tmp_path))
    cohort[0]
    assert len(pickle.loads(pickle.dumps(cohort))[0].record) == 6


def test_the_full_data_set_is_never_fetched(only_loopback):
    with pytest.raises(IpiuError, match=r"is not fetched from here .* download it yourself on https://physionet.org/"):
        mimic_iv()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("hosp/patients", "anchor_age", "ageband", r"patients.csv.gz: has no column 'anchor_age'"),
        ("hosp/patients", "10001217", "10000032", r"row 2 has the subject_id '10000032', which is empty or stands"),
        ("hosp/patients", "2180-09-09", "in autumn", r"row 1 has dod = 'in autumn', which is not a time"),
        ("hosp/patients", "10001725,M", "10001726,M", r"subject 10001725 of admissions is not in patients"),
        ("hosp/labevents", ",50912,", ",50999,", r"labevents.csv.gz: the item '50999' is not in d_labitems"),
        ("hosp/labevents", "2180-03-23 11:51:00", "23/03/2180", r"has the time '23/03/2180', which is not ISO 8601"),
        ("hosp/labevents", ",STAT,", ",STAT", r"labevents.csv.gz: row 4 has 15 cells and the header 16"),
        ("hosp/diagnoses_icd", "5723,9", "5723,11", r"is of ICD version '11', which is neither 9 nor 10"),
        ("hosp/diagnoses_icd", "24597018", "1", r"the admission '1' is not in admissions"),
    ],
)
def test_a_damaged_table_is_refused_in_one_sentence(tmp_path, name, old, new, message):
    write(tmp_path, {name: TABLES[name].replace(old, new)})
    with pytest.raises(IpiuError, match=message):
        list(mimic_iv_demo(tmp_path))
    assert not list(tmp_path.glob("*.part"))


def test_a_torn_file_is_refused(tmp_path):
    path = write(tmp_path) / "hosp/labevents.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(IpiuError, match=r"labevents.csv.gz: cannot be read to its end"):
        mimic_iv_demo(tmp_path)[0]


def test_diagnosis_codes_get_their_dot():
    assert icd("I10", "10", "") == "ICD-10-CM:I10"
    assert icd("V5867", "9", "") == "ICD-9-CM:V58.67"
    assert icd("E8798", "9", "") == "ICD-9-CM:E879.8"
    assert icd("E8798", "10", "") == "ICD-10-CM:E87.98"
