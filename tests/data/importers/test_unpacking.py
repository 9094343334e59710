from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from crossbench.data.importers.unpacking import unpack_all
from crossbench.errors import DataError


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
