"""TCGA's gene expression with clinical data, in the layouts of cBioPortal and of UCSC Xena."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ipiu.cases.case import Case, Outcome, Source
from ipiu.cases.cohort import Cohort
from ipiu.cases.public.matrix import Matrix, turn_matrix
from ipiu.cases.public.tables import check_unique, read_columns
from ipiu.cases.public.terms import Terms
from ipiu.cases.table import number
from ipiu.cases.text import read_text
from ipiu.errors import IpiuError

# project, tissue source site and participant; sample type and vial; the rest is of no concern here
BARCODE = re.compile(r"(TCGA-\w\w-\w{4})-(\d\d)([A-Z]?)\b.*")
# sample types: 01 to 09 are of tumours (01 primary solid, 03 primary blood, 02 recurrent, 06 metastatic), 10 to 19 of
# normal tissue (gdc.cancer.gov/resources-tcga-users/tcga-code-tables/sample-type-codes)
TISSUES = {"tumour": ("01", "03", "02", "04", "05", "06", "07", "08", "09"), "normal": tuple(map(str, range(10, 20)))}
UNITS = {
    "data_mrna_seq_v2_rsem": "RSEM",
    "HiSeqV2": "log2(norm_count + 1)",
    "star_counts": "log2(count + 1)",
    "star_fpkm": "log2(FPKM + 1)",
    "star_tpm": "log2(TPM + 1)",
}
UNKNOWN = {"", "NA", "[Not Available]", "[Not Applicable]", "[Unknown]", "[Discrepancy]"}
LAYOUT = "data_mrna_seq_v2_rsem.txt and data_clinical_patient.txt"


def tcga(
    expression: str | Path | None = None,
    clinical: str | Path | None = None,
    *,
    tissue: Literal["tumour", "normal"] = "tumour",
    endpoint: str = "OS",
    unit: str | None = None,
    cache: str | Path | None = None,
) -> Cohort:
    """One TCGA study: expression and follow-up of each patient.

    The two files are those of a study's archive on cBioPortal (data_mrna_seq_v2_rsem.txt and
    data_clinical_patient.txt; times in months), or of UCSC Xena (HiSeqV2.gz or TCGA-BRCA.star_fpkm.tsv.gz, and the
    study's survival table; times in days). They are open, and large studies change, so you choose and download them.

    Parameters
    ----------
    expression
        genes in rows, samples in columns, tab-separated, plain or gzipped
    clinical
        the table with follow-up
    tissue
        which of a patient's samples is taken: of a tumour (the primary one before others) or of normal tissue
    endpoint
        OS (overall survival), or another that the table has, such as DSS, DFS, PFS (cBioPortal) or DFI, PFI (Xena)
    unit
        of the values, where the file's name does not say it
    cache
        folder for the matrix turned round (8 bytes a cell); that of ``expression`` without it

    Returns
    -------
    Cohort
        one case a patient with such a sample, called by the barcode (``TCGA-A1-A0SB``). ``expression`` is named by
        symbol (or Ensembl id); a second row of one symbol is kept as ``SYMBOL#2``, one without a symbol is
        ``?|Entrez id``. ``outcome`` is None where it is not stated. ``labels`` and ``table()`` have the sample and,
        from cBioPortal, the clinical attributes other than the endpoints'; some of them, such as
        DAYS_LAST_FOLLOWUP, tell of the time after the diagnosis. ``table()`` has time and event too.

    Raises
    ------
    IpiuError
        Where a file is missing or damaged, a barcode is of another form, or a patient stands twice.

    References
    ----------
    Weinstein et al. 2013, https://doi.org/10.1038/ng.2764; formats: https://docs.cbioportal.org/file-formats/

    Examples
    --------
    >>> from ipiu.cases.public.tcga import tcga
    >>> study = tcga("data_mrna_seq_v2_rsem.txt", "data_clinical_patient.txt")  # doctest: +SKIP
    >>> study[0].outcome.unit  # doctest: +SKIP
    'months'
    """
    if tissue not in TISSUES:
        msg = f"tissue={tissue!r} must be 'tumour' or 'normal'"
        raise ValueError(msg)
    terms = Terms.of("tcga")
    if expression is None or clinical is None:
        msg = (
            f"{terms.name} has many studies of which you choose one: download {LAYOUT} from "
            f"https://www.cbioportal.org/datasets or the matrix and survival table from https://xenabrowser.net, then "
            f"pass both files; {terms.meaning}, {terms.licence}"
        )
        raise IpiuError(msg)
    expression = Path(expression)
    followed, attributes, time_unit = _clinical(Path(clinical), endpoint)
    folder = Path(cache) if cache else expression.parent
    matrix = turn_matrix(expression, folder, is_sample=_is_barcode, gene=_gene)
    chosen, left = _samples(matrix, TISSUES[tissue])
    if not chosen:
        msg = f"{expression}: has no sample of {tissue} tissue among its {len(matrix.samples)}; choose the other tissue"
        raise IpiuError(msg)
    people = pd.Index(chosen, name="id")
    table = attributes.reindex(people).assign(sample=list(chosen.values())).join(followed)
    unit = unit or next((known for name, known in UNITS.items() if name in expression.name), "not stated")
    opener = _Patient(matrix, table, left, (unit, time_unit), terms.source)
    return Cohort(list(people), opener, name=f"{terms.name} ({expression.name})", source=terms.source, table=table)


class _Patient:
    """Opens one patient; a class so that it can go to other processes."""

    def __init__(
        self, matrix: Matrix, table: pd.DataFrame, left: dict[str, int], units: tuple[str, str], source: Source
    ):
        self.matrix, self.table, self.left, self.units, self.source = matrix, table, left, units, source

    def __call__(self, name: str) -> Case:
        row = self.table.loc[name]
        unit, time_unit = self.units
        values = pd.Series(
            self.matrix.values(row["sample"]), index=pd.Index(self.matrix.genes, name="gene"), name="expression"
        )
        values.attrs["unit"] = unit
        known = not pd.isna(row["time"]) and not pd.isna(row["event"])
        labels = {key: value for key, value in row.items() if key not in ("time", "event") and not pd.isna(value)}
        others = self.left.get(name, 0)
        return Case(
            name,
            expression=values,
            outcome=Outcome(float(row["time"]), bool(row["event"]), time_unit) if known else None,
            labels=labels,
            source=self.source,
            notes=[f"{others} other samples of this patient were left out"] if others else [],
        )


def _is_barcode(name: str) -> bool:
    return BARCODE.fullmatch(name) is not None


def _gene(names: list[str]) -> str:
    """A gene's symbol or Ensembl id; TCGA writes ``?`` and the Entrez id where there is no symbol."""
    symbol = names[0].strip() if names else ""
    return symbol or f"?|{names[1].strip() if len(names) > 1 else ''}"


def _samples(matrix: Matrix, types: tuple[str, ...]) -> tuple[dict[str, str], dict[str, int]]:
    """The sample of each patient, and how many others there are: by type as listed, then by vial and name."""
    found: dict[str, list[tuple[int, str]]] = {}
    for sample in matrix.samples:
        patient, kind, _ = BARCODE.fullmatch(sample).groups()
        if kind in types:
            found.setdefault(patient, []).append((types.index(kind), sample))
    chosen = {patient: min(samples)[1] for patient, samples in found.items()}
    return chosen, {patient: len(samples) - 1 for patient, samples in found.items()}


def _clinical(path: Path, endpoint: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Follow-up (time, event) and attributes by patient, and the unit of time."""
    top = read_text(path).splitlines()[:10]
    marked = sum(line.startswith("#") for line in top)
    header = top[marked].split("\t") if len(top) > marked else []
    if "PATIENT_ID" in header:
        return _from_cbioportal(path, endpoint, marked, top)
    if "sample" in header:
        return _from_xena(path, endpoint)
    msg = f"{path}: has neither PATIENT_ID (cBioPortal) nor sample (Xena) among its columns; give the clinical table"
    raise IpiuError(msg)


def _from_cbioportal(path: Path, endpoint: str, marked: int, top: list[str]) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The patients' table of cBioPortal: four lines that describe the columns, then the columns."""
    status, months = f"{endpoint}_STATUS", f"{endpoint}_MONTHS"
    table = read_columns(path, ("PATIENT_ID", status, months), takes=None, skip=marked)
    check_unique(table["PATIENT_ID"], path)
    table = table.set_index(table.pop("PATIENT_ID").rename("id"))
    ends = {name.removesuffix("_STATUS") for name in table if name.endswith("_STATUS")}
    kept = [name for name in table if re.sub(r"_(STATUS|MONTHS)$", "", name) not in ends]
    # the third line says which attributes are numbers
    kinds = dict(zip(top[marked].split("\t"), top[2].lstrip("#").split("\t"), strict=False)) if marked >= 4 else {}
    attributes = pd.DataFrame(
        {name: [_attribute(text, kinds.get(name) == "NUMBER") for text in table[name]] for name in kept},
        index=table.index,
    )
    return _followed(table[months], table[status], path), attributes, "months"


def _from_xena(path: Path, endpoint: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The survival table of Xena: one row a sample, the same for all samples of a patient."""
    table = read_columns(path, ("sample", endpoint, f"{endpoint}.time"))
    check_unique(table["sample"], path)
    odd = [name for name in table["sample"] if not _is_barcode(name)]
    if odd:
        msg = f"{path}: the sample {odd[0][:40]!r} is not a TCGA barcode such as TCGA-A1-A0SB-01A; correct it"
        raise IpiuError(msg)
    table = table.set_index(table.pop("sample").str[:12].rename("id"))
    table = table[~table.index.duplicated()]
    return _followed(table[f"{endpoint}.time"], table[endpoint], path), pd.DataFrame(index=table.index), "days"


def _followed(times: pd.Series, events: pd.Series, path: Path) -> pd.DataFrame:
    """Time and event, both empty where one of them is not stated."""
    time = pd.Series([_time(text, path) for text in times], index=times.index, dtype=float)
    event = pd.Series([_event(text, path) for text in events], index=events.index, dtype=object)
    stated = time.notna() & event.notna()
    return pd.DataFrame({"time": time.where(stated), "event": event.where(stated, None)})


def _time(text: str, path: Path) -> float | None:
    value = None if text.strip() in UNKNOWN else number(text)
    if value is not None and (isinstance(value, str) or value < 0):
        msg = f"{path}: the follow-up {text!r} is not a time; correct it or leave it empty"
        raise IpiuError(msg)
    return value


def _event(text: str, path: Path) -> bool | None:
    """Whether the event was seen: ``1:DECEASED`` and ``0:LIVING``, DECEASED and LIVING in older files, 1 and 0."""
    text = text.strip()
    word = {"DECEASED": "1", "LIVING": "0"}.get(text, text.partition(":")[0].removesuffix(".0"))
    if text in UNKNOWN:
        return None
    if word not in ("0", "1"):
        msg = f"{path}: the status {text!r} begins with neither 0: nor 1:; correct it or leave it empty"
        raise IpiuError(msg)
    return word == "1"


def _attribute(text: str, is_number: bool) -> Any:
    """A clinical attribute, None where it is not stated."""
    if text.strip() in UNKNOWN:
        return None
    return number(text) if is_number else text
