"""Runs of a bundle made again."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch
from made_submission import BESIDE, PLUGIN, SETTINGS, TASK, Made
from tampering import Opened, arrays_of, forge, rescored

import crossbench
from crossbench.cli import main
from crossbench.errors import BundleError, RequestError
from crossbench.execution import interpreter
from crossbench.results.bundles.bundle import open_bundle
from crossbench.results.bundles.conformance import bundled_report
from crossbench.submissions.submission import submit
from crossbench.submissions.validation import validate_bundle
from crossbench.submissions.verification import VerifyRequest, prospect

if TYPE_CHECKING:
    from pathlib import Path


def test_without_trust_nothing_is_run(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(bundle), "--sample", "1", "--seed", "3"]) == 2
    told = capsys.readouterr().err
    assert "verify runs code of A. Author, which can do whatever you can" in told
    assert "  source/plugin/inflation.py\n  source/plugin/mine.py\n" in told
    assert "would make 1 of 2 finished runs again:\n  mine on nodule-malignancy-3d, seed 4" in told
    assert "add --trust --seed 3" in told


def test_a_seed_draws_the_same_runs(bundle: Path) -> None:
    drawn = [prospect(bundle, VerifyRequest(sample=1, seed=seed)).runs for seed in range(8)]
    assert drawn == [prospect(bundle, VerifyRequest(sample=1, seed=s)).runs for s in range(8)]
    assert len({run for runs in drawn for run in runs}) == 2
    assert len(prospect(bundle, VerifyRequest(sample=99, seed=0)).runs) == 2


def test_there_is_something_to_verify(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"sample \(=0\) must be at least 1"):
        prospect(bundle, VerifyRequest(sample=0, seed=0))
    opened = Opened(bundle, tmp_path / "opened")
    for path in opened.records():
        path.unlink()
    empty = opened.forged(tmp_path / "b.zip")
    with pytest.raises(BundleError, match=r"the bundle has no finished run of 'mine'"):
        prospect(empty, VerifyRequest(sample=1, seed=0))


@pytest.mark.slow
def test_runs_are_confirmed_from_the_bundles_own_source(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["verify", str(bundle), "--trust", "--sample", "2", "--seed", "1", "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["confirmed"] is True
    assert [run["outcome"] for run in told["runs"]] == ["equal", "equal"]
    assert told["quotation"].startswith(
        "2 of 2 runs of 'mine' were confirmed, 2 of them bit for bit; they were drawn by seed 1 "
        "from its 2 finished runs and made again from the bundle's own source"
    )


@pytest.mark.slow
def test_predictions_that_were_made_up_are_found_out(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They pass validation, which cannot tell (``tests/submissions/test_validation.py``)."""
    opened = Opened(bundle, tmp_path / "opened")
    for number, path in enumerate(opened.records()):
        arrays = arrays_of(path)
        chance = np.random.default_rng(number).uniform(0.8, 0.99, len(arrays["label"]))
        rows = np.where(np.eye(2)[arrays["label"]] > 0, chance[:, None], 1 - chance[:, None])
        arrays["log_probabilities"] = np.log(rows).astype(np.float32)
        forge(path, lambda m, arrays=arrays: rescored(m, arrays), **arrays)
    forged = opened.forged(tmp_path / "b.zip")
    assert validate_bundle(forged).ok
    assert main(["verify", str(forged), "--trust", "--sample", "1", "--device", "cpu"]) == 1
    told = capsys.readouterr().out
    assert ": differs, " in told
    assert "0 of 1 runs of 'mine' were confirmed" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise ValueError('broken')", "ValueError: broken"),
        ("import os; os._exit(3)", "its process ended with exit status 3 before its work was don"),
    ],
)
def test_source_that_does_not_run_is_told(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, told: str
) -> None:
    opened = Opened(bundle, tmp_path / "opened")
    (opened.folder / "source/plugin/inflation.py").write_text(f"{source}\n")
    forged = opened.forged(tmp_path / "b.zip")
    assert main(["verify", str(forged), "--trust", "--sample", "1", "--device", "cpu"]) == 1
    assert told in capsys.readouterr().out


@pytest.mark.slow
def test_from_a_file_to_a_verified_bundle(tmp_path: Path) -> None:
    """As an author and a reviewer do it, each command in a process of its own."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "inflation.py").write_text(BESIDE)
    own = ["--plugin", "mine.py", "--method", "mine"]
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    told = commanded(
        tmp_path,
        ["run", *own, "--task", TASK, "--preset", "smoke", *settings, "--device", "cpu"],
        ["submit", "results", *own, "--authors", "A", "--licence", "MIT", "--out", "b.zip"],
        ["validate", "b.zip"],
        ["verify", "b.zip", "--sample", "1", "--device", "cpu", "--trust"],
    )
    assert "b.zip: 1 runs of mine (0 failed), 3 of plain baselines; licence MIT" in told
    assert " pass, " in conformance_of(tmp_path / "b.zip")
    assert "all holds: 4 records, 4 of them held against their task's data" in told
    assert "mine on nodule-malignancy-3d, seed 43, fold 0: equal, " in told


@pytest.mark.slow
def test_runs_from_a_file_of_weights_are_made_again_from_that_file(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    network = timm.create_model("test_resnet", num_classes=0)
    weights, results = tmp_path / "own.pth", tmp_path / "results"
    torch.save(network.state_dict(), weights)
    for init in (str(weights), "random"):
        crossbench.run(
            "mine",
            TASK,
            plugins=[str(made.plugin)],
            preset="smoke",
            backbone="test_resnet",
            settings=SETTINGS,
            init=init,
            statistics="imagenet",
            device="cpu",
            out=results,
        )
    bundle = tmp_path / "b.zip"
    submit(made.request(folders=(results,)), bundle)
    words = ["verify", str(bundle), "--trust", "--sample", "2", "--device", "cpu"]
    assert main([*words, "--init", str(weights)]) == 0
    assert capsys.readouterr().out.count("fold 0: equal, ") == 2
    assert main(words) == 2
    assert "add --init FILE, or draw other runs by --seed" in capsys.readouterr().err
    assert main([*words, "--init", "no/such.pth"]) == 2
    assert "no checkpoint at 'no/such.pth'" in capsys.readouterr().err


def commanded(folder: Path, *commands: list[str]) -> str:
    """What commands print on standard output; each must succeed."""
    told = ""
    for words in commands:
        process = interpreter.start(
            *("-m", "crossbench", *words), cwd=folder, stdout=subprocess.PIPE
        )
        told += process.communicate()[0]
        assert process.returncode == 0, words
    return told


def conformance_of(path: Path) -> str:
    """The verdict of the report that ``submit`` has made."""
    with open_bundle(path) as bundle:
        report = bundled_report(bundle)
    return "" if report is None else report.verdict
