"""How much of each category can be had: code, weights, licences."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import figure
from ipiu.atlas.record import Record
from ipiu.atlas.vocabulary import CATEGORY
from ipiu.view.chart import Chart, chart
from ipiu.view.colours import DEEP

# from open to closed; what is not confirmed comes last
STEPS = ("open", "registration", "request", "credentialed", "closed", "not confirmed")
SHADES = (*DEEP[:5], "#b4b8bd")


def openness(models: Collection) -> Chart:
    """How the weights of each category can be had, as shares of its models."""
    counts = pd.DataFrame(
        [[sum(_step(m) == step for m in models.where(category=c).values()) for step in STEPS] for c in CATEGORY],
        index=[name for name, _ in CATEGORY.values()],
        columns=list(STEPS),
    )
    shares = counts.div(counts.sum(axis=1), axis=0) * 100
    bars = [
        go.Bar(
            y=list(counts.index), x=shares[step], name=step, orientation="h", marker={"color": shade},
            text=[f"{n}" if n else "" for n in counts[step]], textposition="inside", insidetextanchor="middle",
            textfont={"color": "white" if step != "not confirmed" else "black"}, textangle=0,
            hovertemplate=f"<b>%{{y}}</b><br>{step}: %{{text}} models (%{{x:.0f}} %)<extra></extra>",
        )
        for step, shade in zip(STEPS, SHADES, strict=True)
    ]  # fmt: skip
    return chart(
        figure(
            bars,
            height=340,
            barmode="stack",
            margin={"l": 190, "r": 10, "t": 60, "b": 40},
            xaxis={"ticksuffix": " %", "range": [0, 100], "fixedrange": True},
            yaxis={"autorange": "reversed", "fixedrange": True},
        ),
        alt="Access to weights by category: "
        + "; ".join(f"{i}, {row['open']} of {row.sum()} open" for i, row in counts.iterrows()),
        title="How the weights can be had, by category. Numbers are models; grey is what no source confirmed.",
        table=counts,
    )


def _step(model: Record) -> str:
    """A model's place between open and closed."""
    return model.weights_access or "not confirmed"
