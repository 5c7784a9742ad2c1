"""When a patient is seen, why, and what is measured then: sick people are seen more often and measured more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ipiu.cases.digital.course import Course
from ipiu.cases.digital.diagnoses import acute_failure
from ipiu.cases.digital.labs import LABS
from ipiu.cases.digital.state import State

DAY = 86400
YEAR = 365.25 * DAY
LAST_INDEX = 1751241600  # 2025-06-30 00:00 UTC
ENROLMENT = 730  # days before it within which index dates lie
# Visits a year that nobody exceeds. Candidates are drawn at this rate and kept where the patient's own rate allows
# (thinning), so that the same person with another disease keeps the visits that it does not concern.
MOST = 40.0
# planned visits a year that a disease adds at full severity
PLANNED = {
    "hypertension": 1.0,
    "diabetes": 2.0,
    "emphysema": 1.5,
    "heart failure": 3.0,
    "atrial fibrillation": 1.2,
    "lung cancer": 5.0,
    "brain tumour": 3.0,
}
# how much more often a patient is seen just before the index date, and how fast that fades (years)
RISE, FADE = 1.5, 0.25


class Reason(NamedTuple):
    """Why somebody comes unplanned: the ``code`` written, visits a year without disease, and what diseases add."""

    code: str
    rate: float
    diseases: Mapping[str, float]


REASONS = {
    "infection": Reason("J06.9", 0.25, {"emphysema": 0.5}),
    "back": Reason("M54.50", 0.20, {}),
    "urine": Reason("N39.0", 0.06, {"diabetes": 0.10}),
    "chest pain": Reason("R07.9", 0.06, {"hypertension": 0.08, "left ventricular hypertrophy": 0.15}),
    "failure": Reason("", 0.0, {"heart failure": 1.8}),
    "exacerbation": Reason("J44.1", 0.0, {"emphysema": 1.4}),
    "palpitations": Reason("R00.2", 0.03, {"atrial fibrillation": 0.5}),
    "breathless": Reason("R06.02", 0.03, {"heart failure": 0.5, "emphysema": 0.4, "lung cancer": 0.5}),
    "colic": Reason("N23", 0.0, {"kidney stone": 0.5}),
}


class Order(NamedTuple):
    """LOINC codes ordered together, the chance of it at ``planned`` and unplanned visits, and the least days between.

    ``apart`` holds for planned visits; :data:`CAUSES` says what raises the chances.
    """

    tests: tuple[str, ...]
    planned: float
    unplanned: float
    apart: float


ORDERS = {
    "metabolic": Order(("2160-0", "98979-8", "3094-0", "2951-2", "2823-3", "2345-7"), 0.25, 0.50, 14),
    "blood count": Order(("718-7", "6690-2", "777-3"), 0.22, 0.50, 14),
    "CRP": Order(("1988-5",), 0.04, 0.15, 0),
    "HbA1c": Order(("4548-4",), 0.08, 0.02, 75),
    "NT-proBNP": Order(("33762-6",), 0.015, 0.03, 60),
    "troponin": Order(("67151-1",), 0.0, 0.01, 0),
    "liver": Order(("1742-6", "1920-8", "1975-2", "1751-7"), 0.12, 0.20, 60),
    "lipids": Order(("13457-7",), 0.14, 0.0, 150),
    "thyroid": Order(("3016-3",), 0.07, 0.03, 300),
}
# order -> what is added to its chance: half of it by a mild disease that is known, all by a severe one or by a reason
# to come ("index" is the visit of the images)
CAUSES = {
    "metabolic": {
        **{"hypertension": 0.25, "diabetes": 0.35, "heart failure": 0.5, "atrial fibrillation": 0.25},
        **{"lung cancer": 0.5, "failure": 0.5, "chest pain": 0.4, "breathless": 0.4, "index": 0.4},
        **{"infection": -0.3, "back": -0.4},
    },
    "blood count": {
        **{"heart failure": 0.2, "lung cancer": 0.6, "atrial fibrillation": 0.25, "failure": 0.4},
        **{"exacerbation": 0.3, "index": 0.4, "infection": -0.2, "back": -0.4},
    },
    "CRP": {
        **{"infection": 0.2, "urine": 0.15, "exacerbation": 0.6, "breathless": 0.3, "failure": 0.3},
        **{"lung cancer": 0.3, "index": 0.15, "pneumonia": 0.6},
    },
    "HbA1c": {"diabetes": 0.85, "obesity": 0.08},
    "NT-proBNP": {
        **{"heart failure": 0.4, "failure": 0.85, "breathless": 0.5, "atrial fibrillation": 0.15, "effusion": 0.3},
    },
    "troponin": {"chest pain": 0.8, "failure": 0.6, "breathless": 0.35, "palpitations": 0.4},
    "liver": {
        **{"alcohol": 0.1, "heart failure": 0.15, "lung cancer": 0.5, "diabetes": 0.15, "index": 0.2, "liver": 0.3},
    },
    "lipids": {"diabetes": 0.35, "hypertension": 0.2},
    "thyroid": {"atrial fibrillation": 0.25, "palpitations": 0.5},
}
# uniform and normal numbers that each visit may use, wherever it stands
_UNIFORM = 5 + len(ORDERS) + 20
_NORMAL = len(LABS) + 8


class Visit(NamedTuple):
    """One visit: ``time`` (seconds since 1970, UTC), ``years`` before the index date, ``reason`` ("" planned), numbers.

    ``u`` and ``z`` are the visit's own uniform and normal numbers.
    """

    time: int
    years: float
    reason: str
    u: list[float]
    z: list[float]


def rate(course: Course, years: float) -> float:
    """Visits a year, planned and unplanned, some years before the index date."""
    there = course.at(years)
    return sum(_rates(course.state, there)) * (1 + RISE * math.exp(-years / FADE))


def draw_visits(course: Course, rng: np.random.Generator) -> list[Visit]:
    """Visits over three to eight years before the index date, which ends with a visit of its own.

    An inhomogeneous Poisson process, drawn by thinning; planned visits fall on weekdays between 7:30 and 17:00, others
    at any hour, and a day at least lies between two.
    """
    offset, length, hour = rng.random(3).tolist()
    index = LAST_INDEX - int(offset * ENROLMENT) * DAY + int((8 + 9 * hour) * 60) * 60
    span = 3 + 5 * length
    count = int(rng.poisson(MOST * span))
    uniform = rng.random((count + 1, _UNIFORM))
    normal = rng.standard_normal((count + 1, _NORMAL))
    last = Visit(index, 0.0, "index", uniform[0].tolist(), normal[0].tolist())
    found: list[Visit] = []
    marks = uniform[:, 1] * MOST
    years = uniform[:, 0] * span
    # no rate is above this, so most candidates are dropped at once
    ceiling = sum(_rates(course.state, course.state.severity)) * (1 + RISE * np.exp(-years / FADE))
    for n in np.flatnonzero(marks < ceiling).tolist():
        ago = float(years[n])
        if n and (reason := _kind(course, ago, float(marks[n]))) is not None:
            u = uniform[n].tolist()
            found.append(Visit(_moment(index - ago * YEAR, reason, u[2]), ago, reason, u, normal[n].tolist()))
    found.sort(key=lambda visit: (visit.time, -visit.years))
    kept: list[Visit] = []
    for visit in found:
        if visit.time < index - DAY and (not kept or visit.time - kept[-1].time > DAY):
            kept.append(visit)
    return [*kept, last]


def _rates(state: State, there: Mapping[str, float]) -> list[float]:
    """Visits a year: planned, then by each of the reasons."""
    planned = 0.6 + 0.25 * max(0.0, (state.age - 40) / 10) + (0.3 if state.sex == "female" else 0.0)
    planned += sum(more * there[name] for name, more in PLANNED.items() if name in there)
    unplanned = [
        reason.rate + sum(more * there[name] for name, more in reason.diseases.items() if name in there)
        for reason in REASONS.values()
    ]
    return [planned, *unplanned]


def _kind(course: Course, years: float, mark: float) -> str | None:
    """What a candidate becomes: "" planned, the name of a reason, or None where there is no visit."""
    mark /= 1 + RISE * math.exp(-years / FADE)
    for name, part in zip(("", *REASONS), _rates(course.state, course.at(years)), strict=True):
        if mark < part:
            return name
        mark -= part
    return None


def _moment(time: float, reason: str, hour: float) -> int:
    """A second of the day that suits the visit; planned ones move from the weekend to the Friday before."""
    day = int(time // DAY)
    if reason:  # one in six comes at night, the others between seven and eleven in the evening
        late = hour > 5 / 6
        clock = (23 + 48 * (hour - 5 / 6)) % 24 if late else 7 + 19.2 * hour
        return day * DAY + int(clock * 60) * 60
    weekday = (day + 3) % 7  # 1 January 1970 was a Thursday
    return (day - max(weekday - 4, 0)) * DAY + int((7.5 + 9.5 * hour) * 60) * 60


def ordered(visit: Visit, causes: Mapping[str, float], last: dict[str, float]) -> list[str]:
    """LOINC codes of the tests that are ordered at a visit, in the order of :data:`ORDERS`.

    Parameters
    ----------
    visit
        whose uniform numbers decide
    causes
        known diseases by severity, and other reasons to measure, 1 each
    last
        order -> time of the last one in seconds; brought up to date
    """
    found: list[str] = []
    for n, (name, order) in enumerate(ORDERS.items()):
        if not visit.reason and visit.time - last.get(name, -1e12) < order.apart * DAY:
            continue
        chance = order.unplanned if visit.reason else order.planned
        for cause, more in CAUSES[name].items():
            if cause in causes:
                chance += more * (0.5 + 0.5 * causes[cause])
        if visit.u[5 + n] < chance:
            found += order.tests
            last[name] = visit.time
    return found


def reason_code(reason: str, state: State) -> str:
    """The ICD-10-CM code that an unplanned visit is written down with."""
    return acute_failure(state) if reason == "failure" else REASONS[reason].code
