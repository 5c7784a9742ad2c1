"""Many patients: a lazy sequence of cases that opens one only when it is asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipiu.cases.case import OWN_FILE, Case, Source

if TYPE_CHECKING:
    import pandas as pd


class Cohort(Sequence[Case]):
    """A lazy sequence of cases. Nothing is kept, so a cohort larger than memory streams through a loop.

    Parameters
    ----------
    ids
        one pseudonym a patient, in order
    open_case
        takes an id and returns its :class:`Case`
    name, source
        what the cohort is called and where it comes from
    table
        one row a patient, indexed by id, where it is known without opening the cases

    Examples
    --------
    >>> import ipiu
    >>> cohort = ipiu.open("sample:whas500")
    >>> len(cohort), cohort[0].outcome.event
    (500, False)
    >>> train, test = cohort.split(0.8, seed=0)
    """

    def __init__(
        self,
        ids: Sequence[str],
        open_case: Callable[[str], Case],
        *,
        name: str = "cohort",
        source: Source = OWN_FILE,
        table: pd.DataFrame | None = None,
    ):
        if len(set(ids)) != len(ids):
            twice = next(i for i in ids if list(ids).count(i) > 1)
            msg = f"cohort {name!r}: the id {twice!r} stands more than once; give every patient an id of its own"
            raise ValueError(msg)
        self.ids = tuple(ids)
        self.name = name
        self.source = source
        self._open = open_case
        self._table = table

    @classmethod
    def of(cls, cases: Sequence[Case], **options) -> Cohort:
        """A cohort of cases that are in memory already."""
        by_id = {case.id: case for case in cases}
        options.setdefault("source", cases[0].source if cases else OWN_FILE)
        return cls([case.id for case in cases], by_id.__getitem__, **options)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.subset(self.ids[index])
        if isinstance(index, str) and index not in self.ids:
            raise KeyError(self._unknown(index))
        return self._open(index if isinstance(index, str) else self.ids[index])

    def __iter__(self) -> Iterator[Case]:
        return (self._open(i) for i in self.ids)

    def __contains__(self, item: object) -> bool:
        return (item.id if isinstance(item, Case) else item) in self.ids

    def subset(self, ids: Sequence[str] | Callable[[Case], bool]) -> Cohort:
        """The patients named by ``ids``, or those whose case passes a test (which opens every case once)."""
        kept = [case.id for case in self if ids(case)] if callable(ids) else list(ids)
        known = set(self.ids)
        unknown = [i for i in kept if i not in known]
        if unknown:
            raise KeyError(self._unknown(unknown[0]))
        table = None if self._table is None else self._table.loc[kept]
        return Cohort(kept, self._open, name=self.name, source=self.source, table=table)

    def split(self, *fractions: float, seed: int = 0) -> tuple[Cohort, ...]:
        """Disjoint sub-cohorts by patient, of the sizes given; the last one takes the rest.

        Parameters
        ----------
        fractions
            shares of the cohort, each above 0, together below 1: ``split(0.7, 0.1)`` gives 70 %, 10 % and 20 %
        seed
            the same seed gives the same split
        """
        # 0.7 + 0.2 + 0.1 is a little below 1 in binary fractions
        if not fractions or not all(fraction > 0 for fraction in fractions) or not sum(fractions) < 1 - 1e-9:
            msg = f"split fractions {fractions} must each be above 0 and sum to less than 1; the rest is the last part"
            raise ValueError(msg)
        ids = list(self.ids)
        random.Random(seed).shuffle(ids)
        cuts = [0, *(round(share * len(ids)) for share in accumulate(fractions))]
        parts = [ids[a:b] for a, b in zip(cuts, [*cuts[1:], len(ids)], strict=True)]
        order = {i: n for n, i in enumerate(self.ids)}
        return tuple(self.subset(sorted(part, key=order.__getitem__)) for part in parts)

    def table(self) -> pd.DataFrame:
        """One row a patient, indexed by id: the labels, and the outcome as ``time`` and ``event``."""
        import pandas as pd

        if self._table is not None:
            return self._table.copy()
        rows = []
        for case in self:
            outcome = {} if case.outcome is None else {"time": case.outcome.time, "event": case.outcome.event}
            rows.append({**case.labels, **outcome})
        return pd.DataFrame(rows, index=pd.Index(self.ids, name="id"))

    def map(self, function: Callable[[Case], Any], *, workers: int = 1) -> Iterator[Any]:
        """Apply a function to each case, in order and lazily, in as many processes as asked for.

        Parameters
        ----------
        function
            takes a case; it must be importable where ``workers`` is above 1
        workers
            number of processes; 1 starts none

        Examples
        --------
        >>> import ipiu
        >>> cohort = ipiu.open("sample:whas500")
        >>> next(cohort.map(lambda case: case.outcome.event))
        False
        """
        from ipiu.cases.parallel import in_order

        yield from in_order(_Opened(self, function), range(len(self)), workers=workers)

    def to_disk(self, folder: str | Path, *, workers: int = 1, progress: bool = True) -> Path:
        """Write the cases as standard files, one by one and atomically (:mod:`ipiu.cases.folder`).

        A run that was stopped goes on where it was. Of the cohort, only ids and table are held in memory.

        Parameters
        ----------
        folder
            a new folder, or one in which this cohort was begun
        workers
            processes that make and write cases; the bytes are the same for any number
        progress
            show a bar

        Raises
        ------
        IpiuError
            Where the folder holds something else.
        """
        from ipiu.cases.folder import write_cohort

        return write_cohort(self, folder, workers=workers, progress=progress)

    @classmethod
    def open(cls, folder: str | Path) -> Cohort:
        """A cohort that :meth:`to_disk` wrote, streamed from there.

        Raises
        ------
        IpiuError
            Where the folder holds no cohort, or only a part of one.
        """
        from ipiu.cases.folder import open_cohort

        return open_cohort(folder)

    def recipe(self) -> dict[str, Any]:
        """What the cohort was made with, beside its name, source and ids; a cohort that is generated says more."""
        return {}

    def _unknown(self, name: object) -> str:
        """What is said of a patient who is not in the cohort."""
        known = f"its first id is {self.ids[0]!r}" if self.ids else "it has no patients"
        return f"cohort {self.name!r} has no patient {name!r}; {known}"

    def __repr__(self) -> str:
        return f"Cohort({self.name!r}, {self._counted()}; {self.source})"

    def _repr_html_(self) -> str:
        from html import escape

        head = f"{escape(self.name)}: {escape(self._counted())} ({escape(str(self.source))})"
        table = "" if self._table is None else self._table.head().to_html(border=0, escape=True)
        return f"<p>{head}</p>{table}"

    def _counted(self, each: str = "patients") -> str:
        """How many there are of what a case is: ``open_case`` may have the word as its attribute ``each``."""
        return f"{len(self)} {getattr(self._open, 'each', each)}"


class _Opened:
    """A function of a case as one of its place in the cohort, which costs less to send to a process."""

    def __init__(self, cohort: Cohort, function: Callable[[Case], Any]):
        self.cohort, self.function = cohort, function

    def __call__(self, place: int) -> Any:
        return self.function(self.cohort[place])
