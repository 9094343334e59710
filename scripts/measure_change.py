"""Time a method as it was at a revision of git against the method as it is.

    python scripts/measure_change.py 2df5461 crossd -- models --input 224 64 --threads 2
    python scripts/measure_change.py 2df5461 crossd -- ops --shapes paper --max-batch 2 --backward

What follows ``--`` is a command of ``crossbench bench``. The past method joins it as a plugin named
``NAME-REVISION``, beside the present one and the plain convolution: they take turns, in one run.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from crossbench.cli import main as crossbench

_PACKAGE = "crossbench_baselines"

_PLUGIN = """\
from {module} import {attribute} as Present


class Past(Present):
    name = {name!r}


method = Past()
"""


def past_method(revision: str, method: str, folder: Path) -> Path:
    """The file of a plugin that is the method as of a revision, its package under another name."""
    entry = tomllib.loads(_git("show", f"{revision}:pyproject.toml").decode())
    module, attribute = entry["project"]["entry-points"]["crossbench.methods"][method].split(":")
    past = f"{_PACKAGE}_{revision}"
    archive = io.BytesIO(_git("archive", "--format=tar", f"{revision}:baselines", _PACKAGE))
    with tarfile.open(fileobj=archive) as files:
        files.extractall(folder, filter="data")
    (folder / _PACKAGE).rename(folder / past)
    for source in (folder / past).rglob("*.py"):
        source.write_text(source.read_text("utf-8").replace(_PACKAGE, past), "utf-8")
    plugin = folder / "past.py"
    plugin.write_text(
        _PLUGIN.format(
            module=module.replace(_PACKAGE, past),
            attribute=attribute,
            name=f"{method}-{revision}",
        ),
        "utf-8",
    )
    return plugin


def _git(*words: str) -> bytes:
    root = Path(__file__).resolve().parents[1]
    command = ["git", *words]
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603


def main() -> int:
    """Run the bench with the past method beside the present one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision")
    parser.add_argument("method")
    parser.add_argument("bench", nargs=argparse.REMAINDER, help="-- and a command of bench")
    given = parser.parse_args()
    words = [word for word in given.bench if word != "--"]
    with tempfile.TemporaryDirectory() as folder:
        revision = _git("rev-parse", "--short", given.revision).decode().strip()
        plugin = past_method(revision, given.method, Path(folder))
        methods = f"conv2d,{given.method},{given.method}-{revision}"
        return crossbench(["bench", *words, "--method", methods, "--plugin", str(plugin)])


if __name__ == "__main__":
    sys.exit(main())
