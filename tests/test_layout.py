"""Tests mirror the sources: the tests of a module lie where the module does."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent

#: Rules that no one module keeps.
RULES = {
    "evaluation/statistics/test_calibration.py",
    "execution/test_deaths.py",
    "execution/test_full_disk.py",
    "cli/test_start.py",
    "specs/test_fingerprints.py",
    "data/test_inputs.py",
    "data/acquire/test_origins.py",
    "results/boards/test_chance.py",
    "registry/test_recording_method.py",
    "runs/test_sites.py",
}
ROOMS = {path.name for path in (ROOT / "crossbench").iterdir() if path.is_dir()} | {"scripts"}


def files() -> list[str]:
    found = (path.relative_to(TESTS) for path in TESTS.glob("*/**/test_*.py"))
    return sorted(path.as_posix() for path in found if path.parts[0] in ROOMS)


@pytest.mark.parametrize("file", sorted(set(files()) - RULES))
def test_a_test_file_lies_where_its_module_does(file: str) -> None:
    folder, name = Path(file).parent, Path(file).stem.removeprefix("test_")
    base = ROOT if folder.parts[0] == "scripts" else ROOT / "crossbench"
    of_the_package = folder.name == name
    module, package = base / folder / f"{name}.py", base / folder / name
    assert of_the_package or module.is_file() or package.is_dir(), f"no {module.relative_to(ROOT)}"


def test_every_rule_has_its_file() -> None:
    assert set(files()) >= RULES
