import hashlib

import pytest
from test_mimic_iv import TABLES
from test_mimic_iv import write as write_mimic
from test_ptb_xl import write as write_ptb_xl
from test_ptb_xl import write_record

from ipiu.cases.public import physionet
from ipiu.cases.public.mimic_iv import mimic_iv_demo
from ipiu.cases.public.physionet import Project
from ipiu.cases.public.ptb_xl import ptb_xl
from ipiu.cases.public.terms import Terms
from ipiu.errors import IpiuError


@pytest.fixture
def publish(server, monkeypatch):
    """Put a folder on the server as PhysioNet does, with the list of checksums."""
    monkeypatch.setattr(physionet, "SERVER", f"{server.url}/files")

    def put(folder, project):
        lines = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            server.files[f"/files/{project}/{name}"] = path.read_bytes()
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {name}\n")
        server.files[f"/files/{project}/SHA256SUMS.txt"] = "".join(lines).encode()

    return put


def test_tables_are_fetched_first_and_a_recording_when_it_is_opened(server, publish, tmp_path):
    folder = write_ptb_xl(tmp_path / "published")
    for number in range(1, 7):
        write_record(folder, number, 100)
    publish(folder, "ptb-xl/1.0.3")
    cohort = ptb_xl()
    asked = [path.rpartition("/")[2] for path, _ in server.requests]
    assert asked == ["SHA256SUMS.txt", "ptbxl_database.csv", "scp_statements.csv"]
    assert cohort["ecg-00003"].signals["ecg"].seconds == 10
    asked = [path.rpartition("/")[2] for path, _ in server.requests[3:]]
    assert asked == ["00003_lr.hea", "00003_lr.dat"]
    assert ptb_xl()["ecg-00003"].signals
    assert len(server.requests) == 5


def test_a_recording_that_is_not_the_published_one_is_refused(server, publish, tmp_path):
    folder = write_ptb_xl(tmp_path / "published")
    write_record(folder, 1, 100)
    publish(folder, "ptb-xl/1.0.3")
    server.files["/files/ptb-xl/1.0.3/records100/00000/00001_lr.dat"] = b"\0" * 24_000
    with pytest.raises(IpiuError, match="expected the sha256 checksum"):
        ptb_xl()["ecg-00001"]


def test_the_demo_fetches_only_the_tables_it_reads(server, publish, tmp_path, capsys):
    publish(write_mimic(tmp_path / "published"), "mimic-iv-demo/2.2")
    cohort = mimic_iv_demo()
    assert "ODbL-1.0" in capsys.readouterr().out
    assert len(cohort["10000032"].record) == 6
    assert not any("icu/" in path for path, _ in server.requests)
    mimic_iv_demo(chartevents=True)
    assert any("icu/chartevents" in path for path, _ in server.requests)
    assert len(TABLES) + 1 == len(server.requests)


def test_a_file_that_is_not_listed_is_not_asked_for(server, publish, tmp_path):
    publish(write_mimic(tmp_path / "published"), "mimic-iv-demo/2.2")
    project = Project("mimic-iv-demo", "2.2", tmp_path / "here", terms=Terms.of("mimic-iv-demo"))
    with pytest.raises(IpiuError, match=r"lists no hosp/notes.csv.gz"):
        project.file("hosp/notes.csv.gz")
    with pytest.raises(IpiuError, match="outside"):
        project.file("../../hosp/patients.csv.gz")


def test_credentialed_projects_are_never_asked_for(server, tmp_path):
    project = Project("mimiciv", "3.1", tmp_path, terms=Terms.of("mimic-iv"), server=server.url)
    with pytest.raises(IpiuError, match="is not fetched from here"):
        project.file("hosp/patients.csv.gz")
    assert server.requests == []
