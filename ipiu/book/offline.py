"""Finding what a page would ask another host for, and what it asks for in vain."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote, urlsplit

# element -> attributes whose address the browser fetches by itself; `a` and `form` wait for the reader
_FETCHED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src", "data-jupyter-widgets-cdn"),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_LINKS_NOT_FETCHED = {"alternate", "author", "canonical", "license", "next", "prev", "search"}
_REMOTE = re.compile(r"(?:https?:)?//[\w.-]+", re.IGNORECASE)
_IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+(?=["']))["']?([^"')\s;]+)""", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def remote_resources(folder: Path) -> list[tuple[str, str]]:
    """Scripts, styles, fonts, pictures and frames that the pages of ``folder`` load from another host.

    Links to be clicked are fine and not listed. Addresses that a script makes up are not seen.

    Returns
    -------
    list of (file, address)
        the file relative to ``folder``
    """
    return [(name, url) for name, url in _fetched(folder) if _REMOTE.match(url)]


def missing_resources(folder: Path, names: Collection[str] = ()) -> list[tuple[str, str]]:
    """What the pages of ``folder`` load although it is neither there nor in ``names``, as (file, address)."""
    missing = []
    for name, url in _fetched(folder):
        parts = urlsplit(url)
        if parts.scheme or parts.netloc or not parts.path or parts.path.endswith("/"):
            continue
        target = normpath(f"{Path(name).parent.as_posix()}/{unquote(parts.path)}")
        if target not in names and not (folder / target).is_file():
            missing.append((name, url))
    return missing


class _Page(HTMLParser):
    """Collects the addresses a page fetches."""

    def __init__(self):
        super().__init__()
        self.urls: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.urls += [_url(values[name], name) for name in _FETCHED.get(tag, ()) if values.get(name)]
        if tag == "link" and not set(values.get("rel", "").lower().split()) & _LINKS_NOT_FETCHED:
            self.urls.append(values.get("href", ""))
        self.urls += _in_style(values.get("style", ""))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.urls += _in_style(data)


def _fetched(folder: Path) -> Iterator[tuple[str, str]]:
    """(file, address) for all that pages and styles below a folder fetch."""
    for path in sorted(folder.rglob("*")):
        template = path.suffix == ".html" and "_static" in path.parts  # the theme leaves some of its templates there
        if template or path.suffix not in (".html", ".css"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        page = _Page()
        if path.suffix == ".html":
            page.feed(text)
        for url in page.urls or _in_style(text if path.suffix == ".css" else ""):
            yield path.relative_to(folder).as_posix(), url


def _url(value: str, attribute: str) -> str:
    """The address in an attribute; of several pictures the first."""
    return value.split(",")[0].split()[0] if attribute == "srcset" else value.strip()


def _in_style(text: str) -> list[str]:
    """Addresses a style sheet fetches."""
    return _IN_CSS.findall(_CSS_COMMENT.sub("", text))
