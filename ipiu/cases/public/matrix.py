"""Expression matrices with a gene in each row, turned once on disk so that one sample is read without the others."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from tqdm.auto import tqdm

from ipiu.atomic import write_atomic
from ipiu.cases.files import check_file, reason
from ipiu.cases.public.tables import cached
from ipiu.errors import IpiuError

FORMAT = 1
# genes that are held at once while the matrix is turned
BLOCK = 256
MISSING = {"", "NA", "NaN", "nan", "null"}


class Matrix(NamedTuple):
    """A matrix on disk with a sample in each row.

    Attributes
    ----------
    path
        .npy of shape (samples, genes), float64
    samples, genes
        names of its rows and columns
    missing
        number of cells without a value
    """

    path: Path
    samples: tuple[str, ...]
    genes: tuple[str, ...]
    missing: int

    def values(self, sample: str) -> np.ndarray:
        """The values of one sample, of shape (genes,), read from disk."""
        rows = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return np.array(rows[self.samples.index(sample)])


def turn_matrix(
    path: str | Path, cache: Path, *, is_sample: Callable[[str], bool], gene: Callable[[list[str]], str]
) -> Matrix:
    """A tab-separated matrix turned round, made once and again where the file has changed.

    It takes 8 bytes a cell on disk, some 20,000 x 1,000 cells in 20 s, and memory for a few hundred genes.

    Parameters
    ----------
    path
        the matrix, plain or gzipped; its first line has names
    cache
        the folder in which the turned matrix is kept
    is_sample
        whether a name in the first line is a sample's; the others, all of them in front, name the gene
    gene
        makes a gene's name of the cells in front

    Raises
    ------
    IpiuError
        Where a sample or a gene stands twice, a row has too few cells or too many, or a cell is not a number.
    """
    path = check_file(path)
    made_from = [FORMAT, path.name, path.stat().st_size, path.stat().st_mtime_ns]
    # the whole name: TCGA-BRCA.star_tpm.tsv.gz and TCGA-BRCA.star_fpkm.tsv.gz lie beside each other
    target = cached(f"ipiu-{path.name}.npy", path.parent, cache)
    about = target.with_suffix(".json")
    found = _found(target, about, made_from)
    try:
        if found is None:
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(target.with_name(f".{target.name}.lock")):
                found = _found(target, about, made_from) or _write(path, target, about, made_from, is_sample, gene)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        msg = (
            f"{path}: cannot be read, or {target} not written ({reason(error)}); copy it again, or pass another cache="
        )
        raise IpiuError(msg) from error
    return found


def _found(target: Path, about: Path, made_from: list) -> Matrix | None:
    """The turned matrix where it is there and of this very file."""
    try:
        text = json.loads(about.read_text(encoding="utf-8"))
        if text["made from"] == made_from and target.is_file():
            return Matrix(target, tuple(text["samples"]), tuple(text["genes"]), text["missing"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _write(
    path: Path,
    target: Path,
    about: Path,
    made_from: list,
    is_sample: Callable[[str], bool],
    gene: Callable[[list[str]], str],
) -> Matrix:
    """Turn the matrix and, when it is whole, say of which file it is."""
    about.unlink(missing_ok=True)
    found = _turn(path, target, is_sample, gene)
    text = {"made from": made_from, "samples": found.samples, "genes": found.genes, "missing": found.missing}
    write_atomic(about, json.dumps(text))
    return found


def _turn(path: Path, target: Path, is_sample: Callable[[str], bool], gene: Callable[[list[str]], str]) -> Matrix:
    """Write the turned matrix."""
    count = sum(1 for _ in _lines(path)) - 1
    lines = _lines(path)
    header = next(lines)
    front = next((n for n, name in enumerate(header) if is_sample(name)), len(header))
    samples = header[front:]
    odd = next((name for name in samples if not is_sample(name)), "" if samples else "none")
    if odd or count < 1:
        msg = f"{path}: its first line should name genes' columns and then samples, and its rows genes (found {odd!r})"
        raise IpiuError(msg)
    if len(set(samples)) != len(samples):
        twice = next(name for name in samples if samples.count(name) > 1)
        msg = f"{path}: the sample {twice} stands more than once; give every sample a name of its own"
        raise IpiuError(msg)
    turned = np.lib.format.open_memmap(target, mode="w+", dtype=np.float64, shape=(len(samples), count))
    genes: list[str] = []
    missing, block = 0, []
    for number, cells in enumerate(tqdm(lines, desc=f"turning {path.name}", total=count, unit=" genes", delay=2), 1):
        if len(cells) != len(header):
            msg = f"{path}: row {number} has {len(cells)} cells and the header {len(header)}; copy it again"
            raise IpiuError(msg)
        genes.append(gene(cells[:front]))
        block.append(_numbers(cells[front:], path, number))
        if len(block) == BLOCK or number == count:
            turned[:, number - len(block) : number] = np.array(block).T
            missing += int(np.isnan(block).sum())
            block.clear()
    turned.flush()
    return Matrix(target, tuple(samples), _unique(genes), missing)


def _lines(path: Path) -> Iterator[list[str]]:
    """The cells of each line; blank lines are passed over."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig") as stream:
        for line in stream:
            if line.strip():
                yield line.rstrip("\r\n").split("\t")


def _numbers(cells: list[str], path: Path, row: int) -> np.ndarray:
    """The values of a gene, NaN where a cell is empty or NA."""
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        values = np.array([_number(cell, path, row) for cell in cells])
    if np.isinf(values).any():
        msg = f"{path}: row {row} has an infinite value; correct it or leave it empty"
        raise IpiuError(msg)
    return values


def _number(cell: str, path: Path, row: int) -> float:
    try:
        return np.nan if cell.strip() in MISSING else float(cell)
    except ValueError:
        msg = f"{path}: row {row} holds {cell[:40]!r}, which is not a number; correct it or leave it empty"
        raise IpiuError(msg) from None


def _unique(genes: list[str]) -> tuple[str, ...]:
    """Names of which a second and later one gets its turn behind it, so that no row is lost or mixed with another."""
    seen: dict[str, int] = {}
    names = []
    for name in genes:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(names)
