"""The documents show the figures of the records that are shipped, and no others."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import make_examples as script
import pandas as pd
import pytest

import crossbench
from crossbench.cli import _parser

ROOT = Path(__file__).parents[2]
TABLE = script.read_table()
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *script.documents(TABLE)]


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    return script.read_records(TABLE)


@pytest.mark.parametrize("document", script.documents(TABLE), ids=lambda path: path.name)
def test_every_figure_is_that_of_its_record(document: Path, records: dict[str, Any]) -> None:
    wanted = script.render(document, TABLE, records)
    assert document.read_text(encoding="utf-8") == wanted, "run make_examples.py --render-only"


def test_every_block_is_marked_once_in_its_document() -> None:
    marked = {
        (name, path.relative_to(ROOT).as_posix())
        for path in DOCUMENTS
        for name in re.findall(r"<!-- example: (\S+) -->", path.read_text(encoding="utf-8"))
    }
    assert marked == {(name, block["document"]) for name, block in TABLE["blocks"].items()}


@pytest.mark.parametrize("name", TABLE["commands"])
def test_every_command_is_one(name: str) -> None:
    program, *words = shlex.split(TABLE["commands"][name]["run"])
    assert program == "crossbench"
    assert _parser().parse_args(words).command


def test_a_bench_is_not_measured_again(tmp_path: Path) -> None:
    command = {"run": "crossbench --version", "takes": "a second"}
    assert script.estimate(command, tmp_path) == "a second"
    script.run(command, tmp_path)
    assert script.estimate(command, tmp_path) == "done"
    assert script.estimate(command | {"run": "crossbench --help"}, tmp_path) == "a second"


def test_a_command_may_be_longer_than_the_name_of_a_file(tmp_path: Path) -> None:
    script.run({"run": f"crossbench --version {'x' * 300}"}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.run({"run": "crossbench report nowhere"}, tmp_path)


def test_a_set_is_made_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = {
        name: {"set": name, "run": f"crossbench bench models --input {name}", "takes": "a minute"}
        for name in ("one", "other")
    }
    table = {"records": {"one": "a", "other": "b"}, "commands": commands}
    monkeypatch.setattr(script, "read_table", lambda: table)
    assert script.main(["--set", "other", "--dry-run"]) == 0
    assert capsys.readouterr().out == "other: a minute\n"
    with pytest.raises(SystemExit, match="2"):
        script.main(["--set", "third"])
    assert "invalid choice: 'third'" in capsys.readouterr().err


def test_shipping_replaces_records_and_leaves_networks_behind(tmp_path: Path) -> None:
    work, shipped = tmp_path / "work" / "results" / "smoke", tmp_path / "shipped"
    for file in (
        work / "a.json",
        work / "a.npz",
        work / "a.safetensors",
        shipped / "old" / "b.json",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (shipped / "README.md").touch()
    script.ship(tmp_path / "work", shipped)
    found = {path.relative_to(shipped).as_posix() for path in shipped.rglob("*.*")}
    assert found == {"README.md", "smoke/a.json", "smoke/a.npz"}


def test_shipped_records_of_this_version_are_resumed(tmp_path: Path) -> None:
    shipped, work = tmp_path / "shipped", tmp_path / "work"
    shipped.mkdir()
    for name, version in (
        ("now", crossbench.__version__),
        ("kept", crossbench.__version__),
        ("old", "0.1"),
    ):
        record = {"provenance": {"versions": {"crossbench": version}}}
        (shipped / f"{name}.json").write_text(json.dumps(record))
        (shipped / f"{name}.1234.npz").touch()
    (shipped / "bench.json").write_text("{}")
    (work / "results").mkdir(parents=True)
    (work / "results" / "kept.json").write_text("as it is")
    script.resume(work, shipped)
    found = {path.name for path in (work / "results").iterdir()}
    assert found == {"kept.json", "now.json", "now.1234.npz"}
    assert (work / "results" / "kept.json").read_text() == "as it is"


def test_a_table_has_means_and_population_deviations() -> None:
    block = {
        "heads": ["run", "score", "lost"],
        "cells": ["{score:.2f} ± {score_std:.2f}", "{lost:.1f}"],
    }
    rows = {"`a`": pd.DataFrame({"score": [0.1, 0.3], "lost": [float("nan")] * 2})}
    assert script.markdown(block, rows).splitlines()[-1] == "| `a` | 0.20 ± 0.10 | – |"


def test_long_commands_are_broken_before_options() -> None:
    broken = script._wrapped("crossbench run" + " --set fit.epochs=1" * 9)
    assert all(line.lstrip().startswith(("crossbench", "--set")) for line in broken.splitlines())
    assert max(map(len, broken.splitlines())) <= script.WIDTH
