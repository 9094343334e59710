"""A question that code of methods may end the process over, asked in a fork of this one.

The fork takes milliseconds, where a new interpreter would import torch again; it computes on one
thread, for those of this process's pools are not there, and leaves no trace in this process: no
random number drawn, no global state changed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any

from crossbench.errors.foreign import ChildDiedError
from crossbench.execution.isolation import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable


def can_fork() -> bool:
    """Whether this system forks processes that may compute: not Windows, nor macOS."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def ask(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do some work in a forked process.

    Args:
        work: Returns its answer as JSON has it; what it prints is lost.

    Returns:
        The answer.

    Raises:
        ChildDiedError: If the process came to no answer.
    """
    answer, says = os.pipe()
    parent, alive = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of other threads: those of ours hold no lock that the work takes
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if not process:
        os.close(alive)
        _answer(work, says, parent)
    os.close(says)
    os.close(parent)
    try:
        with os.fdopen(answer, encoding="utf-8") as stream:
            told = stream.read()
    except BaseException:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(alive)
        raise
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(alive)  # not before: it ends the child, answered or not
    if status or not told:
        raise ChildDiedError(status)
    found: dict[str, Any] = json.loads(told)
    return found


def _answer(work: Callable[[], dict[str, Any]], says: int, parent: int) -> None:
    """The forked process's part, which never returns."""
    try:
        end_with_parent(os.fdopen(parent, encoding="utf-8"))
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        os.dup2(sys.stdout.fileno(), 1)
        os.dup2(sys.stdout.fileno(), 2)
        told = json.dumps(work())
        with os.fdopen(says, "w", encoding="utf-8") as stream:
            stream.write(told)
        os._exit(0)
    finally:
        os._exit(1)
