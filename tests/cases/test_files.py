from functools import partial

import pytest

from ipiu.cases.expression import read_expression
from ipiu.cases.fhir import read_fhir
from ipiu.cases.nifti import read_nifti
from ipiu.cases.picture import read_picture
from ipiu.cases.table import read_record
from ipiu.cases.waveform import read_edf
from ipiu.errors import IpiuError

READERS = [read_nifti, read_picture, read_edf, read_fhir, read_record, partial(read_expression, genes="rows")]


@pytest.mark.parametrize("read", READERS)
def test_every_reader_says_in_one_sentence_that_there_is_no_content(tmp_path, read):
    (tmp_path / "empty").touch()
    for name, message in (("missing", "there is no such file"), ("empty", "is empty"), ("", "is not a file")):
        with pytest.raises(IpiuError, match=message):
            read(tmp_path / name)
