"""Runs of a plugin on an embedded task, and the bundle that is made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_submission import BESIDE, PLUGIN, SETTINGS, TASK, Made

import crossbench
from crossbench.submissions.submission import submit


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two seeds of one fold; a session's tests share them and change nothing."""
    folder = tmp_path_factory.mktemp("author")
    plugin = folder / "mine.py"
    plugin.write_text(PLUGIN)
    (folder / "inflation.py").write_text(BESIDE)
    crossbench.run(
        "mine",
        TASK,
        plugins=[str(plugin)],
        preset="smoke",
        backbone="test_resnet",
        settings=SETTINGS,
        seeds=[43, 44],
        device="cpu",
        out=folder / "results",
    )
    return Made(folder / "results", plugin)


@pytest.fixture
def author(made: Made, tmp_path: Path) -> Made:
    """A copy of the results to be tampered with, and the plugin at another place."""
    shutil.copytree(made.plugin.parent, tmp_path / "author")
    return Made(tmp_path / "author" / "results", tmp_path / "author" / "mine.py")


@pytest.fixture(scope="session")
def bundle(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the runs, to be read alone."""
    path = tmp_path_factory.mktemp("bundle") / "mine.zip"
    submit(made.request(), path)
    return path
