"""Entries of the disk cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.files import cache
from crossbench.files.cache import entry, keep, load, store


def put(file: Path, content: bytes = b"12345") -> None:
    store(file, lambda draft: draft.write_bytes(content))


def test_an_entry_comes_back(tmp_path: Path) -> None:
    file = entry(tmp_path / "folder", ["a", 1], ".bin")
    assert load(file, Path.read_bytes) is None
    put(file)
    assert load(file, Path.read_bytes) == b"12345"
    assert list(file.parent.iterdir()) == [file]


@given(st.dictionaries(st.text(), st.integers()), st.dictionaries(st.text(), st.integers()))
def test_only_equal_keys_share_an_entry(one: dict[str, int], other: dict[str, int]) -> None:
    backwards = dict(reversed(one.items()))
    assert entry(Path(), one, ".x") == entry(Path(), backwards, ".x")
    assert (entry(Path(), one, ".x") == entry(Path(), other, ".x")) == (one == other)


@pytest.mark.parametrize("error", [ValueError, MemoryError, RecursionError, EOFError])
def test_a_damaged_entry_is_absent(tmp_path: Path, error: type[Exception]) -> None:
    def damaged(file: Path) -> bytes:
        raise error

    put(tmp_path / "a")
    assert load(tmp_path / "a", damaged) is None


def test_a_write_that_fails_leaves_the_old_entry(tmp_path: Path) -> None:
    def full(draft: Path) -> None:
        draft.write_bytes(b"half")
        raise OSError("disk full")

    put(tmp_path / "a")
    keep(tmp_path / "a", full)
    with pytest.raises(OSError, match="disk full"):
        store(tmp_path / "a", full)
    assert (tmp_path / "a").read_bytes() == b"12345"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    keep(tmp_path / "file" / "a", lambda draft: draft.write_bytes(b""))
    assert load(tmp_path / "file" / "a", Path.read_bytes) is None


def test_the_least_recently_used_entries_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, name in enumerate("abc"):
        put(tmp_path / name)
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    load(tmp_path / "a", Path.read_bytes)
    (tmp_path / ".draft.tmp").write_bytes(b"left by a killed process")
    os.utime(tmp_path / ".draft.tmp", (0, 0))
    monkeypatch.setattr(cache, "LIMIT", 15)
    put(tmp_path / "d")
    assert {file.name for file in tmp_path.iterdir()} == {"a", "c", "d"}


def test_the_entry_just_written_stays_whatever_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT", 4)
    put(tmp_path / "a")
    put(tmp_path / "b")
    assert [file.name for file in tmp_path.iterdir()] == ["b"]
