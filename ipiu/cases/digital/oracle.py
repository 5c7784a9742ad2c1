"""What is true of digital patients, and the best score anyone could reach on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipiu.cases.digital.state import DISEASES
from ipiu.errors import IpiuError, require
from ipiu.names import nearest

if TYPE_CHECKING:
    import pandas as pd
    from monai.data import MetaTensor

    from ipiu.cases.digital.cohort import DigitalCohort
    from ipiu.cases.digital.patient import Patient

GIVEN = ("disease", "causes")


class Oracle:
    """Answers that no model has.

    Bounds are computed on the very patients of the cohort, so they carry its sampling error.

    Examples
    --------
    >>> import ipiu
    >>> oracle = ipiu.DigitalCohort(200, seed=0, parts=("outcome",)).oracle
    >>> 0.6 < oracle.c_index() < 1
    True
    """

    def __init__(self, cohort: DigitalCohort):
        self.cohort = cohort

    def states(self) -> pd.DataFrame:
        """One row a patient: demographics, physiology, log hazard, and the severity of each disease (0 to 1)."""
        return self._table(lambda patient: patient.state.row())

    def values(self) -> pd.DataFrame:
        """The columns of the hazard, scaled as its coefficients take them; a Cox model on them is the true one."""
        from ipiu.cases.digital.state import HAZARD

        return self._table(lambda patient: {name: patient.state.values[name] for name in HAZARD})

    def labels(self) -> pd.DataFrame:
        """Who truly has what: one row a patient, one column a disease, True or False."""
        return self._table(lambda patient: {disease: patient.state.has(disease) for disease in DISEASES})

    def probability(self) -> pd.DataFrame:
        """The chance of each disease given its causes, before it was drawn."""
        return self._table(lambda patient: patient.state.probability)

    def risk(self) -> pd.Series:
        """The true log hazard of each patient."""
        return self._table(lambda patient: {"risk": patient.state.hazard})["risk"]

    def masks(self, name: str | int) -> MetaTensor:
        """The true label map of a patient's CT, whatever the annotator's hand did: (1, i, j, k)."""
        return self._patient(name).torso[1]

    def findings(self, name: str | int, study: str = "ct") -> list:
        """The structured truth of a patient's report."""
        return self._patient(name).findings(study)

    def auroc(self, disease: str, *, given: str = "disease") -> float:
        """The best AUROC that is possible against the labels of the cohort.

        Parameters
        ----------
        disease
            one of the diseases
        given
            ``"disease"``: for a model that sees the disease itself (an image that shows it). It is 1 with clean labels,
            and what noise leaves of it otherwise. ``"causes"``: for a model that sees the causes alone, such as age and
            smoking; nothing in them can do better than the probability that the disease was drawn with.

        Raises
        ------
        IpiuError
            Where the disease is not known, or all patients have the same label.
        """
        roc_auc_score = require("sklearn.metrics", extra="samples").roc_auc_score

        if disease not in DISEASES or given not in GIVEN:
            wrong, known = (disease, DISEASES) if disease not in DISEASES else (given, GIVEN)
            msg = f"auroc does not know {wrong!r}; {nearest(wrong, known)}"
            raise IpiuError(msg)
        seen = self._table(lambda patient: {"label": patient.labels()[disease]})["label"]
        if seen.nunique() < 2:
            msg = f"all {len(seen)} patients have the label {seen.iloc[0]} for {disease}; AUROC needs both"
            raise IpiuError(msg)
        score = self.labels()[disease] if given == "disease" else self.probability()[disease]
        sign = -1.0 if self.cohort.knobs.flips(disease) > 0.5 else 1.0  # most labels say the opposite
        return float(roc_auc_score(seen, sign * score.astype(float)))

    def c_index(self) -> float:
        """Harrell's C-index of the true hazard against the observed outcomes: in expectation none is higher."""
        concordance = require("sksurv.metrics", extra="samples").concordance_index_censored

        outcomes = [self._patient(n).case("", ("outcome",)).outcome for n in range(len(self.cohort))]
        kept = [n for n, outcome in enumerate(outcomes) if outcome is not None]
        if not any(outcomes[n].event for n in kept):
            msg = f"none of the {len(kept)} patients with an outcome has an event; a C-index needs one"
            raise IpiuError(msg)
        event, time = [outcomes[n].event for n in kept], [outcomes[n].time for n in kept]
        return float(concordance(event, time, self.risk().iloc[kept])[0])

    def dice(self, structure: str, name: str | int) -> float:
        """Dice between the true label map of a patient and the annotated one; nan where the structure is absent.

        A model that finds the truth exactly scores this against the annotation; with steady hands it is 1.
        """
        from monai.metrics import compute_dice

        from ipiu.cases.digital.patient import annotated

        patient = self._patient(name)
        truth = patient.torso[1]
        codes = {label: code for code, label in truth.meta["labels"].items()}
        if structure not in codes:
            msg = f"the CT has no structure {structure!r}; {nearest(structure, codes)}"
            raise IpiuError(msg)
        drawn = annotated(truth, patient)
        pair = [(labels == codes[structure]).as_tensor()[None] for labels in (truth, drawn)]
        return float(compute_dice(pair[0], pair[1])[0, 0])

    def _patient(self, name: str | int) -> Patient:
        """A patient by id or by place in the cohort."""
        return self.cohort.patient(name) if isinstance(name, str) else self.cohort._patient(self.cohort.ids[name])

    def _table(self, row) -> pd.DataFrame:
        """One row a patient."""
        import pandas as pd

        ids = self.cohort.ids
        return pd.DataFrame([row(self.cohort._patient(name)) for name in ids], index=pd.Index(ids, name="id"))
