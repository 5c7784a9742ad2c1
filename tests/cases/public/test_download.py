import errno
import hashlib
import io
import json
import multiprocessing
import shutil
import urllib.request
from collections import namedtuple
from pathlib import Path

import pytest

from ipiu.cases.public import download, transfer
from ipiu.cases.public.download import RemoteFile, Terms, data_folder, fetch
from ipiu.errors import IpiuError

BODY = bytes(range(256)) * 20_000  # 5 MB
OPEN = Terms("Small set", "CC-BY-4.0", "open", "https://example.org/set", "Doe 2024")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Waits between tries are recorded, not spent."""
    waits = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    return waits


@pytest.fixture
def file(server):
    server.files["/set.bin"] = BODY
    return RemoteFile(f"{server.url}/set.bin", "set.bin", len(BODY), f"sha256:{hashlib.sha256(BODY).hexdigest()}")


def unsized(file, **changes):
    return RemoteFile(**{"url": file.url, "name": file.name, "checksum": file.checksum} | changes)


def get(file, folder, **options):
    return fetch(file, folder, **{"terms": OPEN, "timeout": 2, "progress": False} | options)


def test_a_file_arrives_whole_and_is_not_fetched_twice(server, file, tmp_path):
    path = get(file, tmp_path / "new")
    assert path == tmp_path / "new" / "set.bin"
    assert path.read_bytes() == BODY
    get(file, tmp_path / "new")
    assert len(server.requests) == 1
    assert not list(path.parent.glob("*.part*"))


def test_licence_and_access_are_said_once_and_before_the_first_request(server, file, tmp_path, capsys):
    server.manners.status = 404
    with pytest.raises(IpiuError):
        get(file, tmp_path)
    said = capsys.readouterr().out
    for part in ("Small set", "CC-BY-4.0", "open download", "https://example.org/set", "Doe 2024"):
        assert part in said
    server.manners.status = 200
    get(file, tmp_path)
    assert capsys.readouterr().out == ""


def test_progress_counts_every_byte(file, tmp_path, capsys):
    fetch(file, tmp_path, terms=OPEN)
    shown = capsys.readouterr().err
    assert "set.bin: 100%" in shown
    assert "5.12M/5.12M" in shown


@pytest.mark.parametrize("access", ["registration", "request", "credentialed", "not stated", "closed"])
def test_data_under_an_agreement_are_never_asked_for(server, file, tmp_path, access):
    terms = Terms("Guarded set", "its own", access, "https://example.org/sign")
    with pytest.raises(
        IpiuError, match=r"Guarded set is not fetched.*accept its terms.*https://example.org/sign.*img/0001\.png"
    ):
        get(file, tmp_path / "x", terms=terms, layout="img/0001.png")
    assert server.requests == []
    assert not (tmp_path / "x").exists()


def test_a_cut_download_is_continued_in_the_same_call(server, file, tmp_path, no_waiting):
    server.manners.cuts = [2_000_000]
    assert get(file, tmp_path).read_bytes() == BODY
    assert [wanted for _, wanted in server.requests] == [None, "bytes=2000000-"]
    assert no_waiting == [1.0]


def test_a_cut_download_is_continued_by_the_next_call(server, file, tmp_path):
    server.manners.cuts = [2_000_000]
    with pytest.raises(IpiuError, match=r"ended after 1\.9 MiB of 4\.9 MiB.*1\.9 MiB are kept and will be continued"):
        get(file, tmp_path, tries=1)
    assert (tmp_path / "set.bin.part").stat().st_size == 2_000_000
    assert not (tmp_path / "set.bin").exists()
    assert get(file, tmp_path).read_bytes() == BODY
    assert server.requests[-1][1] == "bytes=2000000-"


def test_last_modified_serves_where_there_is_no_etag(server, file, tmp_path):
    server.manners.etag, server.manners.modified = None, "Mon, 01 Jan 2024 00:00:00 GMT"
    server.manners.cuts = [2_000_000]
    assert get(file, tmp_path).read_bytes() == BODY
    assert server.requests[-1][1] == "bytes=2000000-"


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_nothing_is_continued_that_cannot_be_told_apart(server, file, tmp_path, etag):
    server.manners.etag = etag
    server.manners.cuts = [2_000_000]
    assert get(file, tmp_path).read_bytes() == BODY
    assert [wanted for _, wanted in server.requests] == [None, None]


def test_a_server_that_ignores_ranges_is_read_anew(server, file, tmp_path):
    server.manners.ranges = False
    server.manners.cuts = [2_000_000]
    assert get(file, tmp_path).read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_file_that_changed_on_the_server_is_not_glued_to_the_old_part(server, file, tmp_path):
    server.manners.cuts = [2_000_000]
    with pytest.raises(IpiuError):
        get(unsized(file, checksum=None), tmp_path, tries=1)
    newer = b"newer" * 1_000_000
    server.files["/set.bin"], server.manners.etag = newer, '"two"'
    assert get(unsized(file, checksum=None), tmp_path).read_bytes() == newer


def test_a_server_that_ignores_the_condition_of_a_range_is_seen_through(server, file, tmp_path):
    server.manners.cuts = [2_000_000]
    with pytest.raises(IpiuError):
        get(unsized(file, checksum=None), tmp_path, tries=1)
    note = json.loads((tmp_path / "set.bin.part.json").read_text())
    assert note["etag"] == '"one"'
    newer = b"newer" * 1_000_000
    server.files["/set.bin"], server.manners.etag, server.manners.trusting = newer, '"two"', True
    assert get(unsized(file, checksum=None), tmp_path).read_bytes() == newer


def test_a_piece_that_does_not_fit_is_not_glued_on(server, file, tmp_path):
    server.manners.cuts, server.manners.slip = [2_000_000], 10
    assert get(unsized(file, checksum=None), tmp_path).read_bytes() == BODY
    assert [wanted for _, wanted in server.requests] == [None, "bytes=2000000-", None]


def test_a_piece_that_nobody_asked_for_is_not_taken_for_the_whole(server, file, tmp_path):
    server.manners.uncalled = 10
    assert get(unsized(file, checksum=None), tmp_path).read_bytes() == BODY
    assert [wanted for _, wanted in server.requests] == [None, None]


def test_a_part_longer_than_the_file_is_thrown_away(server, file, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(BODY + b"more")
    (tmp_path / "set.bin.part.json").write_text(json.dumps({"url": file.url, "etag": '"one"', "modified": ""}))
    assert get(file, tmp_path).read_bytes() == BODY
    assert [bool(wanted) for _, wanted in server.requests] == [True, False]


def test_a_damaged_note_beside_a_part_means_a_new_start(server, file, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(b"x" * 100)
    (tmp_path / "set.bin.part.json").write_text("{")
    assert get(file, tmp_path).read_bytes() == BODY


def test_a_wrong_checksum_removes_the_file_and_says_both(server, file, tmp_path):
    wrong = unsized(file, checksum="md5:" + "0" * 32)
    got = hashlib.md5(BODY).hexdigest()
    with pytest.raises(IpiuError, match=f"expected the md5 checksum {'0' * 32}, got {got}; the file was removed"):
        get(wrong, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_a_damaged_part_is_found_by_the_checksum_of_the_whole(server, file, tmp_path):
    server.manners.cuts = [2_000_000]
    with pytest.raises(IpiuError):
        get(file, tmp_path, tries=1)
    part = tmp_path / "set.bin.part"
    part.write_bytes(b"?" + part.read_bytes()[1:])
    with pytest.raises(IpiuError, match="checksum"):
        get(file, tmp_path)
    assert not part.exists()


def test_a_wrong_file_of_the_reader_is_named_and_left_alone(server, file, tmp_path):
    (tmp_path / "set.bin").write_bytes(BODY[::-1])
    with pytest.raises(IpiuError, match=r"expected the sha256 checksum .* remove it and call again"):
        get(file, tmp_path)
    assert (tmp_path / "set.bin").exists()
    assert server.requests == []


def test_an_announced_length_that_was_not_published_is_refused(server, file, tmp_path):
    with pytest.raises(IpiuError, match=f"has {len(BODY)} bytes but 12 were published"):
        get(unsized(file, size=12), tmp_path)


def test_a_server_that_sends_without_end_is_cut_off(server, file, tmp_path):
    server.manners.length = False
    with pytest.raises(IpiuError, match=r"sends more than the 1\.0 MiB it should have; nothing was kept"):
        get(unsized(file, size=1 << 20), tmp_path)
    assert not (tmp_path / "set.bin.part").exists()


def test_a_file_above_the_limit_is_not_begun(server, file, tmp_path):
    with pytest.raises(IpiuError, match=r"above the limit of 1\.0 MiB; pass a higher max_gib"):
        get(unsized(file), tmp_path, max_gib=1 / 1024)
    assert not (tmp_path / "set.bin.part").exists()


def test_a_full_disk_is_found_before_the_download(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(IpiuError, match=r"set.bin needs 4\.9 MiB but the disk of .* has 976\.6 KiB free.*IPIU_DATA"):
        get(file, tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_leaves_the_part_and_one_sentence(server, file, tmp_path, monkeypatch, code):
    real = Path.open

    class Quota(io.FileIO):
        def write(self, block):
            if self.tell() + len(block) > 2_000_000:
                raise OSError(code, "full")
            return super().write(block)

    def open_(self, mode="r", *args, **options):
        bounded = self.suffix == ".part" and mode in ("wb", "r+b")
        return Quota(self, mode) if bounded else real(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", open_)
    with pytest.raises(IpiuError, match=r"the disk is full; what was fetched is kept as set\.bin\.part"):
        get(file, tmp_path)
    kept = (tmp_path / "set.bin.part").stat().st_size
    assert 0 < kept <= 2_000_000
    monkeypatch.setattr(Path, "open", real)
    assert get(file, tmp_path).read_bytes() == BODY
    assert server.requests[-1][1] == f"bytes={kept}-"


def test_a_server_that_stalls_is_given_up_after_a_few_tries(server, file, tmp_path, no_waiting):
    server.manners.stalls = 9
    with pytest.raises(IpiuError, match=r"silent for 0\.2 s \(tried 3 times\); call again later"):
        get(file, tmp_path, timeout=0.2, tries=3)
    assert len(server.requests) == 3
    assert no_waiting == [1.0, 2.0]


def test_a_server_that_wakes_up_is_waited_for(server, file, tmp_path):
    server.manners.stalls = 1
    assert get(file, tmp_path, timeout=0.2).read_bytes() == BODY


def test_a_server_that_drips_counts_as_stalled(monkeypatch, server, file, tmp_path):
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr(transfer.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(transfer, "CHUNK", 64)
    with pytest.raises(IpiuError, match="sends almost nothing"):
        get(file, tmp_path, timeout=2, tries=1)


def test_a_server_that_is_busy_is_asked_again(server, file, tmp_path):
    server.manners.failures = 2
    assert get(file, tmp_path).read_bytes() == BODY
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "why"), [(401, "login"), (403, "does not allow"), (404, "not there")])
def test_a_refusal_is_final_and_points_to_the_page(server, file, tmp_path, status, why):
    server.manners.status = status
    with pytest.raises(IpiuError, match=rf"{why}.*HTTP {status}"):
        get(file, tmp_path)
    assert len(server.requests) == 1


def test_nobody_at_the_address_is_one_sentence(server, file, tmp_path):
    server.close()
    with pytest.raises(IpiuError, match=r"connection failed \(Connection refused\) \(tried 2 times\)"):
        get(file, tmp_path, tries=2)


def test_a_redirect_to_another_place_is_followed(server, file, tmp_path):
    server.manners.redirect = f"{server.url}/set.bin?again"

    def once(handler, real=server.answer):
        real(handler)
        server.manners.redirect = None

    server.answer = once
    assert get(file, tmp_path).read_bytes() == BODY


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(server, file, tmp_path):
    server.manners.redirect = "file:///etc/hostname"
    with pytest.raises(IpiuError, match=r"cannot be downloaded|not followed"):
        get(file, tmp_path)


def test_a_redirect_from_https_to_plain_http_is_not_followed():
    handler = transfer.SafeRedirect()
    request = urllib.request.Request("https://example.org/set.bin")
    with pytest.raises(IpiuError, match="redirects from https to http"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/set.bin")
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://other.org/set.bin") is not None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "set.bin", "https:///x"])
def test_only_addresses_of_the_web_are_opened(tmp_path, url):
    with pytest.raises(IpiuError, match="is not an address of the web"):
        get(RemoteFile(url, "x"), tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "..", "a\\b"])
def test_a_name_stays_in_its_folder(name):
    with pytest.raises(ValueError, match="cannot be the name"):
        RemoteFile("https://example.org/x", name)


def test_a_checksum_names_its_algorithm():
    with pytest.raises(ValueError, match=r"write it as 'md5:\.\.\.'"):
        RemoteFile("https://example.org/x", "x", checksum="d41d8cd98f00b204e9800998ecf8427e")


@pytest.mark.parametrize("checksum", ["", "md5:"])
def test_a_checksum_that_says_nothing_is_not_taken_for_none(checksum):
    with pytest.raises(ValueError, match=r"write it as 'md5:\.\.\.'"):
        RemoteFile("https://example.org/x", "x", checksum=checksum)


def _in_a_process(file, folder):
    fetch(file, folder, terms=OPEN, progress=False)


def test_processes_that_want_one_file_fetch_it_once(server, file, tmp_path):
    server.manners.delay = 0.3
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_in_a_process, args=(file, tmp_path)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert len(server.requests) == 1


def test_data_go_where_the_environment_says_or_into_the_cache(monkeypatch, tmp_path):
    assert data_folder() == tmp_path / "cache"
    monkeypatch.delenv("IPIU_DATA")
    monkeypatch.setattr(download.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert data_folder() == tmp_path / "xdg" / "ipiu"


def test_a_folder_that_cannot_be_written_is_one_sentence(file, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(IpiuError, match="cannot be written"):
        get(file, tmp_path / "taken")
