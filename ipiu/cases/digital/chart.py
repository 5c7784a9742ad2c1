"""What is written of one patient from visit to visit: diagnoses, results and prescriptions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ipiu.cases.digital.course import Course
from ipiu.cases.digital.diagnoses import CHANCE, COURSES, DRUGS, SPLIT, codes_of, kidney_stage
from ipiu.cases.digital.labs import LABS, kidney, level_of, measure
from ipiu.cases.digital.site import Site
from ipiu.cases.digital.visits import DAY, ORDERS, YEAR, Visit, reason_code
from ipiu.cases.digital.vitals import VITALS

SMOKING = "LOINC:72166-2"
UNITS = {lab.loinc: lab.unit for lab in LABS} | {loinc: vital.unit for loinc, vital in VITALS.items()}
_RENEWED = 100 * DAY  # least time between two prescriptions of a medicine
_SPLIT = {code: (old, int(pd.Timestamp(day).timestamp())) for code, (old, day) in SPLIT.items()}
# where the chart's own numbers begin among a visit's uniform ones, and where each test's stands among the normal ones
_U = 5 + len(ORDERS) + 5
_Z = {lab.loinc: n for n, lab in enumerate(LABS)}


class Chart:
    """What has been written of one patient so far: rows, known diseases, and medicines in use.

    Parameters
    ----------
    course, visits
        how the diseases came about, and all visits in the order of time
    u
        uniform numbers: one for each drug, for each diagnosis that comes by chance, and two more
    levels, site
        the patient's own level of each test, and whose laboratory measures
    """

    def __init__(self, course: Course, visits: list[Visit], u: list[float], *, levels: dict[str, float], site: Site):
        self.course, self.state, self.levels, self.site = course, course.state, levels, site
        self.rows: list[tuple[int, str, float | str | None, str | None]] = []
        self.known: dict[str, float] = {}  # disease -> severity when last seen
        self.codes: set[str] = set()
        self.taking: dict[str, int] = {}  # ATC code -> time of the last prescription
        self.today: list[str] = []  # ICD-10-CM codes of the visit under way
        self.given = self._given(u)
        self.first = visits[0]
        self.by_chance = self._by_chance(u[len(DRUGS) :], visits)
        self.obese = self.state.bmi >= 30 and u[-1] < 0.6
        # six in ten people with diabetes have their eyes looked at (CDC, National Diabetes Statistics Report)
        self.eyes_seen = self.state.retinopathy >= 2 and u[-2] < 0.6

    def add(self, time: int, code: str, value: float | str | None, unit: str | None) -> None:
        """Write one row."""
        self.rows.append((time, code, value, unit))

    def diagnose(self, visit: Visit) -> None:
        """Write the diagnoses of a visit: its reason, what began since the last one, what came by chance."""
        state, self.today = self.state, []
        if visit is self.first:
            self._greet(visit)
        if visit.reason == "index":
            self._symptoms(visit)
        elif visit.reason:
            self._write(visit, reason_code(visit.reason, state), again=True)
        there = self.course.at(visit.years)
        for disease, severity in there.items():
            if disease in self.course.known:
                if disease not in self.known:
                    for code in codes_of(disease, state):
                        self._write(visit, code)
                self.known[disease] = severity
        if self.eyes_seen and "diabetes" in self.known and visit.years < self.course.onset["diabetes"] / 3:
            self._write(visit, "E11.319")
        for code, years in self.by_chance.items():
            if visit.years <= years:
                self._write(visit, code)

    def causes(self, visit: Visit) -> dict[str, float]:
        """What makes a doctor order tests: known diseases by severity, the visit's reason, and other things, 1 each."""
        state, found = self.state, dict(self.known)
        if visit.reason:
            found[visit.reason] = 1.0
        if state.alcohol > 3:
            found["alcohol"] = 1.0
        if state.bmi >= 30:
            found["obesity"] = 1.0
        if visit.reason == "index":
            there = self.course.at(0.0)
            signs = {"consolidation": "pneumonia", "pleural effusion": "effusion", "liver lesion": "liver"}
            found.update({sign: there[disease] for disease, sign in signs.items() if disease in there})
            # a heart that fails unknown to anyone makes short of breath all the same
            if state.severity["heart failure"] > 0.35:
                found["breathless"] = state.severity["heart failure"]
        return found

    def laboratory(self, visit: Visit, tests: list[str], there: Mapping[str, float]) -> None:
        """Write the results of the tests ordered; the blood is drawn within forty minutes."""
        if not tests:
            return
        state, course = self.state, self.course
        age = state.age - visit.years
        drawn = visit.time + 60 * (10 + int(30 * visit.u[_U]))
        egfr, hba1c = course.egfr(visit.years), course.hba1c(visit.years)
        creatinine = 0.0
        for loinc in tests:
            if loinc == "98979-8":
                value = kidney(creatinine, age, state.sex)
                stage = kidney_stage(value)
                if stage and egfr < 62:  # it is not the day's creatinine alone, so that a repeat would confirm it
                    self._write(visit, stage, time=drawn)
            else:
                level = level_of(loinc, egfr=egfr, hba1c=hba1c, age=age, sex=state.sex, site=self.site)
                level = self.levels[loinc] if level is None else level
                value = measure(loinc, level, there, visit.z[_Z[loinc]])
                creatinine = value if loinc == "2160-0" else creatinine
            self.add(drawn, f"LOINC:{loinc}", float(value), UNITS[loinc])

    def prescribe(self, visit: Visit) -> None:
        """Write medicines: for good where a disease is known, renewed at planned visits; for days where it is acute."""
        time = visit.time + 2700
        for atc, diseases in self.given.items():
            since = time - self.taking.get(atc, 0)
            if since < _RENEWED or (visit.reason and atc in self.taking):
                continue
            severity = max((self.known.get(disease, 0.0) for disease in diseases), default=0.0)
            if severity:
                drug = DRUGS[atc]
                dose = drug.doses[min(int(severity * len(drug.doses)), len(drug.doses) - 1)]
                self.add(time, f"ATC:{atc}", float(dose), drug.unit)
                self.taking[atc] = time
        for n, (atc, drug) in enumerate(COURSES.items()):
            chance = max((drug.given.get(code, 0.0) for code in self.today), default=0.0)
            if visit.u[_U + 1 + n] < chance:
                self.add(time, f"ATC:{atc}", float(drug.doses[0]), drug.unit)

    def acting(self) -> set[str]:
        """Kinds of medicine in use that the laboratory sees."""
        return {DRUGS[atc].kind for atc in self.taking} - {""}

    def table(self) -> pd.DataFrame:
        """All rows in the order of time, in the form of the readers."""
        rows = sorted(self.rows, key=lambda row: row[0])
        times = np.array([row[0] for row in rows], dtype="datetime64[s]").astype("datetime64[us]")
        return pd.DataFrame(
            {
                "time": pd.DatetimeIndex(times).tz_localize("UTC"),
                "code": [row[1] for row in rows],
                "value": pd.Series([row[2] for row in rows], dtype=object),
                "unit": pd.Series([row[3] for row in rows], dtype=object),
            }
        )

    def _write(self, visit: Visit, code: str, *, again: bool = False, time: int | None = None) -> None:
        """Write a diagnosis, once for good unless it can come again."""
        if code in self.codes and not again:
            return
        self.codes.add(code)
        self.today.append(code)
        old, day = _SPLIT.get(code, (code, 0))
        self.add(time or visit.time, f"ICD-10-CM:{code if visit.time >= day else old}", None, None)

    def _greet(self, visit: Visit) -> None:
        """The first visit: height, smoking status, obesity."""
        state = self.state
        status = "Never smoker"
        if state.pack_years > 0:
            status = "Current every day smoker" if self.course.smoker else "Former smoker"
        self.add(visit.time + 300, SMOKING, status, None)
        self.add(visit.time + 300, "LOINC:8302-2", float(state.height), UNITS["8302-2"])
        if self.obese:
            self._write(visit, "E66.9")

    def _symptoms(self, visit: Visit) -> None:
        """What the patient comes to the index visit with; it tells less than the images do."""
        severity, u = self.state.severity, visit.u[_U + 5 :]
        chest = max(severity["consolidation"], 0.6 * severity["emphysema"], 0.6 * severity["lung cancer"])
        breath = max(severity[name] for name in ("heart failure", "emphysema", "pleural effusion", "pneumothorax"))
        for code, chance in (
            ("R05.9", 0.12 + 0.6 * chest),
            ("R06.02", 0.08 + 0.7 * breath),
            ("R07.9", 0.08 + 0.6 * severity["pneumothorax"]),
            ("R51.9", 0.04 + 0.6 * severity["brain tumour"]),
        ):
            if u.pop(0) < chance:
                self._write(visit, code, again=True)

    def _given(self, u: list[float]) -> dict[str, list[str]]:
        """ATC code -> diseases of this patient that it is given for, where they are known."""
        found = {}
        for draw, (atc, drug) in zip(u, DRUGS.items(), strict=False):
            diseases = [name for name, chance in drug.given.items() if name in self.course.known and draw < chance]
            # metformin is not given to failing kidneys
            if diseases and not (atc == "A10BA02" and self.state.egfr < 30):
                found[atc] = diseases
        return found

    def _by_chance(self, u: list[float], visits: list[Visit]) -> dict[str, float]:
        """Diagnoses that have nothing to do with the rest, and how many years before the index date they came."""
        span = (visits[-1].time - visits[0].time) / YEAR
        found = {}
        for draw, (code, (chance, decade)) in zip(u, CHANCE.items(), strict=False):
            chance = max(chance + decade * (self.state.age - 60) / 10, 0.01)
            if draw < chance:
                found[code] = span * draw / chance
        return found
