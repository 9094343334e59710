"""Archives: what is unpacked, and what hostile ones are refused for."""

from __future__ import annotations

import io
import stat
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbench.errors import DataError
from crossbench.files.archives import Limits, unpack, unpack_all

FILES = {"study/a.txt": b"a" * 5000, "study/deep/b.txt": b"b", "c.csv": b"id\n1\n"}


def make_zip(file: Path, files: dict[str, bytes] | None = None, **entry: Any) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (FILES if files is None else files).items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in entry.items():
                setattr(info, key, value)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a name that occurs twice
                archive.writestr(info, content)
    return file


def make_tar(file: Path, files: dict[str, bytes] | None = None, **entry: Any) -> Path:
    with tarfile.open(file, "w:gz" if file.suffix in (".gz", ".tgz") else "w") as archive:
        for name, content in (FILES if files is None else files).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in entry.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return file


def content(folder: Path) -> dict[str, bytes]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}


def left(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if not each.name.endswith(".lock"))


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz", "d.tgz"])
def test_an_archive_becomes_a_folder_of_its_name(tmp_path: Path, name: str) -> None:
    make = make_zip if name.endswith(".zip") else make_tar
    archive = make(tmp_path / name)
    assert unpack(archive) == tmp_path / "d"
    assert content(tmp_path / "d") == FILES
    assert left(tmp_path) == ["d", name]
    (tmp_path / "d" / "mine").touch()
    assert unpack(archive) == tmp_path / "d"  # nothing is done again
    assert (tmp_path / "d" / "mine").exists()


def test_a_top_folder_of_the_same_name_is_not_repeated(tmp_path: Path) -> None:
    macos = {"__MACOSX/CT-0/._x": b"", "CT-0/.DS_Store": b"", "CT-0/._x": b""}
    archive = make_zip(tmp_path / "CT-0.zip", {"CT-0/x.nii.gz": b"x"} | macos)
    assert content(unpack(archive)) == {"x.nii.gz": b"x"}


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "C:/x", "a\\..\\x", "a/\x01", "..", "x" * 300]
)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, make: Any, name: str) -> None:
    archive = make(tmp_path / ("d.zip" if make is make_zip else "d.tar"), {"ok": b"", name: b"x"})
    with pytest.raises(DataError, match=r"member .* is refused: (the name leads out|no file can)"):
        unpack(archive)
    assert left(tmp_path) == [archive.name]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_of_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = make_tar(tmp_path / "d.tar", {"x": b""}, type=kind, linkname="/etc/passwd")
    with pytest.raises(DataError, match=r"d\.tar: member 'x' is refused: it is a link, a device"):
        unpack(archive)
    assert left(tmp_path) == ["d.tar"]


def test_links_and_devices_of_zip_are_refused(tmp_path: Path) -> None:
    for number, kind in enumerate((stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO)):
        archive = make_zip(tmp_path / f"{number}.zip", {"x": b"/etc"}, external_attr=kind << 16)
        with pytest.raises(DataError, match="member 'x' is refused: it is a link or a device"):
            unpack(archive)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "d.zip", {"x": b"secret"})
    damaged = bytearray(archive.read_bytes())
    damaged[damaged.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(damaged)
    with pytest.raises(DataError, match="member 'x' is refused: it is encrypted"):
        unpack(archive)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_bombs_of_size_and_number_are_refused(tmp_path: Path, make: Any) -> None:
    name = "d.zip" if make is make_zip else "d.tar.gz"
    archive = make(tmp_path / name, {"x": bytes(1 << 20)})
    with pytest.raises(DataError, match=r"the members have more than .*: a bomb"):
        unpack(archive, limits=Limits(ratio=10, allowance=1000))
    with pytest.raises(DataError, match="there are more than 2 members"):
        unpack(make(tmp_path / name), limits=Limits(members=2))
    assert left(tmp_path) == [name]


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    for files in ({"a": b"", "A": b""}, {"a": b"", "a/b": b""}, {"a/b": b"", "a": b""}):
        with pytest.raises(DataError, match=r"the name (occurs twice|is of a file and)"):
            unpack(make_zip(tmp_path / "d.zip", files))


def test_a_long_header_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2 << 20
    archive = tmp_path / "d.tar"
    archive.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + b"a" * header.size + b"\0" * 1024)
    with pytest.raises(DataError, match=r"d\.tar is damaged \(a header of 2097152 bytes\)"):
        unpack(archive)
    assert left(tmp_path) == ["d.tar"]


