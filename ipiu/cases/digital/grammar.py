"""A small grammar that writes: rules of alternatives, with slots, other rules and optional pieces in them."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import numpy as np
import yaml

from ipiu.errors import IpiuError

_PIECE = re.compile(r"\{([^{}]+)\}|([\[\]])")
# "an 8 mm nodule", "an unchanged effusion", but "a unilateral effusion"
_ARTICLE = re.compile(r"\b([Aa]) (?=(?!uni|use|usu|one\b|eu)[aeiou]|8|11\b|18\b)")


class Draws:
    """Uniform random numbers one by one, drawn in blocks, as a call of numpy for each would take longer."""

    def __init__(self, rng: np.random.Generator):
        self._numbers = self._endless(rng)

    @staticmethod
    def _endless(rng: np.random.Generator) -> Iterator[float]:
        while True:
            yield from rng.random(256).tolist()

    def chance(self, share: float) -> bool:
        """True with this chance."""
        return next(self._numbers) < share

    def pick(self, items: Sequence):
        """One of the items, each as likely as the others."""
        return items[int(next(self._numbers) * len(items))]

    def weighted(self, shares: Mapping[str, float]) -> str:
        """One of the keys, with the shares given; they sum to 1."""
        limits = list(accumulate(shares.values()))
        return list(shares)[min(bisect(limits, next(self._numbers)), len(limits) - 1)]

    def shuffled(self, items: Sequence) -> list:
        """The items in another order."""
        return [items[n] for _, n in sorted((next(self._numbers), n) for n in range(len(items)))]


class Grammar:
    """Rules that write text.

    Parameters
    ----------
    rules
        name -> alternatives. In an alternative ``{word}`` is a slot where :meth:`write` is given one of that name, and
        another rule otherwise; ``[text]`` is left out half of the time.

    Examples
    --------
    >>> import numpy as np
    >>> from ipiu.cases.digital.grammar import Draws, Grammar
    >>> grammar = Grammar({"nodule": ["A {size} nodule is {seen}."], "seen": ["seen"]})
    >>> grammar.write("nodule", Draws(np.random.default_rng(0)), size="8 mm")
    'An 8 mm nodule is seen.'
    """

    def __init__(self, rules: Mapping[str, Sequence[str]]):
        self._rules = {name: [_parse(text) for text in alternatives] for name, alternatives in rules.items()}

    def __contains__(self, rule: str) -> bool:
        return rule in self._rules

    def write(self, rule: str, draws: Draws, **slots: str) -> str:
        """One text of a rule, with a capital letter, single spaces and the right indefinite articles.

        Raises
        ------
        IpiuError
            Where neither a slot nor a rule has the name.
        """
        text = " ".join(self._expand(rule, draws, slots).split())
        text = _ARTICLE.sub(r"\1n ", text)
        return text[:1].upper() + text[1:]

    def _expand(self, name: str, draws: Draws, slots: Mapping[str, str]) -> str:
        """The text of a slot or a rule."""
        if name in slots:
            value = slots[name]
            name = f"{name} {value}"
            if name not in self._rules:
                return value
        if name not in self._rules:
            msg = f"the grammar has neither a slot nor a rule {name!r}; give the slot or add the rule"
            raise IpiuError(msg)
        return self._join(draws.pick(self._rules[name]), draws, slots)

    def _join(self, pieces: tuple, draws: Draws, slots: Mapping[str, str]) -> str:
        """The text of pieces: words as they are, names expanded, options kept or not."""
        text = []
        for kind, piece in pieces:
            if kind == "words":
                text.append(piece)
            elif kind == "name":
                text.append(self._expand(piece, draws, slots))
            elif draws.chance(0.5):
                text.append(self._join(piece, draws, slots))
        return "".join(text)


def _parse(text: str) -> tuple:
    """An alternative as pieces (kind, content)."""
    open_lists: list[list] = [[]]
    place = 0
    for match in _PIECE.finditer(text):
        if match.start() > place:
            open_lists[-1].append(("words", text[place : match.start()]))
        place = match.end()
        if match[1]:
            open_lists[-1].append(("name", match[1]))
        elif match[2] == "[":
            open_lists.append([])
        elif len(open_lists) > 1:
            option = tuple(open_lists.pop())
            open_lists[-1].append(("option", option))
        else:
            open_lists = []
            break
    if len(open_lists) != 1:
        msg = f"the brackets of {text!r} do not match; close each [ with a ]"
        raise IpiuError(msg)
    if place < len(text):
        open_lists[0].append(("words", text[place:]))
    return tuple(open_lists[0])


@lru_cache
def read_grammar(path: Path) -> Grammar:
    """The grammar of a YAML file: rule -> a block of text, one alternative a line."""
    rules = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return Grammar({name: block.splitlines() for name, block in rules.items()})
