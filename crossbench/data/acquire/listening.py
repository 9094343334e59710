"""Who is told how far a fetch has come."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """What is told of a fetch; a progress bar is one."""

    def begun(self, what: str, done: int, total: int | None) -> None:
        """A file of so many bytes begins, of which some may be there."""

    def advanced(self, count: int) -> None:
        """So many more bytes are there."""

    def said(self, words: str) -> None:
        """Something for people."""


class Silence:
    """A listener that says nothing."""

    def begun(self, what: str, done: int, total: int | None) -> None:
        """Nothing."""

    def advanced(self, count: int) -> None:
        """Nothing."""

    def said(self, words: str) -> None:
        """Nothing."""


def amount(count: int | None) -> str:
    """Bytes as people say them: ``241 MB``, ``1.5 GB``; powers of ten, as shops and hosts do."""
    if count is None:
        return "unknown"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size * 0.9995:
            value = count / size
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{count} B"
