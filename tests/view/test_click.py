import base64
import io
import re
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

import ipiu
from ipiu.errors import IpiuError
from ipiu.view import live
from ipiu.view.click import click, tinted

WIDGET = "application/vnd.jupyter.widget-view+json"


class Answer:
    def __init__(self, mask, told):
        self.mask, self.scores, self.told = mask, np.array([0.8]), told


class Squares:
    """Outlines a square around each positive click, without those around negative ones, or the box."""

    def __init__(self):
        self.encodings, self.asked = 0, []

    def encode(self, image):
        self.encodings += 1
        return tuple(image.shape[-2:])

    def segment(self, encoded, *, points, negative, boxes, mask):
        for row, column in (*points, *negative):
            if not (row < encoded[0] and column < encoded[1]):
                msg = f"row {row} is outside"
                raise IpiuError(msg)
        self.asked.append({"points": points, "negative": negative, "boxes": boxes, "mask": mask})
        drawn = np.zeros(encoded, bool)
        for top, left, bottom, right in boxes:
            drawn[top:bottom, left:right] = True
        for there, kind in ((points, True), (negative, False)):
            for row, column in there:
                drawn[max(0, row - 5) : row + 6, max(0, column - 5) : column + 6] = kind
        return Answer(drawn, self.asked[-1])


@pytest.fixture
def image():
    return MetaTensor(torch.full((1, 40, 60), 90, dtype=torch.uint8), meta={"unit": "grey level"})


RECORD = [("yes", (10, 15)), ("no", (14, 19)), ("box", (5, 5, 30, 40))]


@pytest.fixture
def shown(image):
    return click(image, Squares(), record=RECORD, title="A square <i>. Hand-made", alt="a grey field")


def pictures(html):
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data in found]


def test_a_page_shows_every_step_and_needs_no_script(shown):
    html = shown.to_html()
    assert "<script" not in html
    assert len(pictures(html)) == 3
    assert html.count('type="radio"') == 3
    assert html.count(" checked") == 1


def test_the_markup_is_well_formed_and_escaped(shown):
    html = shown.to_html()
    assert "<i>" not in html
    assert "&lt;i&gt;" in html
    closed = re.sub(r"(<(?:img|input)\b[^>]*?)( checked)?>", r"\1/>", html)
    ET.fromstring(closed)


def test_each_radio_button_shows_its_own_step(shown):
    html = shown.to_html()
    ids = re.findall(r'<input type="radio" name="([^"]+)" id="([^"]+)"', html)
    assert len({name for name, _ in ids}) == 1
    assert len({one for _, one in ids}) == 3
    for n, (_, one) in enumerate(ids, 1):
        assert f"#{one}:checked~.steps>.step:nth-child({n})" in html
        assert f'<label for="{one}"' in html


def test_what_is_seen_is_also_said(shown):
    described = re.findall(r'<img [^>]*alt="([^"]+)"', shown.to_html())
    assert [text.startswith("a grey field. After a") for text in described] == [True] * 3
    assert "a click on it, at row 10, column 15" in described[0]
    assert "a click on what does not belong to it, at row 14, column 19" in described[1]
    assert "a box from row 5, column 5 to row 30, column 40" in described[2]
    share = 100 * 11 * 11 / (40 * 60)
    assert f"{share:.1f} % of the picture outlined" in described[0]


def test_the_mask_and_the_marks_lie_where_the_clicks_were(shown):
    first, second, third = (picture.astype(int) for picture in pictures(shown.to_html()))
    assert first.shape == (320, 480, 3)  # eight times as large
    grey = first[300, 400]
    assert abs(grey - 90).max() < 4
    inside, outside = first[8 * 6 + 4, 8 * 11 + 4], first[8 * 25, 8 * 50]
    assert inside[1] - inside[0] > 25  # washed in teal
    assert abs(outside - 90).max() < 6
    mark = first[84 - 6, 124 + 2]  # within the mark at row 10, column 15
    assert mark[2] - mark[0] > 60  # blue
    mark = second[116 + 5, 156]
    assert mark[0] - mark[2] > 60  # orange
    assert abs(third[8 * 5 + 1, 200] - first[8 * 5 + 1, 200]).max() > 60  # the upper side of the box


