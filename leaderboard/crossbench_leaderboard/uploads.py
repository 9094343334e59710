"""Untrusted uploads, unpacked into a temporary folder."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from crossbench.errors import CrossbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_BYTES = 2**28
MAX_FILES = 50_000

_CHUNK = 2**20
_ENDINGS = (".json", ".npz")


class UploadError(CrossbenchError):
    """An upload that is too large, or that is not what it should be."""


def unpack(files: Sequence[tuple[str, IO[bytes]]], into: Path) -> None:
    """Write uploaded records, and those in uploaded zip archives, below a folder.

    Other files than .json and .npz are passed over, in archives too.

    Args:
        files: File name and content of each upload.
        into: An empty folder.

    Raises:
        UploadError: If an archive is damaged or encrypted, or names a file outside itself;
            or if there are more than ``MAX_FILES`` files or ``MAX_BYTES`` bytes.
    """
    budget = _Budget()
    for name, stream in files:
        if name.lower().endswith(".zip"):
            _unpack_archive(name, stream, into, budget)
        elif name.endswith(_ENDINGS):
            _copy(stream, into / PurePosixPath(name.replace("\\", "/")).name, budget)


class _Budget:
    """Remaining budget of files and bytes, whatever sizes an archive states."""

    def __init__(self) -> None:
        self._files, self._bytes = 0, 0

    def file(self) -> None:
        self._files += 1
        if self._files > MAX_FILES:
            raise UploadError(f"more than {MAX_FILES} files; check the folder itself instead")

    def bytes(self, count: int) -> None:
        self._bytes += count
        if self._bytes > MAX_BYTES:
            size = MAX_BYTES // 2**20
            raise UploadError(f"more than {size} MiB unpacked; check the folder itself instead")


def _unpack_archive(name: str, stream: IO[bytes], into: Path, budget: _Budget) -> None:
    try:
        with zipfile.ZipFile(stream) as archive:
            for member in archive.infolist():
                target = _target(name, member)
                if target is not None:
                    with archive.open(member) as content:
                        _copy(content, into / target, budget)
    # RuntimeError: an encrypted member, or one packed in a way that cannot be unpacked here.
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError) as error:
        raise UploadError(f"archive {name!r} cannot be unpacked: {error}") from error


def _target(archive: str, member: zipfile.ZipInfo) -> PurePosixPath | None:
    """Target of a member below the folder; None if it is no record's file."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        raise UploadError(f"archive {archive!r} names a file outside itself: {member.filename!r}")
    if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):
        return None
    return path if path.name.endswith(_ENDINGS) else None


def _copy(stream: IO[bytes], target: Path, budget: _Budget) -> None:
    budget.file()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as copy:
        while chunk := stream.read(_CHUNK):
            budget.bytes(len(chunk))
            copy.write(chunk)
