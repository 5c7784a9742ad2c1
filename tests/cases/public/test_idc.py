import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from ipiu.cases.public.idc import _whole, idc
from ipiu.errors import IpiuError
from tests.cases.dicom_factory import write_series

UIDS = {"p1": ["1.2.3.11", "1.2.3.12"], "p2": ["1.2.3.21"], "p3": ["1.2.3.31"]}


@pytest.fixture
def bucket(tmp_path):
    """Series as they lie in the bucket, one folder each, and the rows of the index that describe them."""
    rows = []
    for patient, uids in UIDS.items():
        for uid in uids:
            where = tmp_path / "bucket" / f"crdc-{uid}"
            write_series(where, shape=(4, 7, 6), PatientID=patient, SeriesInstanceUID=uid)
            files = list(where.glob("*.dcm"))
            rows.append(
                {
                    "collection_id": "rider_pilot",
                    "PatientID": patient,
                    "StudyInstanceUID": "1.2.3",
                    "SeriesInstanceUID": uid,
                    "Modality": "CT",
                    "instanceCount": len(files),
                    "license_short_name": "CC BY-NC 4.0" if patient == "p3" else "CC BY 3.0",
                    "source_DOI": "10.7937/m87f-mz83",
                    "aws_bucket": "idc-open-data",
                    "crdc_series_uuid": f"crdc-{uid}",
                    "series_aws_url": f"s3://idc-open-data/crdc-{uid}/*",
                    "series_size_MB": sum(path.stat().st_size for path in files) / 1e6,
                }
            )
    other = rows[0] | {"collection_id": "nlst", "PatientID": "n1", "SeriesInstanceUID": "1.2.9", "Modality": "SM"}
    return tmp_path / "bucket", pd.DataFrame([*rows, other])


class StandIn:
    """A client of the same face that copies from the bucket of the test."""

    def __init__(self, store, index):
        self.store, self.index, self.asked, self.lose = store, index, [], None

    def download_from_selection(self, downloadDir, seriesInstanceUID, dirTemplate):
        assert dirTemplate == "%SeriesInstanceUID"
        self.asked.append(list(seriesInstanceUID))
        for uid in seriesInstanceUID:
            shutil.copytree(self.store / f"crdc-{uid}", Path(downloadDir) / uid)
        if self.lose:
            next((Path(downloadDir) / self.lose).glob("*.dcm")).unlink()


@pytest.fixture
def client(bucket):
    return StandIn(*bucket)


def test_a_patient_is_a_case_with_all_its_series(client, tmp_path):
    cohort = idc("rider_pilot", tmp_path / "data", client=client)
    assert cohort.ids == ("p1", "p2", "p3")
    assert list(cohort["p1"].images) == ["ct", "ct-2"]
    assert cohort["p2"].images["ct"].shape == (1, 6, 7, 4)
    assert cohort["p2"].images["ct"].meta["unit"] == "HU"


def test_each_case_has_the_licence_of_its_own_series(client, tmp_path):
    cohort = idc("RIDER Pilot", tmp_path / "data", client=client)
    assert cohort["p1"].source.licence == "CC BY 3.0"
    assert cohort["p3"].source.licence == "CC BY-NC 4.0"
    assert cohort.table()["licence"].tolist() == ["CC BY 3.0", "CC BY 3.0", "CC BY-NC 4.0"]


def test_licence_and_size_are_said_before_the_download(client, tmp_path, capsys):
    client.download_from_selection = lambda **_: pytest.fail(capsys.readouterr().out, pytrace=False)
    with pytest.raises(
        pytest.fail.Exception, match=r"licence CC BY 3\.0; CC BY-NC 4\.0(?s:.*)fetching 4 series, 0\.00 GB"
    ):
        idc("rider_pilot", tmp_path / "data", client=client)


def test_more_than_max_gb_is_not_fetched(client, tmp_path):
    client.index["series_size_MB"] = 900.0
    with pytest.raises(IpiuError, match=r"4 series of 3\.60 GB would be fetched, above max_gb=1"):
        idc("rider_pilot", tmp_path / "data", client=client)
    assert client.asked == []


def test_a_series_without_a_licence_is_refused(client, tmp_path):
    client.index.loc[client.index["SeriesInstanceUID"] == "1.2.3.21", "license_short_name"] = None
    with pytest.raises(IpiuError, match=r"no licence for series 1\.2\.3\.21"):
        idc("rider_pilot", tmp_path / "data", client=client)
    assert client.asked == []
    assert len(idc("rider_pilot", tmp_path / "data", patients=["p1"], client=client)) == 1


