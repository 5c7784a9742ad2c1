import struct
import warnings

import edfio
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from ipiu.cases.waveform import read_dicom_waveform, read_edf, read_wfdb
from ipiu.errors import IpiuError

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # wfdb uses pandas in ways pandas 3 warns about
    import wfdb


def ecg():
    return pydicom.dcmread(get_testdata_file("waveform_ecg.dcm", download=False))


def test_the_rhythm_comes_first_with_the_usual_lead_names():
    signals = read_dicom_waveform(ecg(), "ecg.dcm")
    assert list(signals) == ["ecg", "ecg-2"]
    assert signals["ecg"].leads == TWELVE
    assert (signals["ecg"].rate, signals["ecg"].seconds, signals["ecg"].unit) == (1000, 10.0, "mV")
    assert signals["ecg-2"].seconds == 1.2


def test_the_recording_comes_before_what_was_derived_from_it_in_any_order_of_the_file():
    dataset = ecg()
    dataset.WaveformSequence = dataset.WaveformSequence[::-1]
    assert [signal.seconds for signal in read_dicom_waveform(dataset, "ecg.dcm").values()] == [10.0, 1.2]


def test_values_are_samples_times_sensitivity_in_mv():
    item = ecg().WaveformSequence[0]
    count, leads = item.NumberOfWaveformSamples, item.NumberOfWaveformChannels
    raw = np.array(struct.unpack(f"<{count * leads}h", item.WaveformData)).reshape(count, leads).T
    microvolt = raw * 1.25  # the sensitivity printed in the file, in uV
    np.testing.assert_allclose(read_dicom_waveform(ecg(), "ecg.dcm")["ecg"].values, microvolt / 1000, rtol=1e-12)


def test_limb_leads_obey_einthoven():
    values = read_dicom_waveform(ecg(), "ecg.dcm")["ecg"].values
    np.testing.assert_allclose(values[0] + values[2], values[1], atol=0.006)


def test_baseline_and_correction_are_applied_and_padding_blanked():
    dataset = ecg()
    item = dataset.WaveformSequence[0]
    channel = item.ChannelDefinitionSequence[0]
    channel.ChannelSensitivityCorrectionFactor = 2
    channel.ChannelBaseline = 100
    raw = np.frombuffer(item.WaveformData, "<i2").reshape(-1, 12).T
    item.WaveformPaddingValue = struct.pack("<h", int(raw[0, 0]))
    values = read_dicom_waveform(dataset, "ecg.dcm")["ecg"].values
    expected = np.where(raw[0] == raw[0, 0], np.nan, (raw[0] * 2.5 + 100) / 1000)
    np.testing.assert_allclose(values[0], expected, rtol=1e-12)


def test_another_unit_is_kept_and_told_apart():
    dataset = ecg()
    definitions = dataset.WaveformSequence[0].ChannelDefinitionSequence
    definitions[11].ChannelSensitivityUnitsSequence[0].CodeValue = "mm[Hg]"
    definitions[11].ChannelSourceSequence[0].CodeValue = "unknown"
    definitions[11].ChannelSourceSequence[0].CodeMeaning = "Arterial pressure"
    signals = read_dicom_waveform(dataset, "ecg.dcm")
    assert signals["ecg"].leads == TWELVE[:11]
    assert (signals["ecg-2"].leads, signals["ecg-2"].unit) == (("Arterial pressure",), "mm[Hg]")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: setattr(item, "WaveformData", item.WaveformData[:-100]), r"claims 240000 bytes .* has 239900"),
        (lambda item: setattr(item, "SamplingFrequency", 0), "rate of 0 Hz"),
        (lambda item: item.__delattr__("SamplingFrequency"), "rate of 0 Hz"),
        (lambda item: setattr(item, "NumberOfWaveformSamples", 2**32 - 1), "above the limit"),
        (lambda item: setattr(item, "ChannelDefinitionSequence", []), "describes 0 of its 12 channels"),
        (lambda item: setattr(item, "WaveformSampleInterpretation", "MB"), "cannot be read"),
        (lambda item: item.__delattr__("WaveformData"), "cannot be read"),
    ],
)
def test_damaged_groups_get_one_sentence(change, message):
    dataset = ecg()
    change(dataset.WaveformSequence[0])
    with pytest.raises(IpiuError, match=f"scan.dcm: .*{message}"):
        read_dicom_waveform(dataset, "scan.dcm")


