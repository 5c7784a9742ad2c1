"""ECGs on the usual paper: 25 mm a second and 10 mm a millivolt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from ipiu.cases.case import Signal
from ipiu.errors import IpiuError
from ipiu.view.figure import Figure, true_size

SPEED = 25.0  # mm a second
GAIN = 10.0  # mm a millivolt
LAYOUT = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM = "II"

_LEFT = 10  # mm before the traces, for the calibration pulse
_SHORTEST, _TALLEST = 20, 60  # mm of a row
_LONGEST = 60.0  # seconds of one strip: 1.5 m of paper
_IN_MILLIVOLT = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "V": 1e3}
_PAPER, _SMALL, _LARGE, _INK = "#fffaf8", "#f6d7d2", "#e5a49a", "#16181c"


class _Strip(NamedTuple):
    """A stretch of one lead: ``millivolt`` drawn from ``start`` seconds on in its row."""

    lead: str
    start: float
    millivolt: np.ndarray


def ecg(
    signal: Signal,
    *,
    seconds: float | None = None,
    leads: Sequence[str] | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Draw an ECG on paper with boxes of 1 mm (40 ms, 0.1 mV) and 5 mm (200 ms, 0.5 mV).

    A recording with the 12 standard leads and at least 10 s gets the usual layout: three rows of four leads, 2.5 s
    each, one after the other in time, above 10 s of lead II. Anything else gets one row a lead. Each lead is drawn
    around its median, as by a recorder that lets no constant voltage through. Missing samples (NaN) leave a gap.

    Parameters
    ----------
    signal
        values of shape (leads, samples) in mV, or in V or µV, which are converted
    seconds
        how much of it to draw, from its start, one row a lead; without it at most 10 s
    leads
        which leads to draw, one row each, in this order
    title, alt
        caption, and the description read out in place of the picture

    Returns
    -------
    Figure
        at true scale: 25 mm of the page are one second, wherever the page is shown at its nominal size

    Raises
    ------
    IpiuError
        Where the unit is no voltage, a lead is unknown, or there is nothing to draw.

    Examples
    --------
    >>> import ipiu
    >>> ipiu.view.ecg(ipiu.open("sample:ecg-12").signals["ecg"])
    Figure('12-lead ECG, 10 s, on paper at 25 mm/s and 10 mm/mV: I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6')
    """
    values = _millivolt(signal)
    if seconds is not None and not 0 < seconds <= _LONGEST:
        msg = f"seconds={seconds!r} must be above 0 and at most {_LONGEST:g}; cut a long recording into strips"
        raise ValueError(msg)
    usual = seconds is None and leads is None and _is_standard(signal)
    shown = 10.0 if usual else min(seconds or 10.0, signal.seconds)
    rows = _usual(signal, values) if usual else _stacked(signal, values, leads, shown)
    names = signal.leads if leads is None else leads
    said = f"{len(names)}-lead ECG, {shown:.3g} s, on paper at {SPEED:g} mm/s and {GAIN:g} mm/mV: {', '.join(names)}"
    notes = [f"the first {shown:.3g} s of {signal.seconds:.3g} s"] if signal.seconds > shown + 1 / signal.rate else []
    drawn = np.concatenate([strip.millivolt for row in rows for strip in row])
    if not np.isfinite(drawn).all():
        notes.append(f"{100 * np.mean(~np.isfinite(drawn)):.2g} % of the samples are missing")
    caption = "; ".join([title or "ECG", *notes]) if notes else title
    return true_size(_draw(rows, signal.rate, shown), alt=alt or said, title=caption)


def _millivolt(signal: Signal) -> np.ndarray:
    """The values in mV around the median of each lead, NaN where they are not finite."""
    if not isinstance(signal, Signal):
        msg = f"signal is of type {type(signal).__name__}; pass an ipiu.Signal, such as case.signals['ecg']"
        raise TypeError(msg)
    values = np.asarray(signal.values, dtype=float)
    if values.ndim != 2 or values.shape[0] != len(signal.leads) or values.size == 0:
        msg = f"signal has values of shape {values.shape} for {len(signal.leads)} leads; it must be (leads, samples)"
        raise IpiuError(msg)
    if not 0 < signal.rate < float("inf"):
        msg = f"signal has a rate of {signal.rate!r} Hz; it must be above 0"
        raise IpiuError(msg)
    if signal.unit not in _IN_MILLIVOLT:
        msg = f"signal is in {signal.unit!r}, which is no voltage; ECG paper needs mV, so convert the values first"
        raise IpiuError(msg)
    values = np.where(np.isfinite(values), values * _IN_MILLIVOLT[signal.unit], np.nan)
    measured = np.isfinite(values).any(axis=1)
    if not measured.any():
        msg = f"signal holds no finite value in any of its {len(signal.leads)} leads; there is nothing to draw"
        raise IpiuError(msg)
    values[measured] -= np.nanmedian(values[measured], axis=1, keepdims=True)
    return values


