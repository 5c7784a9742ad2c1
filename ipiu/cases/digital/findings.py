"""What a study shows of a patient, as a table would hold it: the structured truth of a report."""

from __future__ import annotations

from typing import NamedTuple

from ipiu.cases.digital.grammar import Draws
from ipiu.cases.digital.state import Lesion, State

_CHEST = (
    "consolidation",
    "lung nodule",
    "emphysema",
    "pulmonary oedema",
    "pleural effusion",
    "pneumothorax",
    "cardiomegaly",
)
# study -> what it can show, in the order of a report
STUDIES = {
    "ct": (*_CHEST, "liver lesion", "kidney stone"),
    "radiograph": _CHEST,
    "brain mr": ("brain tumour", "oedema", "white matter lesions", "atrophy"),
}
# a nodule below this diameter (mm) is rarely seen on a radiograph unless it is calcified
SEEN_ON_RADIOGRAPH = 8.0
# emphysema below this severity leaves a radiograph normal
_SEEN_EMPHYSEMA = 0.25
# share of reports that say that a finding is absent; the others pass over it
_ABSENCE_SAID = {"emphysema": 0.3, "lung nodule": 0.7, "cardiomegaly": 0.85, "pulmonary oedema": 0.7, "atrophy": 0.7}
_ABSENCE_SAID |= {"liver lesion": 0.8, "kidney stone": 0.6, "consolidation": 0.92, "oedema": 0.75}
_ABSENCE_SAID |= {"white matter lesions": 0.6}
# (study, finding) -> strengths below which it is called possible, and probable
_DOUBT = {
    ("ct", "consolidation"): (0.15, 0.3),
    ("ct", "pulmonary oedema"): (0.3, 0.5),
    ("radiograph", "consolidation"): (0.3, 0.5),
    ("radiograph", "pulmonary oedema"): (0.35, 0.6),
    ("radiograph", "pleural effusion"): (0.25, 0.4),
    ("radiograph", "pneumothorax"): (0.15, 0.3),
    ("radiograph", "emphysema"): (0.35, 0.6),
    ("radiograph", "cardiomegaly"): (0.2, 0.35),
    ("radiograph", "lung nodule"): (0.4, 0.6),  # of 30 mm
    ("brain mr", "atrophy"): (0.0, 0.1),
}
_SIZED = ("pleural effusion", "pneumothorax")
# how a finding has changed since the study before
_CHANGES = {
    "acute": {"new": 0.5, "larger": 0.15, "unchanged": 0.2, "smaller": 0.15},
    "chronic": {"larger": 0.15, "unchanged": 0.85},
    "benign": {"new": 0.15, "larger": 0.04, "unchanged": 0.78, "smaller": 0.03},
    "malignant": {"new": 0.25, "larger": 0.6, "unchanged": 0.15},
}
_COURSE = {"emphysema": "chronic", "cardiomegaly": "chronic", "atrophy": "chronic", "white matter lesions": "chronic"}


class Finding(NamedTuple):
    """One finding of a study, present or absent.

    Attributes
    ----------
    finding
        one of :data:`STUDIES`
    present
        whether the patient has it
    certainty
        how sure the report is: ``"definite"``, ``"probable"`` or ``"possible"``
    side, place
        right, left, both or ""; the lobe where there is one
    size
        largest diameter in mm of a focal lesion (of the largest, where there are several), else None
    change
        since the study before: ``"new"``, ``"larger"``, ``"unchanged"``, ``"smaller"``, or "" without one
    mentioned
        whether the report speaks of it; a radiograph misses small nodules, and not every absence is said
    degree
        small, moderate or large (fluid and air); mild, moderate or severe; suspicious or indeterminate (lung nodule)
    count
        how many there are
    """

    finding: str
    present: bool
    certainty: str = "definite"
    side: str = ""
    place: str = ""
    size: float | None = None
    change: str = ""
    mentioned: bool = True
    degree: str = ""
    count: int = 1


def find(state: State, draws: Draws, *, study: str, prior: bool) -> list[Finding]:
    """All findings that a study can show, in the order of :data:`STUDIES`.

    Parameters
    ----------
    state, draws
        the patient, and random numbers for what the state leaves open (change, whether an absence is said)
    study
        one of :data:`STUDIES`
    prior
        whether there is a study before to compare with
    """
    return [_find(state, draws, finding, study, prior) for finding in STUDIES[study]]


def _find(state: State, draws: Draws, finding: str, study: str, prior: bool) -> Finding:
    """One finding."""
    lesions = [lesion for lesion in state.lesions if lesion.kind == _KIND.get(finding, finding)]
    largest = max(lesions, key=lambda lesion: lesion.size, default=None)
    strength = _strength(state, finding, largest)
    said = draws.chance(_ABSENCE_SAID.get(finding, 0.95))
    if not strength:
        return Finding(finding, False, mentioned=said)
    course = _COURSE.get(finding, "acute") if largest is None else "malignant" if largest.malignant else "benign"
    change = draws.weighted(_CHANGES[course]) if prior else ""
    possible, probable = _DOUBT.get((study, finding), (0.0, 0.0))
    side, place = _where(state, finding, largest)
    return Finding(
        finding,
        True,
        "possible" if strength < possible else "probable" if strength < probable else "definite",
        side,
        place,
        float(largest.size) if largest and finding != "oedema" else None,
        change,
        _seen(finding, study, strength, largest),
        _degree(finding, study, strength, largest),
        max(len(lesions), 1),
    )


_KIND = {"oedema": "brain tumour"}


def _strength(state: State, finding: str, largest: Lesion | None) -> float:
    """How strong a finding is, from 0 (absent) to 1."""
    if finding == "lung nodule":
        return largest.size / 30 if largest else 0.0
    if finding == "pulmonary oedema":
        return state.severity["heart failure"]
    if finding == "oedema":
        return state.severity["brain tumour"]
    if finding == "atrophy":  # fluid spaces widen all through life; they are called wide from the sixties on
        return min(max((state.age - 62) / 33, 0.0), 1.0)
    if finding == "white matter lesions":
        return min(max(state.small_vessel_burden - 0.4, 0.0), 1.0)
    return state.severity[finding]


def _where(state: State, finding: str, largest: Lesion | None) -> tuple[str, str]:
    """Side and place of a finding."""
    if finding == "liver lesion":
        # positions run towards the left; two thirds of the liver, the right lobe, lie on the right of this one
        return "", "left lobe" if largest.position[0] > 0.55 else "right lobe"
    if largest:
        return largest.side, largest.place
    return state.side.get(finding, ""), state.lobe.get(finding, "")


def _seen(finding: str, study: str, strength: float, largest: Lesion | None) -> bool:
    """Whether a reader of the study sees what is there."""
    if study != "radiograph":
        return True
    if finding == "lung nodule":
        return largest.size >= SEEN_ON_RADIOGRAPH
    return finding != "emphysema" or strength >= _SEEN_EMPHYSEMA


def _degree(finding: str, study: str, strength: float, largest: Lesion | None) -> str:
    """Small to large, mild to severe; for a nodule what its edge and size suggest, which is not what it is."""
    if finding == "lung nodule":
        judged = 18.0 if study == "radiograph" else 8.0  # mm; the edge of a smaller one cannot be judged
        return "suspicious" if largest.spiculation >= 0.5 and largest.size >= judged else "indeterminate"
    if finding in ("liver lesion", "kidney stone", "brain tumour"):
        return ""
    words = ("small", "moderate", "large") if finding in _SIZED else ("mild", "moderate", "severe")
    return words[0] if strength < 0.38 else words[1] if strength < 0.68 else words[2]
