import gzip
import pickle

import numpy as np
import pandas as pd
import pytest

from ipiu.cases.case import Outcome
from ipiu.cases.public.tcga import tcga
from ipiu.errors import IpiuError

SAMPLES = ["TCGA-A1-A0SB-01", "TCGA-A1-A0SD-11", "TCGA-A1-A0SD-06", "TCGA-A1-A0SD-01", "TCGA-A1-A0SE-01"]
GENES = [("", "100130426"), ("TP53", "7157"), ("BRCA1", "672"), ("TP53", "999"), ("ESR1", "2099")]
# the four lines that describe the columns, and the columns (docs.cbioportal.org/file-formats)
CLINICAL = """\
#Patient Identifier\tSubtype\tDiagnosis Age\tSex\tOverall Survival Status\tOverall Survival\tPFS Status\tPFS Months
#Patient\tSubtype\tAge at diagnosis.\tSex\tStatus\tMonths\tStatus\tMonths
#STRING\tSTRING\tNUMBER\tSTRING\tSTRING\tNUMBER\tSTRING\tNUMBER
#1\t1\t1\t1\t1\t1\t1\t1
PATIENT_ID\tSUBTYPE\tAGE\tSEX\tOS_STATUS\tOS_MONTHS\tPFS_STATUS\tPFS_MONTHS
TCGA-A1-A0SB\tBRCA_Normal\t70\tFemale\t0:LIVING\t8.51\t1:PROGRESSION\t4.0
TCGA-A1-A0SD\tBRCA_LumA "like"\t59\tFemale\t1:DECEASED\t14.3\t0:CENSORED\t14.3
TCGA-A1-A0SE\t\t56\tFemale\t\t\t\t
TCGA-A1-A0ZZ\tBRCA_LumB\t50\tFemale\t0:LIVING\t1.0\t0:CENSORED\t1.0
"""
VALUES = np.arange(25, dtype=float).reshape(5, 5) * 1.5


def matrix(values=VALUES, samples=SAMPLES, genes=GENES):
    lines = ["\t".join(["Hugo_Symbol", "Entrez_Gene_Id", *samples])]
    lines += ["\t".join([*gene, *map(str, row)]) for gene, row in zip(genes, values, strict=True)]
    return "\n".join(lines) + "\n"


def write(folder, expression=None, clinical=CLINICAL):
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "data_mrna_seq_v2_rsem.txt", folder / "data_clinical_patient.txt"
    paths[0].write_text(expression or matrix(), encoding="utf-8")
    paths[1].write_text(clinical, encoding="utf-8")
    return paths


def test_a_case_is_a_patient_with_the_primary_tumour(tmp_path):
    study = tcga(*write(tmp_path))
    assert study.ids == ("TCGA-A1-A0SB", "TCGA-A1-A0SD", "TCGA-A1-A0SE")
    case = study["TCGA-A1-A0SD"]
    assert case.expression.to_dict() == dict(
        zip(["?|100130426", "TP53", "BRCA1", "TP53#2", "ESR1"], VALUES[:, 3], strict=True)
    )
    assert case.expression.attrs["unit"] == "RSEM"
    assert case.labels == {"SUBTYPE": 'BRCA_LumA "like"', "AGE": 59.0, "SEX": "Female", "sample": "TCGA-A1-A0SD-01"}
    assert case.notes == ["1 other samples of this patient were left out"]
    assert str(case.source).startswith("public benchmark: TCGA")


def test_months_status_and_missing_follow_up(tmp_path):
    paths = write(tmp_path)
    assert [case.outcome for case in tcga(*paths)] == [
        Outcome(8.51, False, "months"), Outcome(14.3, True, "months"), None,
    ]  # fmt: skip
    assert tcga(*paths, endpoint="PFS")[0].outcome == Outcome(4.0, True, "months")
    assert tcga(*write(tmp_path, clinical=CLINICAL.replace("1:DECEASED", "DECEASED")))[1].outcome.event is True
    table = tcga(*paths).table()
    assert table["event"].tolist()[:2] == [False, True]


def test_normal_tissue_is_another_cohort(tmp_path):
    normal = tcga(*write(tmp_path), tissue="normal")
    assert normal.ids == ("TCGA-A1-A0SD",)
    np.testing.assert_array_equal(normal[0].expression.to_numpy(), VALUES[:, 1])


def test_xena_has_days_gzip_and_vials(tmp_path):
    samples = ["TCGA-A1-A0SB-01B", "TCGA-A1-A0SB-01A", "TCGA-A1-A0SD-11A"]
    lines = ["\t".join(["Ensembl_ID", *samples]), "ENSG00000000003.15\t3.5\t2.5\t1.0", "ENSG00000000005.6\t0.0\t\tNA"]
    expression = tmp_path / "TCGA-BRCA.star_fpkm.tsv.gz"
    expression.write_bytes(gzip.compress("\n".join(lines).encode()))
    survival = tmp_path / "TCGA-BRCA.survival.tsv"
    survival.write_text(
        "sample\tOS.time\tOS\t_PATIENT\n"
        "TCGA-A1-A0SB-01A\t259\t0\tTCGA-A1-A0SB\nTCGA-A1-A0SB-11A\t259\t0\tTCGA-A1-A0SB\n",
        encoding="utf-8",
    )
    (case,) = tcga(expression, survival)
    assert case.labels["sample"] == "TCGA-A1-A0SB-01A"
    assert case.outcome == Outcome(259.0, False, "days")
    assert case.expression.attrs["unit"] == "log2(FPKM + 1)"
    assert case.expression.iloc[0] == 2.5
    assert np.isnan(case.expression.iloc[1])


