"""Small throwaway books for the tests."""

import json
from pathlib import Path

from ipiu.book.layout import Book

PARAMETERS = ("code", 'preset = "cpu"\nseed = 0', "parameters")

CONFIG = """
title: Tiny
only_build_toc_files: true
execute: {execute_notebooks: "off", stderr_output: remove}
latex: {use_jupyterbook_latex: false}
sphinx:
  config:
    extensions: [sphinx_togglebutton, sphinx_copybutton, myst_nb, jupyter_book, sphinx_comments, sphinx_external_toc,
      sphinx_design, sphinx_book_theme]
    html_static_path: [book/_static]
    html_css_files: [ipiu.css]
"""


def notebook(*cells: tuple) -> dict:
    """A notebook of (kind, source, *tags) cells."""
    made = []
    for number, (kind, source, *tags) in enumerate(cells):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {"tags": tags} if tags else {}, "source": source}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write(path: Path, *cells: tuple) -> Path:
    """Write a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(*cells), indent=1), encoding="utf-8")
    return path


def chapter(name: str, *sources: str) -> tuple:
    """Cells of a chapter: title, parameters, code."""
    return (("markdown", f"# {name.title()}\n\nText."), PARAMETERS, *(("code", source) for source in sources))


def make_book(root: Path, **chapters: tuple[str, ...]) -> Book:
    """A book in ``root`` with a notebook for every keyword: name=(source of a code cell, ...)."""
    docs = [f"notebooks/a/{name}" for name in chapters]
    toc = {"format": "jb-book", "root": "book/index", "chapters": [{"file": d} for d in [*docs, "book/status"]]}
    files = {
        "_config.yml": CONFIG,
        "requirements.lock": "numpy==1\n",
        "ipiu/code.py": "x = 1\n",
        "book/_toc.yml": json.dumps(toc),
        "book/index.md": "# Tiny\n\nSee [status](status.md).\n",
        "book/_static/ipiu.css": "p { color: black }\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, sources in chapters.items():
        write(root / "notebooks" / "a" / f"{name}.ipynb", *chapter(name, *sources))
    return Book(root)


def printed(path: Path) -> str:
    """All that an executed notebook printed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout")
