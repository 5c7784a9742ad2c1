"""The 12-lead ECG of a digital patient, and what a machine would print of it."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import uniform_filter1d

from ipiu.cases.case import Signal
from ipiu.cases.digital.beats import SECONDS, Beats
from ipiu.cases.digital.dipole import QRS, ST, P, T, bell, timing
from ipiu.cases.digital.leads import DOWER, LEADS, lead, limb_leads
from ipiu.cases.digital.site import REFERENCE, Site
from ipiu.cases.digital.state import State

RATE = 500  # Hz
STEPS = 200  # a millivolt, so that one step is 5 µV
# seconds around an R peak that the waves of its beat reach: P waves, the QRS, ST and T
_REACH = ((P, -0.45, 0.05), (QRS, -0.16, 0.16), (slice(ST, T + 1), -0.06, 0.80))
_BREATH = 0.04  # share by which the breath changes the voltage
_BASELINE, _MUSCLE, _MAINS = 0.72, 0.64, 0.27  # shares of the noise; their squares add to 1
_LIMB = [LEADS.index(name) for name in ("I", "II")]


def make_ecg(state: State, beats: Beats, rng: np.random.Generator, *, site: Site = REFERENCE) -> Signal:
    """Make a resting 12-lead ECG.

    Parameters
    ----------
    state
        who the patient is
    beats
        from :func:`~ipiu.cases.digital.beats.draw_beats`
    rng
        random numbers, from ``stream(seed, index, "ecg")``
    site
        its ``ecg_noise`` and ``mains``; without noise the signal is the pure sum of the heart's waves

    Returns
    -------
    Signal
        values of shape (12, 5000), float64 in mV at 500 Hz, leads I, II, III, aVR, aVL, aVF, V1 to V6. Every value is
        a whole number of steps of 5 µV divided by 200, so that a WFDB file with a gain of 200 a mV gives it back
        without loss. I + III = II holds exactly, aVR + aVL + aVF = 0 within two steps.

    Examples
    --------
    >>> from ipiu.cases.digital.beats import draw_beats
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> state = draw_state(0, 7)
    >>> make_ecg(state, draw_beats(state, stream(0, 7, "beats")), stream(0, 7, "ecg"))
    Signal(12 leads, 10.0 s at 500 Hz, mV)
    """
    count = round(SECONDS * RATE)
    time = np.arange(count) / RATE
    vector = _heart(beats, count)
    if beats.fibrillating:
        vector += _fibrillation(time, state.severity["atrial fibrillation"], rng)
    independent = [*_LIMB, *range(6, 12)]
    values = np.stack([sum(w * axis for w, axis in zip(DOWER[row], vector, strict=True)) for row in independent])
    if site.ecg_noise > 0:
        values += _noise(beats, time, rng, site)
    steps = np.rint(STEPS * values)
    limbs = [np.rint(row) for row in limb_leads(steps[0], steps[1])]
    # through whole numbers, as -0.0 would not come back from a file
    return Signal(np.stack([*limbs, *steps[2:]]).astype(int) / STEPS, float(RATE), LEADS, "mV")


def ecg_features(state: State, beats: Beats) -> dict[str, float]:
    """What an ECG machine would print, from the parameters of the heart; the signal is not made for it.

    Parameters
    ----------
    state, beats
        the patient, and their beats from :func:`~ipiu.cases.digital.beats.draw_beats`

    Returns
    -------
    dict
        heart_rate (beats a minute); rr_sd and rmssd (ms, of intervals between normal beats); pr, qrs, qt (ms, mean of
        the normal beats) and qtc (ms, Fridericia); axis (degrees, of the QRS, from its net area in I and aVF);
        sokolow_lyon (mV, S in V1 plus the taller R of V5 and V6); st_v5 (mV, 60 ms after the end of the QRS);
        p_wave (1 or 0) and ectopic (ventricular premature beats in 10 s). ``pr`` is NaN in atrial fibrillation.

    Examples
    --------
    >>> from ipiu.cases.digital.beats import draw_beats
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> state = draw_state(0, 7)
    >>> round(ecg_features(state, draw_beats(state, stream(0, 7, "beats")))["heart_rate"])
    75
    """
    kept = beats.recorded
    time, normal = beats.time[kept], ~beats.ectopic[kept]
    rr = np.diff(time)
    pairs = normal[1:] & normal[:-1]
    change = np.diff(rr)[pairs[1:] & pairs[:-1]]
    first = kept.start + int(np.argmax(normal))
    qrs, qt = float(beats.qrs[first]), float(beats.qt[kept][normal].mean())
    values = _measures(beats, first)
    return {
        "heart_rate": 60 / float(rr.mean()),
        "rr_sd": 1000 * float(rr[pairs].std()) if pairs.any() else math.nan,
        "rmssd": 1000 * math.sqrt(float((change**2).mean())) if len(change) else math.nan,
        "pr": 1000 * float(beats.pr[first]),
        "qrs": 1000 * qrs,
        "qt": 1000 * qt,
        "qtc": 1000 * qt / float(rr.mean()) ** (1 / 3),
        **values,
        "p_wave": float(not beats.fibrillating),
        "ectopic": float((~normal).sum()),
    }


def _measures(beats: Beats, number: int) -> dict[str, float]:
    """Axis, voltage and ST of one normal beat."""
    one = slice(number, number + 1)
    centre, left, right = (x[0] for x in timing(beats.dipole, beats.pr[one], beats.qrs[one], beats.qt[one]))
    waves, qrs = beats.dipole.conducted.copy(), float(beats.qrs[number])
    if beats.fibrillating:
        waves[P] = 0
    area = ((left + right)[QRS, None] * waves[QRS]).sum(axis=0)
    one, foot = float((lead("I") * area).sum()), float((lead("aVF") * area).sum())
    time = np.append(np.linspace(-0.5 * qrs, 0.55 * qrs, 64), centre[6] + 2.5 * right[6] + 0.06)
    vector = (waves[:, :, None] * bell(time - centre[:, None], left[:, None], right[:, None])[:, None]).sum(axis=0)
    v1, v5, v6 = ((lead(name)[:, None] * vector).sum(axis=0) for name in ("V1", "V5", "V6"))
    return {
        # aVF is scaled up, as Goldberger's leads are shorter than Einthoven's by 2/sqrt(3)
        "axis": math.degrees(math.atan2(2 / math.sqrt(3) * foot, one)),
        "sokolow_lyon": max(-float(v1[:-1].min()), 0.0) + max(float(v5[:-1].max()), float(v6[:-1].max()), 0.0),
        "st_v5": float(v5[-1]),
    }


def _heart(beats: Beats, count: int) -> np.ndarray:
    """The dipole of shape (3, count) in mV: all waves of all beats, added."""
    dipole, (centre, left, right) = beats.dipole, timing(beats.dipole, beats.pr, beats.qrs, beats.qt)
    waves = np.where(beats.ectopic[:, None, None], dipole.ectopic, dipole.conducted)
    waves[np.isnan(beats.pr), P] = 0
    waves *= (1 + _BREATH * beats.breathing(beats.time))[:, None, None]
    pad = 3 * RATE  # beats before and after the recording reach into it
    vector = np.zeros((3, count + 2 * pad))
    for part, before, after in _REACH:
        first = np.rint((beats.time + before) * RATE).astype(int)
        width = round((after - before) * RATE)
        time = (first[:, None] + np.arange(width)) / RATE - beats.time[:, None]
        shape = np.zeros((3, len(first), width))
        for wave in range(part.start, part.stop):
            bells = bell(time - centre[:, wave, None], left[:, wave, None], right[:, wave, None])
            shape += waves[:, wave].T[:, :, None] * bells
        for number, start in enumerate(first + pad):
            vector[:, start : start + width] += shape[:, number]
    return vector[:, pad : pad + count]


def _fibrillation(time: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Fibrillatory waves, shape (3, samples) in mV: saw teeth of 4 to 9 Hz that wander in rate, height and direction.

    After Stridh and Sörnmo (IEEE Trans Biomed Eng 2001), on two atrial sites of slightly different rate.
    """
    n, u = rng.standard_normal(4), rng.random((2, 8))
    rate = min(max(6.2 + 0.8 * n[0], 4.3), 8.7)
    size = (0.6 + 0.8 * severity) * math.exp(0.25 * n[1])
    found = np.zeros((3, len(time)))
    # the atria lie behind the right sternal border, so that V1 sees them best
    for site, direction in enumerate(((-0.012, 0.022, -0.050), (0.016, 0.030, -0.022))):
        v = u[site]
        phase = 2 * np.pi * (rate * (1 + 0.09 * site) * time + v[0])
        phase += 1.3 * np.sin(2 * np.pi * ((0.25 + 0.3 * v[1]) * time + v[2]))
        tooth = np.sin(phase) + 0.45 * np.sin(2 * phase) + 0.22 * np.sin(3 * phase)
        height = 1 + 0.45 * np.sin(2 * np.pi * ((0.15 + 0.4 * v[3]) * time + v[4]))
        for axis in range(3):
            found[axis] += size * direction[axis] * height * tooth
    return found


