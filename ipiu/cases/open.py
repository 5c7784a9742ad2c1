"""The one door: whatever a path holds, as a case or a cohort."""

from __future__ import annotations

import difflib
import inspect
import json
import os
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ipiu.cases.case import OWN_FILE, Case, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.detect import detect
from ipiu.cases.files import check_file, files_below, reason
from ipiu.cases.folder import is_cohort
from ipiu.errors import IpiuError

# kind of content -> the reader that takes a path and options and returns a list of cases
READERS = {
    "dicom": "ipiu.cases.dicom:read_dicom",
    "nifti": "ipiu.cases.nifti:read_nifti",
    "picture": "ipiu.cases.picture:read_picture",
    "wfdb": "ipiu.cases.waveform:read_wfdb",
    "edf": "ipiu.cases.waveform:read_edf",
    "fhir": "ipiu.cases.fhir:read_fhir",
    "record": "ipiu.cases.table:read_record",
    "expression": "ipiu.cases.expression:read_expression",
}


def open(path: str | Path, *, kind: str | None = None, **options) -> Case | Cohort:
    """Open a file, a folder or a real sample.

    What a file is, its first bytes decide, and its name only where they do not. A folder that ``Cohort.to_disk`` wrote
    is that cohort, and one with DICOM files is one DICOM study; other folders must hold one kind of content and give a
    cohort, one case a file.

    Parameters
    ----------
    path
        a path (``~`` is your home folder), or ``"sample:"`` and the id of a real sample (see :func:`ipiu.samples`)
    kind
        one of dicom, nifti, picture, wfdb, edf, fhir, record and expression, where the content does not say it
    options
        passed to the reader, such as ``labels={1: "grey matter"}`` to :func:`ipiu.cases.nifti.read_nifti`

    Returns
    -------
    Case or Cohort
        a cohort where there are several patients, opened lazily where they stand in several files

    Raises
    ------
    IpiuError
        Where there is nothing at the path, or nothing that can be read.
    TypeError
        Where the reader does not take an option.

    Examples
    --------
    >>> import ipiu
    >>> ipiu.open("sample:retina")
    Case('retina', images; real sample: retina)
    """
    text = os.fsdecode(path)
    if not text:
        msg = "the path is empty; give a file, a folder, or 'sample:' and an id ('.' is the folder you are in)"
        raise IpiuError(msg)
    try:
        opened = _open_sample(text, kind, options) if _names_sample(text) else _open_path(Path(text), kind, options)
    except OSError as error:
        msg = f"{error.filename or text}: cannot be read ({reason(error)}); check the path and who may read it"
        raise IpiuError(msg) from error
    _log(opened.source)
    return opened


def _names_sample(text: str) -> bool:
    """Whether the text is ``sample:...``, told apart from a path; near misses are answered."""
    word, colon, _ = text.partition(":")
    if not colon or os.path.lexists(text):
        return False
    if word != "sample" and difflib.get_close_matches(word.lower(), ["sample", "samples"], cutoff=0.7):
        msg = f"{text!r}: real samples are opened as 'sample:' and an id, for example 'sample:mni152'"
        raise IpiuError(msg)
    return word == "sample"


def _open_sample(text: str, kind: str | None, options: dict) -> Case | Cohort:
    """A real sample by its id."""
    from ipiu.cases.samples import samples

    if options or kind:
        msg = f"{text!r} takes no options; {', '.join(sorted([*options, *(['kind'] if kind else [])]))} was given"
        raise TypeError(msg)
    return samples()[text.partition(":")[2]].open()


