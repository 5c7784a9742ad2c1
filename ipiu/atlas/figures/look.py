"""What the charts of the atlas share."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from ipiu.atlas.record import Record
from ipiu.atlas.vocabulary import CATEGORY, MODALITY
from ipiu.view.colours import COLOURS, DEEP

# as the marks, but deep enough for white text
FILL = dict(zip(CATEGORY, DEEP, strict=False))
COLOUR = dict(zip(CATEGORY, COLOURS, strict=False))
MARK = dict(zip(CATEGORY, ("circle", "square", "diamond", "triangle-up"), strict=True))
GREY = COLOURS[-1]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def figure(traces, *, height: int, **layout) -> go.Figure:
    """A figure in the book's look; the page gives it its colours of text and lines."""
    shared = {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "font": {"family": _FONT, "size": 13},
        "hoverlabel": {"align": "left", "font": {"family": _FONT, "size": 13}},
        "legend": {"orientation": "h", "traceorder": "normal", "yanchor": "bottom", "y": 1.02, "x": 0},
        "template": "none",
        "dragmode": False,
    }
    return go.Figure(traces, {**shared, **layout})


def label(vocabulary: Mapping[str, tuple[str, str]], word: str) -> str:
    """What people read for a word."""
    return vocabulary[word][0]


def field_of(model: Record) -> str:
    """The one word a model is filed under where it can have only one place: its first kind of data, or "several"."""
    kinds = [word for word in model.modalities or () if word != "text"]
    if len(kinds) > 2 or "multi" in kinds:
        return "several kinds of images"
    return label(MODALITY, kinds[0]) if kinds else "text" if model.modalities else "any image"


def hover(record: Record) -> str:
    """The text a mark shows: name, title, year."""
    return f"<b>{record.name}</b> ({record.year})<br>{wrap(record.title or '')}"


def wrap(text: str, width: int = 48) -> str:
    """Text in lines that fit a hover box."""
    import textwrap

    return "<br>".join(textwrap.wrap(text, width))
