"""A results folder on a disk that is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_disk import lost_weights, records, try_twice

from crossbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def words(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., list[str]]:
    """The command of two methods and the plain baselines on two folds."""
    card = str(make_task())

    def build(out: str, *more: str) -> list[str]:
        return [
            "run", "--method", "acs,conv3d", "--task", card, "--seeds", "43", "--folds", "0", "1",
            "--out", out, "--data-dir", str(tmp_path), "--device", "cpu",
            "--backbone", "test_resnet", "--set", "fit.epochs=1", "--set", "compute.threads=1",
            *more,
        ]  # fmt: skip

    return build


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--no-isolate", "--isolate", "--jobs=2"])
def test_without_room_for_a_record_the_sweep_ends_and_goes_on_from_there(
    words: Callable[..., list[str]], tmp_path: Path, how: str
) -> None:
    tries = try_twice(words("disk/out", how), tmp_path, room="48K")
    assert tries.codes == (2, 0), tries.said
    assert "cannot be written: [Errno 28] No space left on device" in tries.said
    assert "Traceback" not in tries.said
    assert main(words(str(tmp_path / "beside"))) == 0
    expected, before, after = map(records, (tmp_path / "beside", tries.full, tries.done))
    assert 0 < len(before) < len(expected) == 8
    for identity, record in expected.items():
        assert after[identity].metrics == record.metrics
        assert after[identity].predictions_sha256 == record.predictions_sha256
    for identity, record in before.items():
        if record.error is None:
            assert after[identity] == record
        else:  # there may be room for a failure
            assert "No space left on device" in record.error["message"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--no-isolate", "--isolate"])
def test_a_run_without_room_for_its_weights_fails_and_the_others_are_done(
    words: Callable[..., list[str]], tmp_path: Path, how: str
) -> None:
    asked = words("disk/out", how, "--save-weights", "--folds", "0")
    tries = try_twice(asked, tmp_path, room="200K")
    assert str(tries.full.parent) not in lost_weights(tries)
