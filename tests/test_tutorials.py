"""The pages that lead a user step by step, executed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"(<!-- not executed: [^\n]* -->\n)?```(python|sh)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"# (\S+\.py)(, continued)?\n")


def steps(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block that is executed."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(language, text) for left_out, language, text in found if not left_out]


def take(step: tuple[str, str], folder: Path) -> None:
    """Write a block of Python to the file that it names, or run one of the shell."""
    language, text = step
    if language == "python":
        match = _FILE.match(text)
        assert match, f"a block of Python begins with the name of its file: {text[:60]!r}"
        with (folder / match[1]).open("a" if match[2] else "x", encoding="utf-8") as stream:
            stream.write(text[match.end() :] if match[2] else text)
        return
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env={**os.environ, "PATH": commands, "CROSSBENCH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_method_gets_from_an_empty_file_to_the_board(tmp_path: Path) -> None:
    for step in steps(DOCS / "add-a-method.md"):
        take(step, tmp_path)
    assert (tmp_path / "site" / "index.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_folder_of_recordings_gets_to_the_board(tmp_path: Path) -> None:
    for step in steps(DOCS / "fmri.md"):
        take(step, tmp_path)
    methods = {path.parent.name for path in (tmp_path / "results").rglob("*-fold0-*.json")}
    assert methods == {"fc-cnn", "majority", "logistic", "covariates"}
