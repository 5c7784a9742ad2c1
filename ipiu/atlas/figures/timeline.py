"""When the models appeared, category by category."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import COLOUR, MARK, figure, hover
from ipiu.atlas.vocabulary import CATEGORY
from ipiu.view.chart import Chart, chart

ROW = 6  # marks side by side in one year


def timeline(models: Collection) -> Chart:
    """One mark a model in the year of its first public version, one row a category."""
    traces, counts = [], []
    for level, (category, (name, _)) in enumerate(CATEGORY.items()):
        points = []
        chosen = models.where(category=category)
        for year in sorted({model.year for model in chosen.values()}):
            found = list(chosen.where(year=year).values())
            counts.append((name, year, len(found)))
            for number, model in enumerate(found):
                across, up = number % ROW, number // ROW
                points.append(
                    (year + (across - (ROW - 1) / 2) * 0.13, -level + up * 0.1 - 0.3, model.page, hover(model))
                )
        x, y, pages, texts = map(list, zip(*points, strict=True)) if points else ([], [], [], [])
        traces.append(
            go.Scatter(
                x=x, y=y, customdata=pages, hovertext=texts, name=name, mode="markers", hoverinfo="text",
                marker={"color": COLOUR[category], "symbol": MARK[category], "size": 8},
            )
        )  # fmt: skip
    table = pd.DataFrame(counts, columns=["category", "year", "models"])
    table = table.pivot(index="category", columns="year", values="models").reindex(
        [name for name, _ in CATEGORY.values()]
    )
    years = list(table.columns)
    most = table.sum().idxmax()
    count = int(table[most].sum())
    return chart(
        figure(
            traces,
            height=520,
            margin={"l": 10, "r": 10, "t": 40, "b": 40},
            xaxis={
                "tickvals": years,
                "range": [min(years) - 0.6, max(years) + 0.6],
                "fixedrange": True,
                "showgrid": False,
            },
            yaxis={"visible": False, "fixedrange": True},
        ),
        alt=f"Models by year and category, {min(years)} to {max(years)}; most, {count}, date from {most}.",
        title="One mark a model, in the year of its first public version. A mark leads to the model's card.",
        table=table.fillna(0).astype(int),
    )
