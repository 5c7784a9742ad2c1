"""The structural causal model: who a patient is, what they have, and how one thing leads to another.

Age, sex, body and habits come first; each disease is drawn from a logistic equation in what stands before it, and
has a severity; lesions, physiology and hazard follow. Everything a modality shows is made from a :class:`State`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy import special

from ipiu.cases.digital.site import REFERENCE, Site
from ipiu.cases.digital.streams import stream


class Equation(NamedTuple):
    """Log-odds of a disease: an intercept, and a coefficient for each parent (see :func:`parents`)."""

    intercept: float
    coefficients: Mapping[str, float]


# In causal order: a disease may have those above it as parents, by their severity (0 to 1).
EQUATIONS = {
    "hypertension": Equation(-0.60, {"age": 0.60, "bmi": 0.45, "alcohol": 0.30}),
    "diabetes": Equation(-2.10, {"age": 0.30, "bmi": 0.65, "hypertension": 0.80}),
    "emphysema": Equation(-3.50, {"age": 0.35, "smoking": 0.95}),
    "left ventricular hypertrophy": Equation(-2.70, {"age": 0.20, "hypertension": 2.4, "bmi": 0.20}),
    "heart failure": Equation(
        -3.60, {"age": 0.50, "hypertension": 1.0, "diabetes": 0.8, "left ventricular hypertrophy": 1.6, "smoking": 0.2}
    ),
    "atrial fibrillation": Equation(
        -3.70, {"age": 0.65, "heart failure": 1.6, "left ventricular hypertrophy": 0.9, "alcohol": 0.3}
    ),
    "cardiomegaly": Equation(-3.00, {"heart failure": 4.0, "left ventricular hypertrophy": 1.2, "bmi": 0.15}),
    "consolidation": Equation(-2.60, {"age": 0.20, "emphysema": 1.0, "diabetes": 0.5, "smoking": 0.15}),
    "pneumothorax": Equation(-3.10, {"emphysema": 1.8, "tall": 0.45, "bmi": -0.45}),
    "lung nodule": Equation(-1.30, {"age": 0.35, "smoking": 0.40, "emphysema": 0.6}),
    "lung cancer": Equation(-2.20, {"age": 0.35, "smoking": 0.50, "emphysema": 0.5, "nodule size": 1.6}),
    "pleural effusion": Equation(-3.00, {"heart failure": 3.2, "consolidation": 1.8, "lung cancer": 1.8}),
    "liver lesion": Equation(-1.90, {"age": 0.20, "lung cancer": 2.2, "alcohol": 0.2}),
    "kidney stone": Equation(-2.60, {"male": 0.6, "bmi": 0.25, "diabetes": 0.3}),
    "brain tumour": Equation(-3.40, {"age": 0.15, "lung cancer": 2.0}),
}
DISEASES = tuple(EQUATIONS)

# Log hazard ratios of the outcome, on the scale of `parents` (a severity goes from 0 to 1).
HAZARD = {
    "age": 0.55,
    "male": 0.25,
    "smoking": 0.12,
    "diabetes": 1.05,
    "emphysema": 0.80,
    "heart failure": 1.30,
    "atrial fibrillation": 0.90,
    "consolidation": 0.60,
    "pleural effusion": 0.50,
    "lung cancer": 1.80,
    "brain tumour": 1.60,
}

LOBES = {"right": ("upper lobe", "middle lobe", "lower lobe"), "left": ("upper lobe", "lower lobe")}
_NODULE_SHARE = {"right": (0.45, 0.15, 0.40), "left": (0.55, 0.45)}
_PNEUMONIA_SHARE = {"right": (0.30, 0.20, 0.50), "left": (0.35, 0.65)}
# rows of uniform numbers, one a node, so that an intervention on one leaves all others as they were
_NODES = ("age", "body", "habits", "physiology", "nodule", *DISEASES)
_COLUMNS = 12


class Lesion(NamedTuple):
    """One focal lesion.

    ``kind`` is lung nodule, liver lesion, kidney stone or brain tumour; ``side`` right, left or "" (liver); ``place``
    the lobe where there is one; ``size`` the largest diameter in mm; ``position`` three numbers from 0 to 1 that say
    where in its organ it lies (towards left, back and head); ``malignant`` and ``spiculation`` (0 to 1) its nature.
    """

    kind: str
    side: str
    place: str
    size: float
    position: tuple[float, float, float]
    malignant: bool = False
    spiculation: float = 0.0


@dataclass(frozen=True)
class State:
    """The latent state of one digital patient: the truth behind every modality.

    Attributes
    ----------
    age, sex
        years; ``"female"`` or ``"male"``
    height, weight
        cm, kg
    pack_years, alcohol
        packs of cigarettes a day times years; drinks a day
    severity
        disease -> 0 (absent) to 1, in causal order
    probability
        disease -> its probability given its causes, before it was drawn: what nobody can know better from them
    side, lobe
        disease -> right, left or both; disease -> lobe (consolidation)
    lesions
        focal lesions
    heart_rate, systolic, diastolic, ejection_fraction
        beats a minute, mmHg, mmHg, per cent
    hba1c, egfr
        per cent, mL/min/1.73 m²
    retinopathy
        diabetic retinopathy on the international scale, 0 (none) to 4 (proliferative)
    contrast, portable
        whether the CT was taken after contrast medium; whether the radiograph was taken at the bedside
    hazard
        log hazard relative to a woman of 60 without disease, the linear predictor of the outcome
    values
        demographics and severities on the scale of the equations and of the hazard (see :func:`parents`)
    """

    age: float
    sex: str
    height: float
    weight: float
    pack_years: float
    alcohol: float
    severity: dict[str, float]
    probability: dict[str, float]
    side: dict[str, str]
    lobe: dict[str, str]
    lesions: tuple[Lesion, ...]
    heart_rate: float
    systolic: float
    diastolic: float
    ejection_fraction: float
    hba1c: float
    egfr: float
    retinopathy: int
    contrast: bool
    portable: bool
    hazard: float
    values: dict[str, float] = field(repr=False, default_factory=dict)

    @property
    def bmi(self) -> float:
        """Body-mass index in kg/m²."""
        return self.weight / (self.height / 100) ** 2

    @property
    def small_vessel_burden(self) -> float:
        """Small-vessel disease of the white matter: from 0 at 45 years to about 1 in the eighties with hypertension."""
        years = max(self.age - 45, 0) / 40
        return years * (0.55 + 0.9 * self.severity["hypertension"] + 0.5 * self.severity["diabetes"])

    def has(self, disease: str) -> bool:
        """Whether the disease is present."""
        return self.severity[disease] > 0

    def row(self) -> dict[str, float | str | bool]:
        """The state as one row of a table: demographics, physiology, and each disease's severity."""
        names = ("age", "sex", "height", "weight", "pack_years", "alcohol", "heart_rate", "systolic", "diastolic")
        names += ("ejection_fraction", "hba1c", "egfr", "retinopathy", "contrast", "portable", "hazard")
        return {**{name: getattr(self, name) for name in names}, **self.severity}


