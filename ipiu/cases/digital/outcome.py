"""Survival under proportional hazards on the latent state."""

from __future__ import annotations

import math

import numpy as np

from ipiu.cases.case import Outcome
from ipiu.cases.digital.state import State

# Weibull baseline of a woman of 60 without disease: one in three such patients has the event within ten years
SHAPE = 1.2
SCALE = 10 * 365.25 / (-math.log(2 / 3)) ** (1 / SHAPE)  # days
STUDY = 5 * 365.25  # days from the first patient in to the end of the study
ACCRUAL = 2 * 365.25  # patients enter over two years, so follow-up ends after three to five
LOSS = 0.05 / 365.25  # rate of those lost to follow-up, a day


def survival(hazard: float | np.ndarray, days: float | np.ndarray) -> np.ndarray:
    """True chance to be free of the event.

    Parameters
    ----------
    hazard
        log hazard relative to the baseline (:attr:`ipiu.cases.digital.state.State.hazard`)
    days
        time since the index date, broadcast against ``hazard``

    Examples
    --------
    >>> from ipiu.cases.digital.outcome import survival
    >>> float(survival(0.0, 10 * 365.25).round(2))
    0.67
    """
    return np.exp(-((np.asarray(days) / SCALE) ** SHAPE) * np.exp(hazard))


def draw_outcome(state: State, rng: np.random.Generator) -> Outcome:
    """Time to the event in days, or to the end of follow-up.

    Censoring is administrative (end of the study) or random (loss to follow-up), and independent of the hazard.
    """
    u = rng.random(3)
    event = SCALE * (-math.log(1 - u[0]) / math.exp(state.hazard)) ** (1 / SHAPE)
    end = STUDY - ACCRUAL * u[1]
    lost = -math.log(1 - u[2]) / LOSS
    time = min(event, end, lost)
    return Outcome(time=max(round(time, 1), 0.1), event=bool(event <= min(end, lost)), unit="days")
