"""The health record of a digital patient: diagnoses, vital signs, laboratory results and medicines over the years."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ipiu.cases.digital.chart import SMOKING, UNITS, Chart
from ipiu.cases.digital.course import draw_course, drivers
from ipiu.cases.digital.diagnoses import CHANCE, COURSES, DRUGS, ICD
from ipiu.cases.digital.labs import LABS, Range, set_points
from ipiu.cases.digital.site import REFERENCE, Site
from ipiu.cases.digital.state import DISEASES, State
from ipiu.cases.digital.visits import Visit, draw_visits, ordered
from ipiu.cases.digital.vitals import VITALS, vital_signs
from ipiu.errors import IpiuError
from ipiu.names import nearest

NAMES = {
    **{f"LOINC:{lab.loinc}": lab.name for lab in LABS},
    **{f"LOINC:{loinc}": vital.name for loinc, vital in VITALS.items()},
    SMOKING: "Tobacco smoking status",
    **{f"ICD-10-CM:{code}": name for code, name in ICD.items()},
    **{f"ATC:{code}": drug.name for code, drug in (DRUGS | COURSES).items()},
}
# code -> sex -> the lowest and the highest normal value, None where there is no such limit
REFERENCE_RANGES: dict[str, dict[str, Range]] = {
    **{f"LOINC:{lab.loinc}": {"female": lab.female, "male": lab.male} for lab in LABS},
    **{f"LOINC:{loinc}": {"female": v.normal, "male": v.normal} for loinc, v in VITALS.items() if v.normal},
}


def name_of(code: str) -> str:
    """What a code of a digital patient's record stands for.

    Raises
    ------
    IpiuError
        Where no record of a digital patient has the code.

    Examples
    --------
    >>> from ipiu.cases.digital.record import name_of
    >>> name_of("LOINC:718-7")
    'Haemoglobin'
    """
    if code not in NAMES:
        msg = f"no digital patient's record has the code {code!r}; {nearest(code, NAMES)}"
        raise IpiuError(msg)
    return NAMES[code]


def make_record(state: State, rng: np.random.Generator, *, site: Site = REFERENCE) -> pd.DataFrame:
    """Write the health record of the three to eight years before the index date, that of the images.

    Sick people are seen more often, and more so the nearer the index date; what is measured depends on what is known
    or suspected, so that **whether** a test was done tells of the patient (Agniel 2018, doi:10.1136/bmj.k1479):
    NT-proBNP mostly where a heart fails or breath is short, haemoglobin A1c in diabetes and seldom to screen, troponin
    in chest pain, C-reactive protein where there is fever or cough (:data:`ipiu.cases.digital.visits.ORDERS`). A value
    that was not measured is not in the table; nothing is imputed.

    Diagnoses are written at the first visit after the disease began, and some diseases are not known. Every disease
    begins after those that cause it. The index date lies within the two years before 30 June 2025, and the record ends
    with a visit on it.

    Parameters
    ----------
    state
        the latent state at the index date
    rng
        the patient's stream for the record
    site
        whose laboratory measures: ``site.creatinine`` is its bias, which the reported eGFR inherits

    Returns
    -------
    pandas.DataFrame
        one event a row in the order of time: time (UTC), code ("LOINC:718-7", "ICD-10-CM:I10", "ATC:A10BA02"), value
        (float; str for the smoking status; None for a diagnosis) and unit (UCUM). :func:`name_of` names the codes, and
        :data:`REFERENCE_RANGES` has what is normal.

    Examples
    --------
    >>> from ipiu.cases.digital.record import make_record
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> record = make_record(draw_state(0, 7), stream(0, 7, "record"))
    >>> list(record.columns)
    ['time', 'code', 'value', 'unit']
    """
    u = rng.random(2 * len(DISEASES) + 1 + len(DRUGS) + len(CHANCE) + 2).tolist()
    course = draw_course(state, u)
    levels = set_points(state, rng.standard_normal(len(LABS)).tolist())
    visits = draw_visits(course, rng)
    chart = Chart(course, visits, u[2 * len(DISEASES) + 1 :], levels=levels, site=site)
    last: dict[str, float] = {}
    for visit in visits:
        infection, strain = _acute(visit)
        chart.diagnose(visit)
        there = drivers(course, visit.years, infection=infection, strain=strain, drugs=chart.acting())
        for loinc, value in vital_signs(visit, course, there, infection=infection, strain=strain):
            chart.add(visit.time + 300, f"LOINC:{loinc}", float(value), UNITS[loinc])
        tests = ordered(visit, chart.causes(visit), last)
        chart.laboratory(visit, tests, there)
        chart.prescribe(visit)
    return chart.table()


def _acute(visit: Visit) -> tuple[float, float]:
    """How bad an infection is, and how far a failing heart decompensated, at a visit for it."""
    infection = visit.u[3] if visit.reason in ("infection", "urine", "exacerbation") else 0.0
    strain = 0.08 + 0.22 * visit.u[4] if visit.reason == "failure" else 0.0
    return infection, strain
