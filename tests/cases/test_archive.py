"""Zips and folders from strangers: names that leave the folder, links, bombs, encryption, damage."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from ipiu.cases.archive import file_member, folder_members, inside, zip_members
from ipiu.errors import IpiuError


def read_zip(path):
    with zip_members(path) as members:
        return {member.name: member.open().read() for member in members}


def write_zip(path, entries, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def test_members_are_read_from_the_zip_in_the_order_of_their_names(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("b/2", b"two"), ("b/", b""), ("a", b"one")])
    assert read_zip(path) == {f"{path}:a": b"one", f"{path}:b/2": b"two"}


@pytest.mark.parametrize("name", ["../up.dcm", "a/../../up.dcm", "/etc/up.dcm", "..\\up.dcm", "C:/up.dcm", "a\\b.dcm"])
def test_a_member_outside_the_folder_is_refused(tmp_path, name):
    path = write_zip(tmp_path / "a.zip", [("ok.dcm", b""), (name, b"x")])
    with pytest.raises(IpiuError, match=r"a.zip: its entry '.*up.dcm|its entry 'a.*b.dcm' points outside the folder"):
        read_zip(path)


def test_a_member_that_is_a_symbolic_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = write_zip(tmp_path / "a.zip", [(link, "/etc/passwd")])
    with pytest.raises(IpiuError, match=r"'link.dcm' points outside the folder or is a link"):
        read_zip(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_MAX_GIB", "0.001")
    path = write_zip(tmp_path / "a.zip", [(str(k), bytes(400_000)) for k in range(3)])
    assert path.stat().st_size < 10_000
    with pytest.raises(IpiuError, match=r"a.zip: unpacking it asks for .* IPIU_MAX_GIB"):
        read_zip(path)


def test_a_member_longer_than_it_says_is_not_unpacked_past_it(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a", bytes(100_000))])
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 100_000), struct.pack("<I", 10)))
    with zip_members(path) as (member,), member.open() as stream, pytest.raises(zipfile.BadZipFile, match="CRC"):
        stream.read()


def test_an_encrypted_member_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.dcm", b"x")])
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(IpiuError, match=r"'a.dcm' is encrypted; unpack the zip"):
        read_zip(path)


def test_a_damaged_zip_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(IpiuError, match=r"a.zip: this zip cannot be opened"):
        read_zip(path)


def test_folders_are_read_with_their_subfolders_and_without_links_out_of_them(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    for name in ("b", "sub/a"):
        (root / name).write_text(name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret").write_text("secret")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "door").symlink_to(tmp_path / "outside")
    members, strays = folder_members(root)
    assert [Path(member.name).name for member in members] == ["b", "a"]
    assert strays == 2


@pytest.mark.parametrize("parts", [[], ["..", "a"], ["/a"], ["a/b"], ["a\\b"], ["C:"], ["."], [""], ["a\n"]])
def test_names_that_leave_their_folder_are_refused(tmp_path, parts):
    with pytest.raises(IpiuError, match="points outside the folder"):
        inside(tmp_path, parts, source="DICOMDIR")


def test_a_read_never_asks_for_more_than_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    with file_member(tmp_path / "a").open() as stream:
        assert stream.read(2) == b"12"
        assert stream.read(1 << 62) == b"345"
