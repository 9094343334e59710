"""``crossbench new-method``: what it writes runs as written, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import crossbench
from crossbench.cli import main
from crossbench.cli.new_method import module_name
from crossbench.errors import RequestError
from crossbench.registry.methods import load_plugin


def new(folder: Path, *words: str) -> Path:
    """Write a new method into a folder."""
    assert main(["new-method", "my-method", "--out", str(folder), *words]) == 0
    return folder / "my_method.py"


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A folder with a new method of each kind."""
    for kind in ("layers", "network"):
        assert main(["new-method", f"my-{kind}", "--kind", kind, "--out", str(tmp_path)]) == 0
    return tmp_path


def test_they_are_clean_as_written(both: Path) -> None:
    look = ["check", "--isolated", "--line-length=100", "--select=B,C4,E,F,N,PT,RUF,SIM,UP"]
    for words in (look, ["format", "--check", "--isolated", "--line-length=100"]):
        ruff = [sys.executable, "-m", "ruff", *words, both]
        seen = subprocess.run(ruff, capture_output=True, text=True)
        assert seen.returncode == 0, seen.stdout


@pytest.mark.slow
def test_their_tests_pass_as_written(both: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", both]
    done = subprocess.run(command, cwd=both, capture_output=True, text=True)
    assert "14 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("kind", "asked"), [("layers", "my-method:spread=0.5"), ("network", "my-method:sharpness=2")]
)
def test_it_runs_as_written_with_a_hyperparameter(tmp_path: Path, kind: str, asked: str) -> None:
    file = new(tmp_path / "new", "--kind", kind)
    frame = crossbench.run(
        asked,
        "nodule-malignancy-3d",
        plugins=[str(file)],
        preset="smoke",
        settings=["fit.epochs=1", "input.max_samples=48"],
        backbone="test_resnet",
        out=tmp_path / "out",
        device="cpu",
    )
    row = frame[frame["method"].str.startswith("my-method:")].iloc[0]
    assert row["status"] == "ok", row["error_message"]
    assert row["warnings"] == ""


def test_it_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = new(tmp_path)
    said = capsys.readouterr().out
    assert f"pytest {tmp_path / 'test_my_method.py'}\n" in said
    assert f"crossbench check-method {file}\n" in said
    assert load_plugin(str(file)).name == "my-method"


@pytest.mark.parametrize("there", ["my_method.py", "test_my_method.py"])
def test_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    (tmp_path / there).write_text("mine")
    assert main(["new-method", "my-method", "--out", str(tmp_path)]) == 2
    assert f"{there}' exists; move it away, or choose another name" in capsys.readouterr().err
    assert (tmp_path / there).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MyMethod", "my-method"),
        ("my_method", "my-method"),
        ("My Method!", "my-method"),
        ("3d-thing", "d-thing"),
        ("2+1", "my-method"),
        ("", "my-method"),
        ("ACSConv", "acs-conv"),
        ("a" * 70, "a" * 64),
    ],
)
def test_a_name_in_another_form_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(RequestError, match=f"kebab case.*; try: crossbench new-method {nearest}$"):
        module_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("random", "name 'random' means something else to crossbench; choose another"),
        ("conv3d", "method 'conv3d' exists; choose another name"),
        ("torch", "torch.py would hide what Python calls 'torch'; choose a longer name"),
        ("lambda", "lambda.py would hide what Python calls 'lambda'"),
    ],
)
def test_a_name_that_is_taken(name: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        module_name(name)
