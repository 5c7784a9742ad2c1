"""Real samples that ship inside the dependencies: scans, pictures, signals and cohorts that open without a network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from ipiu.cases.case import Case, Outcome, Source
from ipiu.cases.cohort import Cohort
from ipiu.errors import IpiuError, require
from ipiu.names import nearest

# package -> the extra of ipiu that brings it; nibabel and pydicom always come along
EXTRAS = {"nilearn": "samples", "skimage": "samples", "sklearn": "samples", "sksurv": "samples"}
FOLDERS = {"nibabel": "tests/data", "skimage": "data"}
WHOLE_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Sample:
    """One real sample.

    Attributes
    ----------
    id
        what :func:`ipiu.open` takes after ``"sample:"``
    shows
        what it is
    kind
        volume, picture, label map, signal or cohort
    package
        the library it ships in
    licence
        what the library's papers say about the file; "not stated" where they are silent
    url, doi
        where it comes from, and the work to cite (empty where none is known)
    """

    id: str
    shows: str
    kind: str
    package: str
    licence: str
    url: str
    doi: str = ""
    how: str = field(default="", repr=False)
    args: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def source(self) -> Source:
        """What every case made from it says about its origin."""
        return Source("real sample", self.id, licence=self.licence, url=self.url)

    def open(self) -> Case | Cohort:
        """Read it.

        Raises
        ------
        ImportError
            Where the library it ships in is not installed; the message says how to install it.
        """
        if self.package in EXTRAS:
            require(self.package, extra=EXTRAS[self.package])
        opened = OPENERS[self.how](self, **self.args)
        if isinstance(opened, Case):
            opened.id, opened.source = self.id, self.source
            for image in opened.images.values():
                image.meta["source"] = str(self.source)
        return opened


class Samples(Mapping[str, Sample]):
    """The real samples by id, in the order of the list."""

    def __init__(self, items: dict[str, Sample]):
        self._items = items

    def __getitem__(self, name: str) -> Sample:
        if name in self._items:
            return self._items[name]
        msg = f"there is no sample {name!r}; {nearest(name, self._items)}"
        raise UnknownSampleError(msg)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def table(self):
        """One row a sample, indexed by id, as a pandas table."""
        import pandas as pd

        columns = ("id", "shows", "kind", "package", "licence", "doi", "url")
        return pd.DataFrame([{c: getattr(s, c) for c in columns} for s in self.values()]).set_index("id")

    def __repr__(self) -> str:
        return "\n".join(f"{name:<16} {sample.kind:<10} {sample.shows}" for name, sample in self._items.items())

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("id", "shows", "package", "licence"))
        rows = "".join(_row(sample) for sample in self.values())
        caption = (
            f"{len(self)} real samples. <code>ipiu.samples().table()</code> has all that is known of each, and the "
            "whole licence where a * stands."
        )
        return (
            f"<div class='ipiu-samples' tabindex='0' role='region' aria-label='{len(self)} real samples'><table>"
            f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )


class UnknownSampleError(IpiuError, KeyError):
    """A sample id that is not in the list."""

    __str__ = IpiuError.__str__


@cache
def samples() -> Samples:
    """The real samples that ship inside the dependencies.

    Returns
    -------
    Samples
        a mapping from id to :class:`Sample`, shown as a table in a notebook; ``.table()`` gives it to pandas

    Examples
    --------
    >>> import ipiu
    >>> ipiu.samples()["retina"].licence
    'CC0 1.0'
    >>> ipiu.samples()["ecg-12"].open().signals["ecg"]
    Signal(12 leads, 10.0 s at 1000 Hz, mV)
    """
    records = yaml.safe_load(Path(__file__).with_name("samples.yaml").read_text(encoding="utf-8"))
    return Samples({name: Sample(name, **record) for name, record in records.items()})


def _row(sample: Sample) -> str:
    """One line of the table in a notebook."""
    cite = f" (<a href='https://doi.org/{escape(sample.doi)}'>paper</a>)" if sample.doi else ""
    link = f"<a href='{escape(sample.url)}'>{escape(sample.id)}</a>"
    licence, _, more = sample.licence.partition(";")  # the first clause; the rest stands in .table()
    cells = (escape(sample.shows) + cite, escape(sample.package), escape(licence) + (" *" if more else ""))
    return f"<tr><th scope='row'>{link}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _file(sample: Sample, name: str) -> Path:
    """A file inside a package, found without importing it."""
    root = Path(find_spec(sample.package).submodule_search_locations[0])
    path = root / FOLDERS[sample.package] / name
    if not path.is_file():
        msg = f"{path}: {sample.package} is installed without its data; install the version the lock names"
        raise IpiuError(msg)
    return path


def _mni152(sample: Sample) -> Case:
    """The MNI152 template and its tissue maps at their own 1 mm."""
    import torch
    from monai.data import MetaTensor

    load = require("nilearn.datasets", extra="samples")
    parts = {
        "t1": (load.load_mni152_template, {"unit": "arbitrary", "modality": "MR", "name": "T1-weighted template"}),
        "gm": (load.load_mni152_gm_template, {"unit": "probability", "modality": "", "name": "grey matter"}),
        "wm": (load.load_mni152_wm_template, {"unit": "probability", "modality": "", "name": "white matter"}),
    }
    images = {}
    for name, (loader, meta) in parts.items():
        image = loader(resolution=1)  # at any other resolution nilearn resamples
        values = torch.from_numpy(image.get_fdata(dtype="float32"))[None]
        images[name] = MetaTensor(values, affine=torch.from_numpy(image.affine.copy()), meta=meta)
    note = "nilearn scales each image so that its largest value is 1"
    return Case(sample.id, images=images, notes=[note])


def _dicom(sample: Sample, file: str) -> Case:
    """One of pydicom's files."""
    from pydicom.data import get_testdata_file

    from ipiu.cases.dicom import read_dicom

    (case,) = read_dicom(get_testdata_file(file, download=False))
    return case


