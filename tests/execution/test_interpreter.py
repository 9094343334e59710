"""Child interpreters: started in one place, and deaf to the working folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crossbench.execution import interpreter

ROOT = Path(__file__).parents[2]


def test_interpreters_are_started_in_one_place() -> None:
    """Programs that are no interpreters may be started elsewhere: git and dcm2niix."""
    homes = ("crossbench", "baselines", "leaderboard", "tasks", "scripts")
    sources = {
        str(file.relative_to(ROOT)): file.read_text()
        for home in homes
        for file in (ROOT / home).rglob("*.py")
    }
    starting = re.compile(r"sys\.executable|subprocess\.run|os\.(exec|spawn|popen|system)|Popen\(")
    found = {name for name, text in sources.items() if starting.search(text)}
    programs = {
        "crossbench/files/checkout.py",
        "crossbench/data/formats/dicom/volumes.py",
        "scripts/measure_change.py",
    }
    assert found == {"crossbench/execution/interpreter.py", *programs}
    elsewhere = {name for name, text in sources.items() if "import multiprocessing" in text}
    assert elsewhere == {f"crossbench/execution/{name}.py" for name in ("child", "isolation")}


@pytest.mark.parametrize("path", [None, "", f"{os.pathsep}elsewhere"])
def test_an_interpreter_imports_nothing_of_the_working_folder(
    planted: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", path)
    code = (
        "import json, numpy, subprocess, sys; subprocess.run([sys.executable, '-c', 'import json'])"
    )
    with interpreter.start("-c", code) as process:
        pass
    assert process.returncode == 0
    assert not (planted / "ran").exists()


def test_python_dash_m_imports_nothing_of_the_working_folder(planted: Path) -> None:
    """As ``torchrun -m crossbench`` starts it, without our doing."""
    command = [sys.executable, "-m", "crossbench", "compare", "nowhere", "--baseline", "acs"]
    done = subprocess.run([*command, "--candidate", "crossd"], capture_output=True, text=True)
    assert "results folder 'nowhere' does not exist" in done.stderr
    assert not (planted / "ran").exists()
