"""Files that were sent: whole, where they belong, and once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from crossbench.errors import DataError
from crossbench.execution.ray.shelf import MARK, Shelf, is_here, settle

CONTENT = {"a.py": b"a", "deep/b.npz": b"bb" * 100}
DIGESTS = {place: hashlib.sha256(content).hexdigest() for place, content in CONTENT.items()}


def pieces(place: str) -> list[bytes]:
    content = CONTENT[place]
    return [content[:1], content[1:]]


def test_a_tree_is_written_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "sent")
    tree = shelf.put(DIGESTS, pieces)
    assert {place: (tree / place).read_bytes() for place in CONTENT} == CONTENT

    def never(place: str) -> list[bytes]:
        raise AssertionError(place)

    assert shelf.put(DIGESTS, never) == tree


def test_what_was_damaged_on_its_way_is_refused_and_asked_for_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    with pytest.raises(DataError, match=r"a.py was damaged on its way .*start the command again"):
        shelf.put(DIGESTS, lambda _: [b"other"])
    assert (shelf.put(DIGESTS, pieces) / "a.py").read_bytes() == b"a"


@pytest.mark.parametrize("place", ["../a.py", "/a.py", "deep/../../a.py"])
def test_no_file_is_written_outside_of_its_tree(tmp_path: Path, place: str) -> None:
    with pytest.raises(DataError, match="would lie outside of its tree; it is not written"):
        Shelf(tmp_path / "sent").put({place: DIGESTS["a.py"]}, lambda _: [b"a"])


def test_a_file_is_here_while_its_size_and_time_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    file.write_bytes(b"data")
    state = {"path": str(file), "size": 4, "changed": file.stat().st_mtime_ns}
    assert is_here([state])
    assert not is_here([state | {"size": 5}])
    assert not is_here([state | {"changed": 0}])
    assert not is_here([state, state | {"path": str(tmp_path / "none")}])


def test_places_become_paths() -> None:
    request = {
        "tasks": [f"{MARK}card{MARK}/mine.toml", "other"],
        "plugins": (f"{MARK}code{MARK}/0/mine.py:method",),
        "data_dir": None,
        "init": f"{MARK}init{MARK}/net.pt",
        "setup": {"plugins": [f"{MARK}code{MARK}/1/its.py"], "repeats": 2},
    }
    roots = {"card": Path("/c"), "code": Path("/d"), "init": Path("/e")}
    assert settle(request, roots) == request | {
        "tasks": ["/c/mine.toml", "other"],
        "plugins": ["/d/0/mine.py:method"],
        "setup": {"plugins": ["/d/1/its.py"], "repeats": 2},
        "init": "/e/net.pt",
    }
