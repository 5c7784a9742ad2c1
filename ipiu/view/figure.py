"""Plots as inline SVG that reads on a light and on a dark page."""

from __future__ import annotations

import hashlib
import re
import warnings
import xml.etree.ElementTree as ET
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure as MatplotlibFigure

from ipiu.view.colours import COLOURS

if TYPE_CHECKING:
    import pandas as pd

_STYLE = {
    "axes.labelsize": 10,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "image.cmap": "gray",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_READABLE = 480  # px; a plot narrower than this is scrolled rather than shrunk
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True)
class Figure:
    """A picture as HTML, shown in a notebook and on a page alike.

    Attributes
    ----------
    html
        the markup; all text in it is escaped
    alt
        what the picture shows, in words
    table
        the numbers behind the picture, where it has some
    """

    html: str
    alt: str
    table: pd.DataFrame | None = None

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Figure({self.alt!r})"


def style() -> AbstractContextManager:
    """The look all plots of the book share, for a ``with`` block around the code that draws.

    Examples
    --------
    >>> import ipiu, matplotlib.pyplot as plt
    >>> with ipiu.view.figure.style():
    ...     fig, axes = plt.subplots()
    """
    return mpl.rc_context(_STYLE)


def figure(fig: MatplotlibFigure, *, alt: str, title: str | None = None, table: pd.DataFrame | None = None) -> Figure:
    """Turn a matplotlib figure into inline SVG and close it.

    What is black (text, axes, ticks) takes the colour of the page's text, backgrounds become transparent, and pictures
    drawn by ``imshow`` stay as they are. The same figure gives the same bytes.

    Parameters
    ----------
    fig
        the figure; it is closed
    alt
        what it shows, read out in place of the picture
    title
        caption below the figure
    table
        the numbers behind the figure, kept with it

    Returns
    -------
    Figure
        shrinks with the page down to 480 px, then scrolls in its own box

    Raises
    ------
    TypeError
        Where ``fig`` is no matplotlib figure.
    ValueError
        Where ``alt`` is empty.

    Examples
    --------
    >>> import ipiu, matplotlib.pyplot as plt
    >>> fig, axes = plt.subplots()
    >>> ipiu.view.figure(fig, alt="an empty plot")
    Figure('an empty plot')
    """
    if not isinstance(fig, MatplotlibFigure):
        msg = f"fig is of type {type(fig).__name__}; pass the matplotlib Figure, the first thing plt.subplots returns"
        raise TypeError(msg)
    if not alt.strip():
        msg = "alt is empty; say in a sentence what the figure shows"
        raise ValueError(msg)
    _tidy(fig)
    svg, size = _draw(fig, bbox_inches="tight", pad_inches=0.05)
    width = size[0] * 96 / 72
    narrowest = min(width, _READABLE)
    svg.set("style", f"width:100%;max-width:{width:.0f}px;min-width:{narrowest:.0f}px;height:auto;overflow:visible")
    plt.close(fig)
    return Figure(_frame(svg, alt=alt, title=title), alt, table)


def true_size(fig: MatplotlibFigure, *, alt: str, title: str | None = None) -> Figure:
    """As :func:`figure`, for drawings whose millimetres count: as large as it is drawn where there is room.

    On a narrower page it shrinks as a whole, down to two thirds; below that it scrolls in its own box.
    """
    # in points: 0.07 mm, less than a third of the line's thickness
    with mpl.rc_context({"path.simplify_threshold": 0.2}):
        svg, size = _draw(fig)
    width, height = (f"{pt * 25.4 / 72:.6g}mm" for pt in size)
    svg.set("width", width)
    svg.set("height", height)
    least = f"{size[0] * 25.4 / 72 * 2 / 3:.6g}mm"
    svg.set("style", f"width:100%;height:auto;max-width:{width};min-width:{least}")
    plt.close(fig)
    return Figure(_frame(svg, alt=alt, title=title, scrolls=True), alt)


