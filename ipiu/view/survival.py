"""Kaplan-Meier curves with their intervals and the numbers at risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError, require
from ipiu.view.figure import COLOURS, Figure, figure, style

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
_FIRST_ROW, _ROW = -54, 14  # points from the axis to the numbers at risk, and from one row to the next


class _Curve(NamedTuple):
    """One group: its patients, and survival with its interval from each of their times on."""

    name: str
    time: np.ndarray
    event: np.ndarray
    steps: np.ndarray
    survival: np.ndarray
    low: np.ndarray
    high: np.ndarray


def survival(
    time: ArrayLike | Cohort,
    event: ArrayLike | None = None,
    *,
    groups: ArrayLike | str | None = None,
    unit: str = "days",
    horizon: float | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Draw how many are still without the event, by Kaplan and Meier's product-limit estimate.

    The band is the pointwise 95 % interval of the log-log transform; ticks on a curve are patients whose follow-up
    ended there; below stand the numbers still followed and without event just before each time. Groups are compared
    by the log-rank test.

    Parameters
    ----------
    time
        follow-up of each patient, 0 or more, in ``unit``; or a :class:`~ipiu.Cohort`, whose table holds both time and
        event
    event
        whether the event was seen at that time (True or 1) or follow-up ended without it (False or 0)
    groups
        one value a patient, at most six different ones; with a cohort also the name of a column
    unit
        unit of ``time``, for the axis
    horizon
        where the axis ends; the estimates use all follow-up
    title, alt
        caption, and the description read out in place of the picture

    Returns
    -------
    Figure
        ``.table`` has one row a group: n, events, median, lower and upper (its 95 % interval; NaN where the curve or
        its band does not come down to one half), and ``attrs["log-rank p"]`` where there are groups. The median is
        the first time at which at most one half is left.

    Raises
    ------
    IpiuError
        Where times are negative or missing, events are not 0 or 1, or there are too many groups.

    References
    ----------
    Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452; the median's interval: Brookmeyer and Crowley 1982,
    doi:10.2307/2530286.

    Examples
    --------
    >>> import ipiu
    >>> ipiu.view.survival([5, 8, 12, 20], [1, 0, 1, 0]).table.loc["all", "median"]
    np.float64(12.0)
    """
    time, event, groups, label = _columns(time, event, groups)
    time, event = _checked(time, event)
    if horizon is not None and not 0 < horizon < float("inf"):
        msg = f"horizon={horizon!r} must be above 0, in {unit}"
        raise ValueError(msg)
    split = _split(groups, len(time))
    curves = [_estimate(_group_name(label, value), time[mask], event[mask]) for value, mask in split]
    table = pd.DataFrame([_row(curve) for curve in curves]).set_index("group")
    p = None
    if len(curves) > 1:
        p = table.attrs["log-rank p"] = _log_rank(time, event, split)
    end = float(horizon or time.max() or 1.0)
    fig = _draw(curves, unit=unit, end=end, p=p)
    return figure(fig, alt=alt or _described(table, unit, p, title), title=title, table=table)


def _columns(time, event, groups) -> tuple:
    """(time, event, groups, name of the grouping) from arrays, or from a cohort's table."""
    if not isinstance(time, Cohort):
        if event is None:
            msg = "event is missing; pass one value a patient, or a cohort whose table holds time and event"
            raise TypeError(msg)
        if isinstance(groups, str):
            msg = f"groups={groups!r} names a column, which only a cohort has; pass one value a patient"
            raise TypeError(msg)
        return time, event, groups, str(getattr(groups, "name", None) or "")
    if event is not None:
        msg = "event comes from the cohort's table; leave it out"
        raise TypeError(msg)
    table = time.table()
    wanted = ["time", "event", *([groups] if isinstance(groups, str) else [])]
    for column in wanted:
        if column not in table:
            msg = f"cohort {time.name!r} has no column {column!r}; it has {', '.join(map(str, table.columns))}"
            raise IpiuError(msg)
    named = isinstance(groups, str)
    return table["time"], table["event"], table[groups] if named else groups, groups if named else ""


