"""``crossbench pretrain`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbench.cli import main

FAST = (
    *("--backbone", "test_resnet", "--device", "cpu"),
    *("--set", "epochs=1", "--set", "batch_size=8", "--set", "threads=1"),
)

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command on the temporary folder; returns exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        where = ("--out", str(tmp_path / "out"), "--data-dir", str(tmp_path))
        code = main(["pretrain", *words, *where, *FAST])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_command_makes_weights_once(
    call: Call, make_task: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--method", "acs,conv3d,crossd", "--data", str(make_task(dimension=2)))
    code, shown, _ = call(*words, "--dry-run")
    assert code == 0
    assert shown.count("about") == 2  # acs and conv3d share plain 2D layers
    assert not (tmp_path / "out").exists()

    code, shown, said = call(*words)
    assert code == 0
    files = [Path(line) for line in shown.splitlines()]
    assert [file.is_file() for file in files] == [True, True]
    assert "images/s" in said
    assert f"report: crossbench report {tmp_path / 'out'}" in said

    _, again, _ = call(*words, "--json")
    records = json.loads(again)
    assert [record["layers"] for record in records] == ["plain", "crossd"]
    assert all(record["schema_version"] == 1 for record in records)
    assert call(*words, "--dry-run")[1].count("already there") == 2

    assert main(["report", str(tmp_path / "out")]) == 0
    assert "crossd on blobs" in capsys.readouterr().out


def test_damaged_images_are_told_of(call: Call, make_folder: Callable[..., Path]) -> None:
    folder = make_folder()
    (folder / "val/dark/0.png").write_bytes(b"no image")
    words = ("--method", "conv2d", "--data", str(folder), "--set", "size=16")
    code, _, said = call(*words)
    assert code == 2
    assert "1 of 4 images cannot be read (dark/0.png: no image)" in said
    code, _, said = call(*words, "--set", "max_unreadable=0.3")
    assert code == 0
    assert "images: 1 images could not be read; the record names them" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "crossd", "--data", "nothing"), "no folder of images 'nothing'"),
        (("--method", "crosd", "--data", "blood"), "unknown method 'crosd'"),
        (("--method", "crossd", "--data", "blood", "--set", "lr=x"), "key 'lr' is 'x'"),
        (("--method", "crossd", "--data", "blood", "--preset", "big"), "unknown preset 'big'"),
    ],
)
def test_a_wrong_request_is_refused(call: Call, words: tuple[str, ...], message: str) -> None:
    code, _, said = call(*words)
    assert code == 2
    assert message in said
