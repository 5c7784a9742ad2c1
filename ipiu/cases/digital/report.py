"""The radiologist's report of a digital patient, written by a grammar from what the study shows."""

from __future__ import annotations

import numpy as np

from ipiu.cases.digital.findings import STUDIES, Finding, find
from ipiu.cases.digital.grammar import Draws
from ipiu.cases.digital.impression import write_impression
from ipiu.cases.digital.pen import Pen, enumerate_words
from ipiu.cases.digital.state import State
from ipiu.errors import IpiuError
from ipiu.names import nearest

__all__ = ["Finding", "write_report"]

# study -> organ, as a report names it -> findings, and the rule of what is said of the organ besides
_ORGANS = {
    "ct": {
        "Lungs and airways": (("consolidation", "lung nodule", "emphysema", "pulmonary oedema"), "lungs"),
        "Pleura": (("pleural effusion", "pneumothorax"), ""),
        "Heart and mediastinum": (("cardiomegaly",), "heart"),
        "Liver and biliary tree": (("liver lesion",), "liver"),
        "Kidneys": (("kidney stone",), "kidneys"),
        "Other abdominal organs": ((), "other"),
        "Bones": ((), "bones"),
    },
    "radiograph": {
        "Lungs and pleura": (STUDIES["radiograph"][:6], ""),
        "Heart and mediastinum": (("cardiomegaly",), "heart"),
        "Bones": ((), "bones"),
    },
    "brain mr": {"Brain": (STUDIES["brain mr"], "brain"), "Other structures": ((), "other")},
}
# sets of findings whose absence has sentences of its own -> the rule, and the share of reports that use it
_CLEAR = {
    ("consolidation", "lung nodule"): ("clear lungs", 0.45),
    ("pleural effusion", "pneumothorax"): ("clear pleura", 0.35),
    ("cardiomegaly",): ("clear heart", 1.0),
    ("liver lesion",): ("clear liver", 0.6),
    ("kidney stone",): ("clear kidneys", 0.6),
}
# share of studies with one before to compare with
_PRIOR = 0.55
# diseases whose complaints last for days or weeks
_LASTING = ("heart failure", "consolidation", "pleural effusion")


def write_report(state: State, rng: np.random.Generator, *, study: str = "ct") -> tuple[str, list[Finding]]:
    """Write the report of one study, and say what is true of it.

    Parameters
    ----------
    state
        the patient
    rng
        random numbers of the report alone
    study
        ``"ct"`` (chest and upper abdomen), ``"radiograph"`` (chest) or ``"brain mr"``

    Returns
    -------
    str
        the report: examination, indication, comparison, technique, findings and impression, in British English. Lines
        hold whole sentences. The indication holds complaints that the patient's diseases cause, never a disease.
    list of Finding
        everything that the study can show, present or absent, whether or not the report mentions it

    Raises
    ------
    IpiuError
        Where the study is not known.

    Examples
    --------
    >>> from ipiu.cases.digital.report import write_report
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> text, findings = write_report(draw_state(0, 7), stream(0, 7, "report ct"))
    >>> len(findings)
    9
    """
    if study not in STUDIES:
        msg = f"there is no report of a study {study!r}; {nearest(study, STUDIES)}"
        raise IpiuError(msg)
    draws = Draws(rng)
    prior = draws.chance(_PRIOR)
    findings = find(state, draws, study=study, prior=prior)
    pen = Pen(state, draws, study=study, prior=prior)
    sections = {"examination": [pen.write(f"examination {study}")], "indication": [_indication(pen)]}
    sections |= {"comparison": [pen.write("comparison" if prior else "comparison none")]}
    if study != "radiograph" or draws.chance(0.5):
        kind = pen.standing["view" if study == "radiograph" else "phase"]
        sections["technique"] = [pen.write(f"technique {study} {kind}")]
    sections["findings"] = _findings(pen, findings)
    sections["impression"] = _listed(draws, write_impression(pen, findings))
    return _lay_out(pen, sections), findings


def _lay_out(pen: Pen, sections: dict[str, list[str]]) -> str:
    """Sections as text: headings in capitals or not, on lines of their own or not."""
    capitals, own_line = pen.draws.chance(0.5), pen.draws.chance(0.4)
    names = list(sections)
    if "technique" in names and pen.draws.chance(0.4):  # technique before comparison
        names[2], names[3] = names[3], names[2]
    blocks = []
    for name in names:
        heading = pen.write(f"heading {name}")
        heading = f"{heading.upper() if capitals else heading}:"
        separator = "\n" if own_line or len(sections[name]) > 1 else " "
        blocks.append(heading + separator + "\n".join(sections[name]))
    return ("\n\n" if own_line else "\n").join(blocks) + "\n"


