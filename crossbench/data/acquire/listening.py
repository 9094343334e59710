"""Listeners to the progress of a fetch."""

from __future__ import annotations


class Listener:
    """Listener to a fetch, such as a progress bar; this one says nothing."""

    def begun(self, what: str, done: int, total: int | None) -> None:
        """A file of ``total`` bytes begins, of which ``done`` are there."""

    def advanced(self, count: int) -> None:
        """``count`` more bytes are there."""

    def said(self, words: str) -> None:
        """A sentence for people."""
