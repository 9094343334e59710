"""Uncompressed copies of files that ship beside cards, from which samples are mapped.

A copy lies in the cache under the state of its file, and may be deleted at any time. What is known
of samples is known of this very copy: one that was written to since is read through again.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from numpy.lib import format as npy

from crossbench.data.formats.npz import NpzFile
from crossbench.errors import DataError
from crossbench.files import cache

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_VERSION = 1  # raise when the form of copies changes


def copy_of(file: Path, cache_dir: Path) -> Path | None:
    """The copy of a file in its present state; None where there is none yet.

    Args:
        file: The file.
        cache_dir: Folder of the cache.

    Raises:
        DataError: If the file is damaged or not an npz file.
    """
    with NpzFile(file) as original:
        copy = _place(original, cache_dir)
    return copy if copy is not None and copy.is_file() else None


def make_copy(file: Path, cache_dir: Path) -> None:
    """Make the copy of a file; a cache that cannot be written costs time alone.

    Args:
        file: A file that was read without an error.
        cache_dir: Folder of the cache.
    """
    with suppress(DataError), NpzFile(file) as original:  # an array that no card names
        copy = _place(original, cache_dir)
        if copy is not None:
            arrays = {key: original.read(key) for key in original.keys}
            cache.keep(copy, lambda draft: _write(draft, arrays))


def _place(original: NpzFile, cache_dir: Path) -> Path | None:
    """Where the copy lies; None while a further write to the file might go unnoticed."""
    state = original.watch.state
    if not state.is_settled():
        return None
    key = [_VERSION, str(original.file.resolve()), *state]
    return cache.entry(cache_dir / "unpacked", key, ".npz")


def _write(draft: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays as numpy.savez does, whatever their names."""
    with zipfile.ZipFile(draft, "w") as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as stream:
                npy.write_array(stream, array, allow_pickle=False)
