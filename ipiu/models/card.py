"""The model card beside a checkpoint, README.md with its front matter, shown as text and in a notebook."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class ModelCard:
    """What the makers of a checkpoint say of it.

    Attributes
    ----------
    name
        of the checkpoint
    facts
        the front matter: licence, language, tags
    text
        the rest, in Markdown
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def read(cls, path: Path, name: str) -> ModelCard:
        """The card in a README.md; an empty one where there is none."""
        if not path.is_file():
            return cls(name)
        whole = path.read_text(errors="replace")
        found = re.match(r"---\n(.*?)\n---\n?(.*)", whole, re.DOTALL)
        if not found:
            return cls(name, text=whole)
        try:
            facts = yaml.safe_load(found[1])
        except yaml.YAMLError:
            facts = None
        return cls(name, facts if isinstance(facts, dict) else {}, found[2].strip())

    def __str__(self) -> str:
        facts = "\n".join(f"{key}: {value}" for key, value in self.facts.items())
        return "\n\n".join(part for part in (self.name, facts, self.text) if part)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(str(key))}</th><td>{escape(str(value))}</td></tr>" for key, value in self.facts.items()
        )
        text = f"<pre style='white-space: pre-wrap'>{escape(self.text)}</pre>" if self.text else ""
        return f"<section><h4>{escape(self.name)}</h4><table>{rows}</table>{text}</section>"
