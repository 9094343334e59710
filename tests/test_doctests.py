"""Examples in docstrings are true."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT, ROOT / "baselines", ROOT / "leaderboard", ROOT / "tasks")


def modules() -> list[str]:
    """The modules whose source holds an example."""
    return [
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        for folder in FOLDERS
        for path in sorted(folder.glob("crossbench*/**/*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("module", modules())
def test_every_example_is_true(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed, capsys.readouterr().out


def test_what_compares_methods_shows_how() -> None:
    statistics = import_module("crossbench.evaluation.statistics")
    functions = [getattr(statistics, name) for name in statistics.__all__ if name.islower()]
    lacking = {each.__name__ for each in functions if ">>> " not in (each.__doc__ or "")}
    assert lacking == set()
