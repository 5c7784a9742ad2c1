import errno
import io
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from ipiu.cases.public import unpack as module
from ipiu.cases.public.unpack import unpack
from ipiu.errors import IpiuError

FILES = {"scans/meta.csv": b"id;age\n1;50\n", "scans/img/0001.bin": bytes(range(256)) * 40}
Usage = namedtuple("Usage", "total used free")


def zipped(path, files=FILES, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files=FILES, members=(), mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in members:
            archive.addfile(info)
    return path


def member(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link(path, name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, target)
    return path


def open_up(archive, folder, **options):
    return unpack(archive, folder, progress=False, **options)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def only(folder, *names):
    """Whether nothing but these (and locks) lies in a folder."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock")) == sorted(names)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: zipped(folder / "a.zip"),
        lambda folder: zipped(folder / "a.zip", method=zipfile.ZIP_STORED),
        lambda folder: tarred(folder / "a.tar"),
        lambda folder: tarred(folder / "a.tar.gz", mode="w:gz"),
        lambda folder: tarred(folder / "a.tar.xz", mode="w:xz"),
        lambda folder: tarred(folder / "a.tgz", {f"./{name}": content for name, content in FILES.items()}, mode="w:gz"),
    ],
)
def test_every_kind_of_archive_is_unpacked_without_its_one_top_folder(tmp_path, make):
    archive = make(tmp_path)
    folder = open_up(archive, tmp_path / "out" / "set")
    assert contents(folder) == {"meta.csv": FILES["scans/meta.csv"], "img/0001.bin": FILES["scans/img/0001.bin"]}
    assert only(tmp_path / "out", "set")


def test_several_things_at_the_top_stay_as_they_are(tmp_path):
    folder = open_up(zipped(tmp_path / "a.zip", {"meta.csv": b"x", "s1/ct.bin": b"y"}), tmp_path / "set")
    assert contents(folder) == {"meta.csv": b"x", "s1/ct.bin": b"y"}


def test_a_folder_that_is_there_is_not_unpacked_again(tmp_path):
    archive = zipped(tmp_path / "a.zip")
    folder = open_up(archive, tmp_path / "set")
    archive.unlink()
    assert open_up(archive, folder) == folder


def test_what_a_cut_unpacking_left_is_begun_anew(tmp_path):
    left = tmp_path / ".set.unpacking"
    left.mkdir()
    (left / "half.bin").write_bytes(b"half")
    folder = open_up(zipped(tmp_path / "a.zip"), tmp_path / "set")
    assert "half.bin" not in contents(folder)
    assert not left.exists()


def test_what_macos_adds_is_left_out(tmp_path):
    files = FILES | {
        "._scans": b"x",
        "scans/img/._0001.bin": b"x",
        "__MACOSX/scans/meta.csv": b"x",
        "scans/.DS_Store": b"",
    }
    folder = open_up(tarred(tmp_path / "a.tar", files), tmp_path / "set")
    assert set(contents(folder)) == {"meta.csv", "img/0001.bin"}


NAMES = ["../evil.txt", "a/../../evil.txt", "/evil.txt", "a\\..\\evil.txt", "C:/evil.txt", "a//b", "a/\x07b"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_member_that_leaves_the_folder_is_refused_by_name(tmp_path, make, name):
    archive = make(tmp_path / "in.bin", FILES | {name: b"evil"})
    with pytest.raises(IpiuError, match="points outside the folder or is a link"):
        open_up(archive, tmp_path / "deep" / "out")
    assert only(tmp_path / "deep")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused_by_name(tmp_path, kind):
    archive = tarred(tmp_path / "a.tar", members=[member("scans/odd", kind, "../../etc/passwd")])
    with pytest.raises(IpiuError, match="'scans/odd' is a link or a device"):
        open_up(archive, tmp_path / "set")
    assert only(tmp_path, "a.tar")


def test_a_link_in_a_zip_is_refused_by_name(tmp_path):
    archive = zip_link(tmp_path / "a.zip", "scans/odd", "../../etc/passwd")
    with pytest.raises(IpiuError, match="'scans/odd' is a link or a device"):
        open_up(archive, tmp_path / "set")


def test_a_file_below_a_file_is_refused(tmp_path):
    archive = tarred(tmp_path / "a.tar", {"a": b"1", "a/b": b"2"})
    with pytest.raises(IpiuError):
        open_up(archive, tmp_path / "set")
    assert only(tmp_path, "a.tar")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_a_member_that_stands_twice_is_refused(tmp_path, suffix):
    archive = tmp_path / f"a{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("a", b"1")
            opened.writestr("a", b"2")
    else:
        tarred(archive, {"a": b"1"}, members=[member("a", tarfile.REGTYPE)])
    with pytest.raises(IpiuError, match="'a' stands twice"):
        open_up(archive, tmp_path / "set")


def test_an_encrypted_member_is_refused(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a": b"1"})
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # the encryption bit of the central directory
    archive.write_bytes(raw)
    with pytest.raises(IpiuError, match="'a' is encrypted"):
        open_up(archive, tmp_path / "set")


@pytest.mark.parametrize("make", [zipped, lambda path, files: tarred(path, files, mode="w:gz")])
def test_a_bomb_is_refused_by_its_proportion(tmp_path, make, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 1 << 20)
    archive = make(tmp_path / "a.bin", {"zeros": bytes(8 << 20)})
    with pytest.raises(IpiuError, match="unpacks to over 300 times its size"):
        open_up(archive, tmp_path / "set")
    assert only(tmp_path, "a.bin")
    assert open_up(archive, tmp_path / "set", ratio=1100).is_dir()


@pytest.mark.parametrize("make", [zipped, lambda path, files: tarred(path, files, mode="w:gz")])
def test_more_than_the_limit_is_refused(tmp_path, make):
    archive = make(tmp_path / "a.bin", {"zeros": bytes(3 << 20)})
    with pytest.raises(IpiuError, match=r"unpacks to over 0\.0 GiB; pass a higher max_gib"):
        open_up(archive, tmp_path / "set", max_gib=2 / 1024)


def test_what_a_zip_claims_is_refused_before_a_byte_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_write", lambda *_, **__: pytest.fail("something was written"))
    with pytest.raises(IpiuError, match=r"unpacks to over 0\.0 GiB"):
        open_up(zipped(tmp_path / "a.zip", {"zeros": bytes(3 << 20)}), tmp_path / "set", max_gib=2 / 1024)


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 3)
    with pytest.raises(IpiuError, match="holds more than 3 files"):
        open_up(tarred(tmp_path / "a.tar", {f"f{n}": b"" for n in range(5)}), tmp_path / "set")


BIG = {"scans/a.bin": bytes(range(256)) * 400, "scans/b.bin": bytes(range(255, -1, -1)) * 400}


@pytest.mark.parametrize("share", [0.0, 0.02, 0.4, 0.75, 0.97])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: zipped(path, BIG, zipfile.ZIP_STORED),
        lambda path: tarred(path, BIG),
        lambda path: tarred(path, BIG, mode="w:gz"),
        lambda path: tarred(path, BIG, mode="w:xz"),
        lambda path: tarred(path, BIG, mode="w:bz2"),
    ],
)
def test_a_torn_archive_is_one_sentence_and_leaves_nothing(tmp_path, make, share):
    archive = make(tmp_path / "a.bin")
    whole = archive.read_bytes().rstrip(b"\0") if share == 0.97 else archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(IpiuError) as refused:
        open_up(archive, tmp_path / "set")
    assert "\n" not in str(refused.value)
    assert "again" in str(refused.value)
    assert only(tmp_path, "a.bin")


def test_a_tar_cut_between_two_members_is_not_taken_for_whole(tmp_path):
    archive = tarred(tmp_path / "a.tar", BIG)
    with tarfile.open(archive) as opened:
        second = opened.getmembers()[1].offset
    archive.write_bytes(archive.read_bytes()[:second])
    with pytest.raises(IpiuError, match="ends before its last block"):
        open_up(archive, tmp_path / "set")


def test_a_flipped_bit_is_found_by_the_archive_s_own_checksum(tmp_path):
    for archive in (zipped(tmp_path / "a.zip", BIG, zipfile.ZIP_STORED), tarred(tmp_path / "a.tgz", BIG, mode="w:gz")):
        raw = bytearray(archive.read_bytes())
        raw[len(raw) // 3] ^= 0x10
        archive.write_bytes(raw)
        with pytest.raises(IpiuError, match=r"is broken"):
            open_up(archive, tmp_path / "set")


def test_much_behind_the_end_of_a_tar_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BEHIND", 1 << 20)
    archive = tarred(tmp_path / "a.tar")
    with archive.open("ab") as file:
        file.write(bytes(2 << 20))
    with pytest.raises(IpiuError, match="more stands behind its end"):
        open_up(archive, tmp_path / "set")


def test_something_else_is_called_no_archive(tmp_path):
    (tmp_path / "a.zip").write_text("<html>Sign in</html>")
    with pytest.raises(IpiuError, match="is no zip or tar, or it is broken"):
        open_up(tmp_path / "a.zip", tmp_path / "set")


def test_an_archive_without_files_is_refused(tmp_path):
    with pytest.raises(IpiuError, match="holds no files"):
        open_up(zipped(tmp_path / "a.zip", {}), tmp_path / "set")


def test_a_disk_without_room_is_found_beforehand(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 10, 10))
    with pytest.raises(IpiuError, match=rf"but the disk of {tmp_path} has 0\.00 GiB free"):
        open_up(archive, tmp_path / "set")


def test_a_disk_that_fills_up_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    archive = tarred(tmp_path / "a.tar")
    real = Path.open

    class Full(io.BytesIO):
        def write(self, block):
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_(self, mode="r", *args, **options):
        return Full() if mode == "xb" else real(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", open_)
    with pytest.raises(IpiuError, match=r"No space left on device.*nothing was kept"):
        open_up(archive, tmp_path / "set")
    assert only(tmp_path, "a.tar")


def test_progress_names_the_archive(tmp_path, capsys):
    unpack(zipped(tmp_path / "a.zip"), tmp_path / "set")
    assert "unpacking a.zip: 100%" in capsys.readouterr().err
