"""``crossbench data groups`` as a user meets it, up to the record of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crossbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_joined_groups_reach_splits_records_and_boards(
    make_task: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = make_task(dimension=2, labels=np.arange(60) % 2)
    with np.load(tmp_path / "blobs.npz") as archive:
        arrays = {name: archive[name] for name in ("images", "labels")}
    np.savez(tmp_path / "blobs.npz", **arrays)

    def run() -> dict[str, Any]:
        words = ["run", "--task", str(card), "--method", "conv2d", "--preset", "standard"]
        words += ["--backbone", "test_resnet", "--seeds", "43", "--folds", "0"]
        words += [
            "--set",
            "fit.epochs=1",
            "--data-dir",
            str(tmp_path),
            "--out",
            str(tmp_path / "r"),
        ]
        assert main(words) == 0
        capsys.readouterr()
        assert main(["report", str(tmp_path / "r"), "--format", "json"]) == 0
        board: dict[str, Any] = json.loads(capsys.readouterr().out)["tables"][0]
        return board

    assert "All tasks are ungrouped" in "".join(run()["notes"])
    rows = [f"{place},{place // 2}" for place in range(60)]
    (tmp_path / "groups.csv").write_text("\n".join(["index,group", *rows]))
    words = ["data", "groups", str(card), "--data-dir", str(tmp_path)]
    assert main([*words, "--from", str(tmp_path / "groups.csv"), "--json"]) == 0
    joined = json.loads(capsys.readouterr().out)
    assert (joined["groups"], joined["samples"], joined["largest"]) == (30, 60, 2)
    details = [column["detail"] for column in run()["columns"]]
    assert details.count("ungrouped, superseded data") == 1
    assert details.count("data in use") == 1
    assert details.count("") == len(details) - 2
    records = [json.loads(file.read_text()) for file in (tmp_path / "r").rglob("conv2d/*.json")]
    assert any(joined["content"] in json.dumps(record) for record in records)
    assert any(joined["before"] in json.dumps(record) for record in records)
    assert joined["before"] != joined["content"]


def test_words_steps_and_removal(
    make_task: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(3).integers(0, 256, (60, 18, 18), dtype=np.uint8)
    card = make_task(dimension=2, images=images)
    words = ["data", "groups", str(card), "--data-dir", str(tmp_path)]
    assert main(words) == 0
    assert "1. From any table: crossbench data groups blobs --from FILE.csv" in (
        capsys.readouterr().out
    )
    assert main([*words, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["steps"]) == 2
    assert main([*words, "--near-duplicates"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("30 groups of 60 samples, the largest of 2: the file's groups, with cl")
    assert "blobs.npz, which stays as it is" in said
    assert main([*words, "--remove"]) == 0
    assert "is removed" in capsys.readouterr().out
    assert main([*words, "--remove"]) == 2
    assert "task 'blobs': no groups were joined" in capsys.readouterr().err
    assert main([*words, "--from", str(tmp_path / "none.csv")]) == 2
    assert "no such file; correct the path given to --from" in capsys.readouterr().err


def test_the_steps_of_a_registered_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "groups", "organc"]) == 0
    said = capsys.readouterr().out
    assert "organcmnist.csv, whose columns are split, index, image_id." in said
    assert "2. crossbench data groups organc --from organcmnist.csv" in said
