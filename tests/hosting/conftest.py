"""A board of two methods, accepted on two days."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_boards import FIRST, SECOND, accept, submission

from crossbench.hosting.changes import Added, new_board
from crossbench.hosting.folder import BoardSettings


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A board without submissions."""
    settings = BoardSettings(title="Nodules in 3D", description="What carries over.")
    return new_board(tmp_path / "board", settings).folder


@pytest.fixture
def add() -> Callable[..., Added]:
    return accept


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``mine.zip``, a better one of the same method, and one of another: read them alone."""
    folder = tmp_path_factory.mktemp("bundles")
    submission(folder / "mine.zip")
    submission(folder / "better.zip", skill=2.0)
    submission(folder / "other.zip", "other", authors=["B. Other"], skill=0.6)
    return folder


@pytest.fixture(scope="session")
def template(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board that others are copies of."""
    folder = tmp_path_factory.mktemp("hosting") / "board"
    new_board(folder, BoardSettings(title="Nodules in 3D", description="What carries over."))
    accept(folder, bundles / "mine.zip", FIRST)
    accept(folder, bundles / "other.zip", SECOND)
    return folder


@pytest.fixture
def board(template: Path, tmp_path: Path) -> Path:
    """A board with a submission of ``mine`` and one of ``other``."""
    return Path(shutil.copytree(template, tmp_path / "board"))
