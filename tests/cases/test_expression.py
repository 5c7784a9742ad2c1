import gzip

import numpy as np
import pandas as pd
import pytest

from ipiu.cases.expression import read_expression
from ipiu.errors import IpiuError

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    RNG.normal(size=(6, 3)), index=[f"GENE{n}" for n in range(6)], columns=["TCGA-1", "TCGA-2", "TCGA-3"]
)


@pytest.mark.parametrize("genes", ["rows", "columns"])
@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.tsv.gz"])
def test_every_sample_becomes_a_case_with_its_genes(tmp_path, genes, name):
    table = TABLE if genes == "rows" else TABLE.T
    table.to_csv(tmp_path / name, sep="," if name == "m.csv" else "\t")
    cases = read_expression(tmp_path / name, genes=genes, unit="log2 TPM")
    assert [case.id for case in cases] == ["patient-1", "patient-2", "patient-3"]
    for case, column in zip(cases, TABLE, strict=True):
        pd.testing.assert_series_equal(case.expression, TABLE[column], check_names=False)
        assert case.expression.attrs["unit"] == "log2 TPM"
        assert case.expression.index.name == "gene"


def test_sample_names_are_kept_only_on_request(tmp_path):
    TABLE.to_csv(tmp_path / "m.csv")
    cases = read_expression(tmp_path / "m.csv", genes="rows")
    assert "TCGA" not in "".join(repr(case) + case._repr_html_() + case.expression.to_string() for case in cases)
    kept = read_expression(tmp_path / "m.csv", genes="rows", keep_ids=True)
    assert [case.id for case in kept] == list(TABLE.columns)


def test_a_header_without_a_name_for_the_first_column_is_read(tmp_path):
    (tmp_path / "m.tsv").write_text("s1\ts2\nTP53\t1\t2\nKRAS\t3\t4\n")
    (first, _) = read_expression(tmp_path / "m.tsv", genes="rows")
    assert first.expression.to_dict() == {"TP53": 1, "KRAS": 3}


def test_gene_names_stay_text(tmp_path):
    (tmp_path / "m.csv").write_text("gene,s1\n1007,1\n0007,2\n")
    (case,) = read_expression(tmp_path / "m.csv", genes="rows")
    assert list(case.expression.index) == ["1007", "0007"]


def test_empty_cells_become_nan_and_are_counted(tmp_path):
    (tmp_path / "m.csv").write_text("gene,s1,s2\nTP53,1,\nKRAS,NA,4\n")
    (first, _) = read_expression(tmp_path / "m.csv", genes="rows")
    assert np.isnan(first.expression["KRAS"])
    assert first.notes == ["2 cells of the table are empty and became NaN"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene,s1\nTP53,1\nTP53,2\n", r"the gene 'TP53' stands more than once \(1 such\)"),
        ("gene,s1,s1\nTP53,1,2\n", r"sample 2 has the name of one before \(1 such\)"),
        ("gene,s1,s2\nTP53,1,2\nKRAS,high,3\n", "the cell in row 2 and column 1 of the values holds 'high'"),
        ("gene,s1\nTP53,inf\n", "the cell in row 1 and column 1 of the values holds 'inf'"),
        ("gene,s1\nTP53,True\n", "the cell in row 1 and column 1 of the values holds 'True'"),
        ("gene,s1\nTP53,1\nKRAS,1,2\n", "cannot be read as a table"),
        ("gene,s1,s2\nTP53,1\n", "the first line has 3 names and the rows 2 cells"),
        ("gene,s1\n", "cannot be read as a table"),
        ("gene;s1\nTP53;1\n", "neither a comma nor a tab"),
        ("gene,s1\n,1\n", "line 2 has no name in its first cell"),
        ("", "is empty"),
    ],
)
def test_tables_that_cannot_be_read_get_one_sentence(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(IpiuError, match=rf"m\.csv: .*{message}"):
        read_expression(tmp_path / "m.csv", genes="rows")


def test_the_direction_must_be_said(tmp_path):
    with pytest.raises(ValueError, match="genes='sideways' must be 'rows'"):
        read_expression(tmp_path / "m.csv", genes="sideways")


def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_MAX_GIB", "0.001")
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(b"gene,s1\nTP53,1\n" + b"\n" * 5_000_000))
    with pytest.raises(IpiuError, match="above the limit"):
        read_expression(tmp_path / "m.csv.gz", genes="rows")


@pytest.mark.parametrize("text", ["gene,Jane Roe\nTP53,high\n", "gene,Jane Roe,Jane Roe\nTP53,1,2\n"])
def test_messages_do_not_repeat_the_samples_names(tmp_path, text):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(IpiuError) as caught:
        read_expression(tmp_path / "m.csv", genes="rows")
    assert "Jane" not in str(caught.value)
