"""Signals of a case as WFDB records."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ipiu.cases.case import Signal
from ipiu.cases.images_on_disk import inside
from ipiu.cases.waveform import read_wfdb
from ipiu.errors import IpiuError, require

# WFDB stores whole numbers: steps a unit. 200 a mV (5 microvolts) is what electrocardiographs record.
_STEPS = {"mV": 200.0, "V": 200_000.0}
_DEFAULT_STEPS = 10_000.0
_MOST = 2**31 - 2  # of 32 bits; the lowest number stands for a sample that is missing


def write_signal(signal: Signal, folder: Path, stem: str) -> dict[str, Any]:
    """Write a signal as a WFDB record of 16 bits, or 32 where they do not suffice; values round to its steps.

    Steps are larger where 32 bits would not suffice, and NaN is a missing sample.

    Raises
    ------
    IpiuError
        Where a value is infinite.
    """
    values = signal.values.T.astype(np.float64)
    missing = np.isnan(values)
    peak = np.abs(values[~missing]).max(initial=0)
    if np.isinf(peak):
        msg = f"signal {stem!r} has an infinite value, which WFDB cannot hold; give NaN where a sample is missing"
        raise IpiuError(msg)
    steps = _STEPS.get(signal.unit, _DEFAULT_STEPS)
    while peak * steps > _MOST:
        steps /= 10
    stored = np.rint(np.where(missing, 0, values) * steps).astype(np.int64)
    wide = np.abs(stored).max(initial=0) > 32_000
    stored[missing] = -(2**31) if wide else -(2**15)
    # of a unit such as "a.u." wfdb reads the "a", and nothing that stands behind it
    unit = re.sub(r"[^A-Za-z0-9^?%/-]", "_", signal.unit) or "NU"
    leads = [re.sub(r"\s+", "_", lead) for lead in signal.leads]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb 4.3 uses pandas in ways pandas 3 warns about, from its import on
        wfdb = require("wfdb", extra="signals")
        wfdb.wrsamp(
            stem,
            fs=signal.rate,
            units=[unit] * len(leads),
            sig_name=leads,
            d_signal=stored,
            fmt=["32" if wide else "16"] * len(leads),
            adc_gain=[steps] * len(leads),
            baseline=[0] * len(leads),
            write_dir=str(folder),
        )
    about = {"file": f"{stem}.hea", "leads": list(signal.leads), "type": str(signal.values.dtype)}
    return about if unit == signal.unit else about | {"unit": signal.unit}


def read_signal(folder: Path, entry: dict[str, Any]) -> Signal:
    """Read a signal that :func:`write_signal` wrote.

    Raises
    ------
    IpiuError
        Where the entry points out of the folder or names other leads than the file has, or the file is damaged.
    """
    (signal,) = read_wfdb(inside(folder, entry["file"]))[0].signals.values()
    values = signal.values.astype("float64" if entry["type"] == "float64" else "float32")
    leads, unit = entry["leads"], entry.get("unit", signal.unit)
    if len(leads) != len(values) or not all(isinstance(text, str) for text in (*leads, unit)):
        msg = f"{folder / entry['file']}: has {len(values)} leads, {leads!r:.80} are named; write the cohort again"
        raise IpiuError(msg)
    return Signal(values, signal.rate, tuple(leads), unit)
