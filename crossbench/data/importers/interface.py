"""The interface of an importer: from an original distribution to samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Option


@dataclass(frozen=True, kw_only=True)
class Original:
    """One sample of an original distribution, before it is read.

    Attributes:
        id: Its identifier in the distribution; unique.
        label: Class index on the card.
        files: What it is read from, relative to the distribution's folder; they lie in it.
        group: What it must not be separated from; empty where unpublished.
        official: 0 train, 1 validation, 2 test; -1 where there is no official split.
        covariate: What a plain baseline predicts from; NaN where there is none.
        covariates: Numbers on who was measured and how, by name, such as ``age`` in years, ``male``
            (1 or 0) and ``mean_fd`` in mm; those that are unknown are left out.
        place: Where in a file that holds several samples it lies.
        site: Hospital or scanner, which may be a confounder; empty where unpublished.
        acquisition: Numbers on how it was taken, such as its size before it was resized, in which a
            shortcut may lie; as many for each sample.
    """

    id: str
    label: int
    files: tuple[str, ...]
    group: str = ""
    official: int = -1
    covariate: float = float("nan")
    covariates: Mapping[str, float] = field(default_factory=dict)
    place: int = 0
    site: str = ""
    acquisition: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Samples of a distribution.

    Attributes:
        samples: The samples, in the order of the data file.
        dropped: Identifier and reason of each that is left out.
        notes: What was assumed, for the report.
    """

    samples: tuple[Original, ...]
    dropped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """An original distribution that is imported.

    Attributes:
        card: The task that its samples become.
        folder: Where it lies, its archives unpacked; a file, where the distribution is one and the
            user names it.
        options: A value for every option of the importer.
    """

    card: TaskCard
    folder: Path
    options: Mapping[str, Option]


class Importer(ABC):
    """Importer of one original distribution.

    A package registers a subclass under the entry point group ``crossbench.importers``; origins on
    cards name it. Listing reads tables and file names; samples are read one by one, by threads, so
    that no more than a few are in memory.

    Attributes:
        name: Registry name.
        defaults: Options with their default values, all plain. They are part of the content: a
            data file made under other options is another version.
        needs: Packages that it imports beyond crossbench's own.
        extra: The extra of crossbench that brings these.
        verbatim: Whether samples are in the form of the card's own data file; its facts hold then.
        unpacks: Endings of archives in the distribution's folder that are unpacked beside them.
        ragged: Whether samples differ in length along their last axis, as recordings do. In the
            data file zeros follow the shorter ones, and ``lengths`` says where each ends.
        sited: Whether sites are part of the content, which splits may go by; else they are kept
            beside the samples, where shortcuts are looked for.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, Option]] = {}
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = "data"
    verbatim: ClassVar[bool] = False
    unpacks: ClassVar[tuple[str, ...]] = ()
    ragged: ClassVar[bool] = False
    sited: ClassVar[bool] = False

    def locate(self) -> Path | None:
        """Where the distribution lies, if the importer can know: in an installed package.

        Raises:
            RequestError: If it is not there; the message says what brings it.
        """
        return None

    @abstractmethod
    def list(self, source: Distribution) -> Listing:
        """The samples of a distribution.

        Raises:
            DataError: If the folder is not laid out as the distribution is; the message names
                what is missing and the remedy.
        """

    @abstractmethod
    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """One sample, (*spatial) or (C, *spatial) in canonical axes, each of one shape and dtype.

        Samples of an importer that is ``ragged`` may differ in the length of the last axis.

        Called by several threads. What it raises beyond DataError is named with the sample and
        its files, and values that are not finite are refused, by the caller.

        Raises:
            DataError: If a file is damaged; the message names it, its member and the remedy.
        """