def draw_state(
    seed: int,
    index: int,
    *,
    site: Site = REFERENCE,
    shift: Mapping[str, float] | None = None,
    do: Mapping[str, float] | None = None,
) -> State:
    """Draw the latent state of one patient.

    Parameters
    ----------
    seed, index
        of the cohort, and of the patient in it
    site
        whose population the patient comes from
    shift
        disease -> what is added to its log-odds (see :mod:`ipiu.cases.digital.knobs`)
    do
        disease -> severity it is set to, whatever its causes: an intervention. Everything that it does not cause
        stays as it was, so that two calls give a patient and their counterfactual.

    Examples
    --------
    >>> from ipiu.cases.digital.state import draw_state
    >>> state = draw_state(0, 7)
    >>> draw_state(0, 7, do={"heart failure": 0.9}).age == state.age
    True
    """
    shift, do = shift or {}, do or {}
    uniform = stream(seed, index, "state").random((len(_NODES), _COLUMNS))
    u = dict(zip(_NODES, uniform.tolist(), strict=True))
    body = _body(u, site)
    values = parents(body)
    nodule_size = _nodule_size(u["nodule"])
    severity: dict[str, float] = {}
    probability: dict[str, float] = {}
    for disease, equation in EQUATIONS.items():
        if disease == "lung cancer":  # a cancer of the lung is a nodule that is one
            values["nodule size"] = math.log(nodule_size / 8) if severity["lung nodule"] else 0.0
        odds = equation.intercept + shift.get(disease, 0.0)
        odds += sum(weight * values[parent] for parent, weight in equation.coefficients.items())
        chance = 1 / (1 + math.exp(-odds))
        if disease == "lung cancer" and not severity["lung nodule"]:
            chance = 0.0
        probability[disease] = chance
        present = u[disease][0] < chance
        drawn = _severity(u[disease], chance) if present else 0.0
        severity[disease] = float(do.get(disease, drawn))
        values[disease] = severity[disease]
    if severity["lung cancer"] and not severity["lung nodule"]:  # by intervention: a cancer comes with its nodule
        values["lung nodule"] = severity["lung nodule"] = severity["lung cancer"]
    hazard = sum(weight * values[name] for name, weight in HAZARD.items())
    side, lobe = _sides(u, severity)
    return State(
        **body,
        severity=severity,
        probability=probability,
        side=side,
        lobe=lobe,
        lesions=_lesions(u, severity, nodule_size),
        **_physiology(u["physiology"], body, severity),
        contrast=u["body"][6] < site.contrast,
        portable=u["body"][7] < site.portable,
        hazard=hazard,
        values=values,
    )


