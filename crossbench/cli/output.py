"""Exit codes, and standard output and error, of all commands."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TextIO, TypeVar

    T = TypeVar("T")

_OUT = 1  # the descriptor of standard output
_EVERY = 60.0  # seconds between lines, where there is no terminal

EXIT_OK, EXIT_FAILED, EXIT_REQUEST, EXIT_INTERRUPTED = 0, 1, 2, 130


def say(lines: Sequence[str]) -> None:
    """Words for people, on standard error, so that standard output stays clean."""
    for line in lines:
        print(line, file=sys.stderr)


def say_if_watched(line: str) -> None:
    """Words for people, where a terminal shows them."""
    if sys.stderr.isatty():
        say([line])


@contextmanager
def aside() -> Iterator[TextIO]:
    """Have what a method prints go to standard error, that of C code and child processes too.

    Yields:
        Standard output itself, for what is part of the command's own answer.
    """
    sys.stdout.flush()
    with ExitStack() as stack:
        own: TextIO = sys.stdout
        elsewhere = sys.stderr or stack.enter_context(Path(os.devnull).open("w"))  # 2>&-
        number = _descriptor(elsewhere)
        if _descriptor(own) == _OUT and number is not None:
            kept = os.dup(_OUT)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, _OUT)
            stack.callback(_flush_c_streams)
            own = stack.enter_context(
                open(kept, "w", encoding=own.encoding, errors=own.errors, closefd=False)
            )
            os.dup2(number, _OUT)
        stack.enter_context(redirect_stdout(elsewhere))
        yield own


def _flush_c_streams() -> None:
    """Write what C code has printed and the C library still holds."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


def _descriptor(stream: TextIO) -> int | None:
    """The number of an open file that a stream writes to, if it does."""
    try:
        number = stream.fileno()
        os.fstat(number)
    except (OSError, ValueError):  # replaced by something in memory, or closed
        return None
    return number


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
    tell = _teller(doing)
    for count, item in enumerate(items, 1):
        yield item
        tell(count)


def _teller(doing: str) -> Callable[..., None]:
    """A function of the number of things done, and of all where known, that says them at times."""
    begun = said = monotonic()

    def tell(done: int, total: int | None = None) -> None:
        nonlocal said
        now = monotonic()
        if now - said >= _EVERY:
            of = "" if total is None else f" of {total}"
            say([f"{doing}: {done}{of} done in {(now - begun) / 60:.0f} min"])
            said = now

    return tell


@contextmanager
def counting(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Progress of work that says itself how far it is.

    Args:
        doing: What is done, in a few words: ``reading files``.

    Yields:
        What to call with the numbers of things done and of all: a bar on a terminal, elsewhere a
        line now and then.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _teller(doing)
        return
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_json(value: Any) -> None:
    """Data for programs, on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))
