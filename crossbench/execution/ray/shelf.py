"""Files of runs on the machine that does them: as they lie there, or as they were sent.

Nothing here imports torch, nor Ray.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from crossbench.errors import DataError
from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: What stands around the name of a tree where a request means a place in it; no text has it.
MARK = "\0"


class Shelf:
    """The folder of files that were sent; all of it may be deleted when nothing runs.

    Args:
        folder: The folder; made as needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, digests: Mapping[str, str], content: Callable[[str], Iterable[bytes]]) -> Path:
        """Files by content, written once, whichever process of the machine is the first.

        Args:
            digests: SHA-256 of each file by its place in the tree.
            content: The bytes of a file, in pieces.

        Returns:
            The folder of the tree.

        Raises:
            DataError: If a file is not what it should be.
        """
        tree = self._folder / hash_json(dict(digests))[:32]
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(tree.with_suffix(".lock")):
            if tree.is_dir():
                return tree
            draft = tree.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
            for place, digest in digests.items():
                _write(_below(draft, place), content(place), digest)
            draft.rename(tree)
        return tree


def is_here(files: Iterable[Mapping[str, Any]]) -> bool:
    """Whether files lie at their paths as they did where they were asked for.

    Size and time of change tell that; whether the samples are the same, the runs' identities do.
    """
    try:
        states = [(Path(each["path"]).stat(), each) for each in files]
    except OSError:
        return False
    return all(
        (state.st_size, state.st_mtime_ns) == (each["size"], each["changed"])
        for state, each in states
    )


def settle(value: Any, roots: Mapping[str, Path]) -> Any:
    """JSON whose places are paths of this machine.

    Args:
        value: As JSON, with marks.
        roots: The folders of trees, by their names.
    """
    if isinstance(value, dict):
        return {name: settle(each, roots) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [settle(each, roots) for each in value]
    if isinstance(value, str):
        for name, root in roots.items():
            value = value.replace(f"{MARK}{name}{MARK}", str(root))
    return value


def _below(folder: Path, place: str) -> Path:
    file = folder / place
    if Path(place).is_absolute() or ".." in Path(place).parts:
        raise DataError(f"file {place!r} would lie outside of its tree; it is not written")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _write(file: Path, pieces: Iterable[bytes], digest: str) -> None:
    found = hashlib.sha256()
    with file.open("wb") as stream:
        for piece in pieces:
            found.update(piece)
            stream.write(piece)
    if found.hexdigest() != digest:
        msg = f"{file.name} was damaged on its way (SHA-256 {found.hexdigest()}, not {digest})"
        raise DataError(f"{msg}; start the command again")
