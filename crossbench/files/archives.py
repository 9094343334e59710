"""Unpack archives that may be hostile.

All members are looked at before the first is written: a name that leads out of the folder, a link,
a device, an encrypted member, a size or a number that no dataset has refuses the whole archive.
What is unpacked becomes visible when it is whole, and an attempt that was stopped goes on.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from filelock import FileLock

from crossbench.errors import DataError
from crossbench.files.sizes import amount, free_bytes, no_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: Endings of archives that are unpacked.
ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")

_BY_HAND = {".7z": "7z x", ".rar": "unrar x"}
_UNSAFE = re.compile(r"[\x00-\x1f\\]|^[A-Za-z]:")
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
_FAULTS = (*_DAMAGE, EOFError, NotImplementedError, ValueError, RuntimeError, OverflowError)
#: Ending of the folder in which an archive is being unpacked.
WORK = ".unpacking"
_DRAFT = ".member"
_LONGEST_HEADER = 1 << 20
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that no dataset exceeds.

    Attributes:
        members: Number of members.
        ratio: Unpacked bytes by bytes of the archive, beyond ``allowance``.
        allowance: Unpacked bytes that any archive may have.
        name: Characters of a member's name.
    """

    members: int = 2_000_000
    ratio: int = 100
    allowance: int = 1 << 30
    name: int = 1000


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes]]


