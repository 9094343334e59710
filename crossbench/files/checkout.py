"""The git checkout that holds some files."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any


@cache
def git_state() -> dict[str, Any]:
    """Commit of the crossbench checkout and whether it has changes; empty outside one."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return {}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "dirty": dirty}


@cache
def source_state(files: tuple[Path, ...]) -> dict[str, Any]:
    """Commit of the checkout that holds some files, and whether they differ from it.

    Args:
        files: One or more; the first tells which checkout it is, and those outside do not count.

    Returns:
        Empty where there is no checkout, or one that tracks none of them.
    """
    try:
        root = Path(_git(files[0].parent, "rev-parse", "--show-toplevel"))
        real = [file.resolve() for file in files]
        inside = [str(file) for file in real if file.is_relative_to(root)]
        tracked = _git(root, "ls-files", "--", *inside).splitlines()
        if not tracked:
            return {}
        changed = _git(root, "status", "--porcelain", "--", *inside)
        commit = _git(root, "rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "dirty": bool(changed) or len(tracked) < len(inside)}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return done.stdout.strip()
