"""Text files, plain or gzipped, read whole and never beyond the memory limit."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path

from ipiu.cases.files import check_file, reason
from ipiu.cases.limits import check_claim, max_bytes
from ipiu.errors import IpiuError

# a parsed table or JSON tree takes several times the bytes of its text
PARSED = 4


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file; a name that ends in .gz is unpacked.

    Raises
    ------
    IpiuError
        Where the file is not there, is empty, is torn, is not UTF-8, or would pass the memory limit once parsed.
    """
    path = check_file(path)
    room = max_bytes() // PARSED
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            data = stream.read(room + 1)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: cannot be read ({reason(error)}); copy it again from its source"
        raise IpiuError(msg) from error
    check_claim(len(data) * PARSED, path, what="its text, once parsed,")
    if not data.strip():
        msg = f"{path}: is empty; copy it again from its source"
        raise IpiuError(msg)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path}: byte {error.start} is not UTF-8 text; save the file as UTF-8"
        raise IpiuError(msg) from error


def read_rows(path: str | Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a comma- or tab-separated table, and its rows with the line each ends on.

    Returns
    -------
    header
        the column names, stripped of blanks around them
    rows
        (line number in the file, cells); lines that are blank are left out

    Raises
    ------
    IpiuError
        Where the separator is neither comma nor tab, a column name stands twice, or a row has too few or many cells.
    """
    text = read_text(path)
    first = text.split("\n", 1)[0]
    if "\t" not in first and "," not in first:
        msg = f"{path}: its first line has neither a comma nor a tab; save the table separated by one of them"
        raise IpiuError(msg)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ",", strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        msg = f"{path}: line {reader.line_num} is not well-formed ({error}); check its quotation marks"
        raise IpiuError(msg) from error
    if not rows:
        msg = f"{path}: has no cell with text; there is nothing to read"
        raise IpiuError(msg)
    header = [name.strip() for name in rows[0][1]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        msg = f"{path}: the column {twice[0]!r} stands more than once; give every column a name of its own"
        raise IpiuError(msg)
    for line, row in rows[1:]:
        if len(row) != len(header):
            msg = f"{path}: line {line} has {len(row)} cells and the header {len(header)}; make them equal"
            raise IpiuError(msg)
    return header, rows[1:]