@pytest.mark.parametrize("name", [".member", ".member/x"])
def test_the_name_of_a_half_written_member_is_refused(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "d.zip", {name: b"1", "y": b"2"})
    with pytest.raises(
        DataError, match=r"member '\.member(/x)?' is refused: no file can be called"
    ):
        unpack(archive)
    assert left(tmp_path) == ["d.zip"]


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unpacking \S+ needs 5\.0 kB more, and 10 B are free"):
        unpack(make_zip(tmp_path / "d.zip"), free=lambda _: 10)
    assert left(tmp_path) == ["d.zip"]


def test_what_was_unpacked_before_a_stop_is_kept(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "d.zip")
    work = tmp_path / ".d.unpacking"
    (work / "study").mkdir(parents=True)
    (work / "study" / "a.txt").write_bytes(b"A" * 5000)  # told apart by its content
    (work / ".member").write_bytes(b"half")
    assert content(unpack(archive)) == FILES | {"study/a.txt": b"A" * 5000}


@pytest.mark.parametrize("name", ["d.7z", "d.rar"])
def test_archives_that_are_unpacked_by_hand(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"are unpacked by hand: (7z|unrar) x 'd\."):
        unpack(tmp_path / name)


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz"])
@given(data=st.data())
@settings(max_examples=60)
def test_a_damaged_archive_is_unpacked_or_refused_and_nothing_is_left(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    archive = (make_zip if name.endswith(".zip") else make_tar)(folder / name)
    whole = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    archive.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        unpack(archive)
    except DataError as error:
        said = str(error)
    else:
        said = ""
    assert str(archive) in said or not said
    assert left(folder) == ([name] if said else sorted(["d", name]))


def test_a_member_that_begins_before_the_file_is_damage(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "d.zip")
    damaged = bytearray(archive.read_bytes())
    place = damaged.rindex(b"PK\x05\x06") + 16  # where the list of members is said to begin
    begin = int.from_bytes(damaged[place : place + 4], "little")
    damaged[place : place + 4] = (begin + 100_000).to_bytes(4, "little")
    archive.write_bytes(damaged)
    with pytest.raises(DataError, match=r"is damaged \(a member begins before the file does\)"):
        unpack(archive)
    assert left(tmp_path) == ["d.zip"]


def test_damage_that_bz2_tells_as_an_error_of_the_system_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x", b"x" * 1000)
    damaged = bytearray((tmp_path / "d.zip").read_bytes())
    damaged[damaged.index(b"BZh") + 4] ^= 1
    (tmp_path / "d.zip").write_bytes(damaged)
    with pytest.raises(DataError, match=r"member 'x' is damaged \(Invalid data stream\)"):
        unpack(tmp_path / "d.zip")


# -------------------------------------------------------------------- archives in archives


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_archives_in_archives(tmp_path: Path) -> None:
    inner = zipped(**{"1.mat": b"one"})
    (tmp_path / "all.zip").write_bytes(zipped(**{"part.zip": inner, "cvind.mat": b"folds"}))
    unpack_all(tmp_path, (".zip",))
    assert (tmp_path / "all" / "part" / "1.mat").read_bytes() == b"one"
    assert (tmp_path / "all" / "cvind.mat").read_bytes() == b"folds"
    (tmp_path / "all" / "cvind.mat").write_bytes(b"kept")
    unpack_all(tmp_path, (".zip",))
    assert (tmp_path / "all" / "cvind.mat").read_bytes() == b"kept"


def test_only_archives_that_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(x=b"x"))
    (tmp_path / ".b.tar").write_bytes(b"hidden")
    unpack_all(tmp_path, (".tar",))
    unpack_all(tmp_path, ())
    unpack_all(tmp_path / "a.zip", (".zip",))
    assert sorted(each.name for each in tmp_path.iterdir()) == [".b.tar", "a.zip"]


def test_a_hostile_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(**{"../x": b"x"}))
    with pytest.raises(DataError, match=r"a\.zip: "):
        unpack_all(tmp_path, (".zip",))
    assert not (tmp_path / "a").exists()