def parents(body: Mapping[str, float | str]) -> dict[str, float]:
    """What the equations call a patient: age in decades from 60, BMI in steps of 5 from 27, and so on."""
    bmi = body["weight"] / (body["height"] / 100) ** 2
    return {
        "age": (body["age"] - 60) / 10,
        "male": float(body["sex"] == "male"),
        "bmi": (bmi - 27) / 5,
        "tall": (body["height"] - 170) / 10,
        "smoking": min(body["pack_years"], 60) / 20,
        "alcohol": min(body["alcohol"], 6) / 2,
    }


def _body(u: dict[str, list[float]], site: Site) -> dict[str, float | str]:
    """Demographics and habits: adults who are sent to a department of radiology."""
    age = min(max(59 + site.age + 16 * ndtri(u["age"][0]), 20.0), 95.0)
    sex = "male" if u["age"][1] < 0.5 else "female"
    mean_height = 176.0 if sex == "male" else 163.0
    height = mean_height + 6.8 * ndtri(u["body"][0]) - 0.06 * max(age - 50, 0)
    # BMI is skewed to the right: a log-normal with a median of 27
    bmi = min(max(27.0 * math.exp(0.19 * ndtri(u["body"][1])), 16.0), 46.0)
    ever = u["habits"][0] < (0.50 if sex == "male" else 0.38)
    years = max(age - 18, 2) * (0.35 + 0.6 * u["habits"][1])
    pack_years = years * (0.2 + 1.1 * u["habits"][2]) if ever else 0.0
    drinks = max(0.0, -1.1 * math.log(1 - u["habits"][4])) if u["habits"][3] < 0.65 else 0.0
    return {
        "age": round(age, 1),
        "sex": sex,
        "height": round(height, 1),
        "weight": round(bmi * (height / 100) ** 2, 1),
        "pack_years": round(min(pack_years, 90.0), 1),
        "alcohol": round(min(drinks, 8.0), 1),
    }


def ndtri(chance: float) -> float:
    """The standard normal quantile, as Python's own number."""
    return float(special.ndtri(chance))


def _severity(u: list[float], chance: float) -> float:
    """How severe a disease is that is present: worse where its causes made it likely."""
    middle = 0.38 + 0.35 * chance
    return min(max(middle + 0.22 * ndtri(u[1]), 0.08), 1.0)


def _nodule_size(u: list[float]) -> float:
    """Diameter of the first nodule (mm): most are small."""
    return min(max(8.0 * math.exp(0.5 * ndtri(u[0])), 4.0), 30.0)


def _pick(u: float, shares: tuple[float, ...]) -> int:
    """An index drawn with the shares given."""
    return min(int(np.searchsorted(np.cumsum(shares), u, side="right")), len(shares) - 1)


