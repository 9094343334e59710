from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from record_files import companion

from crossbench.results.records.store import Store
from crossbench_leaderboard import uploads
from crossbench_leaderboard.uploads import UploadError, unpack


def archive(*members: tuple[str | zipfile.ZipInfo, bytes]) -> tuple[str, io.BytesIO]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    stream.seek(0)
    return "results.zip", stream


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_records_keep_their_place_and_other_files_stay_out(tmp_path: Path) -> None:
    members = ["a/b/one.json", "a/b/one.npz", "readme.txt", "run.py", "a/"]
    unpack([archive(*((name, b"x") for name in members))], tmp_path)
    assert files_in(tmp_path) == {"a/b/one.json", "a/b/one.npz"}


def test_loose_records_are_put_side_by_side(tmp_path: Path, run_of: Any) -> None:
    path = Store(tmp_path / "source").write(*run_of("acs", "blood"))
    into = tmp_path / "into"
    into.mkdir()
    pair = [path, companion(path)]
    unpack([(f"../{each.name}", io.BytesIO(each.read_bytes())) for each in pair], into)
    assert len(list(Store(into).records())) == 1
    assert files_in(into) == {each.name for each in pair}


@pytest.mark.parametrize(
    "name", ["../x.json", "a/../../x.json", "/etc/x.json", "..\\x.json", "C:\\x.json", "C:x.json"]
)
def test_a_path_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(UploadError, match=r"archive 'results.zip' names a file outside itself"):
        unpack([archive((name, b"{}"))], into)
    assert files_in(tmp_path) == set()


def test_links_are_passed_over(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("x.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    unpack([archive((link, b"/etc/passwd"))], tmp_path)
    assert files_in(tmp_path) == set()


def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 2**21)
    with pytest.raises(UploadError, match="more than 2 MiB unpacked; check the folder itself"):
        unpack([archive(("bomb.json", b"0" * (2**21 + 1)))], tmp_path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 3)
    with pytest.raises(UploadError, match="more than 3 files; check the folder itself"):
        unpack([archive(*((f"{number}.json", b"{}") for number in range(4)))], tmp_path)


def damaged() -> tuple[str, io.BytesIO]:
    name, stream = archive(("x.json", bytes(range(256)) * 40))
    content = bytearray(stream.getvalue())
    content[60:90] = b"\xff" * 30
    return name, io.BytesIO(content)


@pytest.mark.parametrize(
    "upload",
    [
        ("results.zip", io.BytesIO(b"no archive")),
        damaged(),
        archive(("a.json", b"{}"), ("a.json/b.json", b"{}")),
    ],
)
def test_an_archive_that_is_none_is_refused(tmp_path: Path, upload: Any) -> None:
    with pytest.raises(UploadError, match=r"archive 'results.zip' cannot be unpacked: "):
        unpack([upload], tmp_path)