def _nifti(sample: Sample, file: str) -> Case:
    """One of nibabel's files."""
    from ipiu.cases.nifti import read_nifti

    (case,) = read_nifti(_file(sample, file), unit="arbitrary", modality="MR")
    return case


def _picture(sample: Sample, file: str, image: str, *, grey: bool = False, **options) -> Case:
    """One of scikit-image's files; ``grey`` keeps one channel of a picture whose three are the same."""
    from ipiu.cases.picture import read_picture

    (case,) = read_picture(_file(sample, file), **options)
    picture = case.images["image"]
    if grey:
        picture = picture[:1].float()
        picture.meta["unit"] = "grey level"
    case.images = {image: picture}
    return case


def _survival(sample: Sample, loader: str, unit: str, genes: str = "", causes: dict[int, str] | None = None) -> Cohort:
    """One of scikit-survival's cohorts: measures at baseline, follow-up and, where it has them, expression."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its reader uses pandas in ways pandas 3 warns about
        features, outcome = getattr(require("sksurv.datasets", extra="samples"), loader)()
    event, time = (outcome[name] for name in outcome.dtype.names)
    table = _plain(features.reset_index(drop=True))
    if causes:
        table["first event"] = [causes[int(value)] for value in event]
    measured = [name for name in table.columns if genes and re.match(genes, name)]
    known = table.drop(columns=measured)
    expression = table[measured].astype(float)

    def build(row: int) -> dict[str, Any]:
        parts: dict[str, Any] = {"outcome": Outcome(float(time[row]), bool(event[row]), unit)}
        if measured:
            # a column that begins with a digit got an X in front when it passed through R
            values = expression.iloc[row].rename(lambda name: name[1:]).rename("expression").rename_axis("gene")
            values.attrs["unit"] = "not stated"
            parts["expression"] = values
        return parts

    shown = known.assign(time=time.astype(float), event=event.astype(bool))
    return _cohort(sample, known, shown, build)


def _sklearn_table(sample: Sample, loader: str, target: str, **options) -> Cohort:
    """One of scikit-learn's tables."""
    data = getattr(require("sklearn.datasets", extra="samples"), loader)(as_frame=True, **options)
    known = data.data.copy()
    names = list(data.get("target_names", []))
    known[target] = [str(names[value]) for value in data.target] if names else data.target
    return _cohort(sample, known, known, lambda _: {})


def _cohort(sample: Sample, known, shown, build: Callable[[int], dict[str, Any]]) -> Cohort:
    """A cohort over the rows of a table: ``known`` gives the labels, ``shown`` the table, ``build`` other parts."""
    width = len(str(len(known)))
    ids = [f"{sample.id}-{n:0{width}d}" for n in range(1, len(known) + 1)]
    rows = {name: n for n, name in enumerate(ids)}

    def open_case(name: str) -> Case:
        (row,) = known.iloc[[rows[name]]].to_dict("records")
        labels = {key: value for key, value in row.items() if value == value and value is not None}
        return Case(name, labels=labels, source=sample.source, **build(rows[name]))

    return Cohort(ids, open_case, name=sample.id, source=sample.source, table=shown.set_axis(ids).rename_axis("id"))


def _plain(table):
    """Categories as whole numbers where all of them are, else as text; numbers as they are."""
    import pandas as pd

    table = table.copy()
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column):
            values = column.astype(object)
            whole = all(WHOLE_NUMBER.fullmatch(str(value)) for value in values.dropna())
            table[name] = values.astype(int) if whole and values.notna().all() else values
    return table


OPENERS: dict[str, Callable[..., Case | Cohort]] = {
    "mni152": _mni152,
    "dicom": _dicom,
    "nifti": _nifti,
    "picture": _picture,
    "survival": _survival,
    "sklearn_table": _sklearn_table,
}
