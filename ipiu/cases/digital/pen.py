"""How one author writes: the same units, dates and manner throughout a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ipiu.cases.digital.findings import Finding
from ipiu.cases.digital.grammar import Draws, Grammar, read_grammar
from ipiu.cases.digital.state import State

# findings whose change is one of size; others become more or less
_FOCAL = ("lung nodule", "liver lesion", "kidney stone", "brain tumour", "pleural effusion", "pneumothorax")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July")
_MONTHS += ("August", "September", "October", "November", "December")
_COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
_ZONES = {"upper lobe": "upper zone", "middle lobe": "mid zone", "lower lobe": "lower zone"}


class Pen:
    """What writes the sentences of one report.

    Parameters
    ----------
    state, draws
        the patient, and random numbers
    study
        one of :data:`ipiu.cases.digital.findings.STUDIES`
    prior
        whether there is a study to compare with
    """

    def __init__(self, state: State, draws: Draws, *, study: str, prior: bool):
        self.state, self.draws, self.study, self.prior = state, draws, study, prior
        self.grammar = grammar()
        self.complaint = True  # whether a symptom is to be explained
        self.centimetres = draws.chance(0.3)
        self.zones = study == "radiograph" and draws.chance(0.7)
        self.standing = {"study": study, "date": self._date(), "view": "portable" if state.portable else "standing"}
        enhanced = state.has("brain tumour") if study == "brain mr" else state.contrast
        self.standing |= {"phase": "enhanced" if enhanced else "plain", "view_low": self.standing["view"]}
        self.standing |= {"study_cap": self.grammar.write(f"study {study}", draws)}

    def write(self, rule: str, **slots: str) -> str:
        """One text of a rule."""
        return self.grammar.write(rule, self.draws, **self.standing, **slots)

    def size(self, mm: float) -> str:
        """A diameter, in whole millimetres or in centimetres to one decimal."""
        whole = int(mm + 0.5)
        return f"{whole / 10:.1f} cm" if self.centimetres and whole >= 10 else f"{whole} mm"

    def slots(self, finding: Finding, *, brief: bool = False) -> dict[str, str]:
        """What the grammar needs to know of a finding; ``brief`` is for the impression, which dwells less on change."""
        certainty = "" if finding.certainty == "definite" else finding.certainty
        degree = "moderate size" if (finding.finding, finding.degree) in _MODERATE else finding.degree
        slots = {"side": finding.side, "degree": degree, "adverb": finding.degree, "extent": finding.degree}
        slots |= {
            "few": finding.degree,
            "bulk": finding.degree,
            "hedge": certainty,
            "keeping": finding.certainty,
            "may": finding.certainty,
        }
        slots |= {"place": finding.place, "region": self._region(finding), "margin": self._margin()}
        slots["region_cap"] = slots["region"]
        if finding.size is not None:
            slots["size"] = self.size(finding.size)
            slots["count"] = _COUNTS.get(finding.count, "")
        return slots | self._change(finding, brief)

    def _change(self, finding: Finding, brief: bool) -> dict[str, str]:
        """How it has changed, before the finding or after it."""
        slots = {"lead": "", "trail": ""}
        if not finding.change or (brief and self.draws.chance(0.4)):
            return slots
        change = finding.change
        if finding.finding not in _FOCAL:
            change = {"larger": "more", "smaller": "less"}.get(change, change)
        if finding.size and change in ("larger", "smaller") and not brief and self.draws.chance(0.6):
            before = self.size(
                min(finding.size - 1, finding.size * 0.72) if change == "larger" else finding.size * 1.35
            )
            trail = self.grammar.write("before", self.draws, trail=change, before_size=before, **self.standing)
            return {"lead": "", "trail": trail}
        slots["lead" if brief or self.draws.chance(0.45) else "trail"] = change
        return slots

    def _region(self, finding: Finding) -> str:
        """Side and lobe, or zone of a radiograph."""
        place = _ZONES.get(finding.place, finding.place) if self.zones else finding.place
        return f"{finding.side} {place}"

    def _margin(self) -> str:
        """The edge of the largest nodule."""
        spikes = max((x.spiculation for x in self.state.lesions if x.kind == "lung nodule"), default=0.0)
        return "smooth" if spikes < 0.25 else "lobulated" if spikes < 0.5 else "spiculated"

    def _date(self) -> str:
        """A date of the study before."""
        day, month, year = (self.draws.pick(values) for values in (range(1, 29), _MONTHS, range(2012, 2025)))
        if self.draws.chance(0.3):
            return f"{day:02d}/{_MONTHS.index(month) + 1:02d}/{year}"
        return f"{day} {month} {year}"


_MODERATE = {("pleural effusion", "moderate"), ("pneumothorax", "moderate")}


def grammar() -> Grammar:
    """The grammar of reports."""
    return read_grammar(Path(__file__).with_name("phrases.yaml"))


def enumerate_words(words: Sequence[str], link: str) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {link} {words[-1]}"