def _checked(time, event) -> tuple[np.ndarray, np.ndarray]:
    """Times as float and events as bool, or a sentence on what is wrong with them."""
    time, event = (pd.to_numeric(pd.Series(np.asarray(values).ravel()), errors="coerce") for values in (time, event))
    time, event = time.to_numpy(dtype=float), event.to_numpy(dtype=float)
    if len(time) != len(event) or not len(time):
        msg = f"time has {len(time)} values and event {len(event)}; both need one a patient, and at least one patient"
        raise IpiuError(msg)
    if not np.isfinite(time).all():
        msg = f"time is missing or not finite for {np.sum(~np.isfinite(time))} of {len(time)} patients; leave them out"
        raise IpiuError(msg)
    if time.min() < 0:
        msg = f"time is {time.min():g} for a patient; follow-up cannot be negative, so check which date was subtracted"
        raise IpiuError(msg)
    if not np.isin(event, (0, 1)).all():
        wrong = event[~np.isin(event, (0, 1))][0]
        msg = f"event holds {wrong:g}; it must be 1 (or True) where the event was seen and 0 (or False) where not"
        raise IpiuError(msg)
    return time, event.astype(bool)


def _split(groups, count: int) -> list[tuple[object, np.ndarray]]:
    """(value, which patients) of each group in order."""
    if groups is None:
        return [("all", np.ones(count, dtype=bool))]
    groups = pd.Series(groups).reset_index(drop=True)
    if len(groups) != count:
        msg = f"groups has {len(groups)} values for {count} patients; give one a patient"
        raise IpiuError(msg)
    if groups.isna().any():
        msg = f"groups is missing for {groups.isna().sum()} of {count} patients; leave them out or name them"
        raise IpiuError(msg)
    if isinstance(groups.dtype, pd.CategoricalDtype):
        values = [value for value in groups.cat.categories if (groups == value).any()]
    else:
        values = sorted(groups.unique(), key=lambda value: (isinstance(value, str), value))
    if len(values) > len(COLOURS):
        msg = f"groups has {len(values)} different values, at most {len(COLOURS)} can be told apart; bin them"
        raise IpiuError(msg)
    return [(value, (groups == value).to_numpy()) for value in values]


def _group_name(label: str, value: object) -> str:
    """How a group is called: by its value, with the column's name where the value says little."""
    return str(value) if isinstance(value, str) or not label else f"{label} = {value}"


def _estimate(name: str, time: np.ndarray, event: np.ndarray) -> _Curve:
    """The product-limit estimate of one group, from time 0 on."""
    estimator = require("sksurv.nonparametric", extra="samples").kaplan_meier_estimator
    steps, left, (low, high) = estimator(event, time, conf_type="log-log")
    if steps[0] > 0:
        steps, left, low, high = (np.insert(a, 0, v) for a, v in ((steps, 0.0), (left, 1.0), (low, 1.0), (high, 1.0)))
    # the transform says nothing about 1, where nobody was lost, and about 0, where nobody is left
    low, high = (np.select([left == 1, left == 0], [1.0, np.nan], band) for band in (low, high))
    return _Curve(name, time, event, steps, left, low, high)


def _row(curve: _Curve) -> dict[str, object]:
    """One line of the table."""
    median, lower, upper = (_reaches_half(curve.steps, c) for c in (curve.survival, curve.low, curve.high))
    events = int(curve.event.sum())
    return {
        "group": curve.name,
        "n": len(curve.time),
        "events": events,
        "median": median,
        "lower": lower,
        "upper": upper,
    }


def _reaches_half(steps: np.ndarray, curve: np.ndarray) -> float:
    """The first time at which a curve is at most one half; NaN where it stays above."""
    # products of ratios miss one half by rounding
    reached = np.flatnonzero(curve <= 0.5 + 1e-12)
    return float(steps[reached[0]]) if reached.size else float("nan")