def _noise(beats: Beats, time: np.ndarray, rng: np.random.Generator, site: Site) -> np.ndarray:
    """Noise of I, II and V1 to V6 in mV, made at the nine electrodes so that leads share it as they do in a patient."""
    size = 1.07 * site.ecg_noise / math.sqrt(2) * math.exp(0.3 * rng.standard_normal())  # a lead has two electrodes
    u, n = 2 * np.pi * rng.random((9, 5)), rng.standard_normal((9, 2))
    height = np.array([0.9, 0.7, 0.5, 0.3])
    baseline = _sines(time, (0.05, 0.11, 0.19, 0.33), u[:, :4], height)
    baseline += 0.6 * n[:, :1] * beats.breathing(time - 0.3)
    muscle = rng.standard_normal((9, len(time)))
    muscle -= uniform_filter1d(muscle, 25, axis=1)  # little of it lies below 20 Hz
    mains = (1 + 0.5 * n[:, 1:]) * _sines(time, (site.mains,), u[0, 4] + 0.1 * u[:, 4:], np.ones(1))
    # each part by its standard deviation at an electrode
    at = _BASELINE / 1.02 * baseline + _MUSCLE / 0.98 * muscle + _MAINS / 0.79 * mains
    at *= size
    right_arm, left_arm, leg = at[:3]
    return np.stack([left_arm - right_arm, leg - right_arm, *(at[3:] - at[:3].mean(axis=0))])


def _sines(time: np.ndarray, rates: tuple[float, ...], phase: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Sums of sines, shape (electrodes, samples), each electrode with its own ``phase`` at each rate."""
    found = np.zeros((len(phase), len(time)))
    for column, rate in enumerate(rates):
        angle = 2 * np.pi * rate * time
        found += height[column] * (np.cos(phase[:, column, None]) * np.sin(angle))
        found += height[column] * (np.sin(phase[:, column, None]) * np.cos(angle))
    return found
