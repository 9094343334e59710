"""``--executor`` and what goes with it: contradictions are refused before anything is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--address", "10.0.0.1:6379"], "--address (='10.0.0.1:6379') is of --executor ray; add"),
        (["--executor", "ray", "--no-isolate"], "--executor ray isolates every run; leave --no-i"),
        (["--executor", "ray", "--jobs", "0"], "--jobs (=0) must be at least 1"),
        (["--executor", "ray", "--address", "127.0.0.1:1"], "no Ray at '127.0.0.1:1'"),
    ],
)
def test_what_contradicts_itself_is_refused(
    make_task: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    why: str,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    task = ["--task", str(make_task()), "--data-dir", str(tmp_path), "--out", str(tmp_path / "out")]
    words = ["run", "--method", "conv3d", "--backbone", "test_resnet", "--folds", "0", *task]
    assert main([*words, "--seeds", "43", *more]) == 2
    assert why in capsys.readouterr().err
    assert not list(tmp_path.glob("out/**/*.json"))


def test_a_dry_run_for_ray_starts_none(
    make_task: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    task = ["--task", str(make_task()), "--data-dir", str(tmp_path), "--out", str(tmp_path / "out")]
    words = ["run", "--method", "conv3d", "--backbone", "test_resnet", "--folds", "0", *task]
    assert main([*words, "--seeds", "43", "--executor", "ray", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "on Ray" not in said.err
    assert "runs" in said.out