def test_only_what_is_missing_is_fetched(client, tmp_path):
    idc("rider_pilot", tmp_path / "data", patients=1, client=client)
    idc("rider_pilot", tmp_path / "data", patients=["p1", "p2"], client=client)
    idc("rider_pilot", tmp_path / "data", patients=["p1", "p2"], client=client)
    assert client.asked == [UIDS["p1"], UIDS["p2"]]


def test_a_series_that_arrives_torn_is_named_and_the_others_are_kept(client, tmp_path):
    client.lose = "1.2.3.12"
    with pytest.raises(IpiuError, match=r"1 of 4 series did not arrive whole, the first is 1\.2\.3\.12; call again"):
        idc("rider_pilot", tmp_path / "data", client=client)
    client.lose = None
    idc("rider_pilot", tmp_path / "data", client=client)
    assert client.asked[1] == ["1.2.3.12"]


def test_a_series_that_lost_bytes_on_disk_is_fetched_again(client, tmp_path):
    idc("rider_pilot", tmp_path / "data", patients=["p2"], client=client)
    slices = sorted((tmp_path / "data" / "rider_pilot" / "1.2.3.21").glob("*.dcm"))
    for path in slices:
        path.write_bytes(path.read_bytes()[:-400])
    slices[0].write_bytes(b"")
    idc("rider_pilot", tmp_path / "data", patients=["p2"], client=client)
    assert len(client.asked) == 2


@pytest.mark.parametrize("uid", ["..", ".", "1..2", "1.2.", "1" * 65, "1.2/../..", "1.2\n"])
def test_a_uid_that_is_none_never_names_a_folder(tmp_path, uid):
    assert not _whole(tmp_path / uid, SimpleNamespace(SeriesInstanceUID=uid, instanceCount=0, series_size_MB=0.0))


def test_an_index_without_sizes_is_named(client, tmp_path):
    client.index = client.index.drop(columns="series_size_MB")
    with pytest.raises(IpiuError, match="has no column series_size_MB; update idc-index"):
        idc("rider_pilot", tmp_path / "data", client=client)


def test_a_disk_without_room_is_found_beforehand(client, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(IpiuError, match="but the disk of"):
        idc("rider_pilot", tmp_path / "data", client=client)


def test_a_series_that_cannot_be_read_is_noted(client, bucket, tmp_path):
    sorted((bucket[0] / "crdc-1.2.3.12").glob("*.dcm"))[1].rename(tmp_path / "away.dcm")
    row = client.index["SeriesInstanceUID"] == "1.2.3.12"
    client.index.loc[row, "instanceCount"] = 3
    client.index.loc[row, "series_size_MB"] *= 3 / 4
    case = idc("rider_pilot", tmp_path / "data", patients=["p1"], client=client)[0]
    assert list(case.images) == ["ct"]
    assert any("series 1.2.3.12 was left aside" in note for note in case.notes)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"collection": "rider_pilots"}, IpiuError, "did you mean rider_pilot"),
        ({"collection": "rider_pilot", "modality": "MR"}, ValueError, "rider_pilot has CT"),
        ({"collection": "rider_pilot", "patients": ["p9"]}, ValueError, "has 3 such patients, the first is 'p1'"),
        ({"collection": "rider_pilot", "patients": 0}, ValueError, "has 3 such patients"),
    ],
)
def test_what_is_not_there_is_answered(client, tmp_path, options, error, match):
    with pytest.raises(error, match=match):
        idc(folder=tmp_path / "data", client=client, **options)


S5CMD = """#!{python}
import pathlib, shlex, shutil, sys
assert "--no-sign-request" in sys.argv
for line in pathlib.Path(sys.argv[-1]).read_text().splitlines():
    verb, source, target = shlex.split(line)
    folder = pathlib.Path({store!r}) / source.split("/")[3]
    pathlib.Path(target).mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        shutil.copy(file, target)
"""


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_real_client_does_the_transfer_through_its_s5cmd(bucket, tmp_path):
    index = pytest.importorskip("idc_index").IDCClient
    store, rows = bucket
    tool = tmp_path / "s5cmd"
    tool.write_text(S5CMD.format(python=sys.executable, store=str(store)))
    tool.chmod(0o755)
    real = index.__new__(index)  # its own index of a million series is not needed here
    real.index, real.s5cmdPath = rows, str(tool)
    cohort = idc("rider_pilot", tmp_path / "data", patients=2, client=real)
    assert cohort.ids == ("p1", "p2")
    assert cohort["p1"].images["ct-2"].shape == (1, 6, 7, 4)
    assert not (tmp_path / "data" / "rider_pilot" / ".arriving").exists()
