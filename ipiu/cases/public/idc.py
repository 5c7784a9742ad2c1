"""DICOM collections of the Imaging Data Commons, fetched through idc-index series by series."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from ipiu.cases.case import Case, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.dicom import read_dicom
from ipiu.cases.files import reason
from ipiu.cases.public.download import data_folder
from ipiu.cases.public.terms import Terms
from ipiu.errors import IpiuError, require
from ipiu.names import nearest, plain

# of DICOM, PS3.5 9.1; also the name of the folder of a series, so no dots alone
UID = re.compile(r"(?=.{1,64}\Z)\d+(\.\d+)*", re.ASCII)
MB = 10**6
NEEDED = (
    "collection_id",
    "PatientID",
    "SeriesInstanceUID",
    "Modality",
    "instanceCount",
    "series_size_MB",
    "license_short_name",
)


def idc(
    collection: str,
    folder: str | Path | None = None,
    *,
    modality: str | None = "CT",
    patients: int | Sequence[str] | None = None,
    max_gb: float = 1.0,
    client: Any = None,
) -> Cohort:
    """Patients of one collection of the Imaging Data Commons (IDC).

    The index that comes with idc-index tells licence and size of every series, so both are said, and ``max_gb`` is
    kept, before anything is fetched. A series counts as there only when all its files are; those that are there are
    not fetched again.

    Parameters
    ----------
    collection
        its id, such as ``"rider_pilot"``
    folder
        where the series are or go, one folder each; by default ``idc`` in
        :func:`ipiu.cases.public.download.data_folder`
    modality
        the DICOM word of the series wanted; every series where None
    patients
        how many patients, in the order of their ids, or which; all of them where None
    max_gb
        how much may be fetched, in GB (10^9 bytes)
    client
        an ``idc_index.IDCClient``; a new one where None, which takes some seconds and 2 GB of memory

    Returns
    -------
    Cohort
        one case a patient, as :func:`ipiu.cases.dicom.read_dicom` gives it; the id is the collection's own pseudonym.
        The table has series, size and licence of every patient. IDC states no split.

    Raises
    ------
    IpiuError
        Where there is no such collection, a series has no licence, the download is larger than ``max_gb`` or does not
        arrive whole.
    ImportError
        Where idc-index is not installed.

    References
    ----------
    Fedorov et al. 2023, https://doi.org/10.1148/rg.230180

    Examples
    --------
    >>> from ipiu.cases.public.idc import idc
    >>> idc("rider_pilot", patients=2, max_gb=0.5)  # doctest: +SKIP
    """
    client = client or require("idc_index", extra="idc").IDCClient()
    series = _select(client.index, collection, modality, patients)
    name = series["collection_id"].iloc[0]
    terms = _terms(series, name)
    root = Path(folder or data_folder() / "idc") / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock"):
            missing = series[[not _whole(root / row.SeriesInstanceUID, row) for row in series.itertuples()]]
            if len(missing):
                _fetch(client, missing, root, terms, max_gb)
    except OSError as error:
        msg = f"{root}: cannot be written ({reason(error)}); free some space, or pass folder="
        raise IpiuError(msg) from error
    return _cohort(series, root, terms)


def _select(index: pd.DataFrame, collection: str, modality: str | None, patients: int | Sequence[str] | None):
    """The rows of the index that are asked for, one a series."""
    absent = [column for column in NEEDED if column not in index.columns]
    if absent:
        msg = f"the index of this idc-index has no column {absent[0]}; update idc-index"
        raise IpiuError(msg)
    names = {plain(name): name for name in index["collection_id"].unique()}
    if plain(collection) not in names:
        msg = f"IDC has no collection {collection!r}; {nearest(collection, list(names.values()))}"
        raise IpiuError(msg)
    series = index[index["collection_id"] == names[plain(collection)]]
    if modality is not None:
        here = sorted(series["Modality"].unique())
        if modality not in here:
            msg = f"modality={modality!r}: {collection} has {', '.join(here)}"
            raise ValueError(msg)
        series = series[series["Modality"] == modality]
    known = sorted(series["PatientID"].unique())
    wanted = known[:patients] if isinstance(patients, int) else list(known if patients is None else patients)
    unknown = sorted(set(wanted) - set(known))
    if unknown or not wanted:
        msg = f"patients={patients!r}: {collection} has {len(known)} such patients, the first is {known[0]!r}"
        raise ValueError(msg)
    return series[series["PatientID"].isin(wanted)].sort_values(["PatientID", "SeriesInstanceUID"])


def _terms(series: pd.DataFrame, name: str) -> Terms:
    """The licences of the series, none of which may be missing."""
    licences = series["license_short_name"]
    bare = licences.isna() | (licences.astype(str).str.strip() == "")
    if bare.any():
        msg = (
            f"{name}: the index states no licence for series {series.loc[bare, 'SeriesInstanceUID'].iloc[0]}, so it is "
            "not fetched; choose other patients or another modality"
        )
        raise IpiuError(msg)
    papers = sorted({f"https://doi.org/{doi}" for doi in series.get("source_DOI", pd.Series(dtype=object)).dropna()})
    url = f"https://portal.imaging.datacommons.cancer.gov/explore/filters/?collection_id={name}"
    return Terms(f"IDC {name}", "; ".join(sorted(licences.unique())), "open", url, "; ".join(papers))


def _fetch(client: Any, missing: pd.DataFrame, root: Path, terms: Terms, max_gb: float) -> None:
    """Fetch series beside the others and move each to its place once it is whole."""
    size = float(missing["series_size_MB"].sum()) / 1000
    terms.say()
    if size > max_gb:
        msg = (
            f"{terms.name}: {len(missing)} series of {size:.2f} GB would be fetched, above max_gb={max_gb:g}; pass a "
            "higher max_gb, or fewer patients="
        )
        raise IpiuError(msg)
    free = shutil.disk_usage(root).free / 1e9
    if size > free:
        msg = f"{terms.name} needs {size:.2f} GB but the disk of {root} has {free:.2f} GB; free some, or pass folder="
        raise IpiuError(msg)
    print(f"{terms.name}: fetching {len(missing)} series, {size:.2f} GB", flush=True)
    arriving = root / ".arriving"
    shutil.rmtree(arriving, ignore_errors=True)
    uids = missing["SeriesInstanceUID"].tolist()
    try:
        client.download_from_selection(
            downloadDir=str(arriving), seriesInstanceUID=uids, dirTemplate="%SeriesInstanceUID"
        )
        # the client only logs what failed, so every series is counted
        torn = []
        for row in missing.itertuples():
            arrived = arriving / row.SeriesInstanceUID
            if _whole(arrived, row):
                shutil.rmtree(root / row.SeriesInstanceUID, ignore_errors=True)
                arrived.replace(root / row.SeriesInstanceUID)
            else:
                torn.append(row.SeriesInstanceUID)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    if torn:
        msg = (
            f"{terms.name}: {len(torn)} of {len(uids)} series did not arrive whole, the first is {torn[0]}; call "
            "again, the others are kept"
        )
        raise IpiuError(msg)


def _whole(folder: Path, row: Any) -> bool:
    """Whether a series has as many files and bytes as the index says."""
    if not UID.fullmatch(row.SeriesInstanceUID) or not folder.is_dir():
        return False
    sizes = [path.stat().st_size for path in folder.glob("*.dcm")]
    stated = float(row.series_size_MB) * MB
    return len(sizes) == int(row.instanceCount) and abs(sum(sizes) - stated) <= 0.01 * stated + 1000


def _cohort(series: pd.DataFrame, root: Path, terms: Terms) -> Cohort:
    """One case a patient, read when it is asked for."""
    groups = dict(iter(series.groupby("PatientID", sort=True)))
    table = pd.DataFrame(
        [
            {
                "series": len(group),
                "MB": float(group["series_size_MB"].sum()),
                "licence": "; ".join(sorted(group["license_short_name"].unique())),
            }
            for group in groups.values()
        ],
        index=pd.Index(list(groups), name="id", dtype=object),
    )

    uids = {patient: tuple(group["SeriesInstanceUID"]) for patient, group in groups.items()}
    opener = _Opener(root, uids, table["licence"].to_dict(), terms)
    return Cohort(list(groups), opener, name=terms.name, source=terms.source, table=table)


@dataclass(frozen=True)
class _Opener:
    """Opens one patient; a class, so that a cohort can be sent to other processes."""

    root: Path
    uids: dict[str, tuple[str, ...]]
    licences: dict[str, str]
    terms: Terms

    def __call__(self, patient: str) -> Case:
        source = self.terms.source._replace(licence=self.licences[patient])
        return _case(patient, [self.root / uid for uid in self.uids[patient]], source)


def _case(patient: str, folders: list[Path], source: Source) -> Case:
    """The series of one patient as one case."""
    case = Case(patient, source=source)
    refused: IpiuError | None = None
    for folder in folders:
        try:
            read = read_dicom(folder)
        except IpiuError as error:
            refused = error
            case.notes.append(f"series {folder.name} was left aside: {error}")
            continue
        for part in read:
            for name, image in part.images.items():
                image.meta["source"] = str(source)
                case.images[_free(name, case.images)] = image
            case.signals |= part.signals
            case.notes += [note for note in part.notes if note not in case.notes]
    if refused is not None and not case.images and not case.signals:
        raise refused
    return case


def _free(name: str, taken: dict[str, Any]) -> str:
    """The name, or its first part with the first free number."""
    base = name.partition("-")[0]
    numbered = (f"{base}-{k}" for k in range(2, len(taken) + 3))
    return name if name not in taken else next(n for n in numbered if n not in taken)
