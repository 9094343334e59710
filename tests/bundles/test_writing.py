"""Bundles as they are written."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from made_bundles import CONTENTS, MANIFEST, make_bundle

from crossbench.bundles.bundle import open_bundle, read_manifest
from crossbench.bundles.writing import write_bundle
from crossbench.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path


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
