"""What every chapter must have: its card, its parameters, its last three sections, and clean stored outputs."""

from __future__ import annotations

import re
from pathlib import Path

from ipiu.book.key import assignments, read_notebook, tagged
from ipiu.book.layout import PRESETS
from ipiu.book.stored import is_stored_form

CARD = ("You will learn", "Time", "Memory", "GPU", "Data", "Before this")
ENDING = ("Takeaways", "Questions", "References")


def chapter_faults(path: Path) -> list[str]:
    """What a notebook lacks of the form of a chapter, one sentence each; empty where nothing is wrong.

    Raises
    ------
    IpiuError
        Where the file is not a notebook.
    """
    notebook = read_notebook(path)
    text = _markdown(notebook)
    faults = [*_card(notebook), *_parameters(notebook), *_sections(text), *_questions(text)]
    if not is_stored_form(notebook):
        faults.append(f"it stores more than what it prints; run `ipiu book record {path.stem}`")
    return [f"{path}: {fault}" for fault in faults]


def _card(notebook: dict) -> list[str]:
    """The first cell has the title and the card with its six entries in order."""
    cells = notebook["cells"]
    first = "".join(cells[0]["source"]) if cells and cells[0]["cell_type"] == "markdown" else ""
    faults = [] if re.match(r"# \S", first) else ["it has to begin with a title, `# ...`, in a markdown cell"]
    card = re.search(r'<div class="ipiu-card">\n\n(.*?)\n\n</div>', first, re.DOTALL)
    if not card:
        return [
            *faults,
            'its first cell lacks the card, <div class="ipiu-card"> with an empty line after and before the tags',
        ]
    entries = tuple(re.findall(r"^- \*\*(.+?)\*\* +\S", card[1], re.MULTILINE))
    if entries != CARD:
        faults.append(f"its card has the entries {', '.join(entries) or 'none'}; they have to be {', '.join(CARD)}")
    return faults


def _parameters(notebook: dict) -> list[str]:
    """One cell is tagged ``parameters``, comes first among the code, and assigns a preset and a seed."""
    cells = tagged(notebook, "parameters")
    if len(cells) != 1:
        return [f"{len(cells)} cells are tagged `parameters`; there has to be one"]
    faults = []
    if next(c for c in notebook["cells"] if c["cell_type"] == "code") is not cells[0]:
        faults.append("the cell tagged `parameters` has to be the first code cell")
    values = assignments("".join(cells[0]["source"]))
    if values.get("preset") not in PRESETS:
        faults.append(f"its parameter preset is {values.get('preset')!r}; it has to be one of {', '.join(PRESETS)}")
    if not isinstance(values.get("seed"), int):
        faults.append(f"its parameter seed is {values.get('seed')!r}; it has to be a whole number")
    return faults


def _sections(text: str) -> list[str]:
    """The last three sections are those of every chapter, and the references are listed by Sphinx."""
    headings = tuple(re.findall(r"^## +(.+?) *$", text, re.MULTILINE))
    if headings[-len(ENDING) :] != ENDING:
        return [f"its last sections are {', '.join(headings[-3:]) or 'none'}; they have to be {', '.join(ENDING)}"]
    faults = []
    if "```{footbibliography}" not in _section(text, "References"):
        faults.append("its section References lacks ```{footbibliography}")
    if not re.search(r"^[-*] \S", _section(text, "Takeaways"), re.MULTILINE):
        faults.append("its section Takeaways lacks a list")
    return faults


def _questions(text: str) -> list[str]:
    """Two or three questions, each with an answer that folds."""
    section = _section(text, "Questions")
    answers = re.findall(r"<details><summary>Answer</summary>\n\n.+?\n\n *</details>", section, re.DOTALL)
    if not 2 <= len(answers) <= 3:
        return [f"its section Questions has {len(answers)} folded answers; it needs two or three"]
    return []


def _markdown(notebook: dict) -> str:
    """All markdown cells, code blocks of other languages included."""
    return "\n\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")


def _section(text: str, heading: str) -> str:
    """What stands below a heading of the second level."""
    found = re.search(rf"^## +{heading} *$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""