def _open_path(path: Path, kind: str | None, options: dict) -> Case | Cohort:
    """A file or a folder."""
    if kind is not None and kind not in READERS:
        near = difflib.get_close_matches(str(kind), READERS, n=1)
        msg = f"kind={kind!r} is none of {', '.join(READERS)}{f'; did you mean {near[0]!r}?' if near else ''}"
        raise ValueError(msg)
    path = _at_home(path)
    if path.is_dir():
        return _open_folder(path, kind, options)
    found = kind or detect(check_file(path))
    if found is None:
        msg = f"{path}: is nothing that can be read here; it takes {', '.join(READERS)} (kind=... says which it is)"
        raise IpiuError(msg)
    if found == "table":
        msg = (
            f"{path}: is a table without the columns time and code; open it with kind='expression', genes='rows' (or "
            "'columns'), or with kind='record', columns={'time': ..., 'code': ..., 'value': ..., 'unit': ...}"
        )
        raise IpiuError(msg)
    return _gather(_reader(found, options)(path, **options), path)


def _at_home(path: Path) -> Path:
    """The path with a leading ``~`` replaced, unless that is how a file here is called."""
    try:
        return path if path.exists() else path.expanduser()
    except RuntimeError:  # the home of a user that is not there
        return path


def _open_folder(path: Path, kind: str | None, options: dict) -> Case | Cohort:
    """A cohort that was written here, a DICOM study, or files of one kind as a lazy cohort."""
    if kind is None and is_cohort(path):
        return Cohort.open(path)
    if kind == "dicom":
        return _gather(_reader("dicom", options)(path, **options), path)
    files = files_below(path)
    kinds = {file: kind or detect(file, alone=False) for file in files}
    kinds = {file: found for file, found in kinds.items() if found not in (None, "table")}
    counts = Counter(kinds.values())
    if "dicom" in counts:
        return _gather(_reader("dicom", options)(path, **options), path)
    if not counts:
        msg = f"{path}: none of its {len(files)} files can be read; it takes folders of {', '.join(READERS)}"
        raise IpiuError(msg)
    if len(counts) > 1:
        listed = ", ".join(f"{count} {found}" for found, count in sorted(counts.items()))
        msg = f"{path}: holds several kinds of content ({listed}); open each file by itself, or give each kind a folder"
        raise IpiuError(msg)
    (found,) = counts
    reader = _reader(found, options)
    chosen = list(kinds)
    if len(chosen) == 1:
        return _gather(reader(chosen[0], **options), chosen[0])
    return _lazy(path, chosen, lambda file: reader(file, **options))


def _lazy(path: Path, files: list[Path], read: Callable[[Path], list[Case]]) -> Cohort:
    """One case a file, read when it is asked for."""
    by_id = {file.relative_to(path).as_posix(): file for file in files}

    def open_case(name: str) -> Case:
        cases = read(by_id[name])
        if len(cases) != 1:
            msg = f"{by_id[name]}: holds {len(cases)} patients; open the file by itself"
            raise IpiuError(msg)
        cases[0].id = name
        return cases[0]

    return Cohort(list(by_id), open_case, name=path.name, source=Source("own file", path.name))


def _gather(cases: list[Case], path: Path) -> Case | Cohort:
    """One case as it is, several as a cohort."""
    return cases[0] if len(cases) == 1 else Cohort.of(cases, name=path.name)


def _reader(kind: str, options: dict) -> Callable[..., list[Case]]:
    """The reader of a kind of content, its options checked."""
    module, _, name = READERS[kind].partition(":")
    reader = getattr(import_module(module), name)
    parameters = inspect.signature(reader).parameters.values()
    takes = {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    unknown = sorted(set(options) - set(takes))
    if unknown:
        what = f"takes {', '.join(takes)}" if takes else "takes no options"
        msg = f"{kind} {what}; {unknown[0]!r} is not among them"
        raise TypeError(msg)
    missing = [p.name for p in takes.values() if p.default is inspect.Parameter.empty and p.name not in options]
    if missing:
        msg = f"{kind} needs {missing[0]}=..., see help({module}.{name})"
        raise TypeError(msg)
    return reader


def _log(source: Source) -> None:
    """Append the source to the file named by IPIU_RUN_LOG, from which the status page lists each chapter's data.

    The name of somebody's own file may be a patient's, so it stays out of what is published.
    """
    name = os.environ.get("IPIU_RUN_LOG")
    if name:
        source = source._replace(name="not named") if source.kind == OWN_FILE.kind else source
        with Path(name).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"source": str(source)}) + "\n")
