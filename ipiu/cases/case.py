"""One patient: images, report, record, signals, expression and outcome, each of them optional."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from monai.data import MetaTensor

PARTS = ("images", "report", "record", "signals", "expression", "outcome", "labels")


class Source(NamedTuple):
    """Where a case comes from; every figure made from it says so.

    ``kind`` is one of ``"real sample"``, ``"digital patient"``, ``"public benchmark"`` and ``"own file"``.
    """

    kind: str
    name: str
    licence: str = "not stated"
    url: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


OWN_FILE = Source("own file", "not stated")


class Outcome(NamedTuple):
    """Follow-up of one patient: ``time`` in ``unit``, and whether the ``event`` was seen (False means censored)."""

    time: float
    event: bool
    unit: str = "days"


@dataclass(frozen=True)
class Signal:
    """A sampled signal.

    Attributes
    ----------
    values
        float array of shape (leads, samples), in ``unit``
    rate
        samples a second (Hz)
    leads
        one name a lead, in the order of ``values``
    unit
        physical unit of the values, one for all leads, such as ``"mV"``
    """

    values: np.ndarray
    rate: float
    leads: tuple[str, ...]
    unit: str = "mV"

    @property
    def seconds(self) -> float:
        """Length of the recording in seconds."""
        return self.values.shape[1] / self.rate

    def __repr__(self) -> str:
        return f"Signal({len(self.leads)} leads, {self.seconds:.1f} s at {self.rate:g} Hz, {self.unit})"


@dataclass
class Case:
    """One patient. A part that is absent is ``None`` (or an empty mapping), never a made-up value.

    Attributes
    ----------
    id
        a pseudonym; never a name or number from a file header
    images
        name -> :class:`monai.data.MetaTensor`, channel first. Volumes are (C, i, j, k) and ``affine`` takes the voxel
        index (i, j, k) to RAS+ mm, as in NIfTI; pictures are (C, row, column) and ``affine`` takes (row, column) to mm.
        ``meta["unit"]`` is the unit of the values, ``meta["modality"]`` the DICOM word (CT, MR, CR, ...) where there is
        one, ``meta["labels"]`` the names of a label map's integers.
    report
        the radiologist's text
    record
        timed events, one a row: columns time, code, value, unit
    signals
        name -> :class:`Signal`
    expression
        one value a gene (index: gene symbol or id)
    outcome
        time to event
    labels
        what is known of the patient as a whole, name -> value
    source
        where all of it comes from
    notes
        what the reader wants known, such as the number of files it skipped

    Examples
    --------
    >>> import ipiu
    >>> case = ipiu.open("sample:mni152")
    >>> case.images["t1"].shape
    torch.Size([1, 197, 233, 189])
    """

    id: str
    images: dict[str, MetaTensor] = field(default_factory=dict)
    report: str | None = None
    record: pd.DataFrame | None = None
    signals: dict[str, Signal] = field(default_factory=dict)
    expression: pd.Series | None = None
    outcome: Outcome | None = None
    labels: dict[str, Any] = field(default_factory=dict)
    source: Source = OWN_FILE
    notes: list[str] = field(default_factory=list)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the parts this patient has, in the order of :data:`PARTS`."""
        return tuple(part for part in PARTS if _summary(getattr(self, part)) is not None)

    def __repr__(self) -> str:
        return f"Case({self.id!r}, {', '.join(self.present) or 'empty'}; {self.source})"

    def _repr_html_(self) -> str:
        rows = [(part, _summary(getattr(self, part)) or "absent") for part in PARTS]
        rows += [("source", str(self.source))] + [("note", note) for note in self.notes]
        body = "".join(f"<tr><th scope='row'>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
        return f"<table class='ipiu-case'><caption>Case {escape(self.id)}</caption><tbody>{body}</tbody></table>"


def _summary(value: Any) -> str | None:
    """One line on a part of a case, or None where it is absent."""
    if value is None or (hasattr(value, "__len__") and len(value) == 0):
        return None
    if isinstance(value, Outcome):
        seen = "event" if value.event else "censored"
        return f"{seen} at {value.time:g} {value.unit}"
    if isinstance(value, str):
        return f"{len(value.split())} words"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_detail(item)}" for name, item in value.items())
    return f"{len(value)} rows" if getattr(value, "ndim", 1) == 2 else f"{len(value)} values"


def _detail(item: Any) -> str:
    """What stands beside a name: an image's size, spacing and unit, or the thing itself."""
    if not hasattr(item, "affine"):
        return str(item)
    size = " x ".join(str(n) for n in item.shape[1:])
    spacing = " x ".join(f"{mm:.3g}" for mm in item.pixdim)
    return f"{size}, {spacing} mm, {item.meta.get('unit', 'unit not stated')}"