def _tidy(fig: MatplotlibFigure) -> None:
    """Thin spines on two sides and legends without a box, in plots that were drawn outside of :func:`style`."""
    for axes in fig.axes:
        if axes.get_legend():
            axes.get_legend().set_frame_on(False)
        if axes.images or axes.name != "rectilinear" or hasattr(axes, "_colorbar"):
            continue
        shared = any(other is not axes and other.bbox.bounds == axes.bbox.bounds for other in fig.axes)
        for side, spine in axes.spines.items():
            spine.set_linewidth(min(spine.get_linewidth(), _STYLE["axes.linewidth"]))
            if side in ("top", "right") and not shared:  # a second axis on the right keeps its line
                spine.set_visible(False)


def _draw(fig: MatplotlibFigure, **options) -> tuple[ET.Element, tuple[float, float]]:
    """The figure as an SVG element fit for a page, and its size in points."""
    stream = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ipiu"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the page's fonts draw the text
        fig.savefig(stream, format="svg", metadata={"Date": None}, transparent=True, dpi=144, **options)
    svg = ET.fromstring(_NO_XML.sub(" ", stream.getvalue()))
    width, height = (float(svg.attrib.pop(name).removesuffix("pt")) for name in ("width", "height"))
    for part in ("metadata", "defs"):  # the first defs is a style sheet, which would reach beyond the drawing
        svg.remove(svg.find(_SVG + part))
    svg.attrib |= {
        "fill": "currentColor",  # what SVG draws black where nothing is said
        "stroke-linejoin": "round",
        "font-family": _FONT,
    }
    named = " ".join(" ".join(node.attrib.values()) for node in svg.iter())
    named = set(re.findall(r"#([\w.-]+)", named))
    key = hashlib.sha256(ET.tostring(svg)).hexdigest()[:10]
    for node in svg.iter():
        _clean(node, named, key)
    return svg, (width, height)


def _clean(node: ET.Element, named: set[str], key: str) -> None:
    """Black to the page's colour, names that no other figure has, and no more digits than can be seen."""
    node.tag = node.tag.removeprefix(_SVG)
    if node.tag != "text" and node.tag != "tspan":
        node.text = node.text and node.text.strip()
    node.tail = None if node.tag != "tspan" else node.tail and node.tail.strip("\n")
    if _LINK in node.attrib:
        node.set("href", node.attrib.pop(_LINK))
    if node.get("id") not in named:
        node.attrib.pop("id", None)
    for name, value in list(node.attrib.items()):
        if name == "id":
            value = f"ipiu{key}-{value}"
        elif name == "href" and value.startswith("#"):
            value = f"#ipiu{key}-{value[1:]}"
        elif name == "d":
            value = re.sub(r"\d+\.\d{3,}", _two_digits, value)
            value = re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(value.split()))
        elif name in ("x", "y"):
            value = re.sub(r"\d+\.\d{3,}", _two_digits, value)
        elif name == "style":
            value = re.sub(r"\bfont(-family)?: [^;]*;? ?", _font_size, value)
            value = re.sub(r"\b(fill|stroke): #000000\b", r"\1: currentColor", value)
        value = value.replace("url(#", f"url(#ipiu{key}-")
        if name == "transform" and value.startswith("rotate(-0 "):
            del node.attrib[name]
        else:
            node.set(name, value)


def _font_size(match: re.Match) -> str:
    """What stays of a font's declaration: the family is the page's."""
    if match[1]:
        return ""
    size = re.search(r"[\d.]+px", match[0])
    weight = "font-weight: bold; " if re.search(r"\b(bold|700)\b", match[0]) else ""
    return f"{weight}font-size: {size[0]}; " if size else ""


def _two_digits(match: re.Match) -> str:
    """A hundredth of a point is below what any screen shows."""
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _frame(svg: ET.Element, *, alt: str, title: str | None, scrolls: bool = False) -> str:
    """The drawing in a box of its own, with a caption."""
    alt, title = (text and _NO_XML.sub(" ", text) for text in (alt, title))
    svg.attrib |= {"role": "img", "aria-label": alt}
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    reach = f' tabindex="0" role="group" aria-label="{escape(title or alt)}, scrolls"' if scrolls else ""
    return (
        f'<figure class="ipiu-figure" style="margin:1rem 0">'
        f'<div class="ipiu-figure-box" style="overflow-x:auto"{reach}>'
        f"{ET.tostring(svg, encoding='unicode')}</div>{caption}</figure>"
    )


# `ipiu.view.figure` is the function, so what goes with it hangs on it
figure.COLOURS = COLOURS
figure.style = style
