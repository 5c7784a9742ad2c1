"""Charts that answer to hovering: plotly, without a network, in the page's colours."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from ipiu.errors import require
from ipiu.view.table import as_html

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

FROM_CHAPTER = "../../"  # chapters lie two folders below the book's root


@dataclass(frozen=True)
class Chart:
    """A chart of a page, and of JupyterLab; made by :func:`chart`."""

    figure: Figure
    alt: str
    title: str
    table: pd.DataFrame | None = None
    links: Mapping[Hashable, str] = field(default_factory=dict)

    def to_html(self) -> str:
        """The figure of a page; the script beside the pages draws it in the page's colours."""
        drawing = self.figure.to_json()  # plotly escapes what could end a script
        height, title = int(self.figure.layout.height or 450), escape(self.title)
        return (
            f'<figure class="ipiu-chart" data-ipiu-chart>'
            f'<div class="ipiu-chart-box" tabindex="0" role="group" aria-label="{title}, scrolls">'
            f'<div class="ipiu-chart-stage" style="min-height:{height}px" role="img" '
            f'aria-label="{escape(self.alt)}"></div></div><p class="ipiu-chart-note" role="status"></p>'
            f'<script type="application/json">{drawing}</script>'
            f"<figcaption>{title}</figcaption>{self._numbers()}</figure>"
        )

    def _numbers(self) -> str:
        """The same as a table, for those who would rather read, for keyboards, and for pages without scripts."""
        if self.table is None:
            return ""
        shown = as_html(self.table, {row: f"{FROM_CHAPTER}{page}" for row, page in self.links.items()})
        numbers = shown.to_html(border=0, classes="dataframe", escape=False, index=not self.links)
        return (
            f"<details><summary>The same as a table</summary><div class='ipiu-records' tabindex='0' role='region' "
            f"aria-label='{escape(self.title)}, as a table'>{numbers}</div></details>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        bundle = {"text/plain": repr(self)}
        if os.environ.get("IPIU_PAGES"):
            return bundle | {"text/html": self.to_html()}
        titled = type(self.figure)(self.figure).update_layout(
            title={"text": self.title, "font": {"size": 13}, "y": 0.01, "yanchor": "bottom"},
            margin={"b": (self.figure.layout.margin.b or 40) + 30},
            height=(self.figure.layout.height or 450) + 30,
        )
        if "COLAB_NOTEBOOK_ID" in os.environ:  # which draws HTML only
            return bundle | titled._repr_mimebundle_(include, exclude)
        return bundle | {"application/vnd.plotly.v1+json": json.loads(titled.to_json())}

    def __repr__(self) -> str:
        return f"Chart({self.alt!r})"


def chart(
    figure: Figure,
    *,
    alt: str,
    title: str,
    table: pd.DataFrame | None = None,
    links: Mapping[Hashable, str] | None = None,
) -> Chart:
    """Show a plotly figure on a page or in JupyterLab.

    Parameters
    ----------
    figure
        the plotly figure; on a page its colours of text, axes and background follow the page, and a mark leads to the
        address below the book's root that is, or comes first in, its ``customdata``
    alt
        what it shows, read out in place of the picture
    title
        caption; it says which data are shown
    table
        the numbers behind it, folded below
    links
        pages of the table's rows, by its index and from the book's root; the first column leads there

    Returns
    -------
    Chart
        drawn when it comes near the window of a page; in JupyterLab at once

    Raises
    ------
    TypeError
        Where ``figure`` is no plotly figure.
    ValueError
        Where ``alt`` is empty.
    ImportError
        Where plotly is not installed.

    Examples
    --------
    >>> import ipiu, plotly.express as px
    >>> ipiu.view.chart(px.scatter(x=[1, 2], y=[1, 2]), alt="two marks", title="two marks, hand-made")
    Chart('two marks')
    """
    graph_objects = require("plotly.graph_objects", extra="atlas")
    if not isinstance(figure, graph_objects.Figure):
        msg = f"figure is of type {type(figure).__name__}; pass a plotly Figure (ipiu.view.figure takes matplotlib's)"
        raise TypeError(msg)
    if not alt.strip():
        msg = "alt is empty; say in a sentence what the chart shows"
        raise ValueError(msg)
    return Chart(figure, alt, title, table, links or {})
