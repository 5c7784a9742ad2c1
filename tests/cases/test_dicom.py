"""Files, folders, DICOMDIRs and zips as cases; pydicom's own files; patient identifiers; notes on what was skipped."""

import logging
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import dataset, example_voxels, save, write_series
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from ipiu.cases.dicom import read_dicom
from ipiu.errors import IpiuError

DATA = Path(pydicom.__file__).parent / "data"
SHIPPED = sorted(
    str(path.relative_to(DATA))
    for folder in ("test_files", "charset_files", "palettes")
    for path in (DATA / folder).rglob("*")
    if path.is_file()
)
# what these files show is known, so that a reader that refused everything would fail
OPENED = {
    "test_files/CT_small.dcm": ("ct", (1, 128, 128, 1), "HU"),
    "test_files/MR_small_RLE.dcm": ("mr", (1, 64, 64, 1), "arbitrary"),
    "test_files/693_J2KI.dcm": ("ct", (1, 512, 512, 1), "HU"),
    "test_files/JPEGLSNearLossless_16.dcm": ("image", (1, 50, 10), "stored value"),
    "test_files/SC_rgb_jpeg_gdcm.dcm": ("ot", (3, 100, 100), "RGB"),
    "test_files/examples_palette.dcm": ("us", (3, 350, 800), "RGB"),
    "test_files/examples_ybr_color.dcm": ("us", (3, 240, 320, 30), "RGB"),
    "test_files/image_dfl.dcm": ("ot", (1, 512, 512), "stored value"),
    "test_files/rtdose_rle.dcm": ("rtdose", (1, 10, 10, 15), "relative dose"),
}
# the remaining files hold no image, or are damaged on purpose
REFUSED = {
    "test_files/MR_truncated.dcm": "truncated pixel data, the header claims 8192 bytes and the file holds 8130",
    "test_files/badVR.dcm": "its NumberOfFrames is 1A, not a whole number",
    "test_files/JPEG2000-embedded-sequence-delimiter.dcm": "the compressed picture has 1024 x 3722445056",
    "test_files/JPGExtended.dcm": "its pixels cannot be decoded",
    "test_files/liver_1frame.dcm": "its header claims 1 frames but describes 3",
    "test_files/meta_missing_tsyntax.dcm": "it states no BitsAllocated",
    "test_files/no_meta.dcm": "not a DICOM file",
    "test_files/rtplan_truncated.dcm": "1 RTPLAN object without pixels",
    "test_files/zipMR.gz": "not a DICOM file",
    "test_files/dicomdirtests/DICOMDIR": "161 slices are missing",
    "test_files/dicomdirtests/TINY_ALPHA/DICOMDIR": "50 CT objects without pixels",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_file_pydicom_ships_opens_or_is_refused_in_one_sentence(name):
    try:
        cases = read_dicom(DATA / name)
    except IpiuError as error:
        message = str(error)
        assert name not in OPENED
        assert REFUSED.get(name, "") in message
        assert Path(name).name in message or "dicomdirtests" in message
        assert "\n" not in message
        return
    assert name not in REFUSED
    for case in cases:
        assert case.images or case.signals
        for image in case.images.values():
            assert np.isfinite(image.numpy()).all()
    if name in OPENED:
        word, shape, unit = OPENED[name]
        assert tuple(cases[0].images[word].shape) == shape
        assert cases[0].images[word].meta["unit"] == unit


def test_the_folder_of_a_patient_gives_one_image_a_series_and_orientation():
    (case,) = read_dicom(DATA / "test_files/dicomdirtests/98892001")
    assert {name: tuple(image.shape) for name, image in case.images.items()} == {
        "ct": (1, 16, 16, 1),
        "ct-2": (1, 16, 16, 1),
        "ct-3": (1, 16, 16, 5),
    }
    np.testing.assert_allclose(case.images["ct-3"].pixdim, [0.488281, 0.488281, 2.5], rtol=1e-6)


def test_patients_are_told_apart_and_get_pseudonyms(tmp_path):
    write_series(tmp_path / "a", PatientID="SECRET-1")
    write_series(tmp_path / "b", PatientID="SECRET-2", voxels=example_voxels((3, 4, 5)))
    first, second = read_dicom(tmp_path)
    assert (first.id, second.id) == ("dicom-1", "dicom-2")
    assert first.images["ct"].shape == (1, 6, 7, 5)
    assert second.images["ct"].shape == (1, 5, 4, 3)


def test_patients_of_one_number_but_two_names_are_not_mixed(tmp_path):
    for name in ("Ann", "Bob"):
        write_series(tmp_path / name, PatientID="0", PatientName=name)
    assert [case.id for case in read_dicom(tmp_path)] == ["dicom-1", "dicom-2"]


SCRIPT = "<script>alert(1)</script>^EVIL"
HIDDEN = ("script", "evil", "secret", "19991231")


def everything_said_of(case):
    images = [f"{key} {value}" for image in case.images.values() for key, value in image.meta.items()]
    texts = [repr(case), case._repr_html_(), *case.notes, *images, repr(case.images), str(case.source)]
    return "\n".join(texts).casefold()


def test_patient_identifiers_do_not_leave_the_file(tmp_path):
    elements = {"PatientName": SCRIPT, "PatientID": "SECRET-1", "PatientBirthDate": "19991231"}
    write_series(tmp_path / "SECRET-1", SeriesDescription="head of Evil, SECRET-1", **elements)
    for path in (tmp_path, tmp_path / "SECRET-1", tmp_path / "SECRET-1" / "slice0000.dcm"):
        (case,) = read_dicom(path)
        said = everything_said_of(case)
        assert not [word for word in HIDDEN if word in said]


@pytest.mark.parametrize(
    ("keyword", "text"),
    [("PixelSpacing", "0\\0"), ("Rows", None), ("RescaleSlope", "0"), ("NumberOfFrames", "9"), ("SliceThickness", "x")],
)
def test_refusals_do_not_name_the_patient(tmp_path, keyword, text):
    elements = {"PatientName": SCRIPT, "PatientID": "SECRET-1", "PatientBirthDate": "19991231"}
    _, (path,) = write_series(tmp_path, shape=(1, 3, 3), **elements)
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path)
        if text is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, 0)
            ds[keyword]._value = text
        ds.save_as(path)
    with pytest.raises(IpiuError, match=r"slice0000.dcm") as caught:
        read_dicom(path)
    assert not [word for word in HIDDEN if word in str(caught.value).replace("script>", "").casefold()]


