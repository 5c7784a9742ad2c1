"""What decides whether a notebook has to run again."""

import ast
import hashlib
import json
import sys
from pathlib import Path

from ipiu.book.files import files_below
from ipiu.book.layout import Book
from ipiu.errors import IpiuError

FORM = "1"  # raise it when the builder stores something else for an executed notebook


def environment_digest(book: Book) -> str:
    """SHA-256 over what all chapters depend on: the package's files, the locked versions, Python's version."""
    digest = hashlib.sha256(f"{FORM} {sys.version_info.major}.{sys.version_info.minor}".encode())
    files = list(files_below(book.root / "ipiu", leave_out=("__pycache__",)))
    lock = book.root / "requirements.lock"
    for path in [*files, *([lock] if lock.is_file() else [])]:
        digest.update(path.relative_to(book.root).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def chapter_key(path: Path, parameters: dict, environment: str) -> str:
    """SHA-256 over a notebook's cells, the parameters it is executed with, and ``environment``.

    Stored outputs, execution counts and ids of cells do not count.
    """
    cells = [
        (cell["cell_type"], "".join(cell["source"]), cell.get("metadata", {}).get("tags", []))
        for cell in read_notebook(path)["cells"]
    ]
    text = json.dumps([environment, parameters, cells], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_notebook(path: Path) -> dict:
    """The JSON of a notebook.

    Raises
    ------
    IpiuError
        Where the file is not a notebook of format 4.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path}: the notebook is not valid JSON ({error}); restore it or save it again from JupyterLab"
        raise IpiuError(msg) from error
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        msg = f"{path}: this is not a notebook of format 4; open it in JupyterLab and save it again"
        raise IpiuError(msg)
    return notebook


def tagged(notebook: dict, tag: str) -> list[dict]:
    """The code cells that carry ``tag``."""
    cells = notebook["cells"]
    return [c for c in cells if c["cell_type"] == "code" and tag in c.get("metadata", {}).get("tags", [])]


def assignments(source: str) -> dict:
    """The literal values that a cell assigns to plain names; anything else in it is left out."""
    values = {}
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return values
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return values


def stored_parameters(notebook: dict) -> dict:
    """The values in the notebook's cell tagged ``parameters``."""
    return {name: value for cell in tagged(notebook, "parameters") for name, value in source_of(cell).items()}


def source_of(cell: dict) -> dict:
    """The literal assignments of one cell."""
    return assignments("".join(cell["source"]))
