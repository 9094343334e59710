"""Archives in the folder of a distribution, and archives in these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.data.acquire.archives import unpack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def unpack_all(folder: Path, endings: Sequence[str]) -> None:
    """Unpack each archive beside itself, until there is none that is not.

    One that is unpacked already is left as it is, and so are hidden files.

    Args:
        folder: The distribution's folder; anything else is left alone.
        endings: Endings of the archives' names.

    Raises:
        DataError: If an archive is damaged or hostile; nothing of it is left.
    """
    seen: set[Path] = set()
    while endings and folder.is_dir():
        new = [file for file in _archives(folder, tuple(endings)) if file not in seen]
        if not new:
            return
        for file in new:
            unpack(file)
            seen.add(file)


def _archives(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    found = (file for file in sorted(folder.rglob("*")) if file.name.lower().endswith(endings))
    return [file for file in found if file.is_file() and not file.name.startswith(".")]
