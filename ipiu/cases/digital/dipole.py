"""The electrical vector of the heart: nine waves a beat, each a Gaussian along three axes.

The model is that of McSharry et al. 2003 (doi:10.1109/TBME.2003.808805) in three dimensions, as Sameni et al. 2007
(doi:10.1155/2007/43407), in closed form: waves are placed in time by the intervals of each beat and add up, so that
nothing is cut where one beat meets the next. Axes are Frank's: x to the patient's left, y to the feet, z to the back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ipiu.cases.digital.state import State

WAVES = ("right atrium", "left atrium", "septum", "anterior wall", "free wall", "posterior wall", "base", "ST", "T")
P, QRS, ST, T = slice(0, 2), slice(2, 7), 7, 8

# mV along (x, y, z) at the peak of each wave of a middle-aged heart in the middle position
_CONDUCTED = np.array(
    [
        (0.030, 0.085, -0.050),
        (0.065, 0.055, 0.022),
        (-0.13, 0.02, -0.24),
        (0.34, 0.14, -0.38),
        (0.93, 0.58, 0.32),
        (0.28, 0.27, 0.66),
        (-0.16, -0.10, 0.20),
        (0.020, 0.010, -0.035),
        (0.25, 0.16, -0.17),
    ]
)
# left bundle branch block: the septum goes the other way, the left ventricle is late and slow, repolarisation opposes
_BLOCKED = np.array(
    [
        *_CONDUCTED[:2],
        (0.12, 0.05, 0.06),
        (0.62, 0.26, 0.50),
        (0.50, 0.16, 0.86),
        (0.74, 0.14, 0.70),
        (0.22, 0.00, 0.26),
        (-0.05, -0.02, -0.10),
        (-0.26, -0.08, -0.32),
    ]
)
# strain of a hypertrophied left ventricle: lateral ST depression into an inverted T
_STRAIN = np.array([(-0.10, -0.02, -0.10), (-0.24, -0.06, -0.24)])
# waves of a beat that starts in the ventricle, as shares of its main vector
_ECTOPIC = np.array([0, 0, 0.22, 0.62, 1.0, 0.72, 0.22, -0.10, -0.42])

# Centre and width (standard deviation) of the waves of the QRS as shares of its duration; its first and last lie 2.5
# widths inside onset and end, where a Gaussian is down to 4 % of its peak
_QRS_CENTRE = np.array([0.20, 0.335, 0.47, 0.60, 0.78])
_QRS_WIDTH = np.array([0.080, 0.085, 0.082, 0.088, 0.088])
_R = float(_QRS_CENTRE[2])
# the P wave begins and ends two widths from its two peaks, at 14 %
_P_CENTRE, _P_WIDTH = np.array([0.38, 0.62]), 0.19
# The T wave rises slowly and falls fast. Its end is where the tangent at the steepest descent meets the baseline, two
# widths after the peak (Lepeschkin and Surawicz, Circulation 1952). Peak to end is then 85 ms at a QT of
# 400 ms (85 ± 11 ms in 36 299 healthy women, PMC3825808).
_T_RISE, _T_FALL = 0.155, 0.106
# what differs from one healthy heart to another
_TRAITS = ("voltage", "septum", "posterior wall", "T", "ST", "strain", "P", "axis", "rotation", "T axis", "T rotation")
_TRAITS += ("P duration",)
_AXIS, _AXIS_BLOCKED = 58.0, 25.0  # degrees to which the tables above are drawn


class Dipole(NamedTuple):
    """Electrical build of one patient.

    ``conducted`` and ``ectopic`` have shape (9, 3): a vector in mV for each of :data:`WAVES`. ``p_duration`` is in
    seconds; ``blocked`` says whether the left bundle branch is.
    """

    conducted: np.ndarray
    ectopic: np.ndarray
    p_duration: float
    blocked: bool


def draw_dipole(state: State, rng: np.random.Generator) -> Dipole:
    """Draw the electrical build of a patient's heart from their body and diseases."""
    n = dict(zip(_TRAITS, rng.standard_normal(len(_TRAITS)).tolist(), strict=True))
    u = rng.random(4).tolist()
    severity, cover = state.severity, _cover(state)
    failing, thick = severity["heart failure"], severity["left ventricular hypertrophy"]
    blocked = u[0] < 0.004 + 0.0006 * max(state.age - 50, 0) + 0.40 * failing
    waves = (_BLOCKED if blocked else _CONDUCTED).copy()
    waves[P] *= np.exp(0.18 * n["P"])
    waves[0, 1] *= 1 + 0.9 * severity["emphysema"]  # P pulmonale
    waves[1, 2] *= 1 + 1.2 * max(failing, 0.6 * thick)  # P mitrale
    waves[QRS] *= cover * np.exp(0.15 * n["voltage"]) * (1.08 if state.sex == "male" else 0.96)
    waves[QRS] *= (1 - 0.0022 * (state.age - 55)) * (1 + (0.35 if blocked else 0.90) * thick)
    waves[2:4] *= np.exp(0.25 * n["septum"]) * (1 - 0.35 * thick)
    waves[5] *= np.exp(0.20 * n["posterior wall"])
    waves[ST:] = cover * _repolarisation(waves[ST:], state, n, blocked=blocked)
    turn = _axis(state, n["axis"]) - (_AXIS_BLOCKED if blocked else _AXIS)
    waves[QRS] = _rotate(waves[QRS], turn, 9 * n["rotation"] + 22 * severity["emphysema"])
    waves[ST:] = _rotate(waves[ST:], 0.4 * turn + 8 * n["T axis"], 7 * n["T rotation"])
    duration = 0.106 + 0.004 * (state.sex == "male") + 0.00015 * (state.age - 50)
    duration += 0.015 * max(failing, thick) + 0.007 * n["P duration"]
    return Dipole(waves, _ectopic(u, cover), float(min(max(duration, 0.08), 0.14)), bool(blocked))


