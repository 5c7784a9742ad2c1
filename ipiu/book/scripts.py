"""The scripts and fonts that are served beside the pages, so that a page asks no other host for anything."""

from __future__ import annotations

import json
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ipiu.book.files import files_below
from ipiu.book.layout import Book
from ipiu.errors import IpiuError

_MATHJAX = (
    "es5/tex-mml-chtml.js",
    "es5/input/tex/extensions",
    "es5/output/chtml/fonts",
    # what a reader may switch on in the menu of a formula
    "es5/a11y",
    "es5/sre",
    "es5/ui",
)
# (npm package, what to take from it, folder of the package that is left out of the path, folder under _static/scripts)
_TAKEN = (
    ("@niivue/niivue", ("dist/niivue.umd.js",), "dist", ""),
    ("mathjax", _MATHJAX, "", "mathjax"),
    ("requirejs", ("require.js",), "", ""),
    # its modules look for their fonts where RequireJS would look for the modules
    ("@jupyter-widgets/html-manager", ("dist/embed-amd.js", "dist/*.woff2"), "", "@jupyter-widgets/html-manager"),
    ("@jupyter-widgets/html-manager", ("dist/*.woff2",), "dist", "@jupyter-widgets"),
)

_REQUIRE_CONFIG = """// RequireJS looks for modules beside this file, not beside the page.
var require = { baseUrl: document.currentScript.src.replace(/[^/]*$/, "") };
"""


def served_scripts(book: Book) -> dict[str, Path]:
    """Path below ``_static/scripts`` -> file, for all that is served; empty for a book without ``book/scripts``.

    Raises
    ------
    IpiuError
        Where npm has not installed a package, or not with the file that is needed.
    """
    folder = book.root / "book" / "scripts"
    if not (folder / "package.json").is_file():
        return {}
    served = {}
    for package, wanted, shortened, target in _TAKEN:
        home = folder / "node_modules" / package
        for name in wanted:
            files = [file for path in home.glob(name) for file in (files_below(path) if path.is_dir() else [path])]
            if not files:
                msg = f"{home / name}: the file is missing; run `npm ci` in {folder}, or `make book`, which does"
                raise IpiuError(msg)
            for file in files:
                inner = file.relative_to(home / shortened).as_posix()
                served[f"{target}/{inner}".lstrip("/")] = file
    return served | {"plotly.min.js": _plotly()}


def _plotly() -> Path:
    """The script of plotly that belongs to the Python package, found without importing it."""
    found = find_spec("plotly")
    if found is None:
        msg = 'plotly is not installed; run: pip install "ipiu[atlas]"'
        raise IpiuError(msg)
    return Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


def written_scripts(book: Book) -> dict[str, str]:
    """Path below ``_static/scripts`` -> text, for the files that the builder writes itself."""
    if not (book.root / "book" / "scripts" / "package.json").is_file():
        return {}
    from ipiu.view.table import script

    try:
        tables = script()
    except ImportError as error:
        raise IpiuError(str(error)) from error
    return {"require-config.js": _REQUIRE_CONFIG, "itables.js": tables, "LICENCES.txt": _licence_notice(book)}


def _licence_notice(book: Book) -> str:
    """Name, version, licence and licence text of every package that is served.

    Where a package comes without its licence text, ``book/scripts/licences`` has it.
    """
    folder = book.root / "book" / "scripts"
    parts = []
    for package in dict.fromkeys(row[0] for row in _TAKEN):
        home = folder / "node_modules" / package
        facts = json.loads((home / "package.json").read_text(encoding="utf-8"))
        parts.append(f"{package} {facts['version']}, licence {facts['license']}")
        texts = (
            home / "LICENSE",
            folder / "licences" / f"{package.split('/')[-1]}.txt",
            *home.glob("dist/*.LICENSE.txt"),
        )
        parts += [text.read_text(encoding="utf-8").strip() for text in texts if text.is_file()]
    for package in ("plotly", "itables"):
        own = metadata.distribution(package)
        texts = [file for file in own.files or () if ".dist-info/licenses/" in str(file)]
        parts += [f"{package} {own.version}", *(file.read_text(encoding="utf-8").strip() for file in texts)]
    inside = folder / "licences" / "datatables.txt"  # what itables' script holds
    parts += [inside.read_text(encoding="utf-8").strip()] if inside.is_file() else []
    return "\n\n\n".join(parts) + "\n"
