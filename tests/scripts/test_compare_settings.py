"""Runs of two folders are paired by task, method, seed, fold and split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import compare_settings as script
import pytest
from scored_runs import make_run

from crossbench.evaluation.statistics import corrected_t
from crossbench.results.records.store import Store


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three folds under two settings, the second's better by what they find."""
    for name, skill in (("one", 0.3), ("other", 2.0)):
        for fold in range(3):
            for method in ("majority", "acs"):
                Store(tmp_path / name).write(*make_run(method, "blood", fold=fold, skill=skill))
    return tmp_path / "one", tmp_path / "other"


def test_the_gain_is_that_of_the_same_folds(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([*map(str, folders), "--metric", "mcc"]) == 0
    network, plain = capsys.readouterr().out.splitlines()
    before, after = (
        [make_run("acs", "blood", fold=fold, skill=skill)[0].metrics["mcc"] for fold in range(3)]
        for skill in (0.3, 2.0)
    )
    known: Any = (before, after)
    test = corrected_t(*known, folds=3)
    assert f"gain {test.gain:+.3f}, p = {test.p_value:.2g}, 3 runs" in network
    assert network.startswith("acs on blood: ")
    assert plain.startswith("majority on blood: ")
    assert plain.endswith("equal, 3 runs")


def test_folders_without_a_run_in_common(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(tmp_path / "else").write(*make_run("acs", "path", fold=0))
    assert script.main([str(folders[0]), str(tmp_path / "else")]) == 1
    assert "no run is in " in capsys.readouterr().out


def test_runs_of_one_folder_are_told_apart_by_their_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for epochs, skill in ((3, 0.3), (9, 2.0)):
        for fold in range(3):
            known = make_run("acs", "blood", fold=fold)[0].provenance
            settings = known | {"settings": {"backbone": "resnet18", "fit": {"epochs": epochs}}}
            run = make_run("acs", "blood", fold=fold, skill=skill, provenance=settings)
            Store(tmp_path).write(*run)
    both = [str(tmp_path), str(tmp_path)]
    with pytest.raises(SystemExit, match="2"):
        script.main(both)
    assert "under several settings (acs on blood); choose by --one" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        script.main([*both, "--one", "init=other"])
    assert "no record with {'init': ['other']}" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        script.main([*both, "--one", "fit.epochs=3", "--one", "fit.epochs=9"])
    assert "under several settings" in capsys.readouterr().err
    assert script.main([*both, "--one", "fit.epochs=3", "--other", "fit.epochs=9"]) == 0
    assert "acs on blood: " in capsys.readouterr().out
