import gzip
import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

import ipiu
from ipiu import Case, Cohort, IpiuError
from ipiu.cases.detect import detect

DICOM = Path(get_testdata_file("CT_small.dcm", download=False))
ECG = Path(get_testdata_file("waveform_ecg.dcm", download=False))
LABS = "time,code,value,unit\n2026-03-04T12:00:00Z,LOINC:718-7,13.5,g/dL\n"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"resource": {"resourceType": "Patient", "id": name}} for name in "ab"],
}


def volume(path):
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), path)
    return path


def picture(path, level=0):
    Image.fromarray(np.full((4, 5), level, np.uint8)).save(path)
    return path


def wfdb_record(folder, name="a"):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb

        values = np.sin(np.arange(500) / 50)[:, None]
        wfdb.wrsamp(name, fs=250, units=["mV"], sig_name=["I"], p_signal=values, fmt=["16"], write_dir=str(folder))
    return folder / f"{name}.hea"


def edf(path):
    import edfio

    edfio.Edf([edfio.EdfSignal(np.sin(np.arange(256)), 256, label="I", physical_dimension="mV")]).write(path)
    return path


def written(path, text):
    path.write_text(text)
    return path


MAKERS = {
    "dicom": lambda folder: shutil.copy(DICOM, folder / "scan"),
    "nifti": lambda folder: volume(folder / "scan.nii"),
    "picture": lambda folder: picture(folder / "scan.png"),
    "wfdb": wfdb_record,
    "edf": lambda folder: edf(folder / "scan.edf"),
    "fhir": lambda folder: written(folder / "scan.json", json.dumps(BUNDLE)),
    "record": lambda folder: written(folder / "scan.csv", LABS),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_is_recognised_and_opened(tmp_path, kind):
    path = Path(MAKERS[kind](tmp_path))
    assert detect(path) == kind
    assert isinstance(ipiu.open(path), Case | Cohort)
    assert isinstance(ipiu.open(str(path)), Case | Cohort)


@pytest.mark.parametrize("kind", ["dicom", "nifti", "picture", "edf", "fhir"])
def test_content_decides_before_the_name(tmp_path, kind):
    path = Path(MAKERS[kind](tmp_path))
    renamed = path.rename(tmp_path / "scan.csv")
    assert detect(renamed) == kind


def test_packed_volumes_and_tables_are_told_apart(tmp_path):
    assert detect(volume(tmp_path / "a.nii.gz")) == "nifti"
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(LABS.encode()))
    assert detect(tmp_path / "b.csv.gz") == "record"
    assert ipiu.open(tmp_path / "b.csv.gz").record.value.tolist() == [13.5]


def test_dicom_without_its_preamble_is_recognised(tmp_path):
    data = DICOM.read_bytes()
    (tmp_path / "bare").write_bytes(data[132:])
    assert detect(tmp_path / "bare") == "dicom"


def test_several_patients_become_a_cohort(tmp_path):
    cohort = ipiu.open(MAKERS["fhir"](tmp_path))
    assert isinstance(cohort, Cohort)
    assert cohort.ids == ("patient-1", "patient-2")


def test_an_ecg_opens_through_the_dicom_reader():
    assert ipiu.open(ECG).signals["ecg"].unit == "mV"


def test_options_reach_the_reader(tmp_path):
    image = ipiu.open(volume(tmp_path / "a.nii"), labels={1: "liver"}).images["image"]
    assert image.meta["labels"] == {1: "liver"}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nifti", "nifti takes labels, unit, modality; 'colour' is not among them"),
        ("edf", "edf takes no options; 'colour' is not among them"),
        ("record", "record takes columns, patient, format, keep_ids; 'colour'"),
    ],
)
def test_an_unknown_option_says_what_the_reader_takes(tmp_path, kind, message):
    with pytest.raises(TypeError, match=message):
        ipiu.open(MAKERS[kind](tmp_path), colour=1)


def test_an_expression_matrix_is_opened_only_when_it_is_called_one(tmp_path):
    path = written(tmp_path / "m.csv", "gene,s1,s2\nTP53,1,2\n")
    with pytest.raises(
        IpiuError, match=r"m\.csv: is a table without the columns time and code; open it with kind='exp"
    ):
        ipiu.open(path)
    with pytest.raises(TypeError, match=r"expression needs genes=\.\.\."):
        ipiu.open(path, kind="expression")
    cohort = ipiu.open(path, kind="expression", genes="rows")
    assert [case.expression["TP53"] for case in cohort] == [1, 2]


def test_a_folder_of_one_kind_is_a_lazy_cohort(tmp_path):
    for level in (3, 1, 2):
        picture(tmp_path / f"p{level}.png", level)
    written(tmp_path / "readme.txt", "not, a picture")
    cohort = ipiu.open(tmp_path)
    assert cohort.ids == ("p1.png", "p2.png", "p3.png")
    assert [int(case.images["image"].max()) for case in cohort] == [1, 2, 3]
    (tmp_path / "p3.png").write_bytes(b"gone")
    assert cohort[0].id == "p1.png"
    with pytest.raises(IpiuError, match=r"p3\.png"):
        cohort["p3.png"]


def test_pairs_of_files_count_once(tmp_path):
    (tmp_path / "wfdb").mkdir()
    wfdb_record(tmp_path / "wfdb", "a")
    assert isinstance(ipiu.open(tmp_path / "wfdb"), Case)
    wfdb_record(tmp_path / "wfdb", "b")
    assert ipiu.open(tmp_path / "wfdb").ids == ("a.hea", "b.hea")
    (tmp_path / "pairs").mkdir()
    image = nib.Nifti1Pair(np.zeros((4, 5, 6), np.int16), np.eye(4))
    nib.save(image, tmp_path / "pairs" / "a.img")
    assert isinstance(ipiu.open(tmp_path / "pairs"), Case)
    assert isinstance(ipiu.open(tmp_path / "pairs" / "a.img"), Case)


