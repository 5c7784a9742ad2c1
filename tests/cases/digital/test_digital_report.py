"""Reports of digital patients: an independent reader finds in the text what the structured truth says."""

import re

import pytest

from ipiu.cases.digital.findings import STUDIES, Finding
from ipiu.cases.digital.grammar import Draws, Grammar
from ipiu.cases.digital.impression import nodule_advice
from ipiu.cases.digital.report import write_report
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream
from ipiu.errors import IpiuError

PATIENTS = 250
# how a reader who has never seen the grammar would look for a finding
MENTION = {
    "consolidation": r"consolidat|pneumoni|infective process",
    "lung nodule": r"nodul|focal lung lesion",
    "emphysema": r"emphysem",
    "pulmonary oedema": r"pulmonary oedema",
    "pleural effusion": r"pleural effusion|pleural fluid|pleural space contains",
    "pneumothorax": r"pneumothorax",
    "cardiomegaly": r"cardiomegaly|cardiac enlargement|enlargement of the heart|heart (?:size )?is \w+ (?:enl|incr)",
    "liver lesion": r"(?:liver|hepatic)[^.]*lesion|lesions?[^.]*liver|normal liver without focal lesion",
    "kidney stone": r"calcul(?:us|i)|stone|nephrolithiasis",
    "brain tumour": r"\bmass\b|space-occupying",
    "oedema": r"oedema",
    "white matter lesions": r"white matter",
    "atrophy": r"atrophy",
}
CLEAR = {
    "consolidation": r"lungs are clear",
    "lung nodule": r"lungs are clear",
    "pleural effusion": r"pleural spaces are clear",
    "pneumothorax": r"pleural spaces are clear",
    "cardiomegaly": r"heart (?:size )?is (?:normal|of normal size|within normal|not enlarged)|normal heart size",
}
CHANGE = {
    "new": r"\bnew|not present|not seen on",
    "larger": r"larger|enlarging|increas(?:ed (?:in size )?since|ing)|growth|progress|worse|more extensive",
    "smaller": r"smaller|diminishing|reduc|decreas|improv|resolving|less extensive",
    "unchanged": r"unchanged|stable|known|persistent|without significant change|similar",
}
PLURAL_IS = (
    r"(?:effusions|lesions|hyperintensities|foci|calculi|margins|lungs|spaces) (?:is|shows|has|contains)\b"
    r"|(?:effusion|lesion|nodule|heart|calculus|stone|opacity) are\b|[Tt]here are an? "
    r"|[Tt]here is (?:two|three|four|small bi)"
)
NEGATION = re.compile(r"\b(?:no|not|without|neither|free of)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def states():
    return [draw_state(11, n) for n in range(PATIENTS)]


@pytest.fixture(scope="module")
def reports(states):
    return {
        study: [write_report(state, stream(11, n, study), study=study) for n, state in enumerate(states)]
        for study in STUDIES
    }


def body(text):
    """Findings and impression, heading words removed."""
    return re.split(r"^(?:Findings|Report):\s*", text, maxsplit=1, flags=re.IGNORECASE | re.MULTILINE)[1]


def sentences(text):
    """Sentences without headings, numbers and dashes."""
    found = []
    for line in text.splitlines():
        bare = re.sub(r"^(?:\d\. |- )", "", line)
        bare = (
            re.sub(r"^(?!Findings )[A-Z][A-Za-z, ]+:(?: |$)", "", bare)
            if not re.match(r"(?:Right|Left) ", bare)
            else bare
        )
        found += [part for part in re.split(r"(?<=\.) ", bare) if part]
    return found


def read(text, finding):
    """Present, absent or not mentioned, and on which sides: negation words before the finding in its sentence."""
    verdict, sides = None, set()
    for sentence in sentences(body(text)):
        clear = finding in CLEAR and re.search(CLEAR[finding], sentence, re.IGNORECASE)
        match = re.search(MENTION[finding], sentence, re.IGNORECASE)
        if match and not NEGATION.search(sentence[: match.end()]):
            verdict = True
            sides |= set(re.findall(r"right|left|bilateral|both", sentence.lower()))
        elif (clear or match) and verdict is None:
            verdict = False
    return verdict, sides


@pytest.mark.parametrize("study", STUDIES)
def test_a_reader_recovers_presence_from_the_text(reports, study):
    for finding in STUDIES[study]:
        pairs = [(read(text, finding)[0], f) for text, found in reports[study] for f in found if f.finding == finding]
        right = [verdict == f.present for verdict, f in pairs if f.mentioned]
        assert sum(right) / len(right) > 0.95, finding
        assert all(verdict is None for verdict, f in pairs if not f.mentioned), finding


@pytest.mark.parametrize(
    ("study", "finding"),
    [
        ("ct", "pleural effusion"),
        ("ct", "consolidation"),
        ("radiograph", "pneumothorax"),
        ("ct", "kidney stone"),
        ("brain mr", "brain tumour"),
    ],
)
def test_a_reader_recovers_the_side(reports, study, finding):
    right = []
    for text, found in reports[study]:
        for f in found:
            if f.finding == finding and f.present:
                sides = read(text, finding)[1]
                right.append(bool(sides & {"both", "bilateral"}) if f.side == "both" else sides == {f.side})
    assert len(right) >= 5
    assert sum(right) / len(right) > 0.95


@pytest.mark.parametrize("finding", ["lung nodule", "liver lesion", "kidney stone"])
def test_sizes_in_the_text_are_those_of_the_truth(reports, finding):
    for text, found in reports["ct"]:
        for f in found:
            if f.finding == finding and f.present:
                said = [s for s in sentences(body(text)) if re.search(MENTION[finding], s, re.IGNORECASE)]
                sizes = [float(n) * (10 if unit == "cm" else 1) for n, unit in re.findall(r"([\d.]+) (mm|cm)", said[0])]
                assert abs(sizes[0] - f.size) <= 0.51


@pytest.mark.parametrize("study", STUDIES)
def test_sentences_are_well_formed(reports, study):
    for text, _ in reports[study]:
        assert "  " not in text
        assert not re.search(r"[{}\[\]]|\.\.| ,| \.|,,", text)
        assert not re.search(r"\b[Aa] (?:8|11|18)\b|\b[Aa] [aeio]|\b[Aa]n [^aeiou81]", text), text
        for sentence in sentences(text):
            assert re.match(r"[A-Z0-9(]", sentence), sentence
            assert sentence.endswith("."), sentence
        assert not re.search(PLURAL_IS, text), text


def test_truth_follows_the_state(states, reports):
    of_state = {"pulmonary oedema": "heart failure"}
    for state, (_, found) in zip(states, reports["ct"], strict=True):
        assert [f.finding for f in found] == list(STUDIES["ct"])
        for f in found:
            assert f.present == state.has(of_state.get(f.finding, f.finding))
        sized = [f for f in found if f.size is not None]
        assert all(f.size == max(x.size for x in state.lesions if x.kind == f.finding) for f in sized)


def test_sides_and_lobes_are_those_of_the_state(states, reports):
    seen = set()
    for state, (_, found) in zip(states, reports["ct"], strict=True):
        for f in found:
            if f.finding in state.side:
                assert (f.side, f.place) == (state.side[f.finding], state.lobe.get(f.finding, ""))
            for lesion in state.lesions:
                if lesion.kind == f.finding and lesion.size == f.size and lesion.side:
                    assert (f.side, f.place) == (lesion.side, lesion.place)
            seen.add(f.side)
    assert seen == {"", "right", "left", "both"}


def test_a_radiograph_is_silent_on_what_it_cannot_show(reports):
    hidden = 0
    for text, found in reports["radiograph"]:
        assert not re.search(r"liver|hepatic|calcul|kidney", body(text), re.IGNORECASE)
        for f in found:
            if f.finding == "lung nodule" and f.present:
                assert f.mentioned == (f.size >= 8)
                hidden += not f.mentioned
    assert hidden > 10


def test_change_is_told_if_and_only_if_there_is_a_study_before(reports):
    for text, found in reports["ct"]:
        prior = not re.search(r"COMPARISON:\s+(?:None|No )", text, re.IGNORECASE)
        assert all(bool(f.change) == (prior and f.present) for f in found)


@pytest.mark.parametrize("study", STUDIES)
def test_the_text_tells_the_change_of_the_truth(reports, study):
    seen = set()
    for text, found in reports[study]:
        told = sentences(re.split(r"^(?:impression|conclusion|summary):", body(text), flags=re.IGNORECASE | re.M)[0])
        for f in found:
            about = [s.lower() for s in told if re.search(MENTION[f.finding], s, re.IGNORECASE)]
            if not (f.present and f.mentioned and f.change and len(about) == 1):
                continue
            sizes = [float(n) * (10 if u == "cm" else 1) for n, u in re.findall(r"([\d.]+) (mm|cm)", about[0])]
            if len(sizes) == 2:  # a size before
                assert (f.change == "larger") == (sizes[0] > sizes[1])
                seen.add(f.change)
            else:
                assert re.search(CHANGE[f.change], about[0]), (f, about)
                others = [change for change in ("new", "larger", "smaller", "unchanged") if change != f.change]
                assert not any(re.search(CHANGE[change], about[0]) for change in others), (f, about)
                seen.add(f.change)
    assert len(seen) >= 3


def test_the_indication_names_complaints_and_no_finding(reports):
    for study in STUDIES:
        for text, _ in reports[study]:
            indication = re.search(r"(?:indication|clinical|reason)[^:]*:\s+(.*)", text, re.IGNORECASE)[1]
            words = ("emphysema", "pneumothorax", "effusion", "consolidation", "nodule", "stone", "tumour", "cancer")
            assert not any(word in indication.lower() for word in words)


def test_malignancy_is_suspected_and_never_asserted(reports):
    hedges = r"suspicious|concerning|cannot be excluded|may represent|no |in search of"
    told = [
        sentence
        for study in STUDIES
        for text, _ in reports[study]
        for sentence in sentences(text)
        if re.search(r"malignan|neoplas|metasta|glioma|cancer\b(?! multidisciplinary)", sentence, re.IGNORECASE)
    ]
    assert len(told) > 5
    assert all(re.search(hedges, sentence.lower()) for sentence in told)


def test_the_impression_puts_the_urgent_first():
    seen = 0
    for n in range(60):
        state = draw_state(11, n, do={"pneumothorax": 0.9, "emphysema": 0.9})
        text, _ = write_report(state, stream(11, n, "ct"))
        impression = re.split(r"\n(?:impression|conclusion|summary):", text, flags=re.IGNORECASE)[1].lower()
        if "emphysem" in impression:  # which the findings tell before the pneumothorax
            seen += 1
            assert impression.index("pneumothorax") < impression.index("emphysem")
    assert seen > 20


# solid single nodules by MacMahon et al. 2017, table 1: (mm, high risk) -> advice
@pytest.mark.parametrize(
    ("size", "high", "advice"),
    [
        (5.4, False, "advice none low"),
        (5.4, True, "advice none high"),
        (6.0, False, "advice middle low"),
        (8.0, True, "advice middle high"),
        (9.0, False, "advice big"),
        (9.0, True, "advice big"),
    ],
)
def test_follow_up_is_that_of_the_fleischner_society(size, high, advice):
    finding = Finding("lung nodule", True, size=size, degree="indeterminate")
    for n in range(200):
        state = draw_state(0, n)
        spiculated = any(x.kind == "lung nodule" and x.spiculation >= 0.5 for x in state.lesions)
        risky = state.pack_years >= 30 or state.has("emphysema") or spiculated
        if state.age >= 35 and risky == high:
            assert nodule_advice(finding, state, study="ct") == advice
            return
    pytest.fail("no such patient")


def test_the_same_findings_can_be_written_in_more_than_ten_thousand_ways(states):
    state = min(states, key=lambda state: sum(s > 0 for s in state.severity.values()))
    texts = [body(write_report(state, stream(0, n, "many"))[0]) for n in range(1500)]
    pairs = len(texts) * (len(texts) - 1) / 2
    collisions = len(texts) - len(set(texts))
    # pairs / (ways as likely as each other) collide; fewer than 3 + collisions of them by chance
    assert pairs / (collisions + 3) > 1e4


def test_a_report_depends_on_its_stream_alone(states):
    first, second = (write_report(states[3], stream(11, 3, "x")) for _ in range(2))
    assert first == second
    assert write_report(states[3], stream(11, 4, "x"))[0] != first[0]


def test_an_unknown_study_is_refused(states):
    with pytest.raises(IpiuError, match=r"'brain'.*brain mr"):
        write_report(states[0], stream(0, 0, "x"), study="brain")


def test_the_grammar_names_a_slot_that_is_missing():
    grammar = Grammar({"a": ["{size} nodule."]})
    with pytest.raises(IpiuError, match="'size'"):
        grammar.write("a", Draws(stream(0, 0, "x")))


def test_the_grammar_refuses_brackets_that_do_not_match():
    for text in ("a [b", "a] b"):
        with pytest.raises(IpiuError, match="brackets"):
            Grammar({"a": [text]})


def test_articles_follow_the_sound():
    grammar = Grammar({"a": ["a {x} nodule"]})
    for word, article in {
        "8 mm": "An",
        "18 mm": "An",
        "80 mm": "An",
        "7 mm": "A",
        "unchanged": "An",
        "unilateral": "A",
    }.items():
        assert grammar.write("a", Draws(stream(0, 0, "x")), x=word).startswith(f"{article} ")
