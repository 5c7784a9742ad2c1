"""How diseases came about: when each began before the index date, and whether anybody knew."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ipiu.cases.digital.state import DISEASES, EQUATIONS, State

_DAY = 1 / 365.25
# disease -> years before the index date that it typically began, and the chance that it was diagnosed by then.
# A quarter of hypertension (past 60) and of diabetes is not known to those who have it (NCHS Data Briefs 511 and 516);
# what only an image shows is mostly not known yet, since the image is what the patient comes for.
ONSET = {
    "hypertension": (9.0, 0.68),
    "diabetes": (7.0, 0.75),
    "emphysema": (6.0, 0.60),
    "left ventricular hypertrophy": (5.0, 0.35),
    "heart failure": (3.0, 0.85),
    "atrial fibrillation": (2.5, 0.80),
    "cardiomegaly": (2.0, 0.25),
    "consolidation": (4 * _DAY, 0.60),
    "pneumothorax": (1 * _DAY, 0.30),
    "lung nodule": (1.0, 0.20),
    "lung cancer": (0.4, 0.45),
    "pleural effusion": (10 * _DAY, 0.25),
    "liver lesion": (1.0, 0.25),
    "kidney stone": (3.0, 0.45),
    "brain tumour": (0.25, 0.45),
}


@dataclass(frozen=True)
class Course:
    """The years before the index date.

    Attributes
    ----------
    state
        at the index date
    onset
        disease -> years before it that the disease began, in causal order; absent diseases are not in it
    known
        diseases that were diagnosed at the first visit after they began
    smoker
        whether the patient still smokes
    """

    state: State
    onset: dict[str, float]
    known: frozenset[str]
    smoker: bool

    def at(self, years: float) -> dict[str, float]:
        """Severity of each disease that was there some years before the index date.

        What began years ago grew from half of its severity; what began within weeks was there at once.
        """
        found = {}
        for disease, onset in self.onset.items():
            if years <= onset:
                grown = 0.5 + 0.5 * (1 - years / onset) if onset > 0.1 else 1.0
                found[disease] = self.state.severity[disease] * grown
        return found

    def egfr(self, years: float) -> float:
        """Glomerular filtration rate: lost with age, faster with diabetes, hypertension and heart failure."""
        severity = self.state.severity
        lost = 0.75 + 1.5 * severity["diabetes"] + 0.7 * severity["hypertension"] + 0.8 * severity["heart failure"]
        return min(self.state.egfr + lost * years, max(self.state.egfr, 120.0))

    def hba1c(self, years: float) -> float:
        """Haemoglobin A1c in per cent: what diabetes adds to it grew since it began."""
        diabetes = self.state.severity["diabetes"]
        if not diabetes:
            return self.state.hba1c
        added = min(1.0 + 3.2 * diabetes, self.state.hba1c - 4.8)
        grown = self.at(years).get("diabetes", 0.0) / diabetes
        return self.state.hba1c - added * (1 - grown)


def draw_course(state: State, u: list[float]) -> Course:
    """Draw when diseases began: none before those that cause it.

    Parameters
    ----------
    state
        at the index date
    u
        uniform numbers: two for each disease of :data:`~ipiu.cases.digital.state.DISEASES`, and one more
    """
    onset: dict[str, float] = {}
    known = []
    for n, disease in enumerate(DISEASES):
        severity = state.severity[disease]
        if not severity:
            continue
        typical, chance = ONSET[disease]
        causes = [onset[parent] for parent in EQUATIONS[disease].coefficients if parent in onset]
        if disease == "lung cancer":
            causes += [onset[name] for name in ("lung nodule",) if name in onset]
        began = min(typical * (0.3 + 1.4 * u[2 * n]), max(state.age - 18, 1.0), *(0.95 * cause for cause in causes))
        onset[disease] = began
        if u[2 * n + 1] < chance + 0.4 * (severity - 0.45):
            known.append(disease)
    # half of those who ever smoked still do at 30, one in five at 80
    still = 0.5 - 0.3 * min(max((state.age - 30) / 50, 0.0), 1.0)
    smoker = state.pack_years > 0 and u[2 * len(DISEASES)] < still
    return Course(state, onset, frozenset(known), smoker)


def drivers(course: Course, years: float, *, infection: float, strain: float, drugs: set[str]) -> dict[str, float]:
    """What acts on the laboratory's tests some years before the index date, and how much of it there is.

    Diseases by severity, with ``strain`` added to a heart failure that decompensates; "inflammation" from pneumonia or
    an ``infection`` (0 to 1); "renal", the kidney's shortfall below 60 in steps of 30 mL/min; and ``drugs``, 1 each.
    """
    there = course.at(years)
    if strain and "heart failure" in there:
        there["heart failure"] = min(there["heart failure"] + strain, 1.1)
    inflammation = max(math.sqrt(there.get("consolidation", 0.0)), 0.6 * math.sqrt(infection))
    renal = max(0.0, (60 - course.egfr(years)) / 30)
    found = {**there, "inflammation": inflammation, "renal": renal}
    found.update(dict.fromkeys(sorted(drugs), 1.0))
    return found
