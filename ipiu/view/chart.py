"""Charts that answer to hovering: plotly, without a network, in the page's colours."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ipiu.errors import require

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Chart:
    """A chart of a page, and of JupyterLab; made by :func:`chart`."""

    figure: Figure
    alt: str
    title: str
    table: pd.DataFrame | None = None

    def to_html(self) -> str:
        """The figure of a page; the script beside the pages draws it in the page's colours."""
        drawing = json.dumps(json.loads(self.figure.to_json()), separators=(",", ":")).replace("</", "<\\/")
        height = int(self.figure.layout.height or 450)
        return (
            f'<figure class="ipiu-chart" data-ipiu-chart>'
            f'<div class="ipiu-chart-box" tabindex="0" role="group" aria-label="chart, scrolls">'
            f'<div class="ipiu-chart-stage" style="min-height:{height}px" role="img" '
            f'aria-label="{escape(self.alt)}"></div></div>'
            f'<script type="application/json">{drawing}</script>'
            f"<figcaption>{escape(self.title)}</figcaption>{self._numbers()}</figure>"
        )

    def _numbers(self) -> str:
        """The same as a table, for those who would rather read, and for pages without scripts."""
        if self.table is None:
            return ""
        numbers = self.table.to_html(border=0, na_rep="", classes="dataframe", escape=True)
        return (
            f"<details><summary>The same as a table</summary><div class='ipiu-records' tabindex='0' role='region' "
            f"aria-label='{escape(self.title)}, as a table'>{numbers}</div></details>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        bundle = {"text/plain": repr(self)}
        if os.environ.get("IPIU_PAGES"):
            return bundle | {"text/html": self.to_html()}
        return bundle | {"application/vnd.plotly.v1+json": json.loads(self.figure.to_json())}

    def __repr__(self) -> str:
        return f"Chart({self.alt!r})"


def chart(figure: Figure, *, alt: str, title: str, table: pd.DataFrame | None = None) -> Chart:
    """Show a plotly figure on a page or in JupyterLab.

    On a page, a mark leads to the address below the book that is, or comes first in, its ``customdata``.

    Parameters
    ----------
    figure
        the plotly figure; its colours of text, axes and background follow the page
    alt
        what it shows, read out in place of the picture
    title
        caption
    table
        the numbers behind it, folded below

    Raises
    ------
    ValueError
        Where ``alt`` is empty.
    """
    require("plotly", extra="atlas")
    if not alt.strip():
        msg = "alt is empty; say in a sentence what the chart shows"
        raise ValueError(msg)
    return Chart(figure, alt, title, table)
