"""The command line as a user meets it; slow imports and exit codes in a real process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from crossbench.cli import main
from crossbench.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# timm's own test network: a ResNet of a million parameters
FAST = ["--backbone", "test_resnet", "--set", "fit.epochs=1", "--device", "cpu"]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call ``crossbench run`` on the temporary folder; returns exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        where = ["--out", str(tmp_path / "out"), "--data-dir", str(tmp_path)]
        code = main(["run", *arguments, *where, *FAST])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "tasks"], ["list", "methods"], ["--version"]]
)
def test_help_and_listings_import_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys; from crossbench.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'timm', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("what", ["tasks", "methods", "protocols", "presets"])
def test_listings_as_json_name_what_the_table_names(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", what, "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert main(["list", what]) == 0
    shown = capsys.readouterr().out
    assert names
    assert all(name in shown for name in names)


def test_a_run_leaves_records_and_a_report(
    run: Callable[..., tuple[int, str, str]],
    make_task: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = str(make_task())
    grid = ["--method", "conv3d", "--task", card, "--seeds", "43", "--folds", "0"]
    code, out, err = run(*grid, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["ok"], summary["failed"], summary["done_before"]) == (3, [], 0)

    code, out, _ = run(*grid, "--json")
    assert json.loads(out)["done_before"] == 3
    assert main(["report", str(tmp_path / "out")]) == 0
    assert "conv3d" in capsys.readouterr().out


def test_a_dry_run_shows_the_plan_and_writes_nothing(
    run: Callable[..., tuple[int, str, str]], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    card = str(make_task())
    code, out, _ = run("--method", "acs,conv3d", "--task", card, "--dry-run")
    assert code == 0
    assert "60 runs to do, 0 done; about" in out  # (2 methods + 2 plain) x 3 seeds x 5 folds
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "bloood"], "unknown task 'bloood'; did you mean blood"),
        (["--method", "crosd"], "unknown method 'crosd'; did you mean crossd"),
        (["--preset", "papr"], "unknown preset 'papr'; did you mean paper"),
        (["--protocol", "finetun"], "unknown protocol 'finetun'; did you mean finetune"),
        (["--set", "fit.epoch=2"], "unknown setting 'fit.epoch'; did you mean fit.epochs"),
        (["--set", "fit.epochs=two"], "'fit.epochs' is 'two'; it must be a whole number"),
        (["--set", "epochs"], "--set 'epochs' is not of the form KEY=VALUE"),
        (["--set", "metric=auroc"], "with `crossbench report DIR --metric auroc`"),
        (["--device", "gpu"], "device 'gpu' is not auto, cpu, cuda or cuda:N"),
        (["--data-dir", "/nowhere"], "data folder '/nowhere' does not exist"),
        (["--limit", "0"], "limit (=0) must be at least 1"),
        (["--folds", "7"], "--folds: key 'split.run_folds' is (7,); folds count from 0 to 4"),
        (["--seeds", "-1"], "--seeds: key 'split.seeds[0]' is -1; it must be from 0, below 2**32"),
        (["--set", "split.run_folds=[7]"], "--set: key 'split.run_folds' is (7,)"),
        (["--method", "all,acs"], "'all' stands alone"),
        (["--method", ","], "no names given"),
        (["--task", "blood"], "bloodmnist_224.npz"),
        (["--task", "blood,vessel", "--method", "acs"], "vesselmnist3d_64.npz"),
        (["--strict"], "bloodmnist_224.npz"),
        (
            ["--task", "nodule-malignancy-2d", "--method", "acs"],
            "acs on nodule-malignancy-2d: it has no",
        ),
        (["--plugin", "none.py"], "plugin file 'none.py' does not exist"),
        (["--init", "none.pth"], "none.pth"),
    ],
)
def test_wrong_requests_exit_with_two_and_say_why(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["run", "--method", "crossd", *arguments, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_failing_run_exits_with_one_and_spares_the_others(
    run: Callable[..., tuple[int, str, str]], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    plugin = tmp_path / "sick.py"
    plugin.write_text(
        "class Sick:\n"
        "    name, dims = 'sick', (3,)\n"
        "    def layer_2d(self, conv): return conv\n"
        "    def layer_3d(self, layer): raise ValueError('no such kernel')\n"
        "method = Sick()\n"
    )
    grid = ["--plugin", str(plugin), "--task", str(make_task()), "--seeds", "43", "--folds", "0"]
    code, out, err = run("--method", "sick,conv3d", *grid, "--json")
    summary = json.loads(out)
    assert code == 1
    assert summary["ok"] == 3
    assert [each["method"] for each in summary["failed"]] == ["sick"]
    assert "failed: sick on blobs, seed 43, fold 0: ValueError: no such kernel" in err


def test_missing_data_is_listed_and_the_rest_runs(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, _ = run("--method", "conv3d", "--limit", "1", "--preset", "standard", "--dry-run")
    assert code == 0
    assert "nodule-malignancy-3d" in out
    assert "tasks: fetch it by --fetch, or by" in out
    where = f" --data-dir {tmp_path}"
    assert f"\ncrossbench data fetch vessel{where}\n" in out
    assert f"\ncrossbench data fetch busv --accept-licence BUV{where}\n" in out


def test_a_dry_run_shows_a_terminal_that_it_is_timing(
    run: Callable[..., tuple[int, str, str]],
    make_task: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["--method", "conv3d", "--task", str(make_task()), "--dry-run"]
    assert "timing networks" not in run(*arguments)[2]
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes standard error pass for a terminal
    code, out, err = run(*arguments)
    assert code == 0
    assert "timing networks" in err
    assert "timing networks" not in out


def test_the_help_of_compare_names_the_rope_that_it_uses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    loss, others = METRICS["log_loss"], [each for each in METRICS.values() if each.highest == 1]
    assert {each.rope for each in others} == {0.01}
    said = f"equivalent (0.01; log loss {loss.rope:g} nats)"
    assert said in " ".join(capsys.readouterr().out.split())


def test_merging_two_folders(
    run: Callable[..., tuple[int, str, str]],
    make_task: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    grid = ["--method", "conv3d", "--task", str(make_task()), "--seeds", "43", "--folds", "0"]
    assert run(*grid)[0] == 0
    target = tmp_path / "both"
    assert main(["merge", str(tmp_path / "out"), "--into", str(target)]) == 0
    assert "3 records copied" in capsys.readouterr().err
    assert main(["report", str(target), "--format", "csv"]) == 0
    assert "conv3d" in capsys.readouterr().out


def test_report_on_an_empty_folder_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
