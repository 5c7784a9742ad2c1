"""Digital patients as a cohort, lazy and the same whenever, wherever and in whatever order they are made."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ipiu.cases.case import Case
from ipiu.cases.cohort import Cohort
from ipiu.cases.digital.knobs import PARTS, Knobs
from ipiu.cases.digital.oracle import Oracle
from ipiu.cases.digital.patient import SOURCE, Patient
from ipiu.cases.digital.streams import VERSION
from ipiu.errors import IpiuError
from ipiu.names import nearest

if TYPE_CHECKING:
    import pandas as pd

# the brain takes as long as all other parts together, and most chapters do without
DEFAULT_PARTS = tuple(part for part in PARTS if part != "brain")


class DigitalCohort(Cohort):
    """Patients whose truth is known: generated, not recorded, and never a stand-in for clinical validation.

    Patient ``i`` depends on (generator version, seed, i) and the knobs alone, so a longer cohort of the same seed
    begins with the same patients. Nothing is made before it is asked for, and nothing is kept.

    Parameters
    ----------
    n
        number of patients
    seed
        a whole number from 0, below 2**32; another seed gives other patients
    parts
        what each case has, of ``ct``, ``radiograph``, ``brain``, ``fundus``, ``report``, ``record``, ``ecg``, ``ppg``,
        ``expression`` and ``outcome``; all but the brain unless said
    spacing
        of the CT in mm, one number or three (left-right, front-back, head-foot). The field of view is 432 x 432 x
        480 mm; (4.5, 4.5, 5) gives 96 x 96 x 96 voxels
    knobs
        site, prevalence, label_noise, contour_noise, marker, missing and do, as
        :class:`~ipiu.cases.digital.knobs.Knobs` says

    Raises
    ------
    IpiuError
        Where a part, a knob's disease or a site is not known, or a number is out of range.

    Examples
    --------
    >>> import ipiu
    >>> cohort = ipiu.DigitalCohort(100, seed=0, parts=("ecg", "outcome"))
    >>> cohort[0].signals["ecg"]
    Signal(12 leads, 10.0 s at 500 Hz, mV)
    >>> bool(cohort.oracle.labels()["diabetes"].any())
    True
    """

    def __init__(
        self,
        n: int,
        seed: int = 0,
        *,
        parts: Sequence[str] = DEFAULT_PARTS,
        spacing: float | tuple[float, float, float] = 3.0,
        **knobs,
    ):
        # numpy takes a larger seed apart, and its patients would be those of another
        if not all(0 <= number < 2**32 and int(number) == number for number in (n, seed)):
            msg = f"n={n} and seed={seed} must be whole numbers from 0, below 2**32"
            raise IpiuError(msg)
        parts = (parts,) if isinstance(parts, str) else tuple(parts)
        unknown = [part for part in parts if part not in PARTS]
        if unknown:
            msg = f"a digital patient has no part {unknown[0]!r}; {nearest(unknown[0], PARTS)}"
            raise IpiuError(msg)
        self.seed, self.parts, self.spacing, self.knobs = int(seed), parts, _spacing(spacing), Knobs(**knobs)
        ids = [f"digital-{index:06d}" for index in range(int(n))]
        super().__init__(ids, self._make, name=f"digital patients, seed {seed}", source=SOURCE)

    @property
    def oracle(self) -> Oracle:
        """The truth behind the cohort, and the best score that is possible on it."""
        return Oracle(self)

    def patient(self, name: str) -> Patient:
        """The patient of an id, before anything is made: the state and the truth of each part.

        Raises
        ------
        KeyError
            Where the cohort has no such patient.
        """
        if name not in self.ids:
            raise KeyError(self._unknown(name))
        return self._patient(name)

    def _patient(self, name: str) -> Patient:
        """The patient of an id that is one of the cohort's."""
        return Patient(self.seed, int(name.rpartition("-")[2]), self.spacing, self.knobs)

    def subset(self, ids: Sequence[str] | Callable[[Case], bool]) -> DigitalCohort:
        """The patients named by ``ids``, or those whose case passes a test; still digital, with their oracle."""
        kept = copy.copy(self)
        kept.ids = super().subset(ids).ids
        kept._open = kept._make
        return kept

    def table(self) -> pd.DataFrame:
        """One row a patient, indexed by id: labels, ECG features (where ``ecg`` is a part) and outcome.

        No image or signal is made for it.
        """
        import pandas as pd

        rows = [self._row(self._patient(name)) for name in self.ids]
        return pd.DataFrame(rows, index=pd.Index(self.ids, name="id"))

    def recipe(self) -> dict:
        """Generator version, seed, parts, spacing and knobs."""
        from dataclasses import asdict

        made = {"version": VERSION, "seed": self.seed, "parts": self.parts, "spacing": self.spacing}
        return {**made, "knobs": asdict(self.knobs)}

    def _row(self, patient: Patient) -> dict:
        """A patient's row of the table."""
        row = patient.labels()
        if "ecg" in self.parts and not patient.missing("ecg"):
            row |= patient.features()
        outcome = patient.case("", ("outcome",)).outcome if "outcome" in self.parts else None
        return row if outcome is None else {**row, "time": outcome.time, "event": outcome.event}

    def _make(self, name: str) -> Case:
        """The case of an id."""
        return self._patient(name).case(name, self.parts)


def _spacing(spacing: float | Sequence[float]) -> float | tuple[float, ...]:
    """A spacing in mm that can be made."""
    values = (spacing,) if isinstance(spacing, numbers.Real) else tuple(spacing)
    if len(values) not in (1, 3) or not all(1 <= value <= 12 for value in values):
        msg = f"spacing={spacing} must be one number or three, each from 1 to 12 mm"
        raise IpiuError(msg)
    return float(values[0]) if len(values) == 1 else tuple(float(value) for value in values)
