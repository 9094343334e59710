"""A third party's package and plugin, and interpreters that find them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "plugin_pkg"

LISTING = """
import json, sys
from crossbench.registry.entries import method_entries
from crossbench.registry.presets import load_presets
from crossbench.registry.tasks import load_tasks, task_faults
print(json.dumps({
    "methods": {name: vars(entry) for name, entry in method_entries().items()},
    "tasks": {name: str(card.path) for name, card in load_tasks().items()},
    "presets": list(load_presets()),
    "faults": task_faults(),
    "imported": sorted(sys.modules),
}))
"""

SOURCE = """
class Mine:
    name = "mine"
    dims = (2, 3)

    def layer_2d(self, conv):
        return conv

    def layer_3d(self, layer):
        return layer
"""


def python(code: str, *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a second interpreter that finds packages in ``path``, if given, first."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def listing(path: Path | None = None) -> dict[str, Any]:
    """What a second interpreter lists, which must have said nothing else."""
    done = python(LISTING, path=path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def register(damaged: Path, text: str) -> None:
    """Have the installed package register this."""
    (next(damaged.glob("*.dist-info")) / "entry_points.txt").write_text(text)
