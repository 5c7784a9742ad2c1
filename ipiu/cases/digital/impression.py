"""The impression of a report: what matters, the most urgent first, and what to do about it."""

from __future__ import annotations

from ipiu.cases.digital.findings import Finding
from ipiu.cases.digital.pen import Pen, enumerate_words
from ipiu.cases.digital.state import State

# the most urgent first; a suspicious nodule is moved up, see _rank
_ORDER = (
    "pneumothorax",
    "brain tumour",
    "oedema",
    "suspicious nodule",
    "consolidation",
    "pulmonary oedema",
    "pleural effusion",
    "lung nodule",
    "liver lesion",
    "cardiomegaly",
    "emphysema",
    "kidney stone",
    "white matter lesions",
    "atrophy",
)
# left out of a third of the impressions
_MINOR = ("cardiomegaly", "emphysema", "kidney stone", "white matter lesions", "atrophy")
_ADVICE = {"consolidation": 0.5, "liver lesion": 0.6, "brain tumour": 0.7}


def write_impression(pen: Pen, findings: list[Finding]) -> list[str]:
    """The items of the impression, each one or more sentences."""
    shown = sorted((f for f in findings if f.present and f.mentioned), key=_rank)
    items = []
    together = _failing(shown)
    if together and pen.draws.chance(0.6):
        items.append(_failure(pen, together))
        shown = [f for f in shown if f not in together]
    kept = [f for f in shown if f.finding not in _MINOR or pen.draws.chance(0.67)]
    items += [_item(pen, f, findings) for f in kept]
    if not items and not shown:
        return [pen.write("unexplained" if pen.complaint and pen.draws.chance(0.15) else f"unremarkable {pen.study}")]
    items = items or [_item(pen, shown[0], findings)]
    return [*items, pen.write("otherwise")] if pen.draws.chance(0.25) else items


def _rank(finding: Finding) -> int:
    """Place in the order of urgency."""
    return _ORDER.index("suspicious nodule" if finding.degree == "suspicious" else finding.finding)


def _failing(shown: list[Finding]) -> list[Finding]:
    """Findings that together say heart failure, or none."""
    names = {f.finding for f in shown}
    if "pulmonary oedema" not in names or len(names & {"cardiomegaly", "pleural effusion"}) == 0:
        return []
    return [f for f in shown if f.finding in ("pulmonary oedema", "cardiomegaly", "pleural effusion")]


def _failure(pen: Pen, together: list[Finding]) -> str:
    """One sentence on heart failure and its signs."""
    words = []
    for f in together:
        sides = {"both": "bilateral pleural effusions"}.get(f.side, f"{f.side} pleural effusion")
        words.append(sides if f.finding == "pleural effusion" else f.finding)
    certainty = next(f.certainty for f in together if f.finding == "pulmonary oedema")
    text = enumerate_words(words, "and")
    return pen.write("failure", list=text, list_cap=text, keeping=certainty, suggests=certainty)


def _item(pen: Pen, finding: Finding, findings: list[Finding]) -> str:
    """One finding, and what is advised."""
    text = pen.write(_rule(finding, findings), **pen.slots(finding, brief=True))
    advice = _advice(pen, finding)
    return f"{text} {pen.write(advice)}" if advice else text


def _rule(finding: Finding, findings: list[Finding]) -> str:
    """The rule that writes the finding."""
    rule = f"impression {finding.finding}"
    if finding.finding == "lung nodule":
        return f"{rule} {finding.degree}"
    if finding.finding == "liver lesion" and finding.count > 1:
        suspicious = any(f.degree == "suspicious" for f in findings)
        return f"{rule} suspicious" if suspicious else f"{rule} many"
    return f"{rule} both" if finding.side == "both" else rule


def _advice(pen: Pen, finding: Finding) -> str:
    """The rule of what is advised, or ""."""
    if finding.finding == "lung nodule":
        return nodule_advice(finding, pen.state, study=pen.study) if pen.draws.chance(0.85) else ""
    if finding.finding == "pneumothorax":
        urgent = finding.degree != "small" or finding.change in ("new", "larger")
        return "advice pneumothorax" if urgent and pen.draws.chance(0.6) else ""
    if finding.finding == "liver lesion" and finding.change == "unchanged":
        return ""
    return f"advice {finding.finding}" if pen.draws.chance(_ADVICE.get(finding.finding, 0.0)) else ""


def nodule_advice(finding: Finding, state: State, *, study: str) -> str:
    """What the Fleischner Society advises for a single solid nodule found by chance, as a rule of the grammar.

    Thresholds are those of MacMahon et al. 2017 (doi:10.1148/radiol.2017161659): below 6 mm, 6 to 8 mm, above 8 mm,
    of the diameter rounded to the millimetre. The guideline is not for patients under 35 years. Heavy smoking,
    emphysema and a spiculated edge are counted as high risk here.
    """
    if study == "radiograph":
        return "advice ct"
    size = int(finding.size + 0.5)
    if state.age < 35:
        return "advice young"
    if finding.degree == "suspicious":
        return "advice suspicious"
    if finding.change == "larger" and size >= 6:
        return "advice grown"
    if finding.change == "unchanged" and size >= 6:
        return "advice stable"
    spiculated = any(x.kind == "lung nodule" and x.spiculation >= 0.5 for x in state.lesions)
    risk = "high" if state.pack_years >= 30 or state.has("emphysema") or spiculated else "low"
    return "advice big" if size > 8 else f"advice {'none' if size < 6 else 'middle'} {risk}"
