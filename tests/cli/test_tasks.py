"""``crossbench list tasks``: what it says of the files that users get, in 80 columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbench.cli import main
from crossbench.files.data_root import DataRoot
from crossbench.registry.tasks import extra_tasks, load_tasks


@pytest.fixture
def listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Print a listing of tasks on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*options: str) -> str:
        assert main(["list", "tasks", *options, "--data-dir", str(tmp_path)]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def rows(listed: Callable[..., str]) -> Callable[[], dict[str, dict[str, Any]]]:
    return lambda: {row["name"]: row for row in json.loads(listed("--json", "--all"))}


def test_the_usual_ones_are_those_of_all(listed: Callable[..., str]) -> None:
    usual = [row["name"] for row in json.loads(listed("--json"))]
    assert usual == [card.name for card in load_tasks().values() if not card.control]
    every = [row["name"] for row in json.loads(listed("--json", "--all"))]
    assert every == [*load_tasks(), *extra_tasks()]


@pytest.mark.parametrize("options", [(), ("--all",)])
def test_a_line_a_task_in_80_columns(options: tuple[str, ...], listed: Callable[..., str]) -> None:
    lines = listed(*options).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["name", "dim", "samples", "size", "licence", "groups"]
    (organ,) = (line.split() for line in lines if line.startswith("organc "))
    assert organ == ["organc", "2D", "23583", "~760", "MB", "CC-BY-4.0", "ungrouped"]


def test_addresses_and_digests_stay_whole_and_all_else_fits(listed: Callable[..., str]) -> None:
    lines = [line.strip() for line in listed("--long", "--all").splitlines()]
    assert all(len(line) <= 80 or line.startswith("https://") for line in lines)
    for card in [*load_tasks().values(), *extra_tasks().values()]:
        assert card.name in lines
        if card.source.kind == "medmnist":
            assert card.source.url in lines
            assert f"md5 {card.checksum['md5']}" in lines


def test_every_row_has_what_a_user_must_know(rows: Callable[[], dict[str, Any]]) -> None:
    for name, row in rows().items():
        drawn = name.startswith("phantom-")  # here, and nowhere to be had
        assert row["url"] is None if drawn else row["url"].startswith(("https://", "http://")), name
        assert row["licence"], name
        assert row["citation"], name
    row = rows()["vessel-28"]
    assert row["url"] == "https://zenodo.org/records/10519652/files/vesselmnist3d.npz?download=1"
    assert row["checksum"] == {"md5": "b41fd4f7e7e2feedddb201585ecafa1b"}
    assert row["files"][0]["file"] == "vesselmnist3d.npz"


def test_groups_are_those_of_the_file_that_a_user_gets(rows: Callable[[], dict[str, Any]]) -> None:
    found = rows()
    assert (found["fracture"]["group"], found["fracture"]["groups"]) == ("scan", "ungrouped")
    assert found["fracture"]["grouping"].endswith("crossbench data groups fracture --from FILE.csv")
    assert (found["breast-cancer"]["groups"], found["breast-cancer"]["grouping"]) == (
        "patient",
        None,
    )
    assert found["brats21"]["groups"] == "ungrouped"
    assert found["brats21"]["grouping"] == "An import from origin kaggle knows them (patient)."
    assert found["nodule-malignancy-3d"]["groups"] == "patient"
    assert found["synapse"]["groups"] == "ungrouped"
    said = "What joins groups is said by: crossbench data groups synapse"
    assert found["synapse"]["grouping"] == said


def test_a_file_that_is_there_tells_its_size_and_its_groups(
    rows: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    np.savez(tmp_path / "fracture.npz", images=np.zeros(3), groups=np.arange(3))
    np.savez(tmp_path / "breast-cancer.npz", images=np.zeros(3))
    (tmp_path / "vesselmnist3d.npz").write_bytes(b"no archive")
    found = rows()
    assert found["fracture"]["groups"] == "scan"
    assert found["fracture"]["bytes"] == (tmp_path / "fracture.npz").stat().st_size
    assert found["breast-cancer"]["groups"] == "ungrouped"
    assert found["vessel-28"]["bytes"] == 10
    assert found["vessel-28"]["groups"] == "ungrouped"


def test_groups_that_were_joined_count(rows: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    joined = DataRoot(tmp_path).groups("organc")
    joined.parent.mkdir()
    joined.touch()
    assert rows()["organc"]["groups"] == "scan"


def test_an_imported_file_goes_before_the_published_one(
    rows: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    root = DataRoot(tmp_path)
    np.savez(tmp_path / "busv_96.npz", images=np.zeros(3))
    assert rows()["busv"]["groups"] == "ungrouped"
    root.use("busv", "0" * 16)
    np.savez(root.version("busv", "0" * 16), images=np.zeros(3), groups=np.arange(3))
    assert rows()["busv"]["groups"] == "cluster of videos that share a frame"


@pytest.mark.parametrize("option", ["--all", "--long"])
def test_only_tasks_have_more_to_say(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "presets", option]) == 2
    assert "--all and --long are of tasks, not of presets; leave them" in capsys.readouterr().err
