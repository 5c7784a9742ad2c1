"""What can be turned: site, prevalence, noise in labels and contours, a spurious marker, missing parts, actions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ipiu.cases.digital.site import Site, find_site
from ipiu.cases.digital.state import DISEASES, draw_state
from ipiu.errors import IpiuError
from ipiu.names import nearest

# everything of a digital patient that can be made, or be missing, by itself
PARTS = ("ct", "radiograph", "brain", "fundus", "report", "record", "ecg", "ppg", "expression", "outcome")
# a fixed population to solve intercepts in; its seed is no cohort's, as those are below 2**32
_REFERENCE_SEED = 2**40
_REFERENCE_SIZE = 3000


@dataclass(frozen=True)
class Knobs:
    """How a digital cohort departs from the reference. Each knob leaves everything it does not cause as it was.

    Attributes
    ----------
    site
        name of a hospital (see :data:`ipiu.cases.digital.site.SITES`), or a :class:`~ipiu.cases.digital.site.Site`
    prevalence
        disease -> share of patients who have it. Its log-odds are shifted so that the share holds in the population;
        causes keep their odds ratios, and diseases it causes follow.
    label_noise
        chance that a disease label is flipped, from 0 to 1, for all diseases or by name. Images, reports and the
        oracle keep the truth.
    contour_noise
        standard deviation of the annotator's hand in mm: boundaries of the label map of the CT are moved by it
    marker
        disease -> chance that a patient who has it carries a lead marker on the radiograph; those without it carry
        one with the remaining chance, so 0.5 is no correlation and 0.95 a strong spurious one
    missing
        part -> chance that it is absent, whatever the patient has
    do
        disease -> severity from 0 to 1 that it is set to, whatever its causes: an intervention

    Raises
    ------
    IpiuError
        Where a disease, a part or a site is not known, or a chance is outside 0 to 1.

    Examples
    --------
    >>> from ipiu.cases.digital.knobs import Knobs
    >>> Knobs(label_noise=0.1).flips("diabetes")
    0.1
    """

    site: str | Site = "reference"
    prevalence: Mapping[str, float] = field(default_factory=dict)
    label_noise: float | Mapping[str, float] = 0.0
    contour_noise: float = 0.0
    marker: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    do: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "site", find_site(self.site))
        noise = self.label_noise if isinstance(self.label_noise, Mapping) else {DISEASES[0]: self.label_noise}
        for knob, values, known in (
            ("prevalence", self.prevalence, DISEASES),
            ("label_noise", noise, DISEASES),
            ("marker", self.marker, DISEASES),
            ("missing", self.missing, PARTS),
            ("do", self.do, DISEASES),
        ):
            _check(knob, values, known)
        both = [disease for disease in self.prevalence if disease in self.do]
        if both:
            msg = f"prevalence and do both set {both[0]}; an intervention leaves no prevalence to choose, name it once"
            raise IpiuError(msg)
        if not 0 <= self.contour_noise <= 50:
            msg = f"contour_noise={self.contour_noise} must be from 0 to 50 mm"
            raise IpiuError(msg)
        if len(self.marker) > 1:
            msg = f"marker ties {len(self.marker)} diseases to one marker; name one of {', '.join(self.marker)}"
            raise IpiuError(msg)

    def flips(self, disease: str) -> float:
        """Chance that the label of a disease is flipped."""
        return self.label_noise.get(disease, 0.0) if isinstance(self.label_noise, Mapping) else self.label_noise

    def shift(self) -> dict[str, float]:
        """What is added to the log-odds of each disease, so that ``prevalence`` holds."""
        return dict(_shift(self.site, tuple(sorted(self.prevalence.items())), tuple(sorted(self.do.items()))))


def _check(knob: str, values: Mapping[str, float], known: tuple[str, ...]) -> None:
    """Names that are known, and numbers from 0 to 1."""
    for name, value in values.items():
        if name not in known:
            msg = f"{knob} names {name!r}, which is not known; {nearest(name, known)}"
            raise IpiuError(msg)
        if not 0 <= value <= 1:
            msg = f"{knob} of {name} is {value}; it must be from 0 to 1"
            raise IpiuError(msg)
        if knob == "prevalence" and value in (0, 1):
            msg = f"prevalence of {name} is {value}; to give it to all or to none, use do={{{name!r}: severity}}"
            raise IpiuError(msg)


@lru_cache(maxsize=32)
def _shift(site: Site, prevalence: tuple[tuple[str, float], ...], do: tuple[tuple[str, float], ...]) -> tuple:
    """Solve the intercepts in causal order: a disease shifted earlier changes those it causes."""
    wanted, shift = dict(prevalence), {}
    for disease in DISEASES:
        if disease not in wanted:
            continue
        chances = [
            draw_state(_REFERENCE_SEED, n, site=site, shift=shift, do=dict(do)).probability[disease]
            for n in range(_REFERENCE_SIZE)
        ]
        shift[disease] = _solve([c for c in chances if c > 0], wanted[disease] * _REFERENCE_SIZE, disease)
    return tuple(shift.items())


def _solve(chances: list[float], count: float, disease: str) -> float:
    """The shift of log-odds at which the chances sum to a count, by bisection."""
    if count >= len(chances):
        share, most = count / _REFERENCE_SIZE, len(chances) / _REFERENCE_SIZE
        msg = f"prevalence of {disease} cannot be {share:g}: only {most:.2g} of patients can have it; raise its causes"
        raise IpiuError(msg)
    odds = [math.log(c / (1 - c)) for c in chances]
    low, high = -20.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        total = sum(1 / (1 + math.exp(-(o + middle))) for o in odds)
        low, high = (middle, high) if total < count else (low, middle)
    return (low + high) / 2