def _log_rank(time: np.ndarray, event: np.ndarray, split: list) -> float:
    """The p value of the log-rank test; NaN where no event was seen."""
    if not event.any():
        return float("nan")
    compare = require("sksurv.compare", extra="samples").compare_survival
    util = require("sksurv.util", extra="samples").Surv
    member = np.zeros(len(time), dtype=int)
    for number, (_, mask) in enumerate(split):
        member[mask] = number
    return float(compare(util.from_arrays(event, time), member)[1])


def _draw(curves: Sequence[_Curve], *, unit: str, end: float, p: float | None) -> mpl.figure.Figure:
    """The curves above the numbers at risk."""
    with style(), mpl.rc_context({"text.parse_math": False}):  # a name is no formula
        fig, axes = plt.subplots(figsize=(7.2, 4.0 + 0.2 * len(curves)))
        for curve, colour, dash in zip(curves, COLOURS, _DASHES, strict=False):
            _draw_curve(axes, curve, colour, dash, end)
        axes.set(xlim=(0, end), ylim=(0, 1.02), xlabel=f"time ({unit})", ylabel="share without event")
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0, symbol=" %"))
        axes.grid(axis="y", alpha=0.35, linewidth=0.5)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_position(("outward", 6))
        ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= end]
        axes.set_xticks(ticks)
        _draw_at_risk(axes, curves, ticks)
        if len(curves) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=3, handlelength=2.6, borderaxespad=0)
        if p is not None and np.isfinite(p):
            said = f"log-rank p {_p_value(p)}"
            axes.text(0.015, 0.04, said, transform=axes.transAxes, fontsize=9)
    return fig


def _draw_curve(axes: mpl.axes.Axes, curve: _Curve, colour: str, dash, end: float) -> None:
    """Steps, band and the ticks of those whose follow-up ended."""
    name = f"{curve.name} (n = {len(curve.time)})"
    axes.step(curve.steps, curve.survival, where="post", color=colour, linestyle=dash, label=name)
    axes.fill_between(curve.steps, curve.low, curve.high, step="post", color=colour, alpha=0.18, linewidth=0)
    ended = np.unique(curve.time[~curve.event & (curve.time <= end)])
    level = curve.survival[np.searchsorted(curve.steps, ended, side="right") - 1]
    axes.plot(ended, level, "|", color=colour, markersize=5, markeredgewidth=0.8)


def _draw_at_risk(axes: mpl.axes.Axes, curves: Sequence[_Curve], ticks: Sequence[float]) -> None:
    """Below the axis, how many are followed and without event just before each tick."""
    below = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "fontsize": 9, "va": "center"}
    axes.annotate("number at risk", (0, 0), xytext=(-26, _FIRST_ROW), ha="left", fontweight="bold", **below)
    for row, curve in enumerate(curves, start=1):
        level = _FIRST_ROW - _ROW * row
        if len(curves) > 1:
            axes.annotate(curve.name, (0, 0), xytext=(-26, level), ha="right", **below)
        for tick in ticks:
            at_risk = int((curve.time >= tick).sum())
            axes.annotate(str(at_risk), (tick, 0), xytext=(0, level), ha="center", **below)


def _p_value(p: float) -> str:
    """A p value as papers print it."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _described(table: pd.DataFrame, unit: str, p: float | None, title: str | None) -> str:
    """What the curves show, in words."""
    parts = []
    for name, row in table.iterrows():
        median = "not reached" if np.isnan(row["median"]) else f"{row['median']:g} {unit}"
        parts.append(f"{name}: {row['n']:.0f} patients, {row['events']:.0f} events, median {median}")
    test = "" if p is None or np.isnan(p) else f"; log-rank p {_p_value(p)}"
    return f"{title or 'Kaplan-Meier curves'}. {'; '.join(parts)}{test}"