def _indication(pen: Pen) -> str:
    """Why the study was asked for: a complaint that one of the patient's diseases causes, or one that none does."""
    state, draws, study = pen.state, pen.draws, pen.study
    if draws.chance(0.15):
        pen.complaint = False
        return pen.write("follow-up indication" if pen.prior and draws.chance(0.5) else "other indication")
    causes = ("brain tumour",) if study == "brain mr" else tuple(state.severity)
    causes = [d for d in causes if state.has(d) and f"complaint {d}" in pen.grammar]
    causes = [d for d in causes if study != "radiograph" or d not in ("kidney stone", "liver lesion")]
    if study != "brain mr":
        causes = [d for d in causes if d != "brain tumour"]
    general = "general brain mr" if study == "brain mr" else "general"
    cause = draws.pick(causes) if causes and draws.chance(0.75) else general
    complaint = pen.write(f"complaint {cause}")
    slots = {"complaint": complaint[:1].lower() + complaint[1:], "age": f"{state.age:.0f}"}
    slots["sex"] = "woman" if state.sex == "female" else "man"
    lasting = cause in _LASTING and draws.chance(0.4)
    text = pen.write("indication lasting" if lasting else "indication", **slots)
    if state.pack_years >= 5 and draws.chance(0.4):
        text += " " + pen.write("smoking", packs=f"{state.pack_years:.0f}")
    return text


def _findings(pen: Pen, findings: list[Finding]) -> list[str]:
    """The lines of the findings: one an organ, or one paragraph."""
    organs = _ORGANS[pen.study]
    by_name = {f.finding: f for f in findings}
    names = [*pen.draws.shuffled(list(organs)[:3]), *list(organs)[3:]] if pen.study == "ct" else list(organs)
    limited = pen.study == "radiograph" and pen.state.portable and pen.draws.chance(0.3)
    lines = [("Quality", pen.write("limited portable"))] if limited else []
    for organ in names:
        shown, besides = organs[organ]
        sentences = [_sentence(pen, by_name[n]) for n in shown if by_name[n].present and by_name[n].mentioned]
        sentences += _absences(pen, [by_name[n] for n in shown])
        if besides and (pen.draws.chance(0.7) or not sentences):
            sentences.append(_besides(pen, besides))
        lines.append((organ, " ".join(s for s in sentences if s)))
    lines = [(organ, text) for organ, text in lines if text]
    layout = pen.draws.pick(("headed", "headed", "lines", "paragraph"))
    if layout == "headed":
        return [f"{organ}: {text}" for organ, text in lines]
    texts = [text for _, text in lines]
    return [" ".join(texts)] if layout == "paragraph" or len(texts) < 3 else texts


def _sentence(pen: Pen, finding: Finding) -> str:
    """A finding that is present."""
    slots, draws, grammar = pen.slots(finding), pen.draws, pen.grammar
    rule = finding.finding
    if pen.study == "radiograph" and f"{rule} radiograph" in grammar:
        return pen.write(f"{rule} radiograph", **slots)
    if pen.study == "radiograph" and rule == "cardiomegaly" and pen.state.portable and draws.chance(0.6):
        return pen.write("cardiomegaly portable", **slots)
    if finding.side == "both" or finding.count > 1:
        rule += " both" if finding.side == "both" else " many"
    if finding.certainty != "definite" and f"{rule} hedged" in grammar:
        return pen.write(f"{rule} hedged", **slots)
    plain = not slots["lead"] and f"{rule} trail" in grammar and draws.chance(0.4)
    return pen.write(f"{rule} trail" if plain else rule, **slots)


def _absences(pen: Pen, findings: list[Finding]) -> list[str]:
    """What is not there, several findings in a sentence."""
    absent = [f.finding for f in findings if not f.present and f.mentioned]
    lungs_ill = any(f.present and f.finding not in ("pleural effusion", "pneumothorax") for f in findings)
    sentences = []
    for names, (rule, share) in _CLEAR.items():
        if set(names) <= set(absent) and pen.draws.chance(share) and not (rule == "clear lungs" and lungs_ill):
            sentences.append(pen.write(rule))
            absent = [name for name in absent if name not in names]
    absent = pen.draws.shuffled(absent)
    while absent:
        count = pen.draws.pick((1, 2, 2, 3, 4))
        sentences.append(_absence(pen, absent[:count]))
        absent = absent[count:]
    return sentences


def _absence(pen: Pen, names: list[str]) -> str:
    """One sentence on what is not there."""
    terms = [pen.grammar.write(f"term {name}", pen.draws) for name in names]
    terms = [term[:1].lower() + term[1:] for term in terms]
    if len(terms) == 2 and pen.draws.chance(0.15):
        return pen.write("neither", first=terms[0], second=terms[1])
    return pen.write("absent", list=enumerate_words(terms, "or"))


def _besides(pen: Pen, organ: str) -> str:
    """A sentence or two on what is normal for the patient's age."""
    name = f"{pen.study} {organ}"
    old = pen.state.age > 60 and f"old {name}" in pen.grammar and pen.draws.chance(0.8)
    text = pen.write(f"{'old' if old else 'normal'} {name}")
    return f"{text} {pen.write(f'more {name}')}" if f"more {name}" in pen.grammar and pen.draws.chance(0.35) else text


def _listed(draws: Draws, items: list[str]) -> list[str]:
    """The items of the impression numbered, dashed or as one paragraph."""
    if len(items) == 1:
        return items
    style = draws.pick(("number", "number", "dash", "plain"))
    if style == "plain":
        return [" ".join(items)]
    return [f"{n}. {item}" if style == "number" else f"- {item}" for n, item in enumerate(items, start=1)]
