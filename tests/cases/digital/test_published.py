import pytest

from ipiu import IpiuError
from ipiu.cases.digital.published import published


def test_every_interval_has_its_unit_and_its_source():
    table = published()
    assert table.index.is_unique
    assert (table.low <= table.high).all()
    assert table.notna().all(axis=None)


def test_a_group_holds_its_own_rows_and_an_unknown_one_is_refused():
    assert set(published("ecg").group) == {"ecg"}
    with pytest.raises(IpiuError, match="did you mean organs"):
        published("organ")
