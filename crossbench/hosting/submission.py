"""A submission of a hosted board: an accepted bundle, and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from crossbench.errors import BundleError
from crossbench.files.hashing import hash_file
from crossbench.results.bundles.bundle import open_bundle, read_manifest, read_member
from crossbench.results.bundles.conformance import parsed_report
from crossbench.results.bundles.manifest import CONFORMANCE

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from crossbench.hosting.log import Entry
    from crossbench.results.bundles.bundle import Bundle
    from crossbench.results.bundles.manifest import Manifest
    from crossbench.specs.conformance import ConformanceReport

State: TypeAlias = Literal["in force", "superseded", "removed"]


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A bundle that was accepted, and what has become of it.

    Attributes:
        entry: Its line in the log.
        bundle: The zip file.
        successor: The line of that which superseded it; None for none.
    """

    entry: Entry
    bundle: Path
    successor: Entry | None = None

    @property
    def id(self) -> str:
        """Its name on the board."""
        return self.entry.id

    @property
    def method(self) -> str:
        """Name of the method, with its hyperparameters."""
        return self.entry.method

    @property
    def date(self) -> str:
        """The day on which it was accepted."""
        return self.entry.added[:10]

    @property
    def state(self) -> State:
        """``in force``; ``superseded`` by a later one of the same method and grid; ``removed``."""
        return "removed" if self.entry.removed else "superseded" if self.successor else "in force"

    @property
    def fate(self) -> str:
        """Its state in words: by what it was superseded and when, or why it was removed."""
        if self.successor:
            return f"superseded on {self.successor.added[:10]} by {self.successor.id}"
        if self.state == "removed":
            return f"removed on {self.entry.removed[:10]}: {self.entry.reason}"
        return self.state

    @cached_property
    def manifest(self) -> Manifest:
        """What the bundle holds and who vouches for it.

        Raises:
            BundleError: If the file is not the one that was accepted.
        """
        self.check()
        return read_manifest(self.bundle)

    @property
    def authors(self) -> tuple[str, ...]:
        """Who submitted it."""
        return self.manifest.authors

    @cached_property
    def conformance(self) -> ConformanceReport | None:
        """What ``crossbench check-method`` found; None where the bundle does not say.

        Raises:
            BundleError: If the report cannot be read.
        """
        if CONFORMANCE not in self.manifest.paths:
            return None
        content = read_member(self.bundle, CONFORMANCE)
        return parsed_report(content, where=f"{self.bundle}: {CONFORMANCE}")

    def open(self) -> AbstractContextManager[Bundle]:
        """The bundle, unpacked while the block lasts."""
        self.check()
        return open_bundle(self.bundle)

    def check(self) -> None:
        """Raise BundleError if the file is not the one that was accepted."""
        if not self.bundle.is_file():
            fault = "is missing"
        elif hash_file(self.bundle) != self.entry.sha256:
            fault = "is not the file that was accepted"
        else:
            return
        raise BundleError(f"{self.bundle} {fault}; restore it, or remove {self.id} from the board")
