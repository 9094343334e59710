"""What every command shares: exit codes, and where words and data go."""

from __future__ import annotations

import json
import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeVar

    T = TypeVar("T")

_EVERY = 60.0  # seconds between lines, where there is no terminal

EXIT_OK, EXIT_FAILED, EXIT_REQUEST, EXIT_INTERRUPTED = 0, 1, 2, 130


def say(lines: Sequence[str]) -> None:
    """Words for people, on standard error, so that standard output stays clean."""
    for line in lines:
        print(line, file=sys.stderr)


def tracked(items: Iterable[T], doing: str, *, total: int | None = None) -> Iterable[T]:
    """The items, with a progress bar on standard error while they come.

    Where that is no terminal, a line every few minutes.

    Args:
        items: What is worked on.
        doing: What is done to them, in a word: ``measuring``.
        total: How many there are, where the items do not say so.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not console.is_terminal:
        return _told(items, doing)
    return track(items, doing, total=total, console=console, transient=True)


def _told(items: Iterable[T], doing: str) -> Iterator[T]:
    """The items, with a line now and then that says how many there have been."""
    begun = said = monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = monotonic()
        if now - said >= _EVERY:
            say([f"{doing}: {count} done in {(now - begun) / 60:.0f} min"])
            said = now


def print_json(value: Any) -> None:
    """Data for programs, on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))
