"""The files of an origin, and where each of them goes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from crossbench.data.formats.tables import read_table
from crossbench.errors import DataError, RequestError
from crossbench.specs.origins import HubOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossbench.data.formats.tables import Table
    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import FileTable, Origin, OriginFile

#: Variable that names a mirror.
MIRROR = "CROSSBENCH_MIRROR"

_PLAIN = re.compile(r"[^/\\\x00-\x1f:]+")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to fetch.

    Attributes:
        target: Where it goes.
        source: What the card says of it.
    """

    target: Path
    source: OriginFile


def folder_of(root: DataRoot, card: TaskCard, origin: Origin) -> Path:
    """Folder for an origin's files: the data root, or an importer's own."""
    return root.originals(card.name, origin.name) if origin.importer else root.root


def wanted(root: DataRoot, card: TaskCard, origin: Origin) -> Iterator[Wanted]:
    """Yield the files of an origin; none where a person gets them.

    Those that a table lists come last, where the table is there by then.

    Raises:
        RequestError: If the card or its table names a file by a path.
        DataError: If the table is damaged, or lacks a column that the card names.
    """
    folder = folder_of(root, card, origin)
    for file in origin.files:
        name = file.file
        if isinstance(origin, HubOrigin):
            name = name.rpartition("/")[2] if origin.importer else card.source.file
        yield Wanted(target=folder / _plain(card, name), source=file)
    if origin.listed is not None and (folder / origin.listed.table).is_file():
        for source in _files_of(origin.listed, read_table(folder / origin.listed.table)):
            yield Wanted(target=folder / _plain(card, source.file), source=source)


def _files_of(listed: FileTable, table: Table) -> Iterator[OriginFile]:
    """The file of each row that is kept."""
    columns = listed.columns
    if lacking := [name for name in columns if not table.has(name)]:
        msg = f"{table.file}: no column {', '.join(map(repr, lacking))}, by which the card lists"
        raise DataError(f"{msg} its files; is it the right table?")
    for cells in zip(*(table.columns[name] for name in columns), strict=True):
        if file := listed.file_of(dict(zip(columns, cells, strict=True))):
            yield file


def mirrored(url: str, mirror: str | None = None) -> str:
    """An address with scheme and host of a mirror, given or of ``$CROSSBENCH_MIRROR``.

    Raises:
        RequestError: If the mirror is no address.
    """
    mirror = mirror or os.environ.get(MIRROR, "")
    if not mirror:
        return url
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RequestError(f"mirror {mirror!r} is no address; write it as https://HOST/PATH")
    own = urlsplit(url)
    path = own.path if own.path.startswith("/") else f"/{own.path}"
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, own.query, ""))


def _plain(card: TaskCard, name: str) -> str:
    if not _PLAIN.fullmatch(name) or name.startswith("."):
        msg = f"{card.path or card.name}: file {name!r} of an origin is no plain name"
        raise RequestError(f"{msg}; it is saved in a folder of crossbench's choice")
    return name
