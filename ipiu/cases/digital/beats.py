"""When the heart beats, and the intervals of each beat: what ECG and photoplethysmogram share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ipiu.cases.digital.dipole import Dipole, draw_dipole
from ipiu.cases.digital.state import State

SECONDS = 10.0
_FIRST, _LAST = -2.0, 11.5  # seconds: beats before and after still reach into the recording
_MOST = 64  # more beats than fit
_REFRACTORY = 0.29  # seconds in which a ventricle does not beat again


@dataclass(frozen=True, eq=False)
class Beats:
    """The heart beats of one recording of 10 s, and some before and after it.

    Attributes
    ----------
    time
        R peaks in seconds from the start of the recording, shape (beats,)
    ectopic
        whether a beat started in a ventricle (ventricular premature beat)
    pr, qrs, qt
        intervals in seconds, shape (beats,): P onset to QRS onset (NaN without P wave), QRS, QRS onset to T end
    breath
        breaths a second, and phase of the first in radians
    fibrillating
        whether the atria fibrillate
    dipole
        the waves that each beat makes
    """

    time: np.ndarray
    ectopic: np.ndarray
    pr: np.ndarray
    qrs: np.ndarray
    qt: np.ndarray
    breath: tuple[float, float]
    fibrillating: bool
    dipole: Dipole

    @property
    def recorded(self) -> slice:
        """The beats whose R peak lies in the recording."""
        first, last = np.searchsorted(self.time, (0.0, SECONDS))
        return slice(int(first), int(last))

    def breathing(self, time: np.ndarray) -> np.ndarray:
        """The breath at any time, from -1 (out) to 1 (in)."""
        return np.sin(2 * np.pi * self.breath[0] * time + self.breath[1])

    def __repr__(self) -> str:
        rhythm = "atrial fibrillation" if self.fibrillating else "sinus rhythm"
        count = self.recorded.stop - self.recorded.start
        return f"Beats({count} in {SECONDS:g} s, {rhythm}, {int(self.ectopic[self.recorded].sum())} ectopic)"


def draw_beats(state: State, rng: np.random.Generator) -> Beats:
    """Draw the heart beats of a little more than 10 s.

    Sinus rhythm varies with the breath, with slow waves of 0.1 Hz, and from beat to beat, less in old age, diabetes
    and heart failure. In atrial fibrillation intervals are irregular without any order. Ventricular premature beats
    come early, are followed by a compensatory pause, and are most common in heart failure.

    Parameters
    ----------
    state
        who the patient is
    rng
        random numbers, from ``stream(seed, index, "beats")``

    Returns
    -------
    Beats
        of which those with ``0 <= time < 10`` are in the recording

    Examples
    --------
    >>> from ipiu.cases.digital.beats import draw_beats
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> draw_beats(draw_state(0, 7), stream(0, 7, "beats"))
    Beats(13 in 10 s, sinus rhythm, 0 ectopic)
    """
    # all numbers are drawn at once, whatever the disease, so that an intervention changes only what it causes
    dipole = draw_dipole(state, rng)
    noise, chance = rng.standard_normal((2, _MOST)), rng.random(_MOST)
    n, u = rng.standard_normal(8).tolist(), rng.random(8).tolist()
    severity, fibrillating = state.severity, state.has("atrial fibrillation")
    rate = (
        0.235 + 0.025 * n[0] + 0.05 * max(severity["heart failure"], severity["emphysema"], severity["consolidation"])
    )
    breath = (max(rate, 0.15), 2 * math.pi * u[0])
    mean = 60 / state.heart_rate
    nominal = _FIRST - mean * u[1] + mean * np.arange(_MOST)
    if fibrillating:
        rr = _irregular(mean, 0.20 + 0.08 * severity["atrial fibrillation"] + 0.02 * n[1], noise[0])
    else:
        rr = mean + _variability(state, n[1]) * mean * _waves(nominal, breath, u, noise[0])
    time = nominal[0] + np.concatenate([[0.0], np.cumsum(rr[1:])])
    ectopic = _ectopic(state, u[2], u[3], chance)
    time[ectopic] -= (0.32 + 0.1 * u[4]) * rr[ectopic]
    if fibrillating:  # no pause compensates: the atria never set the time
        time = _spaced(time)
    kept = (time > _FIRST) & (time < _LAST)
    rr = np.diff(time, prepend=time[0] - mean)[kept]
    pr, qrs, qt = _intervals(state, dipole, n[2:5], rr, ectopic[kept])
    return Beats(time[kept], ectopic[kept], pr, qrs, qt, breath, fibrillating, dipole)


def _variability(state: State, normal: float) -> float:
    """Size of the sinus rhythm's variability, as a share of the mean interval."""
    severity = state.severity
    # Falls to 60 years and stays (median RMSSD in 10 s; Tegegne et al. 2020, doi:10.1177/2047487319872567)
    age = math.exp(-0.028 * (min(state.age, 62) - 30))
    disease = (1 - 0.5 * severity["diabetes"]) * (1 - 0.6 * severity["heart failure"])
    return 0.051 * age * disease * math.exp(0.45 * normal)


