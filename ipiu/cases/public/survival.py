"""The cohorts that ship with scikit-survival, as benchmarks."""

from __future__ import annotations

from functools import cached_property

from ipiu.cases.case import Case, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.samples import Sample, samples
from ipiu.errors import IpiuError
from ipiu.names import nearest

# cohorts of scikit-survival that are not among the real samples, which need no more than these facts
MORE = {
    "cgvhd": Sample(
        "cgvhd",
        shows="100 people after a stem cell transplant; chronic graft-versus-host disease, relapse, or death",
        kind="cohort",
        package="sksurv",
        licence="not stated",
        url="https://doi.org/10.1002/9780470870709",
        doi="10.1002/9780470870709",
        how="survival",
        args={
            "loader": "load_cgvhd",
            "unit": "years",
            "causes": {0: "censored", 1: "chronic graft-versus-host disease", 2: "relapse", 3: "death"},
        },
    )
}


def survival(name: str = "whas500") -> Cohort:
    """A cohort of scikit-survival: measures at baseline, follow-up and, for gse7390, expression.

    They are read by :mod:`ipiu.cases.samples`, from the installed package and without a network; here they say that
    they are public benchmarks. No splits are stated; ``cohort.split`` makes them.

    Parameters
    ----------
    name
        whas500, flchain, gbsg2, veteran, aids, gse7390, bone-marrow or cgvhd

    Returns
    -------
    Cohort
        ``outcome`` and ``labels`` of each person; ``table()`` has both. Where there are several kinds of event, any of
        them is the event and the label "first event" names it.

    Raises
    ------
    IpiuError
        Where there is no such cohort.
    ImportError
        Where scikit-survival is not installed.

    Examples
    --------
    >>> from ipiu.cases.public.survival import survival
    >>> survival("whas500")
    Cohort('whas500', 500 patients; public benchmark: whas500)
    """
    person = _Person(name)
    opened = person.cohort
    return Cohort(opened.ids, person, name=name, source=person.source, table=opened.table())


class _Person:
    """Opens one person and says where from; a class so that it can go to other processes, which read the package."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, name: str) -> Case:
        case = self.cohort[name]
        case.source = self.source
        return case

    @cached_property
    def cohort(self) -> Cohort:
        """The cohort as a real sample."""
        known = {key: sample for key, sample in samples().items() if sample.how == "survival"} | MORE
        if self.name not in known:
            msg = f"there is no cohort {self.name!r}; {nearest(self.name, known)}"
            raise IpiuError(msg)
        return known[self.name].open()

    @property
    def source(self) -> Source:
        """The same source under the word of the benchmarks."""
        return self.cohort.source._replace(kind="public benchmark")

    def __getstate__(self) -> dict:
        return {"name": self.name}
