"""Tables of extra tasks: whole cards, and other sizes of the samples that a card describes."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated, Any

import msgspec

from crossbench.specs.cards import TaskCard
from crossbench.specs.limits import Count
from crossbench.specs.origins import DownloadOrigin, OriginFile
from crossbench.specs.sources import NpzSource


class OtherSize(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of another task as its publisher offers them in another size.

    Attributes:
        base: Name of the task that has the same samples, in the same order and parts.
        size: Length of each spatial axis, and of the side that networks are fed.
        file: Name of the data file.
        url: Where it can be downloaded.
        checksum: Its digests by algorithm.
    """

    base: str
    size: Count
    file: str
    url: str
    checksum: Annotated[
        dict[str, str], msgspec.Meta(min_length=1, description="one digest or more")
    ]

    def card(self, name: str, base: TaskCard) -> TaskCard:
        """The card of these samples: the base's, with what its size changes.

        It is on none of the base's boards, and of the base's origins it has the one that offers
        its publisher's file.

        Raises:
            ValueError: If the base's source is no file that its publisher offers for download.
        """
        origin = _published(base)
        if not isinstance(base.source, NpzSource) or origin is None:
            raise ValueError(f"{self.base!r} has no origin that offers its data file for download")
        offered = OriginFile(url=self.url, file=self.file, checksum=self.checksum)
        published = base.samples.get("publisher")
        counts = base.class_counts
        return dataclasses.replace(
            base,
            name=name,
            title=f"{base.title} {self.size}",
            shape=(self.size,) * base.dimension,
            input_size=base.input_size and self.size,
            group_by=None,
            edition=f"{self.size} {'voxels' if base.dimension == 3 else 'pixels'}",
            samples={"publisher": published} if published else {},
            class_counts=counts if counts and sum(counts) == published else None,
            checksum=self.checksum,
            source=msgspec.structs.replace(
                base.source,
                file=self.file,
                url=self.url,
                remedy=base.source.remedy.replace(base.source.file, self.file),
            ),
            origins=(
                msgspec.structs.replace(
                    origin,
                    files=(offered,),
                    steps=tuple(_of_task(step, base.name, name) for step in origin.steps),
                ),
            ),
        )


class ExtraTasks(msgspec.Struct, frozen=True, kw_only=True):
    """A table of extra tasks.

    Attributes:
        cards: Keys of whole cards by name of the task.
        sizes: Other sizes by name of the task.
    """

    cards: dict[str, dict[str, Any]] = {}
    sizes: dict[str, OtherSize] = {}


def _published(base: TaskCard) -> DownloadOrigin | None:
    """The origin that offers the data file itself."""
    for origin in base.origins:
        if isinstance(origin, DownloadOrigin):
            offered = [file.file for file in origin.files]
            if offered == [base.source.file] and not origin.importer:
                return origin
    return None


def _of_task(step: str, base: str, name: str) -> str:
    """A step in which commands name another task."""
    return re.sub(rf"(crossbench data \w+) {re.escape(base)}(?=\s|$)", rf"\1 {name}", step)
