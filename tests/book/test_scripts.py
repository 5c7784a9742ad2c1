import json
from pathlib import Path

import pytest

from ipiu.book.layout import Book
from ipiu.book.scripts import served_scripts, written_scripts
from ipiu.errors import IpiuError
from tests.book.tiny import make_book

PACKAGES = {
    "@niivue/niivue": {"dist/niivue.umd.js": "n"},
    "mathjax": {
        "LICENSE": "the licence of mathjax",
        "es5/tex-mml-chtml.js": "m",
        "es5/tex-svg.js": "not served",
        **{f"es5/{name}": "m" for name in ("input/tex/extensions/ams.js", "output/chtml/fonts/woff-v2/a.woff")},
        **{f"es5/{name}": "m" for name in ("a11y/sre.js", "sre/mathmaps/en.json", "ui/menu.js")},
    },
    "requirejs": {"require.js": "r"},
    "@jupyter-widgets/html-manager": {"dist/embed-amd.js": "w", "dist/1a.woff2": "f", "dist/1a.ttf": "not served"},
}


@pytest.fixture
def book(tmp_path):
    made = make_book(tmp_path)
    folder = tmp_path / "book" / "scripts"
    for package, files in PACKAGES.items():
        facts = {"package.json": json.dumps({"version": "1.0", "license": "MIT"})}
        for name, text in {**facts, **files}.items():
            path = folder / "node_modules" / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (folder / "package.json").write_text("{}")
    (folder / "licences").mkdir()
    (folder / "licences" / "niivue.txt").write_text("the licence of niivue")
    return made


def test_what_pages_load_is_served_at_the_addresses_they_use(book):
    assert {
        "niivue.umd.js",
        "mathjax/es5/tex-mml-chtml.js",
        "mathjax/es5/input/tex/extensions/ams.js",
        "mathjax/es5/output/chtml/fonts/woff-v2/a.woff",
        "require.js",
        "@jupyter-widgets/html-manager/dist/embed-amd.js",
        "@jupyter-widgets/html-manager/dist/1a.woff2",
        "@jupyter-widgets/1a.woff2",
    } < set(served_scripts(book))
    assert not [name for name in served_scripts(book) if name.endswith((".ttf", "tex-svg.js"))]


def test_licences_are_served_with_the_scripts(book):
    notice = written_scripts(book)["LICENCES.txt"]

    assert "mathjax 1.0, licence MIT\n\n\nthe licence of mathjax" in notice
    assert "@niivue/niivue 1.0, licence MIT\n\n\nthe licence of niivue" in notice


def test_a_missing_package_names_the_command_that_brings_it(book):
    (book.root / "book/scripts/node_modules/requirejs/require.js").unlink()

    with pytest.raises(IpiuError, match=r"requirejs/require\.js: the file is missing; run `npm ci` in .*book/scripts"):
        served_scripts(book)


def test_a_book_without_scripts_serves_none(tmp_path):
    book = make_book(tmp_path)

    assert served_scripts(book) == {}
    assert written_scripts(book) == {}


def test_every_package_of_this_book_has_a_licence_text():
    book = Book.find(Path(__file__).parent)
    if not (book.root / "book/scripts/node_modules").is_dir():
        pytest.skip("npm has not installed the scripts; `make book` does")

    assert written_scripts(book)["LICENCES.txt"].lower().count("copyright") >= 4


def test_what_comes_from_python_packages_is_served_with_its_licence():
    book = Book(Path(__file__).parents[2])
    assert served_scripts(book)["plotly.min.js"].stat().st_size > 1_000_000
    notice = written_scripts(book)["LICENCES.txt"]
    for name in ("plotly", "itables", "SpryMedia", "OpenJS Foundation", "Eli Grey"):
        assert name in notice
