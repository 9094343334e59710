"""Listings of methods: of packages without importing them, of plugin files as far as they load."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from own_method import METHOD

from crossbench.cli import main

TAKING = METHOD.replace(
    "    def layer_2d", "    def __init__(self, temp=1.0): pass\n    def layer_2d"
)


@pytest.fixture
def plugins(tmp_path: Path) -> list[str]:
    """Options for a plugin that loads, one that breaks, and one of a name that is taken."""
    texts = {"mine": f"'''Mine.'''{TAKING}", "bad": "1 / 0", "twin": METHOD.replace("mine", "acs")}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    return [word for name in texts for word in ("--plugin", str(tmp_path / f"{name}.py"))]


def test_plugins_are_listed_with_what_they_take_or_why_they_break(
    plugins: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "methods", "--json", *plugins]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"] == {
        "name": "mine",
        "inputs": "volume",
        "hyperparameters": "temp=1",
        "package": "plugin file mine.py",
        "summary": "Mine.",
    }
    assert "cannot be imported: ZeroDivisionError" in rows[plugins[3]]["summary"]
    assert re.fullmatch(
        r"\(method 'acs' is registered by crossbench and plugin file '.+twin\.py'; rename one of "
        r"them\)",
        rows["acs"]["summary"],
    )
    assert rows["softacs"]["hyperparameters"] == "temp=1"
    assert rows["conv3d"]["hyperparameters"] is None


def test_a_table_says_what_a_method_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["list", "methods"]) == 0
    assert "by shares that learn. Takes temp=1." in capsys.readouterr().out


def test_plugins_are_of_methods_alone(
    plugins: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "presets", *plugins]) == 2
    assert "--plugin is of methods, not of presets; leave it out" in capsys.readouterr().err
    assert main(["list", "methods", "--plugin", "no.py"]) == 2
    assert "plugin file 'no.py' does not exist" in capsys.readouterr().err
