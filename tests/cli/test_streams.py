"""Output on streams that cannot write every sign."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import crossbench_leaderboard
from crossbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(crossbench_leaderboard.__file__).parent / "examples"
FEW = str(EXAMPLES / "adhd-lora")

COMMANDS = {
    "list": ["list", "tasks"],
    "report": ["report", FEW],
    "latex": ["report", FEW, "--format", "latex"],
    "compare": ["compare", FEW, "--baseline", "majority", "--candidate", "conv3d"],
}


ENCODINGS = ["ascii", "cp1252", "koi8-r", "utf-8"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command on a standard output of some encoding; returns what it wrote."""

    def call(command: list[str], encoding: str, further: str = "") -> str:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            assert main(command) == 0
            print(further)
        stream.flush()
        return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined,no-any-return]

    return call


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_commands_write_in_any_encoding(
    command: list[str], encoding: str, shown: Callable[..., str]
) -> None:
    assert "nodule" in shown(command, encoding)


def test_columns_stay_aligned_where_rules_and_marks_are_replaced(
    shown: Callable[..., str],
) -> None:
    lengths = [
        [len(line) for line in shown(["list", "tasks"], encoding).splitlines()]
        for encoding in ("ascii", "utf-8")
    ]
    assert lengths[0] == lengths[1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_lone_surrogate_is_escaped_and_not_raised(
    encoding: str, shown: Callable[..., str]
) -> None:
    text = shown(["list", "presets"], encoding, further="file \udcff.json")
    assert "file \\udcff.json" in text


def test_a_real_process_in_a_locale_without_utf8() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    command = [sys.executable, "-m", "crossbench", "list", "protocols"]
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"weak-probe" in done.stdout
