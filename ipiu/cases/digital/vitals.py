"""Vital signs at a visit: heart rate, blood pressure, breathing, oxygen saturation, temperature and weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ipiu.cases.digital.course import Course
from ipiu.cases.digital.labs import LABS, Range
from ipiu.cases.digital.visits import ORDERS, Visit


class Vital(NamedTuple):
    """One vital sign: name, UCUM unit, and the range that is normal in adults."""

    name: str
    unit: str
    normal: Range | None = None


# by LOINC code, as the FHIR vital signs profiles name them
VITALS = {
    "8867-4": Vital("Heart rate", "/min", (60, 100)),
    "8480-6": Vital("Systolic blood pressure", "mm[Hg]", (90, 139)),
    "8462-4": Vital("Diastolic blood pressure", "mm[Hg]", (60, 89)),
    "9279-1": Vital("Respiratory rate", "/min", (12, 20)),
    "2708-6": Vital("Oxygen saturation", "%", (95, None)),
    "8310-5": Vital("Body temperature", "Cel", (36.0, 37.9)),
    "8302-2": Vital("Body height", "cm"),
    "29463-7": Vital("Body weight", "kg"),
    "39156-5": Vital("Body mass index", "kg/m2"),
}
_U = 5 + len(ORDERS)  # where a visit's numbers for vital signs begin
_Z = len(LABS)
# that which makes somebody count breaths and measure oxygen
_CHEST = {"infection", "failure", "exacerbation", "breathless", "chest pain", "index"}


def vital_signs(
    visit: Visit, course: Course, there: Mapping[str, float], *, infection: float, strain: float
) -> list[tuple[str, float]]:
    """LOINC code and value of what is measured; more of it the sicker somebody looks.

    Means are those of the state at the index date, less what diseases add that had not begun or were milder then
    (:func:`ipiu.cases.digital.state.draw_state` has the coefficients); from visit to visit the systolic pressure varies
    by 8 and the diastolic by 5 mmHg, the heart rate by 6 a minute.
    """
    u, z = visit.u[_U:], visit.z[_Z:]
    sick = max(infection, strain * 2, there.get("consolidation", 0.0), there.get("pneumothorax", 0.0))
    found: list[tuple[str, float]] = []
    if u[0] < (0.95 if visit.reason else 0.8):
        found += _circulation(course, there, z, infection=infection, strain=strain)
    if visit.reason in _CHEST or u[1] < 0.12 + 0.5 * there.get("emphysema", 0.0):
        found += _breathing(there, z, infection=infection, strain=strain, full=u[2])
    if u[3] < (0.75 if visit.reason else 0.15) + 0.2 * sick:
        inflamed = max(there.get("consolidation", 0.0) + 0.2 * ("consolidation" in there), 0.7 * infection)
        found.append(("8310-5", round(36.7 + 0.25 * z[5] + 1.6 * inflamed, 1)))
    if u[4] < (0.25 if visit.reason else 0.55) + 0.3 * there.get("heart failure", 0.0):
        found += _weight(visit, course, there, z[6], strain)
    return found


def _circulation(course: Course, there: Mapping[str, float], z: list[float], *, infection: float, strain: float):
    """Heart rate and blood pressure."""
    state = course.state
    ahead = {name: severity - there.get(name, 0.0) for name, severity in state.severity.items()}
    rate = state.heart_rate - 12 * ahead["heart failure"] - 8 * ahead["consolidation"]
    rate += 6 * z[0] + 14 * infection + 25 * strain - 14 * ahead["atrial fibrillation"]
    systolic = state.systolic - 30 * ahead["hypertension"] + 8 * ahead["heart failure"] + 8 * z[1]
    diastolic = state.diastolic - 14 * ahead["hypertension"] + 5 * (0.6 * z[1] + 0.8 * z[2])
    systolic = min(max(systolic, 78.0), 230.0)
    diastolic = min(max(diastolic, 40.0), 130.0, systolic - 18 if systolic > 78 else 55.0)
    return [
        ("8867-4", float(round(min(max(rate, 38.0), 180.0)))),
        ("8480-6", float(round(systolic))),
        ("8462-4", float(round(min(diastolic, systolic - 18)))),
    ]


def _breathing(there: Mapping[str, float], z: list[float], *, infection: float, strain: float, full: float):
    """Respiratory rate (not always counted) and oxygen saturation."""
    load = 7 * there.get("consolidation", 0.0) + 5 * there.get("pneumothorax", 0.0) + 3 * there.get("emphysema", 0.0)
    load += 4 * there.get("pleural effusion", 0.0) + 2 * there.get("heart failure", 0.0) + 12 * strain + infection
    found = []
    if full < 0.75:
        found.append(("9279-1", float(round(min(max(15 + 1.8 * z[3] + load, 9.0), 40.0)))))
    saturation = 97.4 + 0.9 * z[4] - 0.75 * load
    found.append(("2708-6", float(round(min(max(saturation, 74.0), 100.0)))))
    return found


def _weight(visit: Visit, course: Course, there: Mapping[str, float], z: float, strain: float):
    """Weight and body-mass index: cancer takes weight off in the last months, a failing heart adds water."""
    state = course.state
    share = 1 + 0.008 * z + 0.06 * strain + 0.0015 * visit.years * (1 if state.age > 65 else -1)
    share += 0.10 * (state.severity["lung cancer"] - there.get("lung cancer", 0.0) * (1 - visit.years))
    weight = round(state.weight * share, 1)
    return [("29463-7", weight), ("39156-5", round(weight / (state.height / 100) ** 2, 1))]
