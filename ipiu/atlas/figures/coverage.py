"""Which kind of data meets which task, and where nothing is."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ipiu.atlas.collection import Collection
from ipiu.atlas.figures.look import figure, wrap
from ipiu.atlas.vocabulary import MODALITY, TASK
from ipiu.view.chart import Chart, chart

# see-through, so that few is near the page's colour and its text can be read on a light and on a dark page
SHADES = ((0, "rgba(35, 113, 173, 0.08)"), (1, "rgba(35, 113, 173, 0.75)"))


def coverage(models: Collection) -> Chart:
    """Number of models for every pair of data and task; pairs without any stay empty."""
    names = {
        (modality, task): [m.name for m in models.values() if modality in (m.modalities or ()) and task in m.tasks]
        for modality in MODALITY
        for task in TASK
    }
    used = [modality for modality in MODALITY if any(names[modality, task] for task in TASK)]
    counts = [[len(names[modality, task]) for task in TASK] for modality in used]
    labels = [MODALITY[modality][0] for modality in used]
    tasks = [TASK[task][0] for task in TASK]
    texts = [[_listed(names[modality, task]) for task in TASK] for modality in used]
    heat = go.Heatmap(
        z=[[count or None for count in row] for row in counts], x=tasks, y=labels, customdata=texts, colorscale=SHADES,
        text=[[count or "" for count in row] for row in counts], texttemplate="%{text}", textfont={"color": "#222832"},
        zmin=0, xgap=2, ygap=2,
        hovertemplate="<b>%{y}, %{x}</b><br>%{customdata}<extra></extra>", showscale=False, hoverongaps=True,
    )  # fmt: skip
    empty = sum(count == 0 for row in counts for count in row)
    return chart(
        figure(
            [heat],
            height=640,
            margin={"l": 180, "r": 85, "t": 120, "b": 10},
            xaxis={"side": "top", "tickangle": -45, "fixedrange": True, "showgrid": False},
            yaxis={"autorange": "reversed", "fixedrange": True, "showgrid": False},
        ),
        alt=f"Kinds of data against tasks: {empty} of {len(used) * len(TASK)} pairs have no model in the atlas.",
        title="Models of the atlas by kind of data (rows) and task (columns), our reading. Empty: none recorded.",
        table=pd.DataFrame(counts, index=labels, columns=tasks),
    )


def _listed(names: list[str]) -> str:
    """Names for a hover box."""
    if not names:
        return "no model in the atlas"
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return wrap(", ".join(names[:12]) + more)
