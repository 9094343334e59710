"""Files by what a table calls them."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from crossbench.data.new.files import stem
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Finder:
    """Files by a path, the end of one, or a name, with or without ending and in any case.

    Attributes:
        names: The files.
    """

    def __init__(self, names: Iterable[str], masks: Iterable[str] = ()) -> None:
        """See the class.

        Args:
            names: The files.
            masks: Further ones that are found under their whole path alone.
        """
        self.names = tuple(names)
        self._masks = {folded(name): name for name in masks}
        self._whole = {*self.names, *self._masks.values()}
        self._ends: dict[str, set[str]] = defaultdict(set)
        for name in self.names:
            parts = PurePosixPath(name).parts
            for start in range(len(parts)):
                end = PurePosixPath(*parts[start:])
                self._ends[folded(str(end))].add(name)
                self._ends[folded(str(end.with_name(stem(name))))].add(name)

    def find(self, called: str, where: str) -> str:
        """The file that is called so; empty for none.

        Raises:
            DataError: If several are.
        """
        steps = called.replace("\\", "/").split("/")
        whole = "/".join(step for step in steps if step not in (".", ""))
        if whole in self._whole:
            return whole
        if folded(whole) in self._masks:
            return self._masks[folded(whole)]
        parts = folded(whole).split("/")
        for start in range(len(parts)):  # paths of another machine are cut from the front
            found = self._ends.get("/".join(parts[start:]), set())
            if len(found) > 1:
                both = " and ".join(sorted(found)[:2])
                msg = f"{where}: {called!r} may be {both}; give paths in the table, or --from the"
                raise DataError(f"{msg} folder of the ones that are meant")
            if found:
                return next(iter(found))
        return ""


def folded(text: str) -> str:
    """A name without what file systems and people spell differently."""
    return unicodedata.normalize("NFC", text).casefold()
