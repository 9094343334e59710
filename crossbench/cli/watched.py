"""Commands that run methods' code, in a child process whose end the parent reports."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from crossbench.cli.output import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_LAUNCHED = "LOCAL_RANK"  # set by torchrun, which watches its processes itself


def is_watched(options: argparse.Namespace) -> bool:
    """Whether a command is to be watched, and can be: Windows cannot fork."""
    asked = getattr(options, "watched", False)
    return asked and hasattr(os, "fork") and _LAUNCHED not in os.environ


def watch(options: argparse.Namespace, work: Callable[[], int]) -> int:
    """Do a command's work in a process that is watched.

    Where it dies in a run, another process goes on: the run is tried again in a process of its
    own, and fails if that dies too. So each process that dies brings the runs on.

    Args:
        options: The command's.
        work: Does it and returns the exit code.
    """
    from crossbench.execution.attempts import Attempts
    from crossbench.execution.supervision import supervise

    marks = Attempts(options.out) if hasattr(options, "jobs") else None
    left = marks.left() if marks else frozenset()

    def goes_on(ended: str) -> bool:
        nonlocal left
        before, left = left, marks.left() if marks else frozenset()
        more = bool(left - before)
        rest = "; another goes on" if more else ", perhaps by a method's code; nothing goes on"
        say([f"crossbench: the process at work {ended}{rest}"])
        return more

    return supervise(work, goes_on)
