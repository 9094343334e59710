"""An import as it is asked for: a task, its distribution, and what reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from crossbench.data.importers.interface import Distribution
from crossbench.data.importers.options import settled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crossbench.data.importers.interface import Importer
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Option, Origin


@dataclass(frozen=True, kw_only=True)
class Import:
    """An import to be made.

    Attributes:
        card: The task.
        origin: Where the distribution comes from.
        importer: What reads it.
        folder: Where it lies; a file, for importers that read one.
        options: Options that the user sets.
        allow_count_mismatch: Whether another number of samples than expected is accepted.
    """

    card: TaskCard
    origin: Origin
    importer: Importer
    folder: Path
    options: Mapping[str, Option]
    allow_count_mismatch: bool = False

    @property
    def root(self) -> Path:
        """The folder that samples' files are relative to."""
        return self.folder.parent if self.folder.is_file() else self.folder

    @cached_property
    def settings(self) -> dict[str, Option]:
        """A value for every option.

        Raises:
            RequestError: If an option is unknown to the importer, or of another type.
        """
        return settled(self.importer, self.origin.options, self.options)

    @cached_property
    def distribution(self) -> Distribution:
        """Distribution that the importer is given.

        Raises:
            RequestError: As :attr:`settings`.
        """
        return Distribution(card=self.card, folder=self.folder, options=self.settings)

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the options that are not as the card's origin has them."""
        usual = settled(self.importer, self.origin.options)
        return tuple(sorted(key for key, value in self.settings.items() if usual[key] != value))
