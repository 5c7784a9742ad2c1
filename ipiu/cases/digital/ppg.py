"""The photoplethysmogram of a fingertip: a pulse of blood volume after each heart beat."""

from __future__ import annotations

import math

import numpy as np

from ipiu.cases.case import Signal
from ipiu.cases.digital.beats import SECONDS, Beats
from ipiu.cases.digital.dipole import bell
from ipiu.cases.digital.state import State

RATE = 125  # Hz
STEPS = 1000  # a unit, so that values are whole thousandths
_PATH = 0.47  # of the height, from the aortic valve to the fingertip


def pulse_delay(state: State) -> float:
    """Seconds from the R peak to the foot of the pulse at the fingertip.

    The electromechanical delay and isovolumic contraction (about 95 ms, longer in a failing heart), then the way along
    arteries in which the pulse runs the faster the stiffer they are.

    Examples
    --------
    >>> from ipiu.cases.digital.state import draw_state
    >>> 0.1 < pulse_delay(draw_state(0, 7)) < 0.3
    True
    """
    ejection = 0.095 + 0.035 * state.severity["heart failure"]
    return float(ejection + _PATH * state.height / 100 / pulse_wave_velocity(state))


def pulse_wave_velocity(state: State) -> float:
    """Mean velocity of the pulse from heart to finger in m/s: it rises with age, blood pressure and diabetes."""
    stiff = 0.055 * (state.age - 40) + 0.022 * (state.systolic - 120)
    return float(max(6.8 + stiff + 1.6 * state.severity["hypertension"] + 0.8 * state.severity["diabetes"], 4.5))


def make_ppg(state: State, beats: Beats, rng: np.random.Generator) -> Signal:
    """Make a photoplethysmogram of 10 s, in step with the ECG.

    A pulse is a systolic wave and a dicrotic wave that comes earlier and fades in stiff arteries. A beat that comes
    early finds the ventricle badly filled and makes a small pulse.

    Parameters
    ----------
    state, beats
        the patient, and the beats that their ECG has
    rng
        random numbers, from ``stream(seed, index, "ppg")``

    Returns
    -------
    Signal
        one lead "PPG" of shape (1, 1250) at 125 Hz in arbitrary units; a mean pulse is about 1 high, upwards is more
        blood; whole thousandths

    Examples
    --------
    >>> from ipiu.cases.digital.beats import draw_beats
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> state = draw_state(0, 7)
    >>> make_ppg(state, draw_beats(state, stream(0, 7, "beats")), stream(0, 7, "ppg"))
    Signal(1 leads, 10.0 s at 125 Hz, a.u.)
    """
    n, u = rng.standard_normal(6).tolist(), rng.random(4).tolist()
    time = np.arange(round(SECONDS * RATE)) / RATE
    values = _pulses(state, beats, time, n)
    drift = 0.6 * np.sin(2 * np.pi * (0.06 * time + u[0])) + 0.4 * np.sin(2 * np.pi * (0.12 * time + u[1]))
    values += 0.04 * drift + (0.035 + 0.01 * n[4]) * beats.breathing(time - 0.8)
    values += 0.004 * math.exp(0.4 * n[5]) * rng.standard_normal(len(time))
    return Signal(np.rint(STEPS * values).astype(int)[None] / STEPS, float(RATE), ("PPG",), "a.u.")


def _pulses(state: State, beats: Beats, time: np.ndarray, n: list[float]) -> np.ndarray:
    """The pulses of all beats, added."""
    rr = np.diff(beats.time, prepend=2 * beats.time[0] - beats.time[1])
    mean = 60 / state.heart_rate
    filling = np.clip(1 + 1.1 * (rr / mean - 1), 0.25, 1.35)
    weak = np.where(beats.ectopic, 0.75, 1.0)  # a ventricle that contracts out of order ejects less
    height = filling * weak * (1 + (0.05 + 0.01 * n[0]) * beats.breathing(beats.time - 0.5))
    # stiffness from 0 (a velocity of 6 m/s) to 1 (12 m/s)
    stiff = min(max((pulse_wave_velocity(state) - 6) / 6, 0.0), 1.0)
    scale = math.sqrt(mean / 0.86) * math.exp(0.06 * n[1])
    rise = (0.062 + 0.016 * stiff) * scale
    foot = beats.time + pulse_delay(state)
    peak = foot + 2.4 * rise
    dicrotic = (0.44 - 0.19 * stiff) * math.exp(0.15 * n[2])
    # height, seconds after the systolic peak, width before and after
    waves = (
        (1.0, 0.0, rise, (0.095 + 0.05 * stiff) * scale),
        (dicrotic, (0.235 - 0.045 * stiff) * scale, 0.060 * scale, 0.115 * scale),
        (0.22 - 0.10 * stiff, 0.38 * scale, 0.12 * scale, 0.16 * scale),
    )
    values = np.zeros(len(time))
    for share, after, before, behind in waves:
        bells = bell(time - (peak + after)[:, None], np.float64(before), np.float64(behind))
        values += (share * height[:, None] * bells).sum(axis=0)
    return values
