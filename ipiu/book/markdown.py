"""Text put into Markdown."""

import re
from html import escape
from urllib.parse import quote


def literal(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line, wherever it stands."""
    line = re.sub(r"([\\`*_{}\[\]()#|~$])", r"\\\1", escape(" ".join(text.split()), quote=False))
    return re.sub(r"^(\d+(?=[.)](\s|$)))?([.)]|%|[-+](?=\s|$)|:::|\+\+\+|---|===)", r"\1\\\3", line)


def link(text: str, url: str) -> str:
    """A link; signs of the address that Markdown would read are written as the web writes them."""
    return f"[{literal(text)}]({quote(url, safe=':/?&=%#;,@+~!')})"
