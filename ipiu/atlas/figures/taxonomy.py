"""The survey's four categories, and every model in its place."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import FILL, GREY, field_of, figure, hover
from ipiu.atlas.vocabulary import CATEGORY
from ipiu.view.chart import Chart, chart


def taxonomy(models: Collection) -> Chart:
    """A map to zoom into: category, then kind of data, then model; a model leads to its card.

    Parameters
    ----------
    models
        the models to show; the area is their number
    """
    rows = [("all", "", f"{len(models)} models", len(models), GREY, "", "")]
    places = Counter((model.category, field_of(model)) for model in models.values())
    for category, count in Counter(model.category for model in models.values()).items():
        rows.append((category, "all", CATEGORY[category][0], count, FILL[category], "", f"{count} models"))
    for (category, field), count in places.items():
        rows.append((f"{category}/{field}", category, field, count, FILL[category], "", f"{count} models"))
    for model in models.values():
        place = f"{model.category}/{field_of(model)}"
        rows.append((model.id, place, model.name, 1, FILL[model.category], model.page, hover(model)))
    ids, parents, labels, values, colours, pages, texts = map(list, zip(*rows, strict=True))
    tree = go.Treemap(
        ids=ids, parents=parents, labels=labels, values=values, customdata=pages, hovertext=texts, branchvalues="total",
        marker={"colors": colours, "cornerradius": 3, "line": {"width": 0.5, "color": "white"}}, maxdepth=3,
        hovertemplate="%{hovertext}<extra></extra>", textfont={"color": "white"}, tiling={"pad": 2}, sort=True,
        pathbar={"textfont": {"color": "white"}},
    )  # fmt: skip
    table = pd.DataFrame(
        [(CATEGORY[c][0], f, n) for (c, f), n in sorted(places.items())], columns=["category", "data", "models"]
    )
    counts = Counter(model.category for model in models.values())
    said = ", ".join(f"{counts[word]} {label}" for word, (label, _) in CATEGORY.items() if counts[word])
    return chart(
        figure([tree], height=560, margin={"l": 0, "r": 0, "t": 24, "b": 0}),
        alt=f"Map of {len(models)} models by category and kind of data: {said}.",
        title="The survey's four categories. Choose a field to zoom in, a model to open its card.",
        table=table,
    )
