import numpy as np
import pandas as pd
import torch
from monai.data import MetaTensor

from ipiu.cases.case import PARTS, Case, Outcome, Signal, Source

SCRIPT = "<script>alert(1)</script>"


def full_case():
    image = MetaTensor(torch.zeros(1, 4, 5, 6), affine=torch.diag(torch.tensor([1.0, 2, 3, 1])), meta={"unit": "HU"})
    return Case(
        "p1",
        images={"ct": image},
        report="No acute finding.",
        record=pd.DataFrame({"time": [1, 2], "code": "x", "value": 1.0, "unit": "g"}),
        signals={"ecg": Signal(np.zeros((2, 500)), 250, ("I", "II"))},
        expression=pd.Series([1.0, 2.0, 3.0]),
        outcome=Outcome(12.5, True, "months"),
        labels={"sex": "female"},
        source=Source("digital patient", "seed 7"),
        notes=["2 files were skipped"],
    )


def test_an_empty_case_says_so():
    case = Case("p1")
    assert case.present == ()
    assert repr(case) == "Case('p1', empty; own file: not stated)"
    assert case._repr_html_().count("absent") == len(PARTS)


def test_every_part_that_is_there_is_named():
    case = full_case()
    assert case.present == PARTS
    html = case._repr_html_()
    for text in (
        "4 x 5 x 6, 1 x 2 x 3 mm, HU",
        "3 words",
        "2 rows",
        "3 values",
        "event at 12.5 months",
        "2 files were",
    ):
        assert text in html


def test_defaults_are_not_shared_between_cases():
    Case("a").images["x"] = 1
    assert Case("b").images == {}


def test_text_from_outside_is_escaped():
    case = full_case()
    case.id, case.labels, case.notes = SCRIPT, {SCRIPT: SCRIPT}, [SCRIPT]
    case.images = {SCRIPT: case.images["ct"]}
    case.images[SCRIPT].meta["unit"] = SCRIPT
    html = case._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 5


def test_a_signal_knows_its_length():
    signal = Signal(np.zeros((2, 500)), 250, ("I", "II"))
    assert signal.seconds == 2
    assert repr(signal) == "Signal(2 leads, 2.0 s at 250 Hz, mV)"
