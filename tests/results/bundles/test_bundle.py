"""Bundles as they are read, hostile ones included."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made_bundles import CONTENTS, MANIFEST, make_bundle

from crossbench.errors import BundleError
from crossbench.results.bundles.bundle import open_bundle, read_manifest, read_member, write_bundle
from crossbench.results.bundles.conformance import bundled_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, files: dict[str, bytes], **entry: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in entry.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


def refused(path: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match), open_bundle(path):
        pass


def test_a_bundle_is_unpacked_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    with open_bundle(make_bundle(tmp_path / "b.zip", note="Ours.")) as bundle:
        assert bundle.manifest.note == "Ours."
        assert (bundle.source / "plugin" / "mine.py").read_bytes() == CONTENTS[
            "source/plugin/mine.py"
        ]
        assert (bundle.records / "smoke/task/mine/run.json").is_file()
        assert bundle.licence == "Do as you like.\n"
        assert bundle.environment == {"versions": {}}
        assert bundle.conformance is None
        folder = bundle.folder
    assert not folder.exists()


def test_conformance_is_there_where_it_was_given(tmp_path: Path) -> None:
    contents = {**CONTENTS, "conformance.json": b'{"method": "mine"}'}
    with open_bundle(make_bundle(tmp_path / "b.zip", contents)) as bundle:
        assert bundle.conformance == b'{"method": "mine"}'


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"{", r"is not readable as JSON: "), (b"1", r"holds int, not an object")],
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    contents = {**CONTENTS, "conformance.json": content}
    path = make_bundle(tmp_path / "b.zip", contents)
    with open_bundle(path) as it, pytest.raises(BundleError, match=f"conformance.json {fault}"):
        bundled_report(it)


def test_an_unpacked_bundle_is_read_where_it_lies(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "b.zip")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    with open_bundle(tmp_path / "folder") as bundle:
        assert bundle.folder == tmp_path / "folder"
    assert read_manifest(tmp_path / "folder") == read_manifest(path)
    (tmp_path / "folder" / "source" / "more.py").touch()
    refused(tmp_path / "folder", r"folder: source/more.py is in no manifest; remove it")
    (tmp_path / "folder" / "source" / "more.py").unlink()
    (tmp_path / "folder" / "source" / "plugin" / "mine.py").unlink()
    refused(tmp_path / "folder", r"folder: source/plugin/mine.py is missing; get the bundle again")
    (tmp_path / "folder" / "source" / "plugin" / "mine.py").symlink_to("/etc/hostname")
    refused(tmp_path / "folder", r"source/plugin/mine.py is a link or a device")
    (tmp_path / "folder" / "records").rename(tmp_path / "elsewhere")
    (tmp_path / "folder" / "records").symlink_to(tmp_path / "elsewhere")
    refused(tmp_path / "folder", r"folder: records is in no manifest")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "b.zip", r"bundle '.*b.zip' does not exist; `crossbench submit` writes")
    (tmp_path / "b.tar.gz").touch()
    refused(tmp_path / "b.tar.gz", r"bundle '.*b.tar.gz' is no .zip file")
    (tmp_path / "b.zip").write_bytes(b"no zip")
    refused(tmp_path / "b.zip", r"b.zip is damaged")
    with pytest.raises(BundleError, match=r"manifest.json cannot be read \(File is not a zip file"):
        read_manifest(tmp_path / "b.zip")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"empty: manifest.json cannot be read: No such file or directory")
    refused(rewritten(tmp_path / "b.zip", {"x": b""}), r"b.zip: manifest.json cannot be read: No")


@pytest.mark.parametrize("change", [lambda content: content + b"\n", lambda _: b""])
def test_a_changed_member_is_named(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    files = members(make_bundle(tmp_path / "b.zip"))
    files["source/plugin/mine.py"] = change(files["source/plugin/mine.py"])
    refused(
        rewritten(tmp_path / "b.zip", files),
        r"b.zip: source/plugin/mine.py is not the file that its manifest names",
    )


def test_members_missing_added_or_renamed_are_named(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "b.zip")
    files = members(path)
    refused(rewritten(path, {**files, "setup.py": b""}), r"setup.py is in no manifest")
    record = "records/smoke/task/mine/run.json"
    rest = {name: files[name] for name in files if name != record}
    refused(rewritten(path, rest), rf"{record} is missing")
    refused(rewritten(path, {**rest, f"{record}x": files[record]}), r"run.jsonx is in no manifest")


def test_hostile_archives_are_refused(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "b.zip")
    files = members(path)
    for name in ("../x", "/etc/x", "C:/x", "a\\..\\x"):
        refused(rewritten(path, {**files, name: b"x"}), r"the name leads out of the folder")
    link = (stat.S_IFLNK | 0o777) << 16
    refused(rewritten(path, files, external_attr=link), r"it is a link or a device")
    twice = {**files, "Source/plugin/mine.py": b"x"}
    refused(rewritten(path, twice), r"the name occurs twice")
    assert not (tmp_path / "x").exists()


def test_bombs_are_refused(tmp_path: Path) -> None:
    files = members(make_bundle(tmp_path / "b.zip")) | {"source/zeros.py": b"\0" * (80 * 2**20)}
    refused(rewritten(tmp_path / "b.zip", files), r"the members have more than .*: a bomb")


def test_a_member_that_states_a_smaller_size_is_refused(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "b.zip", CONTENTS | {"source/plugin/mine.py": b"#" * 100_000})
    content = bytearray(path.read_bytes())
    size = (100_000).to_bytes(4, "little")
    central = content.rindex(size)
    content[central : central + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    refused(path, r"source/plugin/mine.py' is damaged|source/plugin/mine.py is not the file")


def test_one_member_is_read_to_its_limit(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "b.zip")
    assert read_member(path, "source/plugin/mine.py") == CONTENTS["source/plugin/mine.py"]
    with pytest.raises(BundleError, match=r"LICENSE has more than 5 bytes"):
        read_member(path, "LICENSE", 5)
    with pytest.raises(BundleError, match=r"there cannot be read .*There is no item named 'there'"):
        read_member(path, "there")


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one = make_bundle(tmp_path / "one.zip")
    other = make_bundle(tmp_path / "other.zip", dict(reversed(CONTENTS.items())))
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        members = archive.infolist()
    assert [member.filename for member in members] == sorted([*CONTENTS, "manifest.json"])
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest = write_bundle(tmp_path / "b.zip", MANIFEST, CONTENTS)
    assert read_manifest(tmp_path / "b.zip") == manifest
    assert manifest.paths == tuple(sorted(CONTENTS))
    with open_bundle(tmp_path / "b.zip") as bundle:
        found = {path: (bundle.folder / path).read_bytes() for path in manifest.paths}
    assert found == CONTENTS


def test_what_no_bundle_holds_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"names 'setup.py', which no bundle holds"):
        make_bundle(tmp_path / "b.zip", {**CONTENTS, "setup.py": b""})
    assert list(tmp_path.iterdir()) == []
