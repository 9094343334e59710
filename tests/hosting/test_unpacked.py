from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_boards import run, submission

from crossbench.hosting import unpacked
from crossbench.hosting.folder import open_board
from crossbench.results.records.store import Store, read_folders


def test_of_one_run_the_first_record_stands(tmp_path: Path) -> None:
    first, second, both = (Store(tmp_path / name) for name in ("first", "second", "both"))
    for store, skill in ((first, 1.0), (second, 2.0)):
        store.write(*run("mine", "blood", 0, skill))
    second.write(*run("mine", "blood", 1, 2.0))
    wanted = [*first.records(), *(each for each in second.records() if each.key.fold == 1)]
    for store in (first, second):
        unpacked.take_records(store.root, both.root)
    assert list(both.records()) == wanted
    assert both.broken() == []
    assert len(list(both.root.rglob("*.npz"))) == 2


def test_states_that_nobody_uses_are_forgotten(
    empty: Path, tmp_path: Path, add: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(unpacked, "KEPT", 2)
    for number in range(3):
        add(empty, submission(tmp_path / f"{number}.zip", f"m{number}", tasks=("blood",)))
    board = open_board(empty)
    found = [unpacked.unpacked_records(board.in_force[:count]) for count in (1, 2, 3)]
    assert [folder.is_dir() for folder in found] == [False, True, True]
    records, broken = read_folders([found[-1]])
    assert (len(records), broken) == (8, [])
