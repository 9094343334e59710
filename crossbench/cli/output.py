"""What every command shares: exit codes, and where words and data go."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

EXIT_OK, EXIT_FAILED, EXIT_REQUEST, EXIT_INTERRUPTED = 0, 1, 2, 130


def say(lines: Sequence[str]) -> None:
    """Words for people, on standard error, so that standard output stays clean."""
    for line in lines:
        print(line, file=sys.stderr)


def tracked(items: Iterable[T], doing: str, *, total: int | None = None) -> Iterable[T]:
    """The items, with a progress bar on standard error while they come, if that is a terminal.

    Args:
        items: What is worked on.
        doing: What is done to them, in a word: ``measuring``.
        total: How many there are, where the items do not say so.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(
        items, doing, total=total, console=console, transient=True, disable=not console.is_terminal
    )


def print_json(value: Any) -> None:
    """Data for programs, on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))
