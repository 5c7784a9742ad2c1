"""The laboratory's tests: what is normal, how much a healthy person varies, and what disease does to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from ipiu.cases.digital.site import Site
from ipiu.cases.digital.state import State

Range = tuple[float | None, float | None]


class Lab(NamedTuple):
    """One laboratory test.

    ``loinc`` and UCUM ``unit`` say what is measured; ``female`` and ``male`` are reference ranges, open ends None;
    ``median`` is that of healthy women and men of 60, None where the state gives it; ``within`` and ``between`` are
    coefficients of variation within and between persons in per cent; ``digits`` is how finely the laboratory reports.
    """

    loinc: str
    name: str
    unit: str
    female: Range
    male: Range
    median: tuple[float, float] | None
    within: float
    between: float
    digits: int


# Reference ranges are those commonly printed by laboratories for adults; 125 pg/mL for NT-proBNP is the ESC's cut for
# heart failure out of hospital (doi:10.1093/eurheartj/ehab368), 14 ng/L the 99th percentile of troponin T.
# Variation within and between persons, with that of the method, is of the order found in NHANES
# (Lacher 2005, doi:10.1373/clinchem.2004.039354).
# fmt: off
LABS = (
    #   LOINC      name                      UCUM unit           women         men           median        CV (%)
    #                                                                                      women, men
    Lab("2160-0",  "Creatinine",             "mg/dL",            (0.5, 1.1),   (0.7, 1.3),   None,         5,   0,   2),
    Lab("98979-8", "eGFR (CKD-EPI 2021)",    "mL/min/{1.73_m2}", (60, None),   (60, None),   None,         0,   0,   0),
    Lab("3094-0",  "Urea nitrogen",          "mg/dL",            (7, 20),      (7, 20),      (13, 14.5),   12,  18,  0),
    Lab("2951-2",  "Sodium",                 "mmol/L",           (135, 145),   (135, 145),   (139.6, 139.6), 1, 1.2, 0),
    Lab("2823-3",  "Potassium",              "mmol/L",           (3.5, 5.1),   (3.5, 5.1),   (4.1, 4.2),   5,   5.5, 1),
    Lab("2345-7",  "Glucose",                "mg/dL",            (70, 99),     (70, 99),     None,         10,  0,   0),
    Lab("4548-4",  "Haemoglobin A1c",        "%",                (4.0, 5.6),   (4.0, 5.6),   None,         2,   0,   1),
    Lab("718-7",   "Haemoglobin",            "g/dL",             (12.0, 15.5), (13.5, 17.5), (13.6, 15.0), 3,   7.5, 1),
    Lab("6690-2",  "Leukocytes",             "10*3/uL",          (4.0, 11.0),  (4.0, 11.0),  (6.6, 6.6),   13,  20,  1),
    Lab("777-3",   "Platelets",              "10*3/uL",          (150, 400),   (150, 400),   (252, 225),   8,   20,  0),
    Lab("1988-5",  "C-reactive protein",     "mg/L",             (None, 5.0),  (None, 5.0),  (1.7, 1.5),   40,  75,  1),
    Lab("33762-6", "NT-proBNP",              "pg/mL",            (None, 125),  (None, 125),  (75, 45),     25,  55,  0),
    Lab("67151-1", "Troponin T, sensitive",  "ng/L",             (None, 14),   (None, 14),   (5, 7.5),     15,  35,  0),
    Lab("1742-6",  "Alanine transaminase",   "U/L",              (7, 35),      (7, 45),      (17, 23),     17,  33,  0),
    Lab("1920-8",  "Aspartate transaminase", "U/L",              (8, 33),      (8, 40),      (20, 23),     12,  20,  0),
    Lab("1975-2",  "Bilirubin",              "mg/dL",            (0.1, 1.2),   (0.1, 1.2),   (0.5, 0.65),  20,  30,  1),
    Lab("1751-7",  "Albumin",                "g/dL",             (3.5, 5.2),   (3.5, 5.2),   (4.3, 4.35),  3,   5.5, 1),
    Lab("13457-7", "LDL cholesterol",        "mg/dL",            (None, 130),  (None, 130),  (124, 120),   8,   25,  0),
    Lab("3016-3",  "Thyrotropin",            "m[IU]/L",          (0.4, 4.0),   (0.4, 4.0),   (1.7, 1.6),   20,  45,  2),
)
# fmt: on
# where a test's measuring range begins and ends, the laboratory reports its ends
MOST = {"33762-6": 35000.0}
LEAST = {"98979-8": 3.0, "1988-5": 0.3, "33762-6": 10.0, "67151-1": 3.0, "1975-2": 0.1, "3016-3": 0.01}
# LOINC code -> what adds to the logarithm of the value, by the size of what stands there (see
# ipiu.cases.digital.course.drivers and ipiu.cases.digital.state.parents). Chosen by the size that textbooks give.
EFFECTS = {
    "3094-0": {"age": 0.07, "renal": 0.55, "heart failure": 0.25, "diuretic": 0.12},
    "2951-2": {"heart failure": -0.015, "inflammation": -0.015, "lung cancer": -0.02},
    "2823-3": {"renal": 0.06, "diuretic": -0.05, "ACE inhibitor": 0.02},
    "2345-7": {"inflammation": 0.08},
    "718-7": {"age": -0.012, "renal": -0.09, "inflammation": -0.03, "lung cancer": -0.15, "heart failure": -0.05},
    "6690-2": {"smoking": 0.06, "bmi": 0.03, "inflammation": 0.85, "lung cancer": 0.10},
    "777-3": {"age": -0.02, "inflammation": 0.10, "lung cancer": 0.18},
    "1988-5": {"age": 0.08, "bmi": 0.3, "smoking": 0.1, "inflammation": 5.4, "lung cancer": 1.3, "heart failure": 0.6},
    # past 60 it doubles in ten years (Welsh 2022, doi:10.1161/CIRCHEARTFAILURE.121.009427)
    "33762-6": {"age": 0.2, "old": 0.45, "bmi": -0.15, "heart failure": 4.4, "atrial fibrillation": 1.0, "renal": 0.6},
    "67151-1": {"age": 0.28, "heart failure": 1.6, "renal": 0.6, "inflammation": 0.3, "diabetes": 0.3},
    "1742-6": {"age": -0.06, "bmi": 0.13, "alcohol": 0.10, "liver lesion": 0.15, "statin": 0.06},
    "1920-8": {"bmi": 0.03, "alcohol": 0.14, "liver lesion": 0.2, "heart failure": 0.15},
    "1975-2": {"heart failure": 0.4, "liver lesion": 0.1},
    "1751-7": {"age": -0.015, "inflammation": -0.13, "lung cancer": -0.13, "heart failure": -0.06},
    # a statin of middling strength takes some 36 per cent off
    "13457-7": {"bmi": 0.03, "statin": -0.45, "lung cancer": -0.12},
    "3016-3": {"age": 0.03},
}
BY_LOINC = {lab.loinc: lab for lab in LABS}
# what stays as it is over the years; all other effects come and go with their cause
LASTING = ("age", "old", "bmi", "smoking", "alcohol")


def ckd_epi(creatinine: float, age: float, sex: str) -> float:
    """Estimated glomerular filtration rate in mL/min/1.73 m² by the CKD-EPI equation of 2021.

    Parameters
    ----------
    creatinine
        mg/dL, by a method traceable to isotope dilution mass spectrometry
    age, sex
        years from 18; ``"female"`` or ``"male"``

    References
    ----------
    Inker et al. 2021, doi:10.1056/NEJMoa2102953

    Examples
    --------
    >>> from ipiu.cases.digital.labs import ckd_epi
    >>> round(ckd_epi(1.2, 60, "male"))
    69
    """
    knee, slope, top = _knee(age, sex)
    ratio = creatinine / knee
    return top * min(ratio, 1.0) ** slope * max(ratio, 1.0) ** -1.2


def creatinine_of(egfr: float, age: float, sex: str) -> float:
    """The creatinine (mg/dL) at which :func:`ckd_epi` is ``egfr``."""
    knee, slope, top = _knee(age, sex)
    return knee * (egfr / top) ** (1 / slope if egfr > top else -1 / 1.2)


def _knee(age: float, sex: str) -> tuple[float, float, float]:
    """Creatinine at the knee of the equation, the exponent below it, and the rate at it."""
    if sex == "female":
        return 0.7, -0.241, 142 * 0.9938**age * 1.012
    return 0.9, -0.302, 142 * 0.9938**age


def set_points(state: State, z: list[float]) -> dict[str, float]:
    """Logarithm of each test's own level of a person without disease; ``z`` is normal, one number a test."""
    man = int(state.sex == "male")
    values = {**state.values, "old": max(state.values["age"], 0.0)}  # decades past 60
    found = {}
    for lab, normal in zip(LABS, z, strict=True):
        level = math.log(lab.median[man]) if lab.median else 0.0
        effects = EFFECTS.get(lab.loinc, {})
        lasting = sum(effects.get(name, 0.0) * values[name] for name in LASTING)
        found[lab.loinc] = float(level + lab.between / 100 * normal + lasting)
    return found


