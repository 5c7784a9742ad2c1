"""How many people stand behind each data set."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import figure
from ipiu.atlas.record import Record
from ipiu.atlas.vocabulary import ACCESS, HOLDS
from ipiu.view.chart import Chart, chart
from ipiu.view.colours import COLOURS

KINDS = ("image", "text", "ehr", "signal", "omics")
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "circle-open")


def people(datasets: Collection) -> Chart:
    """Number of people on a logarithmic axis, one row a kind of data; a set with several kinds stands in each row."""
    traces, rows = [], []
    for access, colour, symbol in zip([*ACCESS, None], COLOURS, MARKS, strict=True):
        points = [
            (d.subjects, level + 0.11 * (number % 7 - 3), d)
            for level, kind in enumerate(KINDS)
            for number, d in enumerate(datasets.where(holds=kind).values())
            if d.subjects and d.access == access
        ]
        if points:
            x, y, found = zip(*points, strict=True)
            traces.append(
                go.Scatter(
                    x=x, y=y, mode="markers", name=access or "access not confirmed", hoverinfo="text",
                    customdata=[d.page for d in found], hovertext=[_told(d) for d in found],
                    marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 1.5, "color": colour}},
                )
            )  # fmt: skip
    for kind in KINDS:
        sizes = [d.subjects for d in datasets.where(holds=kind).values() if d.subjects]
        rows.append((HOLDS[kind][0], len(datasets.where(holds=kind)), len(sizes), pd.Series(sizes).median()))
    table = pd.DataFrame(rows, columns=["kind of data", "data sets", "people stated", "median people"])
    names = [HOLDS[kind][0] for kind in KINDS]
    return chart(
        figure(
            traces,
            height=420,
            margin={"l": 190, "r": 20, "t": 50, "b": 50},
            xaxis={"type": "log", "title": {"text": "people"}, "dtick": 1, "fixedrange": True},
            yaxis={"tickvals": list(range(len(KINDS))), "ticktext": names, "autorange": "reversed", "fixedrange": True},
        ),
        alt="People in each data set by kind of data and access, on a logarithmic axis.",
        title="People behind each data set of the atlas, where a source states them. A mark leads to a card.",
        table=table,
    )


def _told(dataset: Record) -> str:
    """The text a mark shows."""
    return f"<b>{dataset.name}</b><br>{dataset.subjects:,} people<br>{dataset.access or 'access not confirmed'}"
