"""The third party's package as pip installs it, whole and to be damaged."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from third_party import PACKAGE


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the third party's package into."""
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    target = tmp_path_factory.mktemp("installed")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", target, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def damaged(installed: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for a test to damage."""
    return shutil.copytree(installed, tmp_path / "installed")


@pytest.fixture
def here(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The damaged package, found by this very process."""
    monkeypatch.syspath_prepend(damaged)
    yield damaged
    for name in [name for name in sys.modules if name.startswith("example_operator")]:
        del sys.modules[name]