def test_a_dataset_without_waveform_gets_one_sentence():
    with pytest.raises(IpiuError, match=r"a\.dcm: has no waveform"):
        read_dicom_waveform(pydicom.Dataset(), "a.dcm")


def write_wfdb(folder, name="a", **options):
    time = np.arange(1000) / 250
    values = np.c_[np.sin(time), np.cos(time) * 500, time]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wfdb.wrsamp(
            name,
            fs=250,
            units=["mV", "uV", "mmHg"],
            sig_name=["I", "II", "ABP"],
            p_signal=values,
            fmt=["16", "16", "16"],
            write_dir=str(folder),
            **options,
        )
    return folder / f"{name}.hea", values


@pytest.mark.parametrize("suffix", [".hea", ".dat"])
def test_a_wfdb_record_equals_what_wfdb_wrote(tmp_path, suffix):
    header, values = write_wfdb(tmp_path, comments=["name: Jane Doe"])
    (case,) = read_wfdb(header.with_suffix(suffix))
    assert (case.signals["ecg"].leads, case.signals["ecg"].unit, case.signals["ecg"].rate) == (("I", "II"), "mV", 250)
    np.testing.assert_allclose(case.signals["ecg"].values, [values[:, 0], values[:, 1] / 1000], atol=3e-5)
    assert (case.signals["ecg-2"].leads, case.signals["ecg-2"].unit) == (("ABP",), "mmHg")
    assert case.notes == ["1 comment lines of the header were left out"]
    assert "Jane" not in repr(case) + case._repr_html_()


def test_a_wfdb_record_whose_samples_are_cut_off_is_refused(tmp_path):
    header, _ = write_wfdb(tmp_path)
    data = (tmp_path / "a.dat").read_bytes()
    (tmp_path / "a.dat").write_bytes(data[:-101])
    with pytest.raises(IpiuError, match=r"a\.hea: its samples cannot be read .*the record is torn"):
        read_wfdb(header)


def test_a_wfdb_record_with_changed_samples_fails_its_checksum(tmp_path):
    header, _ = write_wfdb(tmp_path)
    data = bytearray((tmp_path / "a.dat").read_bytes())
    data[500] ^= 1
    (tmp_path / "a.dat").write_bytes(data)
    with pytest.raises(IpiuError, match=r"a\.hea: the samples fail the checksum"):
        read_wfdb(header)


@pytest.mark.parametrize("name", ["../other.dat", "/etc/passwd", "..\\other.dat", "s3://bucket/other.dat"])
def test_a_wfdb_header_that_points_elsewhere_is_refused(tmp_path, name):
    header, _ = write_wfdb(tmp_path)
    header.write_text(header.read_text().replace("a.dat", name))
    with pytest.raises(IpiuError, match=r"a\.hea: names the file .* which is not in its folder"):
        read_wfdb(header)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(" 250 ", " 0 "), "3 signals at 0 Hz"),
        (lambda text: text.replace(" 1000\n", " 99999999999\n", 1), "above the limit"),
        (lambda _: "", "is not a WFDB header"),
        (lambda _: "\0\1\2", "is not a WFDB header"),
        (lambda _: "a 0 250 1000\n", "states 0 signals"),
    ],
)
def test_damaged_wfdb_headers_get_one_sentence(tmp_path, change, message):
    header, _ = write_wfdb(tmp_path)
    header.write_text(change(header.read_text()))
    with pytest.raises(IpiuError, match=rf"a\.hea: .*{message}"):
        read_wfdb(header)


