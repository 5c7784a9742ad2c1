import re
import socket

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

import ipiu
from ipiu import Case, Cohort, IpiuError

IDS = list(ipiu.samples())
COHORTS = [name for name, sample in ipiu.samples().items() if sample.kind == "cohort"]
# people and events as scikit-survival's documentation states them
PUBLISHED = {
    "whas500": (500, 215),
    "flchain": (7874, 2169),
    "gbsg2": (686, 299),
    "veteran": (137, 128),
    "aids": (1151, 96),
    "gse7390": (198, 51),
    "bone-marrow": (35, 24),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        msg = "a sample reached for the network"
        raise AssertionError(msg)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("name", IDS)
def test_every_sample_opens_without_a_network_and_says_where_it_comes_from(name):
    opened = ipiu.open(f"sample:{name}")
    assert isinstance(opened, Cohort if name in COHORTS else Case)
    assert str(opened.source) == f"real sample: {name}"
    case = opened[0] if isinstance(opened, Cohort) else opened
    assert case.present
    assert str(case.source) == f"real sample: {name}"
    for image in case.images.values():
        assert image.meta["unit"]
        assert image.meta["source"] == f"real sample: {name}"
        assert np.isfinite(image.affine.numpy()).all()


@pytest.mark.parametrize("name", IDS)
def test_every_sample_states_licence_origin_and_what_it_shows(name):
    sample = ipiu.samples()[name]
    assert sample.licence
    assert sample.shows
    assert re.match(r"https?://", sample.url)
    assert sample.doi == "" or re.match(r"10\.\d{4,}/", sample.doi)


def test_the_list_is_a_mapping_and_a_table():
    samples = ipiu.samples()
    table = samples.table()
    assert len(samples) == len(table) == len(IDS)
    assert table.loc["retina", "licence"] == "CC0 1.0"
    html = samples._repr_html_()
    assert html.count("<tr>") == len(IDS) + 1
    assert "https://doi.org/10.15347/wjm/2014.008" in html
    assert "mni152" in repr(samples)


def test_an_unknown_id_is_answered_with_the_nearest():
    with pytest.raises(IpiuError, match="there is no sample 'whas50'; did you mean whas500"):
        ipiu.samples()["whas50"]
    assert "whas50" not in ipiu.samples()
    assert ipiu.samples().get("whas50") is None


def test_mni152_equals_nilearns_own_files():
    from nilearn.datasets import struct

    case = ipiu.open("sample:mni152")
    files = {"t1": struct.MNI152_FILE_PATH, "gm": struct.GM_MNI152_FILE_PATH, "wm": struct.WM_MNI152_FILE_PATH}
    for name, file in files.items():
        stored = nib.load(file)
        image = case.images[name]
        assert image.shape == (1, 197, 233, 189)
        np.testing.assert_array_equal(image.affine.numpy(), stored.affine)
        np.testing.assert_allclose(image[0].numpy(), np.asarray(stored.dataobj) / 255, atol=1e-6)
    assert [case.images[name].meta["unit"] for name in files] == ["arbitrary", "probability", "probability"]


def test_the_ecg_and_the_ct_are_those_of_pydicom():
    ecg = ipiu.open("sample:ecg-12").signals["ecg"]
    dataset = pydicom.dcmread(get_testdata_file("waveform_ecg.dcm", download=False))
    np.testing.assert_allclose(ecg.values * 1000, dataset.waveform_array(0).T, rtol=1e-9)
    ct = ipiu.open("sample:ct-slice").images["ct"]
    slice_ = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    stored = slice_.pixel_array * float(slice_.RescaleSlope) + float(slice_.RescaleIntercept)
    np.testing.assert_array_equal(ct[0, :, :, 0].numpy(), stored.T)


def test_pictures_equal_scikit_images_own_loaders():
    from skimage import data

    pairs = {
        "retina": data.retina,
        "ihc": data.immunohistochemistry,
        "microaneurysms": data.microaneurysms,
        "cell": data.cell,
    }
    for name, load in pairs.items():
        (image,) = ipiu.open(f"sample:{name}").images.values()
        values = np.moveaxis(image.numpy(), 0, -1)
        np.testing.assert_array_equal(values if values.shape[-1] == 3 else values[..., 0], load())
    (phantom,) = ipiu.open("sample:phantom").images.values()
    np.testing.assert_allclose(phantom[0].numpy() / 255, data.shepp_logan_phantom(), atol=1e-6)
    (cell,) = ipiu.open("sample:cell").images.values()
    assert cell.pixdim[0] == pytest.approx(0.000107)


@pytest.mark.parametrize("name", PUBLISHED)
def test_cohorts_have_the_people_and_events_that_are_published(name):
    cohort = ipiu.open(f"sample:{name}")
    table = cohort.table()
    assert (len(cohort), int(table.event.sum())) == PUBLISHED[name]
    assert table.index.tolist() == list(cohort.ids)
    last = cohort[-1]
    assert (last.outcome.time, last.outcome.event) == (table.time.iloc[-1], table.event.iloc[-1])
    assert set(last.labels) <= set(table.columns)


def test_whas500_is_in_days_and_its_labels_keep_their_types():
    case = ipiu.open("sample:whas500")[0]
    assert tuple(case.outcome) == (2178.0, False, "days")
    assert case.labels["age"] == 83
    assert case.labels["gender"] == 0
    assert isinstance(case.labels["gender"], int)


def test_a_unit_of_time_is_stated_only_where_a_source_states_it():
    assert ipiu.open("sample:bone-marrow")[0].outcome.unit == "unit not stated"


def test_competing_events_are_kept_apart():
    counts = ipiu.open("sample:bone-marrow").table()["first event"].value_counts().to_dict()
    assert counts == {"relapse": 15, "censored": 11, "transplant-related death": 9}


def test_gse7390_has_expression_by_probe():
    case = ipiu.open("sample:gse7390")[0]
    assert case.expression.shape == (76,)
    assert case.expression.index[0] == "200726_at"
    assert set(case.labels) == {"age", "size", "grade", "er"}


def test_missing_values_are_absent_and_not_made_up():
    cohort = ipiu.open("sample:flchain")
    table = cohort.table()
    missing = table.index[table.creatinine.isna()][0]
    assert "creatinine" not in cohort[missing].labels


def test_tables_of_scikit_learn_keep_their_target():
    fna = ipiu.open("sample:breast-fna").table().diagnosis.value_counts().to_dict()
    assert fna == {"benign": 357, "malignant": 212}
    assert ipiu.open("sample:diabetes")[0].labels["progression"] == 151


def test_no_identifier_of_a_file_reaches_a_case():
    dataset = pydicom.dcmread(get_testdata_file("waveform_ecg.dcm", download=False))
    case = ipiu.open("sample:ecg-12")
    shown = repr(case) + case._repr_html_() + repr(case.labels) + repr(case.notes)
    for keyword in ("PatientID", "PatientBirthDate", "AccessionNumber", "PatientName", "AdmissionID"):
        assert str(dataset.get(keyword)) not in shown


def test_a_missing_package_says_which_extra_brings_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sksurv", None)
    with pytest.raises(ImportError, match=r'sksurv is not installed; run: pip install "ipiu\[samples\]"'):
        ipiu.open("sample:whas500")
