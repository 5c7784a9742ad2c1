"""Published tables: only the columns that are needed, every one of them there, row by row where a table is long."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pandas as pd

from ipiu.cases.files import check_file, reason
from ipiu.cases.text import read_text
from ipiu.errors import IpiuError

if TYPE_CHECKING:
    from ipiu.cases.cohort import Cohort


def find_table(folder: str | Path, name: str) -> Path:
    """The table ``name`` below a folder, plain or gzipped, under whichever of the two names is there.

    Raises
    ------
    IpiuError
        Where neither is there.
    """
    plain = Path(folder) / name
    packed = plain.with_name(f"{plain.name}.gz")
    if not plain.exists() and not packed.exists():
        msg = f"{plain}: there is neither this table nor {packed.name}; give the folder that holds {name}"
        raise IpiuError(msg)
    return plain if plain.exists() else packed


def cached(name: str, folder: str | Path, cache: str | Path) -> Path:
    """Where what is made from the files of ``folder`` is kept: two folders that share a cache do not share a file.

    Parameters
    ----------
    name
        of the file, which it keeps where the cache is the folder itself
    folder, cache
        where the published files are, and where the file goes
    """
    folder, cache = Path(folder), Path(cache)
    if cache.resolve() == folder.resolve():
        return cache / name
    stem, ending = name.rsplit(".", 1)
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return cache / f"{stem}-{mark}.{ending}"


def read_columns(
    path: str | Path, needs: Sequence[str], *, takes: Sequence[str] | None = (), skip: int = 0
) -> pd.DataFrame:
    """Chosen columns of a comma- or tab-separated table, as text; an empty cell is "".

    Parameters
    ----------
    path
        the table, plain or gzipped
    needs
        columns that must be there
    takes
        columns that are read where they are there; None for every other
    skip
        lines before the header

    Raises
    ------
    IpiuError
        Where the table cannot be read, a needed column is missing, or a row has too few or too many cells.
    """
    path = Path(path)
    stream = io.StringIO(read_text(path), newline="")
    header, rows = _open(stream, path, skip)
    others = [name for name in header if name not in needs]
    names = [*needs, *(name for name in others if takes is None or name in takes)]
    try:
        return pd.DataFrame(list(_picked(rows, header, names, needs, path)), columns=names, dtype=str)
    except csv.Error as error:
        msg = f"{path}: line {rows.line_num} is not well-formed ({error}); copy it again from its source"
        raise IpiuError(msg) from error


def stream_rows(path: str | Path, needs: Sequence[str], *, takes: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """The rows of a table one by one: the cells of ``needs``, then of ``takes`` ("" where there is no such column).

    Parameters
    ----------
    path
        the table, plain or gzipped; it is never held in memory
    needs, takes
        columns that must and that may be there

    Raises
    ------
    IpiuError
        Where a needed column is missing, a row has too few or too many cells, or the file is torn.
    """
    path = check_file(path)
    packed = path.suffix.lower() == ".gz"
    try:
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header, rows = _open(stream, path, 0)
            yield from _picked(rows, header, [*needs, *takes], needs, path)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: cannot be read to its end ({reason(error)}); copy it again from its source"
        raise IpiuError(msg) from error


def check_unique(values: pd.Series, path: str | Path) -> None:
    """Refuse a column of ids in which one stands twice or is empty.

    Raises
    ------
    IpiuError
        With the id and the row.
    """
    bad = values.duplicated() | (values == "")
    if bad.any():
        row = int(bad.to_numpy().argmax())
        msg = (
            f"{path}: row {row + 1} has the {values.name} {values.iloc[row]!r}, which is empty or stands before; "
            "copy the table again from its source"
        )
        raise IpiuError(msg)


def check_disjoint(patients: Sequence[str], splits: Sequence[str], path: str | Path) -> None:
    """Refuse splits that share a patient: a model would be tested on people it has seen.

    Raises
    ------
    IpiuError
        With the patient and two of the splits.
    """
    seen: dict[str, str] = {}
    for patient, split in zip(patients, splits, strict=True):
        if seen.setdefault(patient, split) != split:
            msg = (
                f"{path}: patient {patient} is in the splits {seen[patient]!r} and {split!r}, which must not share "
                "one; copy the tables again from their source"
            )
            raise IpiuError(msg)


def keep_split(cohort: Cohort, split: str | None) -> Cohort:
    """The part of a cohort that its table's column ``split`` names; all of it for None.

    Raises
    ------
    ValueError
        Where the data set has no such split.
    """
    if split is None:
        return cohort
    stated = cohort.table()["split"]
    if split not in set(stated):
        known = ", ".join(repr(name) for name in dict.fromkeys(stated.dropna()))
        msg = f"split={split!r} is not one that {cohort.name} states; it has {known or 'none'}, or None for all"
        raise ValueError(msg)
    return cohort.subset(list(stated.index[stated == split]))


def _open(stream: TextIO, path: Path, skip: int) -> tuple[list[str], Any]:
    """The header, and a csv reader that stands behind it."""
    for _ in range(skip):
        stream.readline()
    first = stream.readline()
    if not first.strip():
        msg = f"{path}: has no header in line {skip + 1}; copy it again from its source"
        raise IpiuError(msg)
    # quotation marks have no meaning in the tab-separated tables of genomics
    style = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if "\t" in first else {"strict": True}
    try:
        header = next(csv.reader([first], **style))
    except csv.Error as error:
        msg = f"{path}: its header in line {skip + 1} is not well-formed ({error}); copy it again from its source"
        raise IpiuError(msg) from error
    return header, csv.reader(stream, **style)


def _picked(
    rows: Any, header: list[str], names: Sequence[str], needs: Sequence[str], path: Path
) -> Iterator[tuple[str, ...]]:
    """The named cells of each row; blank lines are passed over."""
    _check_header(header, needs, path)
    width = len(header)
    # a column that is not there is read from an empty cell put behind the row
    places = [header.index(name) if name in header else width for name in names]
    pick = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
    for count, row in enumerate(rows, start=1):
        if len(row) == width:
            row.append("")
            yield pick(row)
        elif row:
            msg = f"{path}: row {count} has {len(row)} cells and the header {width}; copy it again from its source"
            raise IpiuError(msg)


def _check_header(header: Sequence[str], needs: Sequence[str], path: Path) -> None:
    """Every needed column is there, and once."""
    missing = [name for name in needs if name not in header]
    if missing:
        shown = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
        msg = f"{path}: has no column {missing[0]!r}; its columns are {shown}; is it the file its name says?"
        raise IpiuError(msg)
    twice = next((name for name in header if name in needs and list(header).count(name) > 1), None)
    if twice is not None:
        msg = f"{path}: the column {twice!r} stands more than once; copy it again from its source"
        raise IpiuError(msg)
