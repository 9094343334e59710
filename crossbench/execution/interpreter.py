"""The project's one way to start an interpreter, in which no code of the working folder runs.

``python -m`` puts the working folder at the front of the import path, so that a ``torch.py`` in it
would pass for the library. Every child is started with ``-P``, which leaves that folder out, and
hands the same down to its own children.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn


def command(*words: str) -> list[str]:
    """The command line of an interpreter.

    Args:
        *words: ``-m``, a module's name and its arguments; or what else Python takes.
    """
    return [sys.executable, "-P", *words]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, in which no interpreter imports from the working folder.

    Args:
        more: Variables to add.
    """
    chosen = os.environ | {"PYTHONSAFEPATH": "1"} | dict(more or {})
    # An empty entry stands for the working folder, and `export PYTHONPATH=$PYTHONPATH:x` makes one.
    folders = [folder for folder in chosen.get("PYTHONPATH", "").split(os.pathsep) if folder]
    chosen.pop("PYTHONPATH", None)
    return chosen | ({"PYTHONPATH": os.pathsep.join(folders)} if folders else {})


def start(
    *words: str, more: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start an interpreter in a process of its own.

    Args:
        *words: As for :func:`command`.
        more: Variables to add to its environment.
        **options: What :class:`subprocess.Popen` takes.
    """
    return subprocess.Popen(  # noqa: S603  (our own interpreter, no shell)
        command(*words), env=environment(more), text=True, **options
    )


def become(*words: str, folder: Path) -> NoReturn:
    """Let this process go on as another interpreter, so that what ends the one ends the other.

    Args:
        *words: As for :func:`command`.
        folder: Its working folder.
    """
    os.chdir(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, command(*words), environment())  # noqa: S606


def safe_path() -> list[str]:
    """The import path without the working folder, which an empty entry stands for too."""
    here = Path.cwd()
    return [entry for entry in sys.path if entry and Path(entry).resolve() != here]


def leave_working_folder() -> None:
    """Take the working folder, which ``python -m`` has put there, off the import path."""
    if not sys.flags.safe_path and sys.path and Path(sys.path[0] or ".").resolve() == Path.cwd():
        del sys.path[0]
