"""The torture script finds what a kill would break; a kill of each kind is in ``make slow``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torture as script

from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def words(make_task: Callable[..., Path], tmp_path: Path) -> list[str]:
    """A sweep of runs that share features, and of runs that do not."""
    return [
        "run", "--task", str(make_task()), "--data-dir", str(tmp_path), "--method", "conv3d,acs",
        "--seeds", "43", "--folds", "0", "1", "--protocol", "linear-probe", "--device", "cpu",
        "--backbone", "test_resnet", "--set", "compute.threads=1", "--retry-failed",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_change_nothing(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "torture"
    assert script.torture(folder, words, kills=len(script.ROLES), jobs=2, longest=2.0, seed=1) == []


@pytest.mark.slow
def test_what_differs_or_stays_is_told(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "torture"
    assert script.torture(folder, words, kills=0, jobs=2, longest=1.0, seed=1) == []
    hurt = Store(folder / "hurt")
    first, second, *_ = hurt.files()
    first.unlink()
    second.write_text("{")
    (folder / "hurt" / "logs").mkdir()
    (folder / "hurt" / "logs" / "x.log").touch()
    (folder / "temporary" / "crossbench-x").mkdir()
    told = [*script._differences(folder / "whole", folder / "hurt"),
            *script._left(folder / "hurt", folder / "temporary")]  # fmt: skip
    assert sum("is in one folder alone" in line for line in told) == 2
    assert sum("is damaged" in line for line in told) == 1
    assert "logs/x.log was left behind" in told
    assert "temporary crossbench-x was left behind" in told
    assert len(told) == 5
