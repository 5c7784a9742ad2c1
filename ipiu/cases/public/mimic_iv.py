"""MIMIC-IV, and its open demo of 100 patients: years of a hospital's tables as one record a patient."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pandas as pd

from ipiu.cases.case import Case, Outcome, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.public.download import data_folder
from ipiu.cases.public.events import Event, EventStore, event_store
from ipiu.cases.public.physionet import Project
from ipiu.cases.public.tables import cached, check_unique, find_table, read_columns, stream_rows
from ipiu.cases.public.terms import Terms
from ipiu.errors import IpiuError

VERSION = "2.2"
HOSPITAL = ("patients", "admissions", "diagnoses_icd", "d_icd_diagnoses", "labevents", "d_labitems", "prescriptions")
ICU = ("chartevents", "d_items")
SEXES = {"F": "female", "M": "male"}
# the age that stands for everybody above 89
HIDDEN_AGE = 91
# dates of death are known up to a year after a patient's last discharge (mimic.mit.edu, patients table)
FOLLOW_UP = pd.Timedelta(days=365)
LAYOUT = "hosp/patients.csv.gz, hosp/admissions.csv.gz and the other tables"


def mimic_iv_demo(
    folder: str | Path | None = None, *, chartevents: bool = False, cache: str | Path | None = None
) -> Cohort:
    """The MIMIC-IV demo 2.2 as PhysioNet gives it out (open): hosp/*.csv.gz and icu/*.csv.gz of 100 patients.

    Parameters
    ----------
    folder
        the folder that holds hosp/ and icu/; without it, the tables that are needed are fetched (some 15 MB)
    chartevents
        whether the bedside measurements of intensive care are part of the record; there are many
    cache
        where the events sorted by patient go; ``folder`` without it

    Returns
    -------
    Cohort
        As :func:`mimic_iv` gives it.

    References
    ----------
    Johnson et al. 2023, https://doi.org/10.13026/dp1f-ex47

    Examples
    --------
    >>> from ipiu.cases.public.mimic_iv import mimic_iv_demo
    >>> cohort = mimic_iv_demo()  # doctest: +SKIP
    >>> len(cohort)  # doctest: +SKIP
    100
    """
    terms = Terms.of("mimic-iv-demo")
    if folder is None:
        folder = data_folder() / f"mimic-iv-demo-{VERSION}"
        project = Project("mimic-iv-demo", VERSION, folder, terms=terms)
        for part, names in (("hosp", HOSPITAL), ("icu", ICU if chartevents else ())):
            for name in names:
                project.file(f"{part}/{name}.csv.gz")
    return _cohort(Path(folder), terms, chartevents, cache)


def mimic_iv(folder: str | Path | None = None, *, chartevents: bool = False, cache: str | Path | None = None) -> Cohort:
    """MIMIC-IV (2.2 to 3.1) from a folder of your own; it is credentialed and never fetched.

    The record has diagnoses (``"ICD-10-CM:E10.65"``, at the discharge, when they are coded), laboratory results
    (``"MIMIC-lab:50912"``), prescriptions (``"NDC:00088221905"``, else ``"MIMIC-drug:"`` and the name) and, where asked
    for, bedside measurements (``"MIMIC-chart:220045"``). Times are shifted by MIMIC, the same for all of a patient, and
    taken as UTC. The data set states no splits; ``cohort.split`` makes them by patient.

    When the first case is opened, the events are sorted by patient into one file: some 100,000 a second, with as much
    disk as the unpacked tables.

    Parameters
    ----------
    folder
        the folder that holds hosp/ and icu/
    chartevents
        whether the bedside measurements of intensive care are part of the record
    cache
        where the events sorted by patient go; ``folder`` without it

    Returns
    -------
    Cohort
        ``record`` has time, code, value, unit, kind and display. ``outcome`` is death from the first admission on, in
        days, of whatever cause and place; who is not known to have died is censored a year after the last discharge,
        up to which MIMIC knows of deaths. ``labels`` (and ``table()``) has sex, age (years at the first admission; not
        stated above 89), years (the three calendar years in which the shifted anchor year lies), admissions, and
        "died in hospital". A patient without an admission has no outcome.

    Raises
    ------
    IpiuError
        Where no folder is given, or a table is missing or damaged.

    References
    ----------
    Johnson et al. 2023, https://doi.org/10.1038/s41597-022-01899-x; columns as on https://mimic.mit.edu/docs/iv/

    Examples
    --------
    >>> from ipiu.cases.public.mimic_iv import mimic_iv
    >>> cohort = mimic_iv("mimic-iv-3.1")  # doctest: +SKIP
    >>> cohort[0].record.columns.tolist()  # doctest: +SKIP
    ['time', 'code', 'value', 'unit', 'kind', 'display']
    """
    terms = Terms.of("mimic-iv")
    if folder is None:
        terms.refuse(LAYOUT)
    return _cohort(Path(folder), terms, chartevents, cache)


def _cohort(folder: Path, terms: Terms, chartevents: bool, cache: str | Path | None) -> Cohort:
    """One case a patient of hosp/patients."""
    table = _patients(folder)
    opener = _Patient(folder, table, terms.source, chartevents, Path(cache) if cache else folder)
    return Cohort(list(table.index), opener, name=terms.name, source=terms.source, table=table)


class _Patient:
    """Opens one patient; a class so that it can go to other processes."""

    def __init__(self, folder: Path, table: pd.DataFrame, source: Source, chartevents: bool, cache: Path):
        self.folder, self.table, self.source, self.chartevents, self.cache = folder, table, source, chartevents, cache

    def __call__(self, name: str) -> Case:
        row = self.table.loc[name]
        record, untimed = self.store.record(name)
        notes = ["times are shifted by MIMIC and taken as UTC"]
        notes += [f"{untimed} events state no time and were left out"] if untimed else []
        outcome = None if pd.isna(row["time"]) else Outcome(float(row["time"]), bool(row["event"]))
        labels = {key: row[key] for key in ("sex", "years") if row[key]}
        labels |= {} if pd.isna(row["age"]) else {"age": int(row["age"])}
        labels |= {"admissions": int(row["admissions"]), "died in hospital": bool(row["died in hospital"])}
        return Case(name, record=record, outcome=outcome, labels=labels, source=self.source, notes=notes)

    @cached_property
    def store(self) -> EventStore:
        """The events sorted by patient, made when the first case is opened."""
        names = {name: "hosp" for name in HOSPITAL if name != "patients"} | dict.fromkeys(self._icu, "icu")
        tables = {name: find_table(self.folder / part, f"{name}.csv") for name, part in names.items()}
        name = f"ipiu-events{'-with-chartevents' if self.chartevents else ''}.sqlite"
        file = cached(name, self.folder, self.cache)
        return event_store(file, tables=tables.values(), events=lambda: _events(tables))

    @property
    def _icu(self) -> tuple[str, ...]:
        return ICU if self.chartevents else ()

    def __getstate__(self) -> dict:
        # each process looks for the file itself
        return {name: value for name, value in self.__dict__.items() if name != "store"}


def _patients(folder: Path) -> pd.DataFrame:
    """One row a patient: labels, and death as time and event."""
    path = find_table(folder / "hosp", "patients.csv")
    people = read_columns(path, ("subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group", "dod"))
    check_unique(people["subject_id"], path)
    people = people.set_index(people["subject_id"].rename("id"))
    stays = _stays(folder)
    unknown = stays.index.difference(people.index)
    if len(unknown):
        msg = f"{folder}: subject {unknown[0]} of admissions is not in {path.name}; use the tables of one version"
        raise IpiuError(msg)
    stays = stays.reindex(people.index)
    age, year = (_numbers(people[name], path) for name in ("anchor_age", "anchor_year"))
    died = _moments(people["dod"], path)
    first, last = stays["first"], stays["last"]
    # a date of death has no hour, so both ends of the time are taken as days
    end = died.where(died.notna(), last + FOLLOW_UP)
    return pd.DataFrame(
        {
            "sex": people["gender"].map(SEXES).fillna(""),
            "age": (age + (first.dt.year - year).fillna(0)).where(age < HIDDEN_AGE),
            "years": people["anchor_year_group"],
            "admissions": stays["admissions"].fillna(0).astype(int),
            "died in hospital": stays["died"].fillna(0).astype(bool),
            "time": (end.dt.normalize() - first.dt.normalize()).dt.days.clip(lower=0),
            "event": died.notna(),
        }
    )


def _stays(folder: Path) -> pd.DataFrame:
    """What the admissions say of each patient who has any."""
    path = find_table(folder / "hosp", "admissions.csv")
    table = read_columns(path, ("subject_id", "hadm_id", "admittime", "dischtime", "hospital_expire_flag"))
    check_unique(table["hadm_id"], path)
    table["first"], table["last"] = (_moments(table[name], path) for name in ("admittime", "dischtime"))
    table["died"] = _numbers(table["hospital_expire_flag"], path).fillna(0)
    stays = table.groupby("subject_id", sort=False)
    return stays.agg(first=("first", "min"), last=("last", "max"), died=("died", "max"), admissions=("hadm_id", "size"))


def _events(tables: dict[str, Path]) -> Iterator[Event]:
    """Every event of the tables."""
    yield from _diagnoses(tables)
    yield from _measured(tables, "labevents", "d_labitems", "MIMIC-lab")
    yield from _prescriptions(tables["prescriptions"])
    if "chartevents" in tables:
        yield from _measured(tables, "chartevents", "d_items", "MIMIC-chart")


def _diagnoses(tables: dict[str, Path]) -> Iterator[Event]:
    """Diagnoses, at the discharge of their admission."""
    discharged = dict(stream_rows(tables["admissions"], ("hadm_id", "dischtime")))
    titles = {(code, version): title for code, version, title in _titles(tables["d_icd_diagnoses"])}
    path = tables["diagnoses_icd"]
    for subject, stay, code, version in stream_rows(path, ("subject_id", "hadm_id", "icd_code", "icd_version")):
        if stay not in discharged:
            msg = f"{path}: the admission {stay!r} is not in admissions; use the tables of one version"
            raise IpiuError(msg)
        title = titles.get((code.strip(), version), "")
        yield Event(subject, discharged[stay], icd(code, version, path), kind="Condition", display=title)


def _titles(path: Path) -> Iterator[tuple[str, str, str]]:
    for code, version, title in stream_rows(path, ("icd_code", "icd_version", "long_title")):
        yield code.strip(), version, title


def _measured(tables: dict[str, Path], name: str, items: str, system: str) -> Iterator[Event]:
    """Laboratory results or bedside measurements; the number where there is one, else the text."""
    labels = {item: ", ".join(filter(None, more)) for item, *more in _items(tables[items])}
    path = tables[name]
    columns = ("subject_id", "itemid", "charttime", "value", "valuenum", "valueuom")
    for subject, item, time, value, as_number, unit in stream_rows(path, columns):
        if item not in labels:
            msg = f"{path}: the item {item!r} is not in {tables[items].name}; use the tables of one version"
            raise IpiuError(msg)
        # "<0.3" has 0.3 as its number, which nobody measured; "___" hides what the number says
        found = value if value.startswith(("<", ">")) else as_number or value
        yield Event(subject, time, f"{system}:{item}", found, unit, "Observation", labels[item])


def _items(path: Path) -> Iterator[tuple[str, ...]]:
    return stream_rows(path, ("itemid", "label"), takes=("fluid",))


def _prescriptions(path: Path) -> Iterator[Event]:
    """Prescriptions, at the start of the drug."""
    columns = ("subject_id", "starttime", "drug", "ndc", "dose_val_rx", "dose_unit_rx")
    for subject, time, drug, ndc, dose, unit in stream_rows(path, columns):
        code = f"NDC:{ndc}" if ndc.strip("0 ") else f"MIMIC-drug:{drug}"
        yield Event(subject, time, code, dose, unit, "MedicationRequest", drug)


def icd(code: str, version: str, path: str | Path) -> str:
    """A diagnosis code with its system and its dot, which MIMIC leaves out.

    Examples
    --------
    >>> icd("E1065", "10", "diagnoses_icd.csv"), icd("4019", "9", "diagnoses_icd.csv")
    ('ICD-10-CM:E10.65', 'ICD-9-CM:401.9')
    """
    code = code.strip()
    if version not in ("9", "10") or not code:
        msg = f"{path}: the diagnosis {code!r} is of ICD version {version!r}, which is neither 9 nor 10; copy it again"
        raise IpiuError(msg)
    # the dot stands after three characters, in the E codes of ICD-9-CM after four
    stem = 4 if version == "9" and code.startswith("E") else 3
    return f"ICD-{version}-CM:{code[:stem]}{'.' if len(code) > stem else ''}{code[stem:]}"


def _moments(column: pd.Series, path: Path) -> pd.Series:
    """Times, NaT where a cell is empty."""
    times = pd.to_datetime(column.where(column != ""), format="ISO8601", errors="coerce")
    _check(column, times, "a time such as 2150-03-15 08:00:00", path)
    return times


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    """Numbers, NaN where a cell is empty."""
    values = pd.to_numeric(column.where(column != ""), errors="coerce")
    _check(column, values, "a number", path)
    return values


def _check(column: pd.Series, values: pd.Series, wanted: str, path: Path) -> None:
    """Refuse the first cell that says something else."""
    odd = (column != "") & values.isna()
    if odd.any():
        row = int(odd.to_numpy().argmax())
        msg = f"{path}: row {row + 1} has {column.name} = {column.iloc[row]!r}, which is not {wanted}; correct it"
        raise IpiuError(msg)