def _cover(state: State) -> float:
    """What reaches the electrodes through air, fat and fluid, as a share."""
    severity = state.severity
    share = 1 - 0.42 * severity["emphysema"] - 0.25 * severity["pneumothorax"] - 0.15 * severity["pleural effusion"]
    return max(share - 0.009 * (state.bmi - 27), 0.3)


def _repolarisation(waves: np.ndarray, state: State, n: dict[str, float], *, blocked: bool) -> np.ndarray:
    """ST and T: higher in men and the young, flat in heart failure and diabetes, inverted by strain."""
    severity, male, age = state.severity, state.sex == "male", state.age
    thick, spread = severity["left ventricular hypertrophy"], np.exp(0.22 * n["T"])
    waves = waves.copy()
    waves[0] *= (1.3 if male else 0.5) * np.exp(0.3 * n["ST"]) * (1 - 0.008 * (age - 50))
    waves[1] *= (1.15 if male else 0.85) * spread * (1.12 - 0.004 * (age - 30))
    if blocked:
        return waves
    waves[1] *= (1 - 0.45 * severity["heart failure"]) * (1 - 0.3 * severity["diabetes"])
    strain = min(max((thick - 0.38 + 0.06 * n["strain"]) / 0.40, 0.0), 1.0)
    return (1 - strain) * waves + strain * spread * (1 + thick) * _STRAIN


def _axis(state: State, normal: float) -> float:
    """Frontal axis in degrees of a heart in this chest: age, weight and hypertrophy turn it left, emphysema down."""
    lung = state.severity["emphysema"]
    lean = 47 - 0.36 * (state.age - 50) - 0.8 * (state.bmi - 27) - 14 * state.severity["left ventricular hypertrophy"]
    return (1 - lung) * min(max(lean + 14 * normal, -55), 95) + 82 * lung


def _ectopic(u: list[float], cover: float) -> np.ndarray:
    """Waves of a beat from one focus in the right (0.6) or left ventricle; repolarisation opposes the QRS."""
    side = 1.0 if u[1] < 0.6 else -1.0
    main = np.array([0.85 * side, 1.8 * (u[2] - 0.35), (0.6 + 0.5 * u[3]) * side])
    return cover * _ECTOPIC[:, None] * main


def _rotate(waves: np.ndarray, down: float, back: float) -> np.ndarray:
    """Turn vectors of shape (n, 3) in the frontal plane towards the feet, then in the horizontal plane to the back."""
    a, b = np.radians(down), np.radians(back)
    x, y, z = waves.T
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    return np.stack([x * np.cos(b) - z * np.sin(b), y, x * np.sin(b) + z * np.cos(b)], axis=1)


def timing(
    dipole: Dipole, pr: np.ndarray, qrs: np.ndarray, qt: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the waves of beats with these intervals lie.

    Parameters
    ----------
    pr, qrs, qt
        seconds, of shape (beats,); ``pr`` is NaN where a beat has no P wave

    Returns
    -------
    tuple of arrays of shape (beats, 9)
        centre in seconds after the R peak, width (standard deviation, s) before it, and width after it
    """
    centre, left = np.empty((len(qrs), 9)), np.empty((len(qrs), 9))
    onset = -_R * qrs
    pr = np.where(np.isnan(pr), 0.16, pr)
    duration = np.minimum(dipole.p_duration, 0.85 * pr)
    centre[:, P] = (onset - pr)[:, None] + duration[:, None] * _P_CENTRE
    left[:, P] = _P_WIDTH * duration[:, None]
    centre[:, QRS] = qrs[:, None] * (_QRS_CENTRE - _R)
    left[:, QRS] = qrs[:, None] * _QRS_WIDTH
    rest = qt - qrs
    centre[:, T] = onset + qt - 2 * _T_FALL * qt
    left[:, T] = _T_RISE * qt
    centre[:, ST] = onset + qrs + 0.30 * rest
    left[:, ST] = 0.15 * rest
    right = left.copy()
    right[:, T] = _T_FALL * qt
    return centre, left, right


def bell(time: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A Gaussian of peak 1 at time 0 with one width before and another after; one slope, so no corner, at its peak."""
    return np.exp(-0.5 * (time / np.where(time < 0, left, right)) ** 2)