def _is_standard(signal: Signal) -> bool:
    """Whether the 12 standard leads are there for 10 s."""
    wanted = {name.upper() for row in LAYOUT for name in row}
    return signal.seconds >= 10 - 1e-6 and sorted(name.upper() for name in signal.leads) == sorted(wanted)


def _usual(signal: Signal, values: np.ndarray) -> list[list[_Strip]]:
    """Three rows of four leads, and the rhythm strip."""
    by_name = dict(zip((name.upper() for name in signal.leads), values, strict=True))

    def part(name: str, start: float, stop: float) -> _Strip:
        first, last = (int(np.ceil(round(s * signal.rate, 6))) for s in (start, stop))
        return _Strip(name, first / signal.rate, by_name[name.upper()][first:last])

    rows = [[part(name, 2.5 * n, 2.5 * (n + 1)) for n, name in enumerate(row)] for row in LAYOUT]
    return [*rows, [part(RHYTHM, 0, 10)]]


def _stacked(signal: Signal, values: np.ndarray, leads: Sequence[str] | None, seconds: float) -> list[list[_Strip]]:
    """One row a lead."""
    unknown = [name for name in leads or () if name not in signal.leads]
    if unknown or (leads is not None and not len(leads)):
        what = f"no lead {unknown[0]!r}" if unknown else "no lead in an empty list"
        msg = f"signal has {what}; its leads are {', '.join(signal.leads)}"
        raise IpiuError(msg)
    chosen = range(len(values)) if leads is None else [signal.leads.index(name) for name in leads]
    last = max(2, round(seconds * signal.rate))
    return [[_Strip(signal.leads[n], 0.0, values[n, :last])] for n in chosen]


def _draw(rows: list[list[_Strip]], rate: float, seconds: float) -> MatplotlibFigure:
    """The paper with its traces, one unit of the axes being one millimetre."""
    spans = [_span(row) for row in rows]
    width = _LEFT + 5 * int(np.ceil(seconds * SPEED / 5))
    width, height = max(width, 60), sum(low + high for low, high in spans) + 10
    fig = MatplotlibFigure(figsize=(width / 25.4, height / 25.4))
    axes = fig.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    axes.add_patch(Rectangle((0, 0), width, height, facecolor=_PAPER, linewidth=0))
    for step, colour, line in ((1, _SMALL, 0.25), (5, _LARGE, 0.5)):
        axes.add_patch(PathPatch(_grid(width, height, step), edgecolor=colour, linewidth=line, facecolor="none"))
    level = height - 5
    for row, (low, high) in zip(rows, spans, strict=True):
        level -= high
        _draw_row(axes, row, level, level + high, rate)
        level -= low
    note = f"{SPEED:g} mm/s, {GAIN:g} mm/mV"
    axes.text(2, 1.6, note, color=_INK, fontsize=8)
    return fig


def _span(row: list[_Strip]) -> tuple[int, int]:
    """Whole 5 mm below and above the middle line of a row, so that its traces fit where they can."""
    values = np.concatenate([strip.millivolt for strip in row])
    values = values[np.isfinite(values)] * GAIN
    low, high = (-values.min(), values.max()) if values.size else (0.0, 0.0)
    low, high = (min(max(10, 5 * int(np.ceil(v / 5))), _TALLEST) for v in (low + 1, max(high, GAIN) + 4))
    high = max(high, _SHORTEST - low)
    return low, high


def _draw_row(axes: mpl.axes.Axes, row: list[_Strip], level: float, top: float, rate: float) -> None:
    """The calibration pulse of 1 mV and 200 ms, then the leads with marks where one follows the other."""
    axes.plot(*_pulse(level), color=_INK, linewidth=0.7, solid_joinstyle="miter")
    for strip in row:
        x = _LEFT + SPEED * (strip.start + np.arange(len(strip.millivolt)) / rate)
        y = level + GAIN * strip.millivolt
        axes.plot(x, y, color=_INK, linewidth=0.7)
        begin = _LEFT + SPEED * strip.start
        if strip is not row[0]:
            axes.plot([begin, begin], [level - 2.5, level + 2.5], color=_INK, linewidth=0.9)
        axes.text(begin + 1, top - 1, strip.lead, color=_INK, fontsize=9, weight="bold", va="top", parse_math=False)


def _pulse(level: float) -> tuple[list[float], list[float]]:
    """The calibration pulse left of the traces."""
    return [1, 2.5, 2.5, 7.5, 7.5, 9], [level, level, level + GAIN, level + GAIN, level, level]


def _grid(width: float, height: float, step: int) -> Path:
    """All lines of one spacing as a single path."""
    lines = [[(x, 0), (x, height)] for x in range(0, int(width) + 1, step)]
    lines += [[(0, y), (width, y)] for y in range(0, int(height) + 1, step)]
    return Path(np.array(lines, dtype=float).reshape(-1, 2), [Path.MOVETO, Path.LINETO] * len(lines))