def test_a_folder_with_dicom_goes_to_the_dicom_reader(tmp_path):
    shutil.copy(DICOM, tmp_path / "scan")
    picture(tmp_path / "cover.png")
    case = ipiu.open(tmp_path)
    assert case.images["ct"].meta["unit"] == "HU"


def test_a_mixed_folder_gets_one_sentence(tmp_path):
    volume(tmp_path / "a.nii")
    picture(tmp_path / "b.png")
    with pytest.raises(IpiuError, match=r"holds several kinds of content \(1 nifti, 1 picture\)"):
        ipiu.open(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "missing.nii", r"missing\.nii: there is no such file"),
        (lambda p: written(p / "empty.nii", ""), r"empty\.nii: is empty"),
        (lambda p: written(p / "notes.doc", "words"), r"notes\.doc: is nothing that can be read here"),
        (lambda p: p, "none of its 0 files can be read"),
    ],
)
def test_what_is_not_there_or_not_readable_gets_one_sentence(tmp_path, make, message):
    with pytest.raises(IpiuError, match=message) as caught:
        ipiu.open(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_near_misses_are_answered():
    with pytest.raises(IpiuError, match="there is no sample 'mni125'; did you mean mni152"):
        ipiu.open("sample:mni125")
    with pytest.raises(IpiuError, match="opened as 'sample:' and an id"):
        ipiu.open("smaple:mni152")
    with pytest.raises(ValueError, match="did you mean 'nifti'"):
        ipiu.open(DICOM, kind="nifty")
    with pytest.raises(TypeError, match="'sample:retina' takes no options; page was given"):
        ipiu.open("sample:retina", page=1)


def test_every_opened_source_is_logged_for_the_status_page_without_names_of_own_files(tmp_path, monkeypatch):
    log = tmp_path / "run.jsonl"
    monkeypatch.setenv("IPIU_RUN_LOG", str(log))
    ipiu.open(picture(tmp_path / "DOE^JANE.png"))
    ipiu.open("sample:microaneurysms")
    sources = [json.loads(line)["source"] for line in log.read_text().splitlines()]
    assert sources == ["own file: not named", "real sample: microaneurysms"]


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_under_any_name_give_one_sentence(tmp_path, seed):
    rng = np.random.default_rng(seed)
    suffixes = (".nii", ".nii.gz", ".png", ".jpg", ".tif", ".dcm", ".edf", ".hea", ".json", ".csv", ".csv.gz", ".zip")
    names = [*(f"a{suffix}" for suffix in suffixes), "a.mgz", "a.img", "DICOMDIR", "a"]
    starts = [b"", b"\x1f\x8b", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"{", b"0       ", b"\0" * 128 + b"DICM", b"II*\0"]
    path = tmp_path / names[int(rng.integers(len(names)))]
    path.write_bytes(starts[int(rng.integers(len(starts)))] + rng.bytes(int(rng.integers(1, 800))))
    with pytest.raises(IpiuError, match=path.name) as caught:
        ipiu.open(path)
    assert "\n" not in str(caught.value)


def test_a_path_without_text_or_too_long_gives_one_sentence():
    with pytest.raises(IpiuError, match="the path is empty"):
        ipiu.open("")
    with pytest.raises(IpiuError, match=r"cannot be read \(File name too long\); check the path"):
        ipiu.open("x" * 5000)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    picture(tmp_path / "a.png")
    assert ipiu.open("~/a.png").id == "a"
    assert ipiu.open(os.fsencode(tmp_path / "a.png")).id == "a"


@pytest.mark.parametrize("content", ["a.png", "b/a.png", "b/a.dcm"])
def test_what_may_not_be_read_is_never_left_out_in_silence(tmp_path, monkeypatch, content):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    path = tmp_path / content
    path.parent.mkdir(exist_ok=True)
    shutil.copy(DICOM, path) if path.suffix == ".dcm" else picture(path)
    scandir = os.scandir

    def refuse(folder):
        if Path(folder) == hidden:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(IpiuError, match=r"hidden: cannot be read \(Permission denied\)"):
        ipiu.open(tmp_path)
    with pytest.raises(IpiuError, match=r"hidden: cannot be read \(Permission denied\)"):
        ipiu.open(tmp_path, kind="dicom" if path.suffix == ".dcm" else "picture")


def test_a_torn_gzip_is_still_known_by_its_first_bytes(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(LABS.encode())[:-9])
    assert detect(path) == "record"
    with pytest.raises(IpiuError, match=r"a\.csv\.gz: cannot be read \(Compressed file ended"):
        ipiu.open(path)


def test_options_of_the_wrong_type_are_named(tmp_path):
    path, scan = picture(tmp_path / "a.png"), volume(tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"spacing=1\.0 must be two numbers"):
        ipiu.open(path, spacing=1.0)
    with pytest.raises(ValueError, match="page='0' must be a whole number"):
        ipiu.open(path, page="0")
    with pytest.raises(ValueError, match="kind=3 is none of"):
        ipiu.open(path, kind=3)
    for labels in (["grey"], {"one": "grey"}):
        with pytest.raises(ValueError, match="must name whole numbers"):
            ipiu.open(scan, labels=labels)
