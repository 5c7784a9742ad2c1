"""One record: a model, a data set, a metric, a challenge or another work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ipiu.names import nearest

OPEN = ("open", "registration")


class Record:
    """What the atlas knows of one thing. Fields are attributes; what is not confirmed is None.

    Examples
    --------
    >>> from ipiu import atlas
    >>> medsam = atlas.models["medsam"]
    >>> medsam.tasks
    ['segmentation']
    >>> medsam.sources("doi")
    ['https://github.com/bowang-lab/MedSAM']
    """

    def __init__(self, kind: str, data: dict[str, Any]):
        self._kind = kind
        self._data = data

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._data:
            msg = f"a record of {self._kind} has no field {name!r}; {nearest(name, dir(self))}"
            raise AttributeError(msg)
        return _opened(self._data[name])

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            msg = f"records are not changed in memory; mend {name} in ipiu/atlas/records, where its source stands, too"
            raise AttributeError(msg)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self._data, *(name for name in super().__dir__() if not name.startswith("_"))})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and (self.kind, self.id) == (other.kind, other.id)

    def __hash__(self) -> int:
        return hash((self.kind, self.id))

    def __repr__(self) -> str:
        return f"<{self.kind}: {self.id}>"

    @property
    def kind(self) -> str:
        """models, datasets, metrics, challenges or works."""
        return self._kind

    @property
    def stated(self) -> dict[str, Any]:
        """The fields that are confirmed, by name."""
        return {name: _opened(value) for name, value in self._data.items() if value is not None}

    def sources(self, field: str) -> list[str]:
        """The pages on which a field was seen; empty where it is not confirmed, or is our own reading."""
        items = [item for item in self._data.get("evidence") or () if field in item["fields"]]
        return list(dict.fromkeys(url for item in items for url in item["sources"]))

    @property
    def link(self) -> str | None:
        """The address that leads to the work: DOI, else arXiv, else the work's own page."""
        if self._data.get("doi"):
            return f"https://doi.org/{self.doi}"
        if self._data.get("arxiv"):
            return f"https://arxiv.org/abs/{self.arxiv}"
        return next((self._data[name] for name in ("url", "code", "homepage", "weights") if self._data.get(name)), None)

    @property
    def page(self) -> str:
        """The record's own page, from the book's root."""
        return f"book/atlas/{self.kind}/{self.id}.html"

    @property
    def key(self) -> str | None:
        """The key of its work in ``book/references.bib``; None where the record names no work."""
        from ipiu.atlas.cite import key

        return key(self)

    def cite(self) -> str:
        """The reference as a line of text."""
        from ipiu.atlas.cite import cite

        return cite(self)

    def bibtex(self) -> str:
        """The reference as a BibTeX entry."""
        from ipiu.atlas.cite import bibtex

        return bibtex([self])

    @property
    def card(self):
        """Everything the atlas knows of it, as a card in a notebook and as text elsewhere."""
        from ipiu.atlas.card import Card

        return Card(self)

    def _repr_html_(self) -> str:
        return self.card._repr_html_()


class Model(Record):
    """The record of a model."""

    @property
    def open_weights(self) -> bool | None:
        """Whether anybody can download the weights, after signing in at most; None where that is not confirmed."""
        if self.weights_access is None:
            return None
        return self.weights_access in OPEN

    @property
    def runnable(self) -> bool:
        """Whether :meth:`load` can run it: open weights, and a class of transformers that loads them as they are."""
        checkpoint = self.checkpoint
        return bool(
            checkpoint
            and checkpoint.hub == "huggingface"
            and checkpoint.loader.startswith("transformers.")
            and not checkpoint.remote_code
            and self.open_weights
        )

    def load(self, source: str | None = None, **options):
        """The model with its published weights, as the stock class that loads them.

        Parameters
        ----------
        source
            a folder or hub id to take the weights from instead of the published address
        options
            handed to ``from_pretrained`` of the class

        Returns
        -------
        transformers.PreTrainedModel
            in evaluation mode

        Raises
        ------
        IpiuError
            Where the atlas knows no class that loads it, where the weights cannot be reached, and where they exist
            only as a pickle.
        """
        from ipiu.models.checkpoint import load

        return load(self, source, **options)


def _opened(value: Any) -> Any:
    """A nested part with its fields as attributes; lists are copies, so that a record cannot be changed by accident."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _opened(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return [_opened(inner) for inner in value]
    return value
