"""What a record must look like. Read when records are checked or compiled, never by a query."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ipiu.atlas import vocabulary
from ipiu.names import nearest

# Copies and digests of papers, not places of record: the DOI, arXiv, GitHub or hub page is named instead.
MIRRORS = (
    "alphaxiv.org",
    "api-inference.pages.dev",
    "arcxiv.org",
    "arxiv-vanity.com",
    "arxivlens.com",
    "arxivtldr.org",
    "bio.rodeo",
    "bohrium.dp.tech",
    "catalyzex.com",
    "chatpaper.ai",
    "clearskyscience.com",
    "deepai.org",
    "deeplearn.org",
    "deepwiki.com",
    "emergentmind.com",
    "hf.zsm.im",
    "paperswithcode.com",
    "papernotes.org",
    "pubindex.ai",
    "scholarfeed.org",
    "sciencestack.ai",
    "synapsesocial.com",
    "themoonlight.io",
    "tomesphere.com",
    "wilddata.cn",
    "xrayinterpreter.com",
)


def _form(pattern: str, what: str):
    """A check that a text matches ``pattern`` as a whole."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            msg = f"{value!r} is not {what}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _word(name: str):
    """A check that a text is a word of a vocabulary."""
    words = vocabulary.VOCABULARIES[name]

    def check(value: str) -> str:
        if value not in words:
            msg = f"{value!r} is not a known {name}; {nearest(value, words)}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _no_mirror(value: str) -> str:
    host = urlsplit(value).netloc.lower()
    if any(host == mirror or host.endswith("." + mirror) for mirror in MIRRORS):
        msg = f"{value!r} is a copy on {host}; name the DOI, arXiv, GitHub or hub page"
        raise ValueError(msg)
    return value


def _licence(value: str) -> str:
    try:
        proper = canonicalize_license_expression(value)
    except InvalidLicenseExpression as error:
        msg = f"{value!r} is not an SPDX expression ({error}); write LicenseRef-<Name> for a licence of its own"
        raise ValueError(msg) from error
    if proper != value:
        msg = f"{value!r} is written {proper!r} in SPDX"
        raise ValueError(msg)
    return value


Id = Annotated[str, _form(r"[a-z0-9]+(-[a-z0-9]+)*", "an id: small letters, digits and single hyphens")]
Doi = Annotated[str, _form(r"10\.\d{4,9}/[^\s?#]+", "a DOI, as 10.1038/s41586-023-06555-x, without https://doi.org/")]
Arxiv = Annotated[
    str, _form(r"\d{2}(0[1-9]|1[0-2])\.\d{4,5}", "an arXiv id, as 2304.12306, in quotes, without version")
]
Url = Annotated[str, _form(r"https?://[\w.-]+(:\d+)?(/[^\s\"'`\\]*)?", "a full address"), AfterValidator(_no_mirror)]
Licence = Annotated[str, AfterValidator(_licence)]
Year = Annotated[int, Field(ge=1900, le=2100)]
Month = Annotated[str, _form(r"20\d\d-(0[1-9]|1[0-2])", "a month, as 2026-11, in quotes")]
Modality = Annotated[str, _word("modality")]
Dimensionality = Annotated[str, _word("dimensionality")]
Task = Annotated[str, _word("task")]
Prompt = Annotated[str, _word("prompt")]
Access = Annotated[str, _word("access")]
Holds = Annotated[str, _word("holds")]
Situation = Annotated[str, _word("situation")]
Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Evidence(_Strict):
    """Fields of a record, and the pages on which they were seen."""

    fields: list[str] = Field(min_length=1)
    sources: list[Url] = Field(min_length=1)


class Work(_Strict):
    """A publication. ``year`` is that of its first public version, ``published`` that of the version of record."""

    title: Text | None = None
    authors: list[Text] | None = None  # "Family, Given"; a last entry "others" where the list is not complete
    year: Year | None = None
    published: Year | None = None
    venue: Text | None = None
    volume: Text | None = None
    pages: Text | None = None
    doi: Doi | None = None
    arxiv: Arxiv | None = None
    url: Url | None = None

    @model_validator(mode="after")
    def _dates(self):
        if self.title and self.authors and not (self.year or self.published):
            msg = "a work with title and authors needs a year; state the year of its first public version"
            raise ValueError(msg)
        if self.arxiv and self.year and self.year > 2000 + int(self.arxiv[:2]):
            msg = f"year {self.year} is later than arXiv {self.arxiv}; year is that of the first public version"
            raise ValueError(msg)
        if self.published and self.year and self.published < self.year:
            msg = f"published {self.published} is before year {self.year}, that of the first public version"
            raise ValueError(msg)
        return self


class Record(Work):
    """What all kinds of records share. What is not confirmed is absent."""

    ours: ClassVar[frozenset[str]] = frozenset()  # our own reading or wording: needs no source

    id: Id
    name: Text
    checked: Month | None = None  # when somebody last read its sources
    evidence: list[Evidence] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_field_has_evidence(self):
        stated = {name for name in self.model_fields_set if getattr(self, name) is not None}
        seen = {name for item in self.evidence for name in item.fields}
        bare = stated - seen - self.ours - {"id", "checked", "evidence"}
        if bare:
            msg = f"{', '.join(sorted(bare))}: stated without a source; add it to evidence, or leave it out"
            raise ValueError(msg)
        idle = seen - stated
        if idle:
            msg = f"{', '.join(sorted(idle))}: named in evidence but not stated; state it, or take it out of evidence"
            raise ValueError(msg)
        return self


