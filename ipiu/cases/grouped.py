"""Cohorts in which several cases can be of one patient, who is never in two parts of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ipiu.cases.case import Case
from ipiu.cases.cohort import Cohort


class GroupedCohort(Cohort):
    """A cohort of studies, recordings or questions that knows whose they are.

    Parameters
    ----------
    ids, open_case, options
        as for :class:`ipiu.cases.cohort.Cohort`; the ids are the cases'
    patients
        the patient of each case, in the order of ``ids``

    Examples
    --------
    >>> from ipiu.cases.case import Case
    >>> from ipiu.cases.grouped import GroupedCohort
    >>> cohort = GroupedCohort(["ecg-1", "ecg-2", "ecg-3"], Case, patients=["a", "a", "b"])
    >>> sorted(part.patients for part in cohort.split(0.5, seed=0))
    [('a', 'a'), ('b',)]
    """

    def __init__(self, ids: Sequence[str], open_case: Callable[[str], Case], *, patients: Sequence[str], **options):
        super().__init__(ids, open_case, **options)
        self._of = dict(zip(self.ids, patients, strict=True))

    @property
    def patients(self) -> tuple[str, ...]:
        """The patient of each case, in the order of :attr:`ids`."""
        return tuple(self._of.values())

    def subset(self, ids: Sequence[str] | Callable[[Case], bool]) -> GroupedCohort:
        """The cases named by ``ids``, or those that pass a test (which opens every case once)."""
        part = super().subset(ids)
        patients = [self._of[name] for name in part.ids]
        return GroupedCohort(
            part.ids, self._open, patients=patients, name=self.name, source=self.source, table=part._table
        )

    def split(self, *fractions: float, seed: int = 0) -> tuple[GroupedCohort, ...]:
        """Disjoint sub-cohorts with the given shares of the patients; all cases of a patient are in one of them."""
        people = Cohort(list(dict.fromkeys(self.patients)), Case, name=self.name).split(*fractions, seed=seed)
        chosen = [set(part.ids) for part in people]
        return tuple(self.subset([i for i in self.ids if self._of[i] in part]) for part in chosen)

    def recipe(self) -> dict:
        """Whose the cases are, so that a cohort on disk can be split by patient."""
        return {"patients": list(self.patients)}

    def _counted(self, each: str = "cases") -> str:
        return super()._counted(each)