class _Header(tarfile.TarInfo):
    """A header of a tar file; one that says more of a member is read into memory as a whole."""

    def _proc_member(self, source: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and not 0 <= self.size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        header: tarfile.TarInfo = super()._proc_member(source)  # type: ignore[misc]
        return header


def _open_tar(archive: Path, mode: str) -> tarfile.TarFile:
    return tarfile.TarFile.open(archive, mode, tarinfo=_Header)  # type: ignore[call-overload,no-any-return]


def unpacked_folder(archive: Path, folder: Path | None = None) -> Path:
    """The folder that :func:`unpack` makes of an archive: its name without the ending."""
    name = archive.name
    ending = next((each for each in ENDINGS if name.lower().endswith(each)), archive.suffix)
    return (folder or archive.parent) / (name[: len(name) - len(ending)] or name)


def unpack_all(folder: Path, endings: Sequence[str]) -> None:
    """Unpack each archive below a folder beside itself, archives in archives included.

    One that is unpacked already is left as it is, and so are hidden files.

    Args:
        folder: The folder of a distribution; anything else is left alone.
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


def unpack(
    archive: Path,
    folder: Path | None = None,
    *,
    limits: Limits | None = None,
    free: Callable[[Path], int] = free_bytes,
) -> Path:
    """Unpack a zip or tar file into a folder of its own.

    A single top folder of the archive's own name is not repeated. What macOS adds is left out.

    Args:
        archive: The file; it is left as it is.
        folder: Where the new folder goes; None takes the archive's own.
        limits: What is refused.
        free: Bytes that a folder's disk has room for.

    Returns:
        The new folder; where it is there already, nothing is done.

    Raises:
        DataError: If the archive is damaged, hostile, or of a kind that is unpacked by hand; the
            message names archive, member and remedy, and nothing is left.
    """
    target = unpacked_folder(archive, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if target.is_dir():
            return target
        if target.exists():
            raise DataError(f"{target}: a file is where {archive.name} is unpacked; move it away")
        work = target.with_name(f".{target.name}{WORK}")
        with ExitStack() as stack:
            members = _checked(archive, _members(archive, stack), limits or Limits())
            _make_room(archive, target.parent, work, members, free)
            try:
                _write(archive, members, work)
            except DataError:
                shutil.rmtree(work, ignore_errors=True)
                raise
        _reveal(work, target)
    return target


def _members(archive: Path, stack: ExitStack) -> Iterable[_Member]:
    """The files of an archive; whatever else it holds is refused on the way."""
    name = archive.name.lower()
    for ending, command in _BY_HAND.items():
        if name.endswith(ending):
            msg = f"{archive}: archives of this kind are unpacked by hand: {command}"
            raise DataError(f"{msg} '{archive.name}'; then import from the folder that it makes")
    with _naming(archive):
        if name.endswith(".zip"):
            return _zip_members(archive, stack.enter_context(zipfile.ZipFile(archive)))
        if name.endswith(ENDINGS):
            mode = "r:" if name.endswith(".tar") else "r:gz"
            return _tar_members(archive, stack.enter_context(_open_tar(archive, mode)))
    raise DataError(f"{archive}: no archive that is known; known: {', '.join(ENDINGS)}")


def _zip_members(archive: Path, source: zipfile.ZipFile) -> Iterator[_Member]:
    for info in source.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.flag_bits & 0x1:
            _refuse(archive, info.filename, "it is encrypted; ask the publisher for a plain one")
        if info.header_offset < 0:
            raise zipfile.BadZipFile("a member begins before the file does")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(archive, info.filename, "it is a link or a device")
        if not info.is_dir():
            yield _Member(info.filename, info.file_size, lambda info=info: source.open(info))  # type: ignore[misc]


def _tar_members(archive: Path, source: tarfile.TarFile) -> Iterator[_Member]:
    for info in source:
        if not (info.isreg() or info.isdir()) or info.issparse():
            _refuse(archive, info.name, "it is a link, a device or sparse")
        if info.isreg():
            yield _Member(info.name, info.size, lambda info=info: source.extractfile(info))  # type: ignore[misc,arg-type]


def _checked(archive: Path, members: Iterable[_Member], limits: Limits) -> dict[str, _Member]:
    """Members by the name they get, once all are known to be harmless."""
    found: dict[str, _Member] = {}
    folders: set[str] = set()
    most = limits.allowance + limits.ratio * archive.stat().st_size
    total = count = 0
    with _naming(archive):
        for member in members:
            total, count = total + member.size, count + 1
            if total > most or member.size < 0:
                _refuse(archive, member.name, f"the members have more than {amount(most)}: a bomb")
            if count > limits.members:
                _refuse(archive, member.name, f"there are more than {limits.members} members")
            path = _safe(archive, member.name, limits)
            if path is None:
                continue
            key = str(path).casefold()
            if key in found or key in folders:
                _refuse(archive, member.name, "the name occurs twice")
            found[key] = _Member(str(path), member.size, member.open)
            folders |= {str(parent).casefold() for parent in path.parents}
    for key in folders & found.keys():
        _refuse(archive, found[key].name, "the name is of a file and of a folder")
    if not found:
        raise DataError(f"{archive}: it holds no file; get it again")
    return {member.name: member for member in found.values()}


def _safe(archive: Path, name: str, limits: Limits) -> PurePosixPath | None:
    """A member's path; None where it is what macOS adds."""
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or ".." in parts or _UNSAFE.search(name):
        _refuse(archive, name, "the name leads out of the folder")
    if (
        not parts
        or parts[0] == _DRAFT
        or len(name) > limits.name
        or max(len(os.fsencode(part)) for part in parts) > 255
    ):
        _refuse(archive, name[:80], "no file can be called so")
    if parts[0] == "__MACOSX" or parts[-1].startswith("._") or parts[-1] == ".DS_Store":
        return None
    return PurePosixPath(*parts)


def _make_room(
    archive: Path,
    folder: Path,
    work: Path,
    members: dict[str, _Member],
    free: Callable[[Path], int],
) -> None:
    there = sum(member.size for name, member in members.items() if (work / name).is_file())
    need, room = sum(member.size for member in members.values()) - there, free(folder)
    if need > room:
        raise DataError(f"{no_room(folder, f'unpacking {archive.name}', need, room)} --data-dir")


def _write(archive: Path, members: dict[str, _Member], work: Path) -> None:
    """Write each member that is not there; what is there is whole, for it was renamed."""
    for name, member in members.items():
        file = work / name
        if not (file.is_file() and file.stat().st_size == member.size):
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = work / _DRAFT
            with _naming(archive, name), member.open() as source, draft.open("wb") as stream:
                _copy(source, stream, member.size)
            draft.replace(file)


def _copy(source: IO[bytes], stream: IO[bytes], size: int) -> None:
    left = size
    while chunk := source.read(1 << 20):
        left -= len(chunk)
        if left < 0:
            raise EOFError(f"it has more than the {size} bytes that it states")
        stream.write(chunk)
    if left:
        raise EOFError(f"{left} of its {size} bytes are missing")


def _reveal(work: Path, target: Path) -> None:
    """Make the folder visible, without a top folder that repeats its name."""
    inner = list(work.iterdir())
    if [each.name for each in inner] == [target.name] and inner[0].is_dir():
        inner[0].rename(target)
        work.rmdir()
    else:
        work.rename(target)


@contextmanager
def _naming(archive: Path, member: str = "") -> Iterator[None]:
    """Turn what a damaged archive raises into an error that names it."""
    try:
        yield
    except (*_FAULTS, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, and not bz2's
            raise
        where = f"{archive}: member {member!r}" if member else str(archive)
        raise DataError(f"{where} is damaged ({error}); get the archive again") from error


def _refuse(archive: Path, member: str, why: str) -> None:
    msg = f"{archive}: member {member!r} is refused: {why}"
    raise DataError(f"{msg}; nothing was unpacked, get the archive from its publisher")
