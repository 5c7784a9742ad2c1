import re
import xml.etree.ElementTree as ET
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import ipiu
from ipiu.view.figure import COLOURS, figure, style

ALT = "a line"


def svg_of(html: str) -> ET.Element:
    return ET.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])


def line(**options):
    fig, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], "o-", **options)
    return fig


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#121212"])
def test_every_colour_is_legible_on_light_and_dark(page):
    assert min(contrast(colour, page) for colour in COLOURS) >= 3


def test_first_three_colours_stay_apart_under_colour_blindness():
    # Viénot, Brettel and Mollon 1999, in linear RGB: what protanopes and deuteranopes see
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    linear = [np.array([int(c[n : n + 2], 16) / 255 for n in (1, 3, 5)]) ** 2.2 for c in COLOURS[:3]]
    for sight in (np.eye(3), protan, deutan):
        seen = [np.clip(sight @ colour, 0, 1) ** (1 / 2.2) for colour in linear]
        assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.15


def test_black_takes_the_colour_of_the_page_and_the_background_is_open():
    html = figure(line(), alt=ALT).html
    assert "#000000" not in html
    assert "stroke: currentColor" in html
    root = svg_of(html)
    assert root.get("fill") == "currentColor"
    assert "#ffffff" not in html


def test_same_figure_gives_same_bytes():
    assert figure(line(), alt=ALT).html == figure(line(), alt=ALT).html


def test_names_of_two_figures_never_meet():
    first, second = (figure(line(color=colour), alt=ALT).html for colour in COLOURS[:2])
    ids = [set(re.findall(r' id="([^"]+)"', html)) for html in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_every_name_that_is_used_is_defined():
    html = figure(line(), alt=ALT).html
    used = set(re.findall(r"url\(#([^)]+)\)", html)) | set(re.findall(r'href="#([^"]+)"', html))
    assert used
    assert used <= set(re.findall(r' id="([^"]+)"', html))


def test_no_style_sheet_reaches_the_page():
    html = figure(line(), alt=ALT).html
    assert "<style" not in html
    assert "<metadata" not in html


def test_text_is_escaped_everywhere():
    fig = line()
    fig.axes[0].set_xlabel("<script>alert(1)</script>")
    html = figure(fig, alt='"><script>', title="<img src=x onerror=alert(1)>").html
    assert "<script" not in html
    assert "<img" not in html


def test_control_characters_do_not_break_the_drawing():
    fig = line()
    fig.axes[0].set_xlabel("a\x01b")
    svg_of(figure(fig, alt="a\x02b").html)


def test_picture_keeps_its_pixels():
    fig, axes = plt.subplots()
    axes.imshow(np.arange(16).reshape(4, 4))
    assert 'href="data:image/png;base64,' in figure(fig, alt=ALT).html


def test_figure_is_closed():
    fig = line()
    figure(fig, alt=ALT)
    assert not plt.fignum_exists(fig.number)


def test_figure_reads_as_its_description():
    shown = figure(line(), alt=ALT, title="caption")
    assert repr(shown) == "Figure('a line')"
    assert shown._repr_html_() == shown.html
    assert svg_of(shown.html).get("role") == "img"
    assert svg_of(shown.html).get("aria-label") == ALT
    assert "<figcaption>caption</figcaption>" in shown.html


def test_description_is_asked_for():
    with pytest.raises(ValueError, match="say in a sentence"):
        figure(line(), alt=" ")
    plt.close("all")


def test_axes_in_place_of_a_figure_are_refused():
    with pytest.raises(TypeError, match=r"first thing plt\.subplots returns"):
        figure(plt.gca(), alt=ALT)
    plt.close("all")


def test_style_lasts_for_its_block():
    before = plt.rcParams["axes.spines.top"]
    with style():
        assert not plt.rcParams["axes.spines.top"]
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == list(COLOURS)
    assert plt.rcParams["axes.spines.top"] == before


def test_colours_and_style_hang_on_the_verb():
    assert ipiu.view.figure.COLOURS == COLOURS
    assert ipiu.view.figure.style is style
