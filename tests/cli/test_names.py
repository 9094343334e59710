"""Mistyped names, settings and paths are refused before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from crossbench.cli import main

if TYPE_CHECKING:
    from pathlib import Path

MISTYPED = {
    "method": (["run", "--method", "crosd"], "unknown method 'crosd'; did you mean crossd"),
    "hyperparameter": (["run", "--method", "acs:temp"], "'temp' is no key=value; write NAME:key="),
    "base": (["run", "--method", "crosd:temp=2"], "unknown method 'crosd'; did you mean crossd"),
    "task": (["run", "--task", "vesel"], "unknown task 'vesel'; did you mean vessel"),
    "preset": (["run", "--preset", "smok"], "unknown preset 'smok'; did you mean smoke"),
    "protocol": (["run", "--protocol", "lorra"], "unknown protocol 'lorra'; did you mean lora"),
    "setting": (["run", "--set", "fit.epoch=1"], "unknown setting 'fit.epoch'"),
    "fold": (["run", "--folds", "9"], "--folds: key 'split.run_folds' is (9,)"),
    "seed": (["run", "--seeds", "-1"], "--seeds: key 'split.seeds[0]' is -1"),
    "plugin": (["run", "--plugin", "no.py"], "plugin file 'no.py' does not exist"),
    "init": (["run", "--init", "no/such.pth"], "no checkpoint at 'no/such.pth'"),
    "data": (["run", "--data-dir", "nosuch"], "data folder 'nosuch' does not exist"),
    "card": (["run", "--task", "nosuch.toml"], "nosuch.toml"),
    "epochs": (["run", "--set", f"fit.epochs={10**20}"], "it must be from 1 to 100000"),
    "threads": (["run", "--set", "compute.threads=100000"], "it must be from 0 to 1024"),
    "bench": (["bench", "ops", "--method", "crosd"], "unknown method 'crosd'"),
    "pretrain": (["pretrain", "--data", "x", "--method", "crosd"], "unknown method 'crosd'"),
    "transfer": (["transfer", "--target", "nodule"], "unknown task 'nodule'"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTYPED.values(), ids=MISTYPED)
def test_a_mistyped_name_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_mistyped_name_costs_no_import_of_torch() -> None:
    code = (
        "import sys; from crossbench.cli import main\n"
        f"codes = [main(arguments) for arguments, _ in {list(MISTYPED.values())!r}]\n"
        "assert set(codes) == {2}, codes\n"
        "heavy = {'torch', 'timm', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_format_in_an_init_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--init", "w-{seed:>1000000000}.pth", "--preset", "smoke", "--dry-run"]
    assert main([*command, "--task", "nodule-malignancy-3d", "--method", "conv3d"]) == 2
    assert "has {seed} with a format; leave the format out" in capsys.readouterr().err


@pytest.mark.parametrize(("out", "message"), [("", "is empty"), (" ", "is empty"), ("a\0b", "NUL")])
def test_a_path_that_names_nothing_is_refused(
    out: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--out", out, "--dry-run"])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["report"], ["merge", "--into"], ["compare", "--baseline", "a", "--candidate", "b"]]
)
def test_a_path_that_is_too_long_is_an_error_without_a_traceback(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = str(tmp_path / ("x" * 300))
    arguments = [*command, long, str(tmp_path)] if "--into" in command else [*command, long]
    assert main(arguments) in {0, 2}
    assert "Traceback" not in capsys.readouterr().err
