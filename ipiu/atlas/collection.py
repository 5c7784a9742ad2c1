"""Records of one kind, to be looked up, filtered, tabled and cited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from ipiu.atlas.record import Model, Record
from ipiu.atlas.vocabulary import VOCABULARIES
from ipiu.errors import IpiuError
from ipiu.names import nearest, plain

if TYPE_CHECKING:
    import pandas as pd

# what one asks for -> (field, vocabulary it is checked against)
ASKED = {
    "category": ("category", "category"),
    "modality": ("modalities", "modality"),
    "dimensionality": ("dimensionality", "dimensionality"),
    "task": ("tasks", "task"),
    "prompt": ("prompts", "prompt"),
    "holds": ("holds", "holds"),
    "access": ("access", "access"),
    "weights_access": ("weights_access", "access"),
    "suits": ("suits", "situation"),
    "fails": ("fails", "situation"),
}

COLUMNS = {
    "models": (
        "name", "category", "year", "modalities", "dimensionality", "tasks", "prompts", "architecture", "parameters",
        "scale", "open_weights", "weights_license", "code_license", "runnable", "doi", "arxiv", "code", "weights",
    ),
    "datasets": (
        "name", "year", "modalities", "dimensionality", "tasks", "holds", "size", "subjects", "access", "license",
        "loader", "doi", "homepage",
    ),
    "metrics": ("name", "family", "tasks", "direction", "range", "suits", "fails", "library", "pitfalls", "doi"),
    "challenges": ("name", "origin", "question"),
    "works": ("title", "year", "venue", "doi", "arxiv"),
}  # fmt: skip


class UnknownRecordError(IpiuError, KeyError, AttributeError):
    """An id that no record has."""

    __str__ = IpiuError.__str__


class Collection(Mapping[str, Record]):
    """Records by id, in the order of the files.

    ``collection["sam-med2d"]`` and ``collection.sam_med2d`` are the same record; both complete with the Tab key.

    Examples
    --------
    >>> from ipiu import atlas
    >>> found = atlas.models.where(task="segmentation", modality="ct", prompt="text", open_weights=True)
    >>> found.table()[["name", "year"]]
    """

    def __init__(self, kind: str, records: Iterable[Record]):
        self.kind = kind
        self._records = {record.id: record for record in records}

    @classmethod
    def of(cls, kind: str) -> Collection:
        """All records of a kind."""
        from ipiu.atlas.store import load

        form = Model if kind == "models" else Record
        return cls(kind, [form(kind, data) for data in load(kind)])

    def __getitem__(self, id: str) -> Record:
        if id in self._records:
            return self._records[id]
        if isinstance(id, str) and plain(id) in self._records:
            return self._records[plain(id)]
        msg = f"there is no {self.kind.removesuffix('s')} {id!r}; {self._nearest(id)}"
        raise UnknownRecordError(msg)

    def __getattr__(self, name: str) -> Record:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(id.replace("-", "_") for id in self._records if id[0].isalpha())})

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._records)

    def where(self, **asked: Any) -> Collection:
        """The records that answer to all that is asked.

        Parameters
        ----------
        asked
            ``category``, ``modality``, ``dimensionality``, ``task``, ``prompt``, ``holds``, ``access``, ``suits``,
            ``fails``: words of the vocabulary. Any other field or property: a value (``open_weights=True``,
            ``runnable=True``, ``year=2024``; ``doi=None`` for "not confirmed"). Of several values, a field that is a
            list has to hold all (``modality=["ct", "text"]``), a field with one value any (``year=[2023, 2024]``).

        Returns
        -------
        Collection
            in the same order; empty where nothing answers

        Raises
        ------
        IpiuError
            Where there is no such field, or no such word; the message names the nearest ones.

        Examples
        --------
        >>> from ipiu import atlas
        >>> list(atlas.datasets.where(holds=["image", "ehr", "outcome"], access="open"))
        """
        tests = [self._test(name, value) for name, value in asked.items()]
        return Collection(self.kind, [record for record in self.values() if all(test(record) for test in tests)])

    def table(self, *columns: str) -> pd.DataFrame:
        """One row a record, indexed by id; what is not confirmed is missing.

        Parameters
        ----------
        columns
            fields wanted; without any, those that fit a screen. Lists are joined with commas.

        Returns
        -------
        DataFrame
            one row a record

        Raises
        ------
        IpiuError
            Where there is no such field.
        """
        import pandas as pd

        names = columns or COLUMNS[self.kind]
        for name in columns:
            self._has(name)
        rows = [[_cell(getattr(record, name)) for name in names] for record in self.values()]
        frame = pd.DataFrame(rows, columns=list(names), index=pd.Index(list(self), name="id"))
        return frame.convert_dtypes()

    def bibtex(self) -> str:
        """All their works as BibTeX entries, sorted by key, each once."""
        from ipiu.atlas.cite import bibtex

        return bibtex(self.values())

    def __repr__(self) -> str:
        lines = [f"{id:<28} {record.stated.get('name') or record.title}" for id, record in self.items()]
        return "\n".join([f"{len(self)} {self.kind}", *lines])

    def _repr_html_(self) -> str:
        from ipiu.atlas.listing import show

        try:
            return show(self)._repr_html_()
        except ImportError as error:  # without itables, all rows and no lists
            return f"<p>{escape(str(error))}</p>{self.table().to_html(escape=True, na_rep='')}"

    def _nearest(self, id: str) -> str:
        """The ids nearest to a wrong one: first those whose name has it."""
        asked = plain(id)
        named = [known for known, record in self.items() if asked and asked in plain(record.stated.get("name", ""))]
        if named:
            return f"did you mean {' or '.join(named[:4])}?"
        near = nearest(id, self._records)
        return near if near.endswith("?") else f"{near}; `ipiu.atlas.find` searches their text"

    def _has(self, name: str) -> None:
        """Refuse a field that these records do not have."""
        form = Model if self.kind == "models" else Record
        properties = [n for base in form.__mro__ for n, value in vars(base).items() if isinstance(value, property)]
        known = dict.fromkeys([*_fields(self.kind), *properties])
        if name not in known:
            askable = dict.fromkeys(asked for asked, (field, _) in ASKED.items() if field in known)
            msg = f"records of {self.kind} have no field {name!r}; {nearest(name, askable | known)}"
            raise IpiuError(msg)

    def _test(self, name: str, value: Any):
        """A function that says whether a record answers to ``name=value``."""
        field, words = ASKED.get(name, (name, None))
        words = words or dict(ASKED.values()).get(field)
        self._has(field)
        if value is None or (isinstance(value, bool) and not words):
            return lambda record: getattr(record, field) is value
        wanted = list(value) if isinstance(value, list | tuple | set | frozenset | range) else [value]
        if not wanted or any(isinstance(item, bool) for item in wanted):
            msg = f'{name}={value!r} asks for nothing; give a word, several, or None for "not confirmed"'
            raise IpiuError(msg)
        if words:
            wanted = [_word(name, word, words) for word in wanted]
        return lambda record: _holds(getattr(record, field), wanted)


def _fields(kind: str) -> list[str]:
    """The names of the fields of a kind."""
    from ipiu.atlas.store import load

    return list(load(kind)[0])


def _word(name: str, word: str, vocabulary: str) -> str:
    """A word as the vocabulary writes it."""
    known = {plain(entry): entry for entry in VOCABULARIES[vocabulary]}
    known |= {plain(label): entry for entry, (label, _) in VOCABULARIES[vocabulary].items()}
    if plain(word) not in known:
        told = {entry: plain(f"{label} {more}") for entry, (label, more) in VOCABULARIES[vocabulary].items()}
        meant = [entry for entry, text in told.items() if plain(word) and plain(word) in text]
        near = f"did you mean {' or '.join(meant)}?" if meant else nearest(word, VOCABULARIES[vocabulary])
        msg = f"{name}={word!r} is no word of the atlas; {near}"
        raise IpiuError(msg)
    return known[plain(word)]


def _holds(value: Any, wanted: list) -> bool:
    """Whether a list has all that is wanted, or a single value is any of it."""
    return all(item in value for item in wanted) if isinstance(value, list) else value in wanted


def _cell(value: Any) -> Any:
    """A field as one cell of a table."""
    if isinstance(value, list):
        return ", ".join(str(_cell(item)) for item in value) or None
    if hasattr(value, "millions"):
        return value.millions
    if hasattr(value, "unit"):
        return f"{value.count:,.0f} {value.unit}" if value.count and value.unit else value.note
    if hasattr(value, "loader"):
        return value.id
    return value
