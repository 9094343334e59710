"""Origins of a task's data: one struct a way of getting it, chosen by ``kind`` on the card.

A card lists its origins in the order of preference. One that names an ``importer`` brings an
original distribution, of which the importer makes the data file; one that names none brings the
data file itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated
from urllib.parse import quote

import msgspec

from crossbench.specs.limits import Count

_HUB = "https://huggingface.co/datasets/{repo}/resolve/{revision}/{file}"

_COLUMN = re.compile(r"\{([^{}]+)\}")

#: An option of an importer: a plain value, or an array of them.
Option = str | float | bool | tuple[str | float, ...]


class OriginFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a program may download.

    Attributes:
        url: Its address; redirections are followed.
        file: Name under which it is kept.
        bytes: Its size, where it is known.
        about: Its size as far as it is known roughly, where `bytes` is not.
        checksum: Digests by algorithm, where they are known; a file without one is "unverified".
        unpack: Whether it is an archive that an importer wants unpacked beside it.
    """

    url: str
    file: str
    bytes: Count | None = None
    about: Count | None = None
    checksum: dict[str, str] = {}
    unpack: bool = False

    @property
    def size(self) -> int | None:
        """Its size, roughly where it is not known exactly; None where it is not known at all."""
        return self.bytes if self.bytes is not None else self.about


class FileTable(msgspec.Struct, frozen=True, kw_only=True):
    """Further files of an origin, one for each row of a table that is among its files.

    Attributes:
        table: Name of the table.
        url: Address of a row's file; ``{COLUMN}`` stands for the row's cell.
        file: Name under which a row's file is kept, likewise.
        keep: Values by column; a row must have one of them in each.
        drop: Values by column; a row must have none of them.
    """

    table: str
    url: str
    file: str
    keep: dict[str, tuple[str, ...]] = {}
    drop: dict[str, tuple[str, ...]] = {}

    @property
    def tells_apart(self) -> bool:
        """Whether addresses and names follow the rows."""
        return all(map(_COLUMN.search, (self.url, self.file)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, in order."""
        named = _COLUMN.findall(self.url) + _COLUMN.findall(self.file)
        return tuple(sorted({*named, *self.keep, *self.drop}))

    def file_of(self, row: Mapping[str, str]) -> OriginFile | None:
        """The file of a row, by the cells of :attr:`columns`; None for a row that is left out."""
        kept = all(row[name] in values for name, values in self.keep.items())
        if not kept or any(row[name] in values for name, values in self.drop.items()):
            return None
        return OriginFile(url=_filled(self.url, row, quote), file=_filled(self.file, row, str))


def _filled(form: str, row: Mapping[str, str], written: Callable[[str], str]) -> str:
    return _COLUMN.sub(lambda match: written(row[match[1]]), form)


class _Origin(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    name: str
    importer: str = ""
    options: dict[str, Option] = {}
    samples: Count | None = None
    class_counts: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None
    channels: int | None = None
    intensity: tuple[float, float] | None = None
    group: str | None = None
    accept: str = ""
    terms: str = ""
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The word that chooses this kind on a card."""
        return str(self.__struct_config__.tag)

    @property
    def files(self) -> tuple[OriginFile, ...]:
        """The files that a program may fetch, but for those that a table lists."""
        return ()

    @property
    def listed(self) -> FileTable | None:
        """The table that lists further files, where there is one."""
        return None

    def digests(self) -> Iterator[tuple[str, str]]:
        """All digests of its files, each with its algorithm."""
        for file in self.files:
            yield from file.checksum.items()


class DownloadOrigin(_Origin, frozen=True, kw_only=True, tag="download"):
    """Files that a program may fetch by HTTP.

    Attributes:
        name: Name of the origin in kebab case: ``medmnist``, ``zenodo``, ``figshare``.
        importer: Name of the importer that makes the data file of it; empty where the one file is
            the data file.
        options: Options of the importer where they are not its defaults; part of the content.
        samples: Number of samples after the documented exclusions; another is an error.
        class_counts: Samples per class that the import makes, where it is not the card's.
        shape: Spatial shape that the import makes, where it is not the card's.
        channels: Channels that the import makes, where they are not the card's.
        intensity: Lowest and highest value that the import makes, where it is not the card's.
        group: What the import knows to belong together, where it knows it.
        accept: Name of the terms that a user must accept once, such as ``CC-BY-NC-4.0``; empty for
            open data.
        terms: The terms in a sentence, or their address.
        steps: What a person must do, where a program must not or cannot.
        notes: What is inferred or unknown of this origin.
        files: What to fetch.
        listed: What to fetch besides, as one of the files lists it.
    """

    files: Annotated[
        tuple[OriginFile, ...], msgspec.Meta(min_length=1, description="one file or more")
    ]
    listed: FileTable | None = None


class HubOrigin(_Origin, frozen=True, kw_only=True, tag="hub"):
    """A file in a dataset repository of the Hugging Face Hub; further attributes as above.

    Attributes:
        repo: ``owner/name``.
        file: Path in the repository.
        revision: Commit; empty where it is not known yet.
        bytes: Size of the file, where it is known.
        about: Its size as far as it is known roughly, where `bytes` is not.
        checksum: Digests by algorithm, where they are known.
    """

    repo: str
    file: str
    revision: str = ""
    bytes: Count | None = None
    about: Count | None = None
    checksum: dict[str, str] = {}

    @property
    def files(self) -> tuple[OriginFile, ...]:
        """The file at its address on the Hub, under its path in the repository."""
        file = OriginFile(
            url=_HUB.format(repo=self.repo, revision=self.revision or "main", file=self.file),
            file=self.file,
            bytes=self.bytes,
            about=self.about,
            checksum=self.checksum,
        )
        return (file,)


class ManualOrigin(_Origin, frozen=True, kw_only=True, tag="manual"):
    """What a program must not fetch: ``steps`` say what a person does; attributes as above."""


Origin = DownloadOrigin | HubOrigin | ManualOrigin
