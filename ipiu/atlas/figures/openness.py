"""How much of each category can be had: code, weights, licence."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import figure
from ipiu.atlas.record import Record
from ipiu.atlas.vocabulary import CATEGORY
from ipiu.view.chart import Chart, chart
from ipiu.view.colours import DEEP

# licences that allow any use, commercial use and changes included, beyond naming the source or sharing alike
FREE = ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "GPL-3.0-only", "MIT")

# from open to closed; what is not confirmed comes last
STEPS = ("open", "with conditions", "on request", "closed", "not confirmed")
SHADES = (DEEP[0], DEEP[1], DEEP[2], DEEP[4], "#b4b8bd")

_ACCESS = {"open": 0, "registration": 1, "credentialed": 1, "request": 2, "closed": 3, None: 4}


def openness(models: Collection) -> Chart:
    """Code, weights and licence of the weights by category, from open to closed.

    Parameters
    ----------
    models
        the models to count

    Returns
    -------
    Chart
        one bar a category and question. Code is open where it has an address. Weights are open for a plain download;
        signing in or an agreement are conditions. A licence of the weights is open where it allows any use.
    """
    asked = {"code": _code, "weights": _weights, "licence": _licence}
    rows = pd.MultiIndex.from_product([[name for name, _ in CATEGORY.values()], asked], names=["category", "what"])
    counts = pd.DataFrame(0, index=rows, columns=list(STEPS))
    for model in models.values():
        for what, step in asked.items():
            counts.loc[(CATEGORY[model.category][0], what), STEPS[step(model)]] += 1
    shares = 100 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    places = [list(rows.get_level_values(0)), list(rows.get_level_values(1))]
    bars = [
        go.Bar(
            y=places, x=shares[step], name=step, orientation="h", marker={"color": shade},
            text=[str(n) if n else "" for n in counts[step]],
            textposition="inside", insidetextanchor="middle", textangle=0,
            textfont={"color": "black" if step == STEPS[-1] else "white"},
            hovertemplate=f"<b>%{{y}}</b><br>{step}: %{{text}} models (%{{x:.0f}} %)<extra></extra>",
        )
        for step, shade in zip(STEPS, SHADES, strict=True)
    ]  # fmt: skip
    share = [f"{name}, {counts.loc[(name, 'weights'), 'open']} open" for name, _ in CATEGORY.values()]
    return chart(
        figure(
            bars,
            height=520,
            barmode="stack",
            margin={"l": 255, "r": 10, "t": 50, "b": 40},
            xaxis={"ticksuffix": " %", "range": [0, 100], "fixedrange": True},
            yaxis={"autorange": "reversed", "fixedrange": True, "showdividers": False},
        ),
        alt=f"Code, weights and licences by category. Weights for plain download: {'; '.join(share)}.",
        title="What can be had of the models of the atlas. Numbers are models; grey is what no source confirmed.",
        table=counts,
    )


def _code(model: Record) -> int:
    """The step of a model's code."""
    return 0 if model.code else 4


def _weights(model: Record) -> int:
    """The step of a model's weights."""
    return _ACCESS[model.weights_access]


def _licence(model: Record) -> int:
    """The step of the licence of a model's weights."""
    if model.weights_license is None:
        return 4
    return 0 if model.weights_license in FREE else 1
