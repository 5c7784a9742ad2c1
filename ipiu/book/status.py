"""The status page: what each chapter cost, on which data, with which versions."""

import re
from collections.abc import Mapping
from pathlib import Path

from ipiu.book.key import read_notebook
from ipiu.book.layout import Chapter
from ipiu.book.markdown import literal
from ipiu.book.result import Result

_TEXT = """# Status

Every chapter of this book was executed before its page was written, with the preset `{preset}`. The table says how long
that took and how much memory the chapter needed at its peak, both measured on the machine that built the book; which
data it opened; and the versions of Python and of the packages it imports by name. All other versions are those in
`requirements.lock`.

| Chapter | Time | Peak memory | Data | Versions |
|---|--:|--:|---|---|
{rows}
"""


def status_page(results: Mapping[Chapter, Result], *, preset: str) -> str:
    """The page as Markdown, one row a chapter in the order of ``results``; it holds no date."""
    return _TEXT.format(preset=preset, rows="\n".join(_row(*item) for item in results.items()))


def title(path: Path) -> str:
    """A notebook's first heading, or its file's name."""
    for cell in read_notebook(path)["cells"]:
        heading = re.search(r"^# +(.+)$", "".join(cell["source"]), re.MULTILINE)
        if cell["cell_type"] == "markdown" and heading:
            return heading[1].strip()
    return path.stem


def _row(chapter: Chapter, result: Result) -> str:
    """One chapter's row."""
    memory = f"{result.memory_mb / 1000:.2f}&nbsp;GB" if result.memory_mb else "not measured"
    cells = (
        f"[{literal(title(chapter.path))}](../{chapter.doc}.ipynb)",
        f"{result.seconds:.1f}&nbsp;s",
        memory,
        "; ".join(literal(source) for source in result.sources) or "none opened",
        ", ".join(f"{literal(name)} {literal(version)}" for name, version in result.versions.items()),
    )
    return f"| {' | '.join(cells)} |"