def measure(loinc: str, level: float, there: Mapping[str, float], z: float) -> float:
    """One result: the log-level, what the drivers that are there add to it, and the variation of the day."""
    lab = BY_LOINC[loinc]
    for name, effect in EFFECTS.get(loinc, {}).items():
        if name in there:
            level += effect * there[name]
    value = round(math.exp(level + lab.within / 100 * z), lab.digits)
    return min(max(value, LEAST.get(loinc, 0.0)), MOST.get(loinc, math.inf))


def kidney(creatinine: float, age: float, sex: str) -> float:
    """The rate the laboratory reports beside a creatinine: from what it measured and the age in whole years."""
    return max(float(round(ckd_epi(creatinine, math.floor(age), sex))), LEAST["98979-8"])


def level_of(loinc: str, *, egfr: float, hba1c: float, age: float, sex: str, site: Site) -> float | None:
    """Log-level of the tests that the state itself decides; None for all others.

    The mean glucose of a haemoglobin A1c is 28.7 times it less 46.7 (Nathan 2008, doi:10.2337/dc08-0545); blood is
    taken in the morning more often than after a meal, hence seven eighths of it.
    """
    if loinc == "2160-0":
        return math.log(creatinine_of(egfr, age, sex) * site.creatinine)
    if loinc == "4548-4":
        return math.log(hba1c)
    if loinc == "2345-7":
        return math.log(0.875 * (28.7 * hba1c - 46.7))
    return None
