"""Gene expression matrices: comma- or tab-separated, genes along one side and patients along the other."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ipiu.cases.case import Case, Source
from ipiu.cases.files import reason
from ipiu.cases.text import read_text
from ipiu.errors import IpiuError


def read_expression(
    path: str | Path, *, genes: Literal["rows", "columns"], unit: str = "not stated", keep_ids: bool = False
) -> list[Case]:
    """Read an expression matrix.

    Parameters
    ----------
    path
        a .csv, .tsv or .txt file, plain or gzipped; its first line and its first column hold names
    genes
        ``"rows"`` where a row is a gene (as GEO and most pipelines write), ``"columns"`` where a column is one
    unit
        unit of the values, such as ``"log2 TPM"``; kept in ``expression.attrs["unit"]``. Negative values are fine.
    keep_ids
        use the table's own sample names; otherwise patients are called patient-1, patient-2, ... in the file's order

    Returns
    -------
    list of Case
        one case a sample; ``expression`` is a float64 series indexed by gene, NaN where a cell is empty or NA

    Raises
    ------
    IpiuError
        Where a gene or a sample stands twice, or a cell is not a number.

    Examples
    --------
    >>> from ipiu.cases.expression import read_expression
    >>> cases = read_expression("matrix.tsv", genes="rows", unit="log2 TPM")  # doctest: +SKIP
    >>> cases[0].expression.shape  # doctest: +SKIP
    (20530,)
    """
    if genes not in ("rows", "columns"):
        msg = f"genes={genes!r} must be 'rows' (a row is a gene) or 'columns'"
        raise ValueError(msg)
    path = Path(path)
    table = _matrix(path)
    by_gene = table if genes == "rows" else table.T
    twice = by_gene.index[by_gene.index.duplicated()].unique()
    if len(twice):
        msg = f"{path}: the gene {twice[0]!r} stands more than once ({len(twice)} such); make the names unique"
        raise IpiuError(msg)
    again = np.flatnonzero(by_gene.columns.duplicated())
    if len(again):  # its name is not said, as it can name a patient
        msg = f"{path}: sample {again[0] + 1} has the name of one before ({len(again)} such); make the names unique"
        raise IpiuError(msg)
    missing = int(by_gene.isna().to_numpy().sum())
    notes = [f"{missing} cells of the table are empty and became NaN"] if missing else []
    source = Source("own file", path.name)
    cases = []
    for n, sample in enumerate(by_gene.columns, start=1):
        values = by_gene[sample].rename("expression").rename_axis("gene")
        values.attrs["unit"] = unit
        name = str(sample) if keep_ids else f"patient-{n}"
        cases.append(Case(name, expression=values, source=source, notes=list(notes)))
    return cases


def _matrix(path: Path) -> pd.DataFrame:
    """The table as float64, both sides named by text."""
    text = read_text(path)
    first = text.split("\n", 1)[0]
    separator = "\t" if "\t" in first else ","
    head = [name.strip().strip('"') for name in first.rstrip("\r").split(separator)]
    if len(head) < 2:
        msg = f"{path}: its first line has neither a comma nor a tab; save the table separated by one of them"
        raise IpiuError(msg)
    try:
        # the header is given apart because pandas would rename a column that stands twice
        table = pd.read_csv(io.StringIO(text), sep=separator, header=None, skiprows=1, dtype={0: str}, low_memory=False)
    except (ValueError, pd.errors.EmptyDataError) as error:
        msg = f"{path}: cannot be read as a table ({reason(error)}); every row needs as many cells as the first"
        raise IpiuError(msg) from error
    names = head if len(head) == table.shape[1] else ["", *head]
    if len(names) != table.shape[1]:
        msg = f"{path}: the first line has {len(head)} names and the rows {table.shape[1]} cells; make them equal"
        raise IpiuError(msg)
    table = table.set_index(0)
    if table.index.isna().any():
        line = int(np.flatnonzero(table.index.isna())[0]) + 2
        msg = f"{path}: line {line} has no name in its first cell; fill it in"
        raise IpiuError(msg)
    table.columns = names[1:]
    _check_numeric(table, path)
    return table.astype(np.float64)


def _check_numeric(table: pd.DataFrame, path: Path) -> None:
    """Refuse the first cell that is no finite number; rows and columns are counted, as names can be patients'."""
    for n in range(table.shape[1]):
        column = table.iloc[:, n]
        if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
            bad = pd.to_numeric(column.astype(str), errors="coerce").isna() & column.notna()
            bad |= pd.api.types.is_bool_dtype(column)
        else:
            bad = pd.Series(np.isinf(column.to_numpy(dtype=float)), index=column.index)
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            msg = (
                f"{path}: the cell in row {row + 1} and column {n + 1} of the values holds "
                f"{str(column.iloc[row])!r}, which is not a number; correct it or leave it empty"
            )
            raise IpiuError(msg)