def test_a_wfdb_record_without_header_is_refused(tmp_path):
    write_wfdb(tmp_path)
    (tmp_path / "a.hea").unlink()
    with pytest.raises(IpiuError, match=r"put the \.hea file beside the \.dat file"):
        read_wfdb(tmp_path / "a.dat")


def write_edf(path, bdf=False):
    edf, signal = (edfio.Bdf, edfio.BdfSignal) if bdf else (edfio.Edf, edfio.EdfSignal)
    rng = np.random.default_rng(0)
    ecg, resp = rng.normal(size=2560) * 300, rng.normal(size=100)
    signals = [
        signal(ecg, 256, label="ECG I", physical_dimension="uV", physical_range=(-2000, 2000)),
        signal(resp, 10, label="Resp", physical_dimension="l", physical_range=(-10, 10)),
    ]
    patient = edfio.Patient(name="Jane_Doe", code="MRN4711")
    edf(signals, patient=patient, annotations=[edfio.EdfAnnotation(1, None, "Jane wakes")]).write(path)
    return ecg, resp


@pytest.mark.parametrize("bdf", [False, True])
def test_an_edf_file_gives_one_signal_a_rate(tmp_path, bdf):
    path = tmp_path / ("a.bdf" if bdf else "a.edf")
    ecg_values, resp = write_edf(path, bdf)
    (case,) = read_edf(path)
    first, second = case.signals["ecg"], case.signals["ecg-2"]
    assert (first.leads, first.rate, first.unit) == (("ECG I",), 256, "mV")
    assert (second.leads, second.rate, second.unit) == (("Resp",), 10, "l")
    np.testing.assert_allclose(first.values[0], ecg_values / 1000, atol=1e-4)
    np.testing.assert_allclose(second.values[0], resp, atol=1e-3)
    assert case.notes == ["1 annotations were left out"]
    shown = repr(case) + case._repr_html_() + repr(case.notes)
    assert "Jane" not in shown
    assert "4711" not in shown


def edit(path, at, data):
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (236, b"99999999", "is cut off or its header is wrong"),
        (236, b"0       ", "has no data records"),
        (244, b"0       ", "records of '0' s"),
        (244, b"-1      ", "records of '-1' s"),
        (244, b"nan     ", "records of 'nan' s"),
        (192, b"EDF+D", "discontinuous"),
        (252, b"9999", "cannot be read as EDF"),
        (252, b"abcd", "cannot be read as EDF"),
    ],
)
def test_damaged_edf_headers_get_one_sentence(tmp_path, at, data, message):
    write_edf(tmp_path / "a.edf")
    edit(tmp_path / "a.edf", at, data)
    with pytest.raises(IpiuError, match=rf"a\.edf: .*{message}"):
        read_edf(tmp_path / "a.edf")


@pytest.mark.parametrize("minimum", [b"2000    ", b"Jane Doe", b"nan     "])
def test_an_edf_signal_that_cannot_be_calibrated_is_refused(tmp_path, minimum):
    write_edf(tmp_path / "a.edf")
    signals = int((tmp_path / "a.edf").read_bytes()[252:256])
    edit(tmp_path / "a.edf", 256 + signals * (16 + 80 + 8), minimum)
    with pytest.raises(IpiuError, match=r"a\.edf: signal 1 has the physical range") as caught:
        read_edf(tmp_path / "a.edf")
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("keep", [-700, -1, 300, 100])
def test_a_truncated_edf_file_is_refused(tmp_path, keep):
    write_edf(tmp_path / "a.edf")
    (tmp_path / "a.edf").write_bytes((tmp_path / "a.edf").read_bytes()[:keep])
    with pytest.raises(IpiuError, match=r"a\.edf: "):
        read_edf(tmp_path / "a.edf")
