"""Text put into Markdown."""

import re
from html import escape


def plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]()#|~$])", r"\\\1", escape(" ".join(text.split()), quote=False))
