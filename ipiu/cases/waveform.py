"""Sampled signals: DICOM waveforms, WFDB records and EDF files, voltages in mV."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.waveforms import multiplex_array

from ipiu.cases.case import Case, Signal, Source
from ipiu.cases.files import check_file, reason
from ipiu.cases.limits import check_claim
from ipiu.errors import IpiuError, require

if TYPE_CHECKING:
    from pydicom import Dataset

MILLIVOLT = {"V": 1e3, "mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "nV": 1e-6}
# lead numbers shared by SCP-ECG (EN 1064) and ISO/IEEE 11073-10102, which DICOM's lead codes end on
LEAD_NUMBERS = {1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"} | {n + 2: f"V{n}" for n in range(1, 7)}
LEAD_CODE = re.compile(r"(?:5\.6\.3-9-|2:)(\d+)")


class Channel(NamedTuple):
    """One lead before leads of equal rate and unit are put together."""

    lead: str
    values: np.ndarray
    rate: float
    unit: str


def read_dicom_waveform(dataset: Dataset, path: str | Path) -> dict[str, Signal]:
    """The waveforms of a DICOM object, one signal a multiplex group.

    Parameters
    ----------
    dataset
        a dataset with a Waveform Sequence
    path
        the file it comes from, for messages

    Returns
    -------
    dict of str to Signal
        values of shape (leads, samples): stored value times sensitivity and its correction factor, plus baseline, in mV
        where the unit is a voltage. Keys are the modality in small letters, the recording as acquired before what was
        derived from it and the longest first: ``"ecg"`` (the rhythm), ``"ecg-2"`` (the median beat).

    Raises
    ------
    IpiuError
        Where a group is torn, states no rate or claims more than the memory limit.

    Examples
    --------
    >>> import pydicom
    >>> from pydicom.data import get_testdata_file
    >>> from ipiu.cases.waveform import read_dicom_waveform
    >>> read_dicom_waveform(pydicom.dcmread(get_testdata_file("waveform_ecg.dcm")), "waveform_ecg.dcm")["ecg"]
    Signal(12 leads, 10.0 s at 1000 Hz, mV)
    """
    items = list(dataset.get("WaveformSequence") or [])
    if not items:
        msg = f"{path}: has no waveform; open the file that holds the recording"
        raise IpiuError(msg)
    groups = [(item, _dicom_channels(dataset, index, path)) for index, item in enumerate(items)]
    groups.sort(key=lambda group: (group[0].get("WaveformOriginality") != "ORIGINAL", -_seconds(group[1])))
    word = str(dataset.get("Modality") or "").lower()
    base = word if re.fullmatch(r"[a-z]{2,16}", word) else "signal"
    return _signals([channels for _, channels in groups], base)


def read_wfdb(path: str | Path) -> list[Case]:
    """Read one WFDB record (PhysioNet's format) from its header file.

    Comments in the header are left out, as they can name the patient.

    Parameters
    ----------
    path
        the .hea file, or the .dat file beside it

    Returns
    -------
    list of Case
        one case; ``signals`` holds one :class:`~ipiu.cases.case.Signal` for each sampling rate and unit

    Raises
    ------
    IpiuError
        Where the header is damaged or points outside its folder, or the samples are cut off or fail their checksum.

    References
    ----------
    Goldberger et al. 2000, https://doi.org/10.1161/01.CIR.101.23.e215
    """
    path = Path(path).with_suffix(".hea")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb 4.3 uses pandas in ways pandas 3 warns about
        wfdb = require("wfdb", extra="signals")
        comments = _check_wfdb_header(path, wfdb)
        try:
            record = wfdb.rdrecord(str(path.with_suffix("")), physical=False, smooth_frames=False)
            if getattr(record, "checksum", None) and record.checksum != record.calc_checksum(expanded=True):
                msg = f"{path}: the samples fail the checksum of the header; copy the record again"
                raise IpiuError(msg)
            values = record.dac(expanded=True)
        except IpiuError:
            raise
        except Exception as error:  # wfdb raises whatever torn sample files make numpy raise
            msg = f"{path}: its samples cannot be read ({reason(error)}); the record is torn, copy it again"
            raise IpiuError(msg) from error
    rates = [record.fs * (n or 1) for n in record.samps_per_frame]
    channels = [
        Channel(str(lead), np.asarray(samples), float(rate), str(unit))
        for lead, samples, rate, unit in zip(record.sig_name, values, rates, record.units, strict=True)
    ]
    notes = [f"{comments} comment lines of the header were left out"] if comments else []
    return [_case(path, channels, notes)]


def read_edf(path: str | Path) -> list[Case]:
    """Read one EDF, EDF+ or BDF file.

    Who was recorded, when and where, and the text of annotations are left out, as they can name the patient.

    Parameters
    ----------
    path
        the .edf or .bdf file

    Returns
    -------
    list of Case
        one case; ``signals`` holds one :class:`~ipiu.cases.case.Signal` for each sampling rate and unit

    Raises
    ------
    IpiuError
        Where the header is damaged or claims more than the file has, a rate is missing, or the recording has gaps.

    References
    ----------
    Kemp and Olivan 2003, https://doi.org/10.1016/S1388-2457(03)00123-8
    """
    path = check_file(path)
    edfio = require("edfio", extra="signals")
    check_claim(path.stat().st_size * 4, path)
    with path.open("rb") as stream:
        head = stream.read(256)
    if head[192:197] in {b"EDF+D", b"BDF+D"}:
        msg = f"{path}: the recording is discontinuous (EDF+D), and gaps cannot be shown; export it as EDF+C"
        raise IpiuError(msg)
    if head[236:244].strip() == b"0" or not _positive(head[244:252]):
        shown = head[244:252].decode("ascii", "replace").strip()
        msg = f"{path}: has no data records, or records of {shown!r} s; the recording is empty or its header damaged"
        raise IpiuError(msg)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            edf = (edfio.read_bdf if head[:1] == b"\xff" else edfio.read_edf)(path)
        torn = [str(w.message) for w in said if "record" in str(w.message) and "=-1" not in str(w.message)]
        _check_edf_ranges(edf.signals, path)
        channels = [
            Channel(s.label, np.asarray(s.data, dtype=float), float(s.sampling_frequency), s.physical_dimension)
            for s in edf.signals
        ]
        annotations = len(edf.annotations)
    except IpiuError:
        raise
    except Exception as error:  # edfio raises whatever a damaged header makes Python raise
        msg = f"{path}: cannot be read as EDF ({type(error).__name__}); copy it again from its source"
        raise IpiuError(msg) from None  # what Python says may quote the patient
    if torn:
        msg = f"{path}: is cut off or its header is wrong ({torn[0].split('. ')[0]}); copy it again"
        raise IpiuError(msg)
    notes = [f"{annotations} annotations were left out"] if annotations else []
    return [_case(path, channels, notes)]


def _check_edf_ranges(signals, path: Path) -> None:
    """Refuse a signal whose stored numbers cannot be turned into its unit; edfio would hand them over as they are."""
    for number, signal in enumerate(signals, start=1):
        for what in ("physical_range", "digital_range"):
            try:
                low, high = getattr(signal, what)
            except ValueError:  # text, which may name the patient
                low = high = math.nan
            if not (math.isfinite(low) and math.isfinite(high) and low != high):
                stated = f"{what.replace('_', ' ')} {low:g} to {high:g}"
                msg = f"{path}: signal {number} has the {stated}; its unit cannot be reached, correct its header"
                raise IpiuError(msg)


def _dicom_channels(dataset: Dataset, index: int, path: str | Path) -> list[Channel]:
    """The leads of one multiplex group."""
    item = dataset.WaveformSequence[index]
    try:
        rate = float(item.get("SamplingFrequency") or 0)
        if not 0 < rate < math.inf:
            msg = f"{path}: waveform group {index + 1} has a rate of {rate:g} Hz; it must be above 0"
            raise IpiuError(msg)
        count = int(item.NumberOfWaveformChannels) * int(item.NumberOfWaveformSamples)
        check_claim(count * 8, path)
        needed = count * int(item.WaveformBitsAllocated) // 8
        if not 0 < needed <= len(item.WaveformData):
            msg = (
                f"{path}: waveform group {index + 1} claims {needed} bytes of samples and has "
                f"{len(item.WaveformData)}; the file is torn, copy it again"
            )
            raise IpiuError(msg)
        values = dataset.waveform_array(index).T
        definitions = list(item.ChannelDefinitionSequence)
        if len(definitions) != len(values):
            msg = (
                f"{path}: waveform group {index + 1} describes {len(definitions)} of its {len(values)} channels; "
                "correct its Channel Definition Sequence"
            )
            raise IpiuError(msg)
        _blank_padding(dataset, index, values)
        return [
            Channel(_lead(channel, n), row, rate, _dicom_unit(channel))
            for n, (channel, row) in enumerate(zip(definitions, values, strict=True), start=1)
        ]
    except IpiuError:
        raise
    except Exception as error:  # missing or malformed elements surface as many types
        msg = f"{path}: waveform group {index + 1} cannot be read ({reason(error)}); correct or export it again"
        raise IpiuError(msg) from error


def _blank_padding(dataset: Dataset, index: int, values: np.ndarray) -> None:
    """Put NaN where the stored value is the group's padding value."""
    padding = dataset.WaveformSequence[index].get("WaveformPaddingValue")
    if padding is not None:
        stored = multiplex_array(dataset, index, as_raw=True).T
        values[stored == np.frombuffer(padding, dtype=stored.dtype, count=1)[0]] = np.nan


def _dicom_unit(channel: Dataset) -> str:
    """The UCUM code of a channel's unit."""
    units = channel.get("ChannelSensitivityUnitsSequence")
    if "ChannelSensitivity" not in channel or not units:
        return "stored value"
    return str(units[0].get("CodeValue") or "not stated")


def _lead(channel: Dataset, number: int) -> str:
    """The usual name of a lead: by its code, else by what the code means, else by its number."""
    sources = channel.get("ChannelSourceSequence")
    source = sources[0] if sources else {}
    code = LEAD_CODE.fullmatch(str(source.get("CodeValue") or ""))
    if code and int(code[1]) in LEAD_NUMBERS:
        return LEAD_NUMBERS[int(code[1])]
    meaning = str(source.get("CodeMeaning") or channel.get("ChannelLabel") or "").strip()
    return re.sub(r"^Lead\s+", "", meaning)[:40] or f"channel {number}"


def _check_wfdb_header(path: Path, wfdb) -> int:
    """Refuse a header that names files elsewhere, has no rate or claims too much; count its comment lines."""
    if not path.is_file():
        msg = f"{path}: the header of the record is not there; put the .hea file beside the .dat file"
        raise IpiuError(msg)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    fields = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for name in (words[0] for words in fields[1:]):
        if Path(name).name != name or "\\" in name or ":" in name:
            msg = f"{path}: names the file {name[:80]!r}, which is not in its folder; put the record's files together"
            raise IpiuError(msg)
    try:
        header = wfdb.rdheader(str(path.with_suffix("")))
        rate, samples, leads = float(header.fs or 0), int(header.sig_len or 0), int(header.n_sig or 0)
    except Exception as error:  # wfdb raises its own and Python's errors alike
        msg = f"{path}: is not a WFDB header ({reason(error)}); copy it again from its source"
        raise IpiuError(msg) from error
    if leads < 1 or not 0 < rate < math.inf:
        msg = f"{path}: states {leads} signals at {rate:g} Hz; a record needs at least one, at a rate above 0"
        raise IpiuError(msg)
    frames = max((n or 1 for n in getattr(header, "samps_per_frame", None) or [1]), default=1)
    check_claim(samples * leads * frames * 8, path)
    return sum(line.lstrip().startswith("#") for line in lines)


def _case(path: Path, channels: list[Channel], notes: list[str]) -> Case:
    """One recording of one patient."""
    if not channels:
        msg = f"{path}: holds annotations and no signal; open the file with the recording"
        raise IpiuError(msg)
    bad = next((c for c in channels if not 0 < c.rate < math.inf), None)
    if bad is not None:
        msg = f"{path}: the lead {bad.lead!r} has a rate of {bad.rate:g} Hz; it must be above 0"
        raise IpiuError(msg)
    signals = _signals([channels], _base(channels))
    return Case(path.stem, signals=signals, source=Source("own file", path.name), notes=notes)


def _base(channels: Iterable[Channel]) -> str:
    """What a recording is called, by the names of its leads."""
    leads = [channel.lead.upper() for channel in channels]
    if any(re.search(r"\b(ECG|EKG)\b", lead) for lead in leads) or {"I", "II"} & set(leads) or "MLII" in leads:
        return "ecg"
    return "eeg" if any(lead.startswith("EEG") for lead in leads) else "signal"


def _signals(groups: list[list[Channel]], base: str) -> dict[str, Signal]:
    """One signal for each group and, within it, each rate and unit; ``base``, ``base-2``, ... in order."""
    found = []
    for channels in groups:
        kinds: dict[tuple, list[Channel]] = {}
        for channel in map(_in_millivolt, channels):
            kinds.setdefault((channel.rate, channel.unit, len(channel.values)), []).append(channel)
        for (rate, unit, _), same in kinds.items():
            values = np.stack([channel.values for channel in same])
            found.append(Signal(values, rate, tuple(channel.lead for channel in same), unit))
    return {base if n == 1 else f"{base}-{n}": signal for n, signal in enumerate(found, start=1)}


def _in_millivolt(channel: Channel) -> Channel:
    """The channel in mV where its unit is a voltage, else as it is."""
    unit = channel.unit.strip()
    if unit not in MILLIVOLT:
        return channel._replace(unit=unit or "not stated")
    return channel._replace(values=channel.values * MILLIVOLT[unit], unit="mV")


def _seconds(channels: list[Channel]) -> float:
    """Length of a group in seconds."""
    return len(channels[0].values) / channels[0].rate


def _positive(field: bytes) -> bool:
    """Whether an ASCII field of a header is a number above 0."""
    try:
        return 0 < float(field) < math.inf
    except ValueError:
        return False
