"""What has been measured on people, to hold the digital patients against."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ipiu.errors import IpiuError
from ipiu.names import nearest

if TYPE_CHECKING:
    import pandas as pd


@cache
def _rows() -> list[dict]:
    """The table as it is stored, read once."""
    return yaml.safe_load(Path(__file__).with_name("published.yaml").read_text(encoding="utf-8"))


def published(group: str | None = None) -> pd.DataFrame:
    """Published statistics of populations, one row a quantity.

    Parameters
    ----------
    group
        organs, hu, heart, ecg, laboratory, prevalence, brain or eye; all where it is None

    Returns
    -------
    DataFrame
        indexed by ``quantity``: ``group``, ``low`` and ``high``, ``unit``, ``what`` the two numbers are (such as mean ±
        1.96 SD), ``population`` and ``work`` (a key of the references)

    Raises
    ------
    IpiuError
        Where there is no such group.

    Examples
    --------
    >>> from ipiu.cases.digital.published import published
    >>> list(published("organs").columns)
    ['group', 'low', 'high', 'unit', 'what', 'population', 'work']
    """
    import pandas as pd

    table = pd.DataFrame(_rows()).set_index("quantity")
    table = table[["group", "low", "high", "unit", "what", "population", "work"]]
    groups = sorted(set(table["group"]))
    if group is not None and group not in groups:
        msg = f"nothing is published here of {group!r}; {nearest(group, groups)}"
        raise IpiuError(msg)
    return table if group is None else table[table["group"] == group]
