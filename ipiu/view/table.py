"""Tables that filter and sort: DataTables through itables, offline, on a page and in JupyterLab."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ipiu.errors import IpiuError, require

if TYPE_CHECKING:
    import pandas as pd

# what the pages' own style sheet says, as far as a notebook needs it
_STYLE = """<style>
.ipiu-table-filters { display: flex; flex-wrap: wrap; gap: 0.4em 1em; align-items: end; }
.ipiu-table-filters label { display: flex; flex-direction: column; font-size: 0.85em; }
.ipiu-table :is(th, td) { text-align: left !important; }
</style>"""


@dataclass(frozen=True)
class Table:
    """A table a reader can search, sort and filter; made by :func:`table`."""

    frame: pd.DataFrame
    title: str
    filters: Sequence[str] = ()
    links: Mapping[Hashable, str] = field(default_factory=dict)

    def to_html(self) -> str:
        """The table as HTML. On a page the script beside it brings it to life; elsewhere the script comes along."""
        library = "" if os.environ.get("IPIU_PAGES") else f"{_STYLE}<script>{script()}</script>"
        columns = json.dumps([self.frame.columns.get_loc(name) for name in self.filters])
        title = escape(self.title)
        return (
            f'{library}<figure class="ipiu-table" data-filters="{columns}" role="group" aria-label="{title}">'
            f"{self._datatable()}<figcaption>{title}</figcaption></figure>"
        )

    def _datatable(self) -> str:
        """What itables makes of it."""
        from itables import to_html_datatable

        shown = as_html(self.frame, self.links)
        digest = hashlib.sha256(f"{shown.to_csv()}{self.title}".encode()).hexdigest()[:12]
        html = to_html_datatable(
            shown,
            connected=False,
            table_id=f"ipiu-{digest}",  # by content, so that the same table gives the same page
            allow_html=True,
            showIndex=False,
            display_logo_when_loading=False,
            maxBytes=0,
            classes="display compact",
            style={"width": "100%", "margin": "0"},
            lengthMenu=[10, 25, 100, {"label": "all", "value": -1}],
            scrollX=True,
            order=[],
        )
        # the plain rows stay until the table is alive (table.js), without remarks on cells to run
        for remark in (r"<sup><noscript>.*?</sup>", r"Loading ITables[^?]*\?\)", r"<script>document.*?</script>"):
            html, found = re.subn(remark, "", html, count=1, flags=re.DOTALL)
            if not found:
                msg = f"itables writes its tables differently ({remark}); install the version that the lock names"
                raise IpiuError(msg)
        return html

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        return f"Table({self.title!r}, {len(self.frame)} rows)"


def table(
    frame: pd.DataFrame, *, title: str, filters: Sequence[str] = (), links: Mapping[Hashable, str] | None = None
) -> Table:
    """Show a table that a reader can search, sort and filter, without a network.

    Parameters
    ----------
    frame
        the table; what is missing stays empty, and texts are escaped
    title
        caption, and what is read out for the table
    filters
        columns that get a list of their words to choose from; words in one cell have commas between them
    links
        addresses of rows by index; the first column leads there

    Returns
    -------
    Table
        shown in a notebook and on a page

    Raises
    ------
    IpiuError
        Where a filter names no column, or an address would run something.
    ImportError
        Where itables is not installed.

    Examples
    --------
    >>> import ipiu
    >>> ipiu.view.table(ipiu.samples().table(), title="Real samples", filters=["kind"])
    Table('Real samples', 24 rows)
    """
    require("itables", extra="atlas")
    missing = [name for name in filters if name not in frame.columns]
    if missing:
        msg = f"filters names {missing[0]!r}, which is no column; the columns are {', '.join(map(str, frame.columns))}"
        raise IpiuError(msg)
    return Table(frame, title, tuple(filters), links or {})


def as_html(frame: pd.DataFrame, links: Mapping[Hashable, str]) -> pd.DataFrame:
    """A frame with its texts escaped and what is missing empty; the first column leads to the address of its row."""
    shown = frame.astype(object).where(frame.notna(), "")
    shown = shown.map(lambda cell: cell if isinstance(cell, Number) else escape(str(cell)))
    shown.columns = [escape(str(name)) for name in frame.columns]
    if links:
        cells = zip(frame.index, shown.iloc[:, 0], strict=True)
        linked = [f'<a href="{escape(_safe(links[row]))}">{cell}</a>' if row in links else cell for row, cell in cells]
        shown.isetitem(0, linked)
    names = (", ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.index)
    shown.index = [escape(name) for name in names]
    return shown


def _safe(address: str) -> str:
    """An address that leads to a page and runs nothing."""
    scheme = urlsplit(address).scheme
    if scheme not in ("", "http", "https"):
        msg = f"the address {address!r} is of the scheme {scheme}; give one that begins with https:// or a path"
        raise IpiuError(msg)
    return address


@cache
def script() -> str:
    """The library and the lists above its tables, as one classic script: modules do not load from file://."""
    require("itables", extra="atlas")
    from itables import options
    from itables.javascript import generate_init_offline_itables_html

    html = generate_init_offline_itables_html(options.dt_bundle)
    library = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    return f"{library}\n{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}"
