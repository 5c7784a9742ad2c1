"""Size of the model against the amount of data it was pretrained on."""

from __future__ import annotations

from collections import Counter
from math import ceil, floor, log10

import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import COLOUR, MARK, figure, hover
from ipiu.atlas.record import Record
from ipiu.atlas.vocabulary import CATEGORY
from ipiu.view.chart import Chart, chart

COLUMNS = 3
FEWEST = 5  # models that a unit needs for a panel of its own


def scale(models: Collection) -> Chart:
    """Parameters against pretraining data, one panel a unit, because images, tokens and cells do not compare.

    Parameters
    ----------
    models
        the models; shown are those whose sources state both numbers, in units that at least five of them share
    """
    known = [m for m in models.values() if m.parameters and m.scale and m.scale.count and m.scale.unit]
    counts = Counter(model.scale.unit for model in known)
    units = [unit for unit, count in counts.most_common() if count >= FEWEST]
    shown = [model for model in known if model.scale.unit in units]
    axes = {}
    rows, pages = -(-len(units) // COLUMNS), {model.name: model.page for model in shown}
    sizes = _decades([model.parameters.millions for model in shown])
    for number, unit in enumerate(units):
        axes |= _panel(number, unit, rows, sizes, [m.scale.count for m in shown if m.scale.unit == unit])
    table = pd.DataFrame(
        [(m.name, m.parameters.millions, m.parameters.variant, m.scale.count, m.scale.unit) for m in shown],
        columns=["model", "parameters (millions)", "variant", "amount", "unit"],
    )
    table = table.sort_values(["unit", "amount"], ignore_index=True)
    return chart(
        figure(_traces(shown, units), height=90 + 250 * rows, margin={"l": 60, "r": 20, "t": 60, "b": 50}, **axes),
        alt=f"Parameters against amount of pretraining data for {len(shown)} models, in {', '.join(units)}.",
        title=f"{len(shown)} models of the atlas that state both numbers, by what their data are counted in.",
        table=table,
        links={row: pages[name] for row, name in table["model"].items()},
    )


def _traces(shown: list[Record], units: list[str]) -> list[go.Scatter]:
    """The marks, one trace a panel and category; a category stands in the legend once."""
    traces, named = [], set()
    for number, unit in enumerate(units):
        for category, (name, _) in CATEGORY.items():
            chosen = [m for m in shown if m.scale.unit == unit and m.category == category]
            if not chosen:
                continue
            traces.append(
                go.Scatter(
                    x=[m.scale.count for m in chosen], y=[m.parameters.millions for m in chosen], name=name,
                    xaxis=_axis("x", number), yaxis=_axis("y", number), mode="markers", hoverinfo="text",
                    customdata=[m.page for m in chosen], hovertext=[_told(m) for m in chosen],
                    legendgroup=category, showlegend=category not in named,
                    marker={"color": COLOUR[category], "symbol": MARK[category], "size": 10},
                )
            )  # fmt: skip
            named.add(category)
    return traces


def _panel(number: int, unit: str, rows: int, sizes: list[float], counts: list[float]) -> dict:
    """The two axes of a panel; all panels share the range of parameters."""
    column, row = number % COLUMNS, number // COLUMNS
    left, top = column / COLUMNS, 1 - row / rows
    across = [left + 0.02, left + 1 / COLUMNS - 0.02]
    up = [top - 1 / rows + (0.22 / rows if rows > 1 else 0), top - 0.02]
    first = column == 0
    title = {"text": "parameters (millions)"} if first else {"text": ""}
    shared = {"type": "log", "fixedrange": True, "exponentformat": "power", "dtick": 2}
    x, y = _axis("x", number), _axis("y", number)
    return {
        x.replace("x", "xaxis"): {
            **shared, "domain": across, "anchor": y, "title": {"text": unit}, "range": _decades(counts)
        },
        y.replace("y", "yaxis"): {
            **shared, "domain": up, "anchor": x, "title": title, "showticklabels": first, "range": sizes
        },
    }  # fmt: skip


def _decades(values: list[float]) -> list[float]:
    """The range of a logarithmic axis: whole powers of ten, with a little room."""
    return [floor(log10(min(values))) - 0.15, ceil(log10(max(values))) + 0.15]


def _axis(letter: str, number: int) -> str:
    """The name of a panel's axis: x, x2, x3 ..."""
    return f"{letter}{number + 1 if number else ''}"


def _told(model: Record) -> str:
    """The text a mark shows."""
    amount = f"{model.scale.count:,.0f} {model.scale.unit}"
    return f"{hover(model)}<br>{model.parameters.millions:,g} M parameters, {amount}"
