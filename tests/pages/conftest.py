"""The real book, built once and served."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.browser import served

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"


def pages() -> list[str]:
    """Addresses of the book's pages, from its table of contents."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    files = [toc["root"]]
    for part in toc.get("parts", [toc]):
        files += [chapter["file"] for chapter in part["chapters"]]
    return [f"{file.removesuffix('.md').removesuffix('.ipynb')}.html" for file in files]


@pytest.fixture(scope="session")
def book() -> Path:
    """Folder of the built pages."""
    subprocess.run([sys.executable, "-m", "ipiu.cli", "book", "build"], cwd=ROOT, check=True)
    return HTML


@pytest.fixture(scope="session")
def address(book):
    with served(book) as url:
        yield url