def test_a_description_without_identifiers_is_kept_as_text(tmp_path):
    write_series(tmp_path, SeriesDescription="Thorax <b>1.0</b> B30f")
    (case,) = read_dicom(tmp_path)
    assert case.images["ct"].meta["name"] == "Thorax <b>1.0</b> B30f"


def test_files_that_are_not_dicom_and_objects_without_pixels_are_counted(tmp_path):
    write_series(tmp_path)
    for k in range(3):
        (tmp_path / f"readme{k}.txt").write_text("not DICOM")
    (tmp_path / "empty").touch()
    save(dataset("RTSTRUCT"), tmp_path / "structures.dcm")
    (case,) = read_dicom(tmp_path)
    assert "4 files that are not DICOM skipped" in case.notes
    assert "1 RTSTRUCT object without pixels skipped" in case.notes


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(IpiuError, match=r"nothing in it is DICOM \(1 file that is not DICOM skipped\)"):
        read_dicom(tmp_path)


def test_a_folder_without_images_is_refused_with_what_it_holds(tmp_path):
    save(dataset("RTSTRUCT"), tmp_path / "structures.dcm")
    with pytest.raises(IpiuError, match=r"no images or waveforms in it \(1 RTSTRUCT object"):
        read_dicom(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(IpiuError, match="there is no such file or folder"):
        read_dicom(tmp_path / "gone")


def test_pydicom_warnings_become_a_note_and_reach_no_log(caplog):
    path = get_testdata_file("SC_rgb_jpeg.dcm", download=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (case,) = read_dicom(path)
    assert case.notes == ["1 warning while reading: parts of the files break DICOM's rules"]
    assert not caplog.records
    assert logging.getLogger("pydicom").propagate is True


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.1\0" + b"\x08\x00")
    with pytest.raises(IpiuError, match=r"a\.dcm"):
        read_dicom(path)


def test_links_out_of_the_folder_are_left_aside(tmp_path):
    write_series(tmp_path / "elsewhere", PatientID="other")
    write_series(tmp_path / "here")
    (tmp_path / "here" / "link.dcm").symlink_to(tmp_path / "elsewhere" / "slice0000.dcm")
    (case,) = read_dicom(tmp_path / "here")
    assert "1 symbolic link out of the folder skipped" in case.notes


def test_a_waveform_becomes_a_signal():
    (case,) = read_dicom(get_testdata_file("waveform_ecg.dcm", download=False))
    assert not case.images
    assert len(next(iter(case.signals.values())).leads) == 12


def test_a_zip_reads_as_its_folder_does_and_leaves_nothing(tmp_path, monkeypatch):
    write_series(tmp_path / "in", names=["d", "a", "sub/e", "c", "b"])
    (tmp_path / "in" / "note.txt").write_text("x")
    pack(tmp_path / "ct.zip", {p.relative_to(tmp_path / "in"): p for p in (tmp_path / "in").rglob("*") if p.is_file()})
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    (zipped,), (plain,) = read_dicom(tmp_path / "ct.zip"), read_dicom(tmp_path / "in")
    assert sorted(tmp_path.rglob("*")) == before
    np.testing.assert_array_equal(zipped.images["ct"].numpy(), plain.images["ct"].numpy())
    np.testing.assert_array_equal(zipped.images["ct"].affine, plain.images["ct"].affine)
    assert zipped.notes == plain.notes == ["1 file that is not DICOM skipped"]


def test_a_zip_of_compressed_and_deflated_files_is_read(tmp_path):
    names = ("693_J2KI.dcm", "MR_small_RLE.dcm", "image_dfl.dcm")
    pack(tmp_path / "some.zip", {name: DATA / "test_files" / name for name in names})
    assert sorted(word for case in read_dicom(tmp_path / "some.zip") for word in case.images) == ["ct", "mr", "ot"]


def test_a_refusal_inside_a_zip_names_the_zip_and_the_member(tmp_path):
    pack(tmp_path / "bad.zip", {"a/MR.dcm": DATA / "test_files/MR_truncated.dcm"})
    with pytest.raises(IpiuError, match=r"bad.zip:a/MR.dcm: truncated pixel data"):
        read_dicom(tmp_path / "bad.zip")


def test_a_zip_with_a_damaged_member_is_refused(tmp_path):
    write_series(tmp_path / "in", shape=(1, 64, 64))
    path = tmp_path / "ct.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.write(tmp_path / "in" / "slice0000.dcm", "a.dcm")
    data = bytearray(path.read_bytes())
    data[-2000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(IpiuError, match=r"ct.zip:a.dcm: its pixels cannot be decoded"):
        read_dicom(path)


def test_a_dicomdir_reads_the_files_it_names(tmp_path):
    voxels, _ = write_series(tmp_path / "IMG", names=[f"I{k}" for k in range(5)])
    write_series(tmp_path / "OTHER", SeriesInstanceUID="1.9")
    (case,) = read_dicom(write_dicomdir(tmp_path / "DICOMDIR", [["IMG", f"I{k}"] for k in range(5)]))
    np.testing.assert_array_equal(case.images["ct"].numpy()[0], voxels.transpose(2, 1, 0) - 1024.0)
    assert list(case.images) == ["ct"]


@pytest.mark.parametrize("entry", [["..", "a.dcm"], ["/etc", "passwd"], ["sub/../..", "a.dcm"], ["C:", "a.dcm"], ["."]])
def test_a_dicomdir_entry_outside_the_folder_is_refused(tmp_path, entry):
    write_series(tmp_path)
    directory = write_dicomdir(tmp_path / "set" / "DICOMDIR", [entry])
    with pytest.raises(IpiuError, match=r"DICOMDIR: its entry '.*' points outside the folder"):
        read_dicom(directory)


def test_a_dicomdir_entry_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    _, (path,) = write_series(tmp_path / "elsewhere", shape=(1, 3, 3))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "IMG").symlink_to(path)
    with pytest.raises(IpiuError, match=r"its entry 'IMG' points outside the folder or is a link"):
        read_dicom(write_dicomdir(tmp_path / "set" / "DICOMDIR", ["IMG"]))


def test_a_dicomdir_entry_that_is_missing_is_refused(tmp_path):
    with pytest.raises(IpiuError, match=r"it names the file IMG/I9, which is not there"):
        read_dicom(write_dicomdir(tmp_path / "DICOMDIR", [["IMG", "I9"]]))


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source in members.items():
            archive.write(source, str(name))


def write_dicomdir(path, entries):
    ds, items = Dataset(), []
    for entry in entries:
        item = Dataset()
        item.DirectoryRecordType = "IMAGE"
        item.add(DataElement("ReferencedFileID", "CS", entry, validation_mode=pydicom.config.IGNORE))
        items.append(item)
    ds.DirectoryRecordSequence = Sequence(items)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    path.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("torn", [0, 2, 4])
def test_a_slice_torn_inside_its_header_is_named_and_not_left_out(tmp_path, torn):
    _, paths = write_series(tmp_path)
    content = paths[torn].read_bytes()
    paths[torn].write_bytes(content[: content.index(b"\x28\x00\x10\x00")])
    with pytest.raises(IpiuError, match=rf"{paths[torn].name}: is an image without pixels \(1 such\)"):
        read_dicom(tmp_path)
