"""From the heart's electrical dipole to the 12 leads of an ECG."""

from __future__ import annotations

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

# Dower 1980 (doi:10.1002/clc.1980.3.2.87): what each lead sees of a dipole in Frank's axes, x to the patient's left,
# y to the feet, z to the back. Its inverse is Edenbrandt and Pahlm 1988 (doi:10.1016/0022-0736(88)90115-1).
_INDEPENDENT = {
    "I": (0.632, -0.235, 0.059),
    "II": (0.235, 1.066, -0.132),
    "V1": (-0.515, 0.157, -0.917),
    "V2": (0.044, 0.164, -1.387),
    "V3": (0.882, 0.098, -1.277),
    "V4": (1.213, 0.127, -0.601),
    "V5": (1.125, 0.127, -0.086),
    "V6": (0.831, 0.076, 0.230),
}


def limb_leads(one: np.ndarray, two: np.ndarray) -> list[np.ndarray]:
    """The six limb leads from I and II, by the laws of Einthoven and Goldberger."""
    return [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]


def _matrix() -> np.ndarray:
    rows = {name: np.array(row) for name, row in _INDEPENDENT.items()}
    return np.array(limb_leads(rows.pop("I"), rows.pop("II")) + list(rows.values()))


DOWER = _matrix()
"""Array of shape (12, 3): a lead in the order of :data:`LEADS` is its row times the dipole (x, y, z)."""


def lead(name: str) -> np.ndarray:
    """The row of :data:`DOWER` of one lead."""
    return DOWER[LEADS.index(name)]