class Scale(_Strict):
    """How much data a model was pretrained on: ``count`` of ``unit``, and the rest in words."""

    count: float | None = Field(default=None, gt=0)
    unit: Annotated[str, _word("unit")] | None = None
    note: Text | None = None


class Parameters(_Strict):
    """Number of parameters, in millions, of one named variant."""

    millions: float = Field(gt=0)
    variant: Text | None = None


class Checkpoint(_Strict):
    """Published weights and the class that loads them."""

    hub: Literal["huggingface", "monai"]
    id: Text
    # dotted name of the class or function that loads it
    loader: Annotated[str, _form(r"[A-Za-z_]\w*(\.\w+)+", "a dotted name, as transformers.SamModel")]
    remote_code: bool = False  # needs Python code that lies beside the weights


class Headline(_Strict):
    """One result as its source reports it."""

    dataset: Text
    task: Text
    metric: Text
    value: Text


class Model(Record):
    """A medical foundation model."""

    ours: ClassVar[frozenset[str]] = frozenset({"category", "modalities", "dimensionality", "tasks"})

    category: Annotated[str, _word("category")]
    modalities: list[Modality] | None = None
    dimensionality: list[Dimensionality] | None = None
    tasks: list[Task] = Field(min_length=1)
    prompts: list[Prompt] | None = None
    architecture: Text | None = None
    parameters: Parameters | None = None
    pretraining: Text | None = None
    scale: Scale | None = None
    pretrained_on: list[Id] | None = None  # ids of data sets
    evaluated_on: list[Id] | None = None
    code: Url | None = None
    code_license: Licence | None = None
    weights: Url | None = None
    weights_access: Access | None = None
    weights_license: Licence | None = None
    license_note: Text | None = None
    checkpoint: Checkpoint | None = None
    headline: Headline | None = None


class Dataset(Record):
    """A public data set."""

    ours: ClassVar[frozenset[str]] = frozenset({"modalities", "dimensionality", "tasks", "holds"})

    modalities: list[Modality] | None = None
    dimensionality: list[Dimensionality] | None = None
    tasks: list[Task] | None = None
    holds: list[Holds] = Field(min_length=1)
    size: Text | None = None
    subjects: int | None = Field(default=None, gt=0)
    access: Access | None = None
    license: Licence | None = None
    license_note: Text | None = None
    homepage: Url | None = None
    loader: Text | None = None
    contains: list[Id] | None = None  # ids of data sets whose cases are in this one, wholly or in part


class Metric(Record):
    """A measure of quality. Its definition, range and traps are ours; ``evidence`` names the work and the library."""

    ours: ClassVar[frozenset[str]] = frozenset(
        {"tasks", "family", "definition", "range", "direction", "pitfalls", "suits", "fails"}
    )

    family: Literal[
        "discrimination", "calibration", "decision", "overlap and boundary", "detection", "registration",
        "image quality", "retrieval", "text", "question answering", "survival", "regression", "uncertainty",
        "fairness", "privacy", "explanation", "expression", "continual learning", "efficiency",
    ]  # fmt: skip
    tasks: list[Task] | None = None
    definition: Text  # LaTeX
    range: Text
    direction: Literal["higher", "lower", "target", "none"]
    library: Text | None = None
    pitfalls: Text
    suits: list[Situation] | None = None  # situations it was made for
    fails: list[Situation] | None = None  # situations in which it misleads


class Measurable(_Strict):
    """One thing about a challenge that can be measured, and the library call that does it."""

    quantity: Text
    method: Text


class Challenge(Record):
    """One of the twelve dimensions."""

    ours: ClassVar[frozenset[str]] = frozenset({"question", "measurable", "works"})

    origin: Literal["named in the survey's abstract", "named in the survey's body", "our operationalisation"]
    question: Text
    measurable: list[Measurable] = Field(min_length=1)
    works: list[Id]  # ids of works


class OtherWork(Work):
    """A publication that the book cites and that is no record of its own."""

    id: Id
    kind: Literal["article", "inproceedings", "book", "misc"] | None = None  # by default as the venue says
    title: Text
    authors: list[Text]
    edition: Text | None = None
    publisher: Text | None = None
    number: Text | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _can_be_found(self):
        if not (self.doi or self.arxiv or self.url or self.kind == "book" or self.venue):
            msg = "a work needs a DOI, an arXiv id, an address or a venue by which it can be found"
            raise ValueError(msg)
        return self


KINDS: dict[str, type[BaseModel]] = {
    "models": Model,
    "datasets": Dataset,
    "metrics": Metric,
    "challenges": Challenge,
    "works": OtherWork,
}


def fields(kind: str, place: tuple = ()) -> list[str]:
    """The names of the fields of a kind, or of the part of it that ``place`` points into."""
    parts = {part.__name__.lower(): part for part in (Evidence, Scale, Parameters, Checkpoint, Headline, Measurable)}
    form = parts.get(str(place[0]), KINDS[kind]) if len(place) > 1 else KINDS[kind]
    return list(form.model_fields)
