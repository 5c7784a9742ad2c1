"""Where the data a model was pretrained on meet the data it is tested on."""

from __future__ import annotations

import networkx as nx
import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import figure
from ipiu.atlas.record import Record
from ipiu.view.chart import Chart, chart
from ipiu.view.colours import COLOURS


def overlaps(models: Collection, datasets: Collection) -> pd.DataFrame:
    """Every model whose pretraining set and benchmark are one set, or of which one contains the other.

    Only what a source says of two sets directly counts; chains of collections are not followed.

    Returns
    -------
    DataFrame
        columns model, pretrained on, tested on, how: "same data set", or by which containment they meet
    """
    meets = {(id, id): "same data set" for id in datasets}
    for whole in datasets.values():
        for part in _inside(whole, datasets):
            meets[whole.id, part] = f"{whole.name} contains {datasets[part].name}"
            meets[part, whole.id] = meets[whole.id, part]
    rows = [
        (model.name, datasets[seen].name, datasets[tested].name, meets[seen, tested])
        for model in models.values()
        for seen in model.pretrained_on or ()
        for tested in model.evaluated_on or ()
        if (seen, tested) in meets
    ]
    return pd.DataFrame(rows, columns=["model", "pretrained on", "tested on", "how"])


def leakage(models: Collection, datasets: Collection) -> Chart:
    """A graph of data sets: lines join those that share cases, the mark's form says what models do with them."""
    graph = nx.Graph()
    for whole in datasets.values():
        graph.add_edges_from((whole.id, part) for part in _inside(whole, datasets))
    trained = {id: [m.name for m in models.values() if id in (m.pretrained_on or ())] for id in datasets}
    tested = {id: [m.name for m in models.values() if id in (m.evaluated_on or ())] for id in datasets}
    place = _placed(graph)
    traces = [_lines(graph, place)]
    kinds = (
        ("both pretraining and test", lambda id: trained[id] and tested[id], COLOURS[1], "diamond"),
        ("pretraining only", lambda id: trained[id] and not tested[id], COLOURS[0], "circle"),
        ("test only", lambda id: tested[id] and not trained[id], COLOURS[2], "square"),
        ("neither in the atlas", lambda id: not tested[id] and not trained[id], COLOURS[5], "circle-open"),
    )
    for name, belongs, colour, symbol in kinds:
        ids = [id for id in graph if belongs(id)]
        if ids:
            traces.append(_marks(name, ids, colour, symbol, place, datasets, trained, tested))
    both = sum(bool(trained[id] and tested[id]) for id in graph)
    meets, pages = overlaps(models, datasets), {model.name: model.page for model in models.values()}
    hidden = {"visible": False, "fixedrange": True}
    return chart(
        figure(traces, height=700, margin={"l": 0, "r": 0, "t": 60, "b": 0}, xaxis=hidden, yaxis=hidden),
        alt=f"{len(graph)} data sets, {graph.number_of_edges()} pairs of which share cases; "
        f"{both} serve models for pretraining and as a test.",
        title="Data sets of the atlas that share cases (lines), and what models use them for. A mark leads to a card.",
        table=meets,
        links={row: pages[name] for row, name in meets["model"].items()},
    )


def _inside(whole: Record, datasets: Collection) -> list[str]:
    """The sets of ``datasets`` whose cases are in ``whole``."""
    return [part for part in whole.contains or () if part in datasets]


def _placed(graph: nx.Graph) -> dict[str, tuple[float, float]]:
    """Where each data set is drawn: groups that share no case stand apart, the largest above the others."""
    groups = sorted((sorted(group) for group in nx.connected_components(graph)), key=lambda group: (-len(group), group))
    place, left, low, row = {}, 0.0, 0.0, 0.0
    for number, group in enumerate(groups):
        width = 1.0 if number == 0 else 0.11 * len(group) + 0.1
        height = 0.62 if number == 0 else 0.14
        if left + width > 1.0 + 1e-9:
            left, low, row = 0.0, low - row, 0.0
        part = nx.Graph()  # nodes in a fixed order: the layout depends on it, and a subgraph keeps none
        part.add_nodes_from(group)
        part.add_edges_from(edge for edge in graph.edges if edge[0] in group)
        drawn = nx.kamada_kawai_layout(part)
        spread = {axis: [point[axis] for point in drawn.values()] for axis in (0, 1)}
        for id, point in drawn.items():
            x, y = ((point[axis] - min(spread[axis])) / (max(spread[axis]) - min(spread[axis]) or 1) for axis in (0, 1))
            place[id] = (left + width * (0.1 + 0.8 * x), low - height * (0.15 + 0.7 * y))
        left, row = left + width, max(row, height)
    return place


def _lines(graph: nx.Graph, place: dict) -> go.Scatter:
    """The pairs that share cases."""
    x, y = [], []
    for one, other in graph.edges:
        x += [place[one][0], place[other][0], None]
        y += [place[one][1], place[other][1], None]
    return go.Scatter(
        x=x, y=y, mode="lines", line={"color": COLOURS[5], "width": 1}, hoverinfo="skip", showlegend=False
    )


def _marks(name, ids, colour, symbol, place, datasets, trained, tested) -> go.Scatter:
    """The data sets of one kind; the more models use one, the larger its mark."""
    texts = [
        f"<b>{datasets[id].name}</b><br>models pretrained on it: {len(trained[id])}<br>tested on it: {len(tested[id])}"
        for id in ids
    ]
    return go.Scatter(
        x=[place[id][0] for id in ids], y=[place[id][1] for id in ids], mode="markers+text", name=name,
        text=[min(datasets[id].name.split(" (")[0], id, key=len) for id in ids],
        textposition="top center", textfont={"size": 11},
        customdata=[datasets[id].page for id in ids], hovertext=texts, hoverinfo="text", cliponaxis=False,
        marker={"color": colour, "symbol": symbol, "size": [_size(trained[id], tested[id]) for id in ids]},
    )  # fmt: skip


def _size(trained: list[str], tested: list[str]) -> float:
    """Diameter of a mark: its area grows with the number of models."""
    return 9 + 2 * (len(trained) + len(tested)) ** 0.5