def test_the_picture_is_encoded_once_and_each_click_refines_the_answer_before_it(shown):
    shown.to_html()
    shown.to_html()
    model = shown.model
    assert model.encodings == 1
    assert len(model.asked) == 3
    assert model.asked[0] == {"points": [(10, 15)], "negative": [], "boxes": [], "mask": None}
    assert model.asked[1]["mask"].told is model.asked[0]
    assert model.asked[2]["boxes"] == [(5, 5, 30, 40)]


def test_without_anything_recorded_the_picture_stands_alone(image):
    html = click(image, Squares()).to_html()
    assert len(pictures(html)) == 1
    assert "nothing asked yet" in html


def test_the_same_record_gives_the_same_page_and_another_one_other_names(image):
    one, two = (click(image, Squares(), record=RECORD).to_html() for _ in range(2))
    assert one == two
    other = click(image, Squares(), record=RECORD[:2]).to_html()
    name = re.search(r'id="(ipiu-click-\w+)"', one)[1]
    assert name not in other


def test_the_verb_is_part_of_view(image):
    assert repr(ipiu.view.click(image, Squares(), record=RECORD, alt="a field")) == "Clicks('a field', 3 steps)"


@pytest.mark.parametrize("step", [("maybe", (1, 2)), ("yes", (1, 2, 3, 4)), ("box", (1, 2))])
def test_a_step_that_is_none_is_refused(image, step):
    with pytest.raises(IpiuError, match="is no step"):
        click(image, Squares(), record=[step])


def test_on_a_page_and_without_a_kernel_there_is_no_widget(shown, monkeypatch):
    assert set(shown._repr_mimebundle_()) == {"text/plain", "text/html"}
    monkeypatch.setattr(live, "in_kernel", lambda: True)
    monkeypatch.setenv("IPIU_PAGES", "pages")
    assert WIDGET not in shown._repr_mimebundle_()


def test_in_a_notebook_there_is_a_widget_with_the_record_beside_it(shown, monkeypatch):
    monkeypatch.setattr(live, "in_kernel", lambda: True)
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    bundle = shown._repr_mimebundle_()
    assert WIDGET in bundle
    assert bundle["text/html"] == shown.to_html()


def test_where_anywidget_is_missing_the_record_stays(shown, monkeypatch):
    monkeypatch.setattr(live, "in_kernel", lambda: True)
    monkeypatch.setattr(sys.modules[click.__module__], "find_spec", lambda _: None)
    assert set(shown._repr_mimebundle_()) == {"text/plain", "text/html"}


def overlay(widget):
    data = widget.overlay.partition("base64,")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_the_widget_answers_clicks(shown):
    widget = shown.widget
    assert widget.shape == [40, 60]
    assert [step["kind"] for step in widget.steps] == ["yes", "no", "box"]
    widget.steps = [{"kind": "yes", "at": [20, 30]}]
    assert np.argwhere(overlay(widget)[..., 3] > 0).mean(axis=0).tolist() == [20, 30]
    assert widget.said.startswith("5.0 % of the picture outlined")
    widget.steps = []
    assert (widget.overlay, widget.said) == ("", "nothing asked yet")


def test_a_click_that_is_refused_is_said_and_the_outline_stays(shown):
    widget = shown.widget
    before = widget.overlay
    widget.steps = [{"kind": "yes", "at": [999, 1]}]
    assert widget.said == "row 999 is outside"
    assert widget.overlay == before


def test_a_wash_has_a_firm_rim():
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    alpha = tinted(mask, (20, 20))[..., 3]
    assert (alpha > 0).sum() == 100
    assert alpha[5, 10] == 255
    assert 0 < alpha[10, 10] < 255
