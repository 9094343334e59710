"""The wheel that users install: built, installed beside nothing of this checkout, and used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("crossbench", "tasks", "baselines", "leaderboard")
FILES = ("pyproject.toml", "README.md", "LICENSE")


def call(*arguments: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    call(*pip, "wheel", *offline, "--wheel-dir", root, source, cwd=root)
    (wheel,) = root.glob("*.whl")
    call(*pip, "install", *offline, "--target", root / "site", wheel, cwd=root)
    return root / "site"


def test_every_file_that_is_not_python_comes_along(installed: Path) -> None:
    for source in SOURCES:
        base = ROOT if source == "crossbench" else ROOT / source
        for file in (ROOT / source).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file):
                assert (installed / file.relative_to(base)).is_file(), file


def test_the_installed_command_lists_and_reports(installed: Path, tmp_path: Path) -> None:
    examples = installed / "crossbench_leaderboard" / "examples"
    of_ct = examples.with_name("examples_ct")
    here = {"PYTHONPATH": str(installed)}
    where = call("-P", "-c", "import crossbench; print(crossbench.__file__)", cwd=tmp_path, **here)
    assert Path(where.strip()).is_relative_to(installed)
    methods = json.loads(
        call("-P", "-m", "crossbench", "list", "methods", "--json", cwd=tmp_path, **here)
    )
    assert {row["name"] for row in methods} >= {"conv2d", "acs", "conv3d", "crossd"}
    listing = ("-P", "-m", "crossbench", "list", "tasks", "--json")
    tasks = json.loads(call(*listing, cwd=tmp_path, **here))
    assert len(tasks) == 21  # the paper's 17, and the embedded four
    every = {row["name"] for row in json.loads(call(*listing, "--all", cwd=tmp_path, **here))}
    assert every > {"nodule-malignancy-inverted-3d", "vessel-28", "retina"}
    report = ("-P", "-m", "crossbench", "report", examples, of_ct, "--format", "csv")
    printed = call(*report, cwd=tmp_path, **here)
    assert "nodule-malignancy-3d" in printed
    assert "nodule-malignancy-ct-3d" in printed
