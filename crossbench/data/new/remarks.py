"""Remarks on a folder: sentences that may be kept, and names that are shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 3  # names in a sentence


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One sentence.

    Attributes:
        topic: What it is about, in a word.
        text: The sentence; it names nothing that could identify a person.
        names: Files or values it is about, for the user's eyes only.
    """

    topic: str
    text: str
    names: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The sentence with some of the names."""
        return f"{self.text}: {some(self.names)}" if self.names else self.text


def some(names: Sequence[str]) -> str:
    """The first of many names."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
