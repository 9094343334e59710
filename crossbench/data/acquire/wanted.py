"""The files of an origin, and where each of them goes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from crossbench.errors import RequestError
from crossbench.specs.origins import HubOrigin

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Origin, OriginFile

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


def wanted(root: DataRoot, card: TaskCard, origin: Origin) -> tuple[Wanted, ...]:
    """The files of an origin; none where a person gets them.

    Raises:
        RequestError: If the card names a file by a path.
    """
    folder, found = folder_of(root, card, origin), []
    for file in origin.files:
        name = file.file
        if isinstance(origin, HubOrigin):
            name = name.rpartition("/")[2] if origin.importer else card.source.file
        found.append(Wanted(target=folder / _plain(card, name), source=file))
    return tuple(found)


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