def _waves(time: np.ndarray, breath: tuple[float, float], u: list[float], noise: np.ndarray) -> np.ndarray:
    """Relative change of the intervals: longer in expiration, slow waves of blood pressure, and noise."""
    slow = np.sin(2 * np.pi * (0.1 * time + u[5])) + 0.7 * np.sin(2 * np.pi * (0.045 * time + u[6]))
    return -np.sin(2 * np.pi * breath[0] * time + breath[1]) + 0.55 * slow + 0.25 * np.clip(noise, -2.5, 2.5)


def _irregular(mean: float, variation: float, noise: np.ndarray) -> np.ndarray:
    """Independent intervals with the coefficient of variation given, skewed to the right."""
    log = math.sqrt(math.log(1 + variation**2))
    return np.maximum(mean * np.exp(log * noise - log**2 / 2), _REFRACTORY)


def _ectopic(state: State, carrier: float, burden: float, chance: np.ndarray) -> np.ndarray:
    """Which beats are ventricular premature beats: in few patients any, and with three normal beats between two."""
    share = 0.02 + 0.0012 * max(state.age - 50, 0) + 0.30 * state.severity["heart failure"]
    share += 0.06 * state.severity["left ventricular hypertrophy"]
    if carrier >= share:
        return np.zeros(len(chance), dtype=bool)
    found = chance < 0.06 + 0.16 * burden
    found[:2] = False
    for number in np.flatnonzero(found):
        found[number] = not found[max(number - 3, 0) : number].any()
    return found


def _spaced(time: np.ndarray) -> np.ndarray:
    """The beats kept at least a refractory period apart."""
    step = _REFRACTORY * np.arange(len(time))
    return np.maximum.accumulate(time - step) + step


def _intervals(
    state: State, dipole: Dipole, n: list[float], rr: np.ndarray, ectopic: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PR, QRS and QT of each beat in seconds."""
    severity, male, age = state.severity, state.sex == "male", state.age
    failing, thick = severity["heart failure"], severity["left ventricular hypertrophy"]
    # Middle and spread after Mason et al. 2007 (doi:10.1016/j.jelectrocard.2006.09.003): 2nd to 98th percentile in
    # 46 129 people without heart disease 113-212 ms (PR), 69-109 ms (QRS), 359-445 ms (QTc, Fridericia)
    pr = (159 if male else 153) * math.exp(0.125 * n[0])
    pr += 0.25 * (age - 50) + 14 * failing - 0.3 * (state.heart_rate - 65)
    qrs = (93 if male else 85) + 7.5 * n[1] + 14 * thick + 13 * failing
    if dipole.blocked:
        qrs = max(qrs + 50, 126.0)
    qtc = (398 if male else 408) + 16 * n[2]
    qtc += 0.2 * (age - 50) + 10 * thick + 12 * failing + 0.7 * max(qrs - 105, 0)
    limits = ((pr, 105, 300), (qrs, 64, 180), (qtc, 350, 540))
    pr, qrs, qtc = (min(max(value, low), high) / 1000 for value, low, high in limits)
    # QT follows the rate of the last minute more than the last beat (Razak et al. 2011,
    # doi:10.1111/j.1542-474X.2011.00420.x), by the cube root of the interval (Fridericia 1920)
    effective = 0.85 * 60 / state.heart_rate + 0.15 * rr
    wide = qrs + 0.055
    absent = ectopic | state.has("atrial fibrillation")
    qt = qtc * np.cbrt(effective) + np.where(ectopic, 0.5 * (wide - qrs), 0.0)
    return np.where(absent, np.nan, pr), np.where(ectopic, wide, qrs), qt