def test_the_matrix_is_turned_once_and_agrees_with_pandas(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.gamma(2.0, 50.0, (700, 40)).round(4)
    samples = [f"TCGA-AA-{n:04d}-01" for n in range(40)]
    genes = [(f"G{n}", str(n)) for n in range(700)]
    paths = write(tmp_path / "study", matrix(values, samples, genes))
    cache = tmp_path / "cache"
    study = tcga(*paths, cache=cache)
    expected = pd.read_csv(paths[0], sep="\t").set_index("Hugo_Symbol").drop(columns="Entrez_Gene_Id")
    np.testing.assert_array_equal(study["TCGA-AA-0017"].expression, expected["TCGA-AA-0017-01"])
    (turned,) = cache.glob("*.npy")
    before = turned.stat().st_mtime_ns
    tcga(*paths, cache=cache)
    assert turned.stat().st_mtime_ns == before
    write(tmp_path / "study", matrix(values + 1, samples, genes))
    assert tcga(*paths, cache=cache)[0].expression.iloc[0] == values[0, 0] + 1
    assert pickle.loads(pickle.dumps(study))[3].expression.size == 700


@pytest.mark.parametrize(
    ("expression", "clinical", "message"),
    [
        (matrix(samples=[*SAMPLES[:4], SAMPLES[0]]), CLINICAL, "the sample TCGA-A1-A0SB-01 stands more than once"),
        (matrix().replace("TCGA-A1-A0SE-01", "SAMPLE5"), CLINICAL, r"found 'SAMPLE5'"),
        (matrix().replace("7.5", "high"), CLINICAL, "row 2 holds 'high', which is not a number"),
        (matrix().replace("7.5", "inf"), CLINICAL, "row 2 has an infinite value"),
        (matrix().replace("\t7.5", ""), CLINICAL, "row 2 has 6 cells and the header 7"),
        (matrix(samples=[s[:-2] + "11" for s in SAMPLES[:1]], values=VALUES[:, :1]), CLINICAL, "no sample of tumour"),
        (None, CLINICAL.replace("OS_MONTHS", "MONTHS"), "has no column 'OS_MONTHS'"),
        (None, CLINICAL.replace("PATIENT_ID", "CASE_ID"), "has neither PATIENT_ID .* nor sample"),
        (None, CLINICAL.replace("A0SE\t", "A0SB\t"), "row 3 has the PATIENT_ID 'TCGA-A1-A0SB', which is empty or"),
        (None, CLINICAL.replace("1:DECEASED", "2:LOST"), "the status '2:LOST' begins with neither 0: nor 1:"),
        (None, CLINICAL.replace("14.3", "-14.3"), "the follow-up '-14.3' is not a time"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, expression, clinical, message):
    with pytest.raises(IpiuError, match=message):
        tcga(*write(tmp_path, expression, clinical))


def test_a_torn_matrix_is_refused_and_half_a_turned_one_is_not_used(tmp_path):
    paths = write(tmp_path)
    packed = tmp_path / "HiSeqV2.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes())[:-12])
    with pytest.raises(IpiuError, match=r"HiSeqV2\.gz: cannot be read"):
        tcga(packed, paths[1])
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    assert tcga(packed, paths[1])[0].expression.attrs["unit"] == "log2(norm_count + 1)"


def test_without_files_it_says_where_to_choose(only_loopback):
    with pytest.raises(IpiuError, match=r"data_mrna_seq_v2_rsem.txt .* https://www.cbioportal.org/datasets"):
        tcga()


def test_studies_that_share_a_cache_do_not_read_each_other(tmp_path):
    first, second = (
        tcga(*write(tmp_path / name, matrix(VALUES + more)), cache=tmp_path / "cache")
        for name, more in (("brca", 0), ("luad", 1000))
    )
    assert second[0].expression.iloc[0] == first[0].expression.iloc[0] + 1000


def test_matrices_of_one_study_beside_each_other_are_kept_apart(tmp_path):
    _, clinical = write(tmp_path)
    paths = [tmp_path / f"TCGA-BRCA.star_{unit}.tsv" for unit in ("fpkm", "tpm")]
    for path, more in zip(paths, (0, 1000), strict=True):
        path.write_text(matrix(VALUES + more), encoding="utf-8")
    first, second = (tcga(path, clinical) for path in paths)
    assert second[0].expression.iloc[0] == first[0].expression.iloc[0] + 1000
