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
from ipiu.errors import require

# WFDB stores whole numbers: steps a unit. 200 a mV (5 microvolts) is what electrocardiographs record.
_STEPS = {"mV": 200.0}
_DEFAULT_STEPS = 10_000.0


def write_signal(signal: Signal, folder: Path, stem: str) -> dict[str, Any]:
    """Write a signal as a WFDB record of 16 bits, or 32 where they do not suffice; values round to its steps."""
    steps = _STEPS.get(signal.unit, _DEFAULT_STEPS)
    stored = np.rint(signal.values.T.astype(np.float64) * steps).astype(np.int64)
    wide = np.abs(stored).max(initial=0) > 32_000
    leads = [re.sub(r"\s+", "_", lead) for lead in signal.leads]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb 4.3 uses pandas in ways pandas 3 warns about, from its import on
        wfdb = require("wfdb", extra="signals")
        wfdb.wrsamp(
            stem,
            fs=signal.rate,
            units=[signal.unit] * len(leads),
            sig_name=leads,
            d_signal=stored,
            fmt=["32" if wide else "16"] * len(leads),
            adc_gain=[steps] * len(leads),
            baseline=[0] * len(leads),
            write_dir=str(folder),
        )
    return {"file": f"{stem}.hea", "leads": list(signal.leads), "type": str(signal.values.dtype)}


def read_signal(folder: Path, entry: dict[str, Any]) -> Signal:
    """Read a signal that :func:`write_signal` wrote."""
    (signal,) = read_wfdb(inside(folder, entry["file"]))[0].signals.values()
    values = signal.values.astype("float64" if entry["type"] == "float64" else "float32")
    return Signal(values, signal.rate, tuple(entry["leads"]), signal.unit)