def _sides(u: dict[str, list[float]], severity: dict[str, float]) -> tuple[dict[str, str], dict[str, str]]:
    """Which side a disease of the chest is on."""
    side, lobe = {}, {}
    if severity["pneumothorax"]:
        side["pneumothorax"] = "right" if u["pneumothorax"][2] < 0.55 else "left"
    if severity["consolidation"]:
        name = "right" if u["consolidation"][2] < 0.58 else "left"
        side["consolidation"] = name
        lobe["consolidation"] = LOBES[name][_pick(u["consolidation"][3], _PNEUMONIA_SHARE[name])]
    if severity["pleural effusion"]:
        both = 0.65 if severity["heart failure"] else 0.1
        draw = u["pleural effusion"][2]
        alone = side.get("consolidation") or ("right" if u["pleural effusion"][3] < 0.6 else "left")
        side["pleural effusion"] = "both" if draw < both else alone
    return side, lobe


def _lesions(u: dict[str, list[float]], severity: dict[str, float], nodule_size: float) -> tuple[Lesion, ...]:
    """Focal lesions of the diseases that make them."""
    found = []
    if severity["lung nodule"] or severity["lung cancer"]:
        side = "right" if u["nodule"][1] < 0.56 else "left"
        lobe = LOBES[side][_pick(u["nodule"][2], _NODULE_SHARE[side])]
        cancer = severity["lung cancer"] > 0
        spikes = min(max((0.65 if cancer else 0.15) + 0.22 * ndtri(u["nodule"][3]), 0.0), 1.0)
        found.append(Lesion("lung nodule", side, lobe, nodule_size, tuple(u["nodule"][4:7]), cancer, spikes))
    if severity["liver lesion"]:
        row = u["liver lesion"]
        spread = severity["lung cancer"] > 0 and row[6] < 0.7
        count = 1 + int(row[5] * (4 if spread else 2))
        for n in range(count):
            # positions of several lesions in one organ are spread by the golden ratio, from one draw
            place = tuple((row[2 + axis] + 0.618 * n * (axis + 1)) % 1 for axis in range(3))
            size = min(max((10 + 26 * severity["liver lesion"]) * math.exp(0.3 * ndtri(row[7 + n])), 6.0), 60.0)
            found.append(Lesion("liver lesion", "", "", size, place, spread))
    if severity["kidney stone"]:
        row = u["kidney stone"]
        side = "right" if row[2] < 0.5 else "left"
        found.append(Lesion("kidney stone", side, "", 3 + 11 * severity["kidney stone"], tuple(row[3:6])))
    if severity["brain tumour"]:
        row = u["brain tumour"]
        side = "right" if row[2] < 0.5 else "left"
        size = 12 + 34 * severity["brain tumour"]
        found.append(Lesion("brain tumour", side, "", size, tuple(row[3:6]), True))
    return tuple(Lesion(*x[:3], round(x.size, 1), tuple(round(p, 4) for p in x.position), *x[5:]) for x in found)


def _physiology(u: list[float], body: dict, severity: dict[str, float]) -> dict[str, float | int]:
    """What a monitor, an echocardiogram and a laboratory would say."""
    n = [ndtri(x) for x in u]
    age, failing, diabetes = body["age"], severity["heart failure"], severity["diabetes"]
    rate = 70 + 9 * n[0] + 12 * failing + 8 * severity["consolidation"] + 14 * severity["atrial fibrillation"]
    systolic = 118 + 0.25 * (age - 50) + 30 * severity["hypertension"] + 9 * n[1] - 8 * failing
    diastolic = 74 + 14 * severity["hypertension"] - 0.1 * max(age - 60, 0) + 6 * n[2]
    ejection = 63 + 4 * n[3] - 38 * failing
    hba1c = 5.4 + 0.25 * n[4] + (1.0 + 3.2 * diabetes if diabetes else 0.0)
    egfr = 105 - 0.75 * max(age - 30, 0) - 22 * diabetes - 14 * severity["hypertension"] - 10 * failing + 9 * n[5]
    eyes = -1.9 + 3.4 * diabetes + 0.8 * n[6] + 0.25 * (hba1c - 7)
    grade = sum(eyes > cut for cut in (0.2, 0.9, 1.7, 2.5)) if diabetes else 0
    return {
        "heart_rate": round(min(max(rate, 42), 150), 1),
        "systolic": round(min(max(systolic, 85), 215), 0),
        "diastolic": round(min(max(diastolic, 45), 125), 0),
        "ejection_fraction": round(min(max(ejection, 15), 75), 0),
        "hba1c": round(min(max(hba1c, 4.4), 13.0), 1),
        "egfr": round(min(max(egfr, 8), 125), 0),
        "retinopathy": int(grade),
    }
