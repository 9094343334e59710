"""Bundles: zip files, or the folders that they were unpacked to, read and written.

Nothing of a bundle is imported or run here. Its archive is unpacked as that of a stranger
(:mod:`crossbench.files.archives`), and its files are those that its manifest names, byte
for byte, before anyone gets to see them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.errors import BundleError, DataError, RecordError
from crossbench.files.archives import Limits, unpack
from crossbench.files.atomic import replacing
from crossbench.files.hashing import hash_file
from crossbench.results.bundles.manifest import (
    CONFORMANCE,
    ENVIRONMENT,
    LICENCE,
    MANIFEST,
    MAX_MANIFEST,
    RECORDS,
    SOURCE,
    BundledFile,
    Manifest,
    from_bytes,
    sealed,
)
from crossbench.results.bundles.manifest import to_bytes as manifest_bytes
from crossbench.results.records.reading import MAX_RECORD, parse_json, read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What no bundle exceeds: a track of 20 tasks, 25 folds and 4 fits has some 10,000 files.
LIMITS = Limits(members=100_000, ratio=50, allowance=1 << 26, name=400)

_MAX_TEXT = 2**20
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    EOFError,
    NotImplementedError,
    ValueError,
    RuntimeError,
    OverflowError,
)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files lie in a folder.

    Attributes:
        manifest: What it holds.
        folder: Where it lies.
    """

    manifest: Manifest
    folder: Path

    @property
    def records(self) -> Path:
        """Folder of the records, laid out as a results folder is."""
        return self.folder / RECORDS

    @property
    def source(self) -> Path:
        """Folder of the method's source."""
        return self.folder / SOURCE

    @property
    def licence(self) -> str:
        """Text of the source's licence."""
        content = _read(self.folder / LICENCE, _MAX_TEXT, where="the bundle")
        return content.decode("utf-8", "backslashreplace")

    @property
    def environment(self) -> dict[str, Any]:
        """Versions and hardware, by kind."""
        return self._json(ENVIRONMENT)

    @property
    def conformance(self) -> bytes | None:
        """The file of the report of ``crossbench check-method``; None where there is none."""
        there = CONFORMANCE in self.manifest.paths
        file = self.folder / CONFORMANCE
        return _read(file, MAX_RECORD, where="the bundle") if there else None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = parse_json(_read(self.folder / name, MAX_RECORD, where="the bundle"))
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{name} is not readable as JSON: {error}") from error
        if not isinstance(value, dict):
            raise BundleError(f"{name} holds {type(value).__name__}, not an object")
        return value


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Unpack a bundle safely, and hold its files against its manifest.

    Args:
        path: A ``.zip`` file, which is unpacked into a temporary folder, or the folder that one
            was unpacked to, which is read where it lies.

    Yields:
        The bundle, whose files are there until the block ends.

    Raises:
        BundleError: If it is damaged or hostile, or its files are not those of its manifest; the
            message names file and fault.
    """
    with unpacked(path) as bundle:
        for fault in file_faults(bundle):
            raise BundleError(f"{path}: {fault}")
        yield bundle


@contextmanager
def unpacked(path: Path) -> Iterator[Bundle]:
    """A bundle as :func:`open_bundle` gives it, its files not yet held against its manifest."""
    if path.is_dir():
        yield Bundle(read_manifest(path), path)
        return
    check_is_zip(path)
    with tempfile.TemporaryDirectory(prefix="crossbench-bundle-") as folder:
        try:
            inner = unpack(path, Path(folder), limits=LIMITS)
        except DataError as error:
            raise BundleError(str(error)) from error
        yield Bundle(_manifest(inner, where=path), inner)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a bundle, without unpacking the rest.

    Raises:
        BundleError: As :func:`open_bundle`.
    """
    if path.is_dir():
        return _manifest(path, where=path)
    return from_bytes(read_member(path, MANIFEST, MAX_MANIFEST), where=str(path))


def read_member(path: Path, name: str, limit: int = MAX_RECORD) -> bytes:
    """One file of a zipped bundle, without unpacking the rest.

    Raises:
        BundleError: If the file is no zip file, holds no such member, or one of more bytes than
            the limit.
    """
    check_is_zip(path)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            content = stream.read(limit + 1)
    except (OSError, *_FAULTS) as error:
        msg = f"{path}: {name} cannot be read ({error}); a bundle is a zip file by `submit`"
        raise BundleError(msg) from error
    if len(content) > limit:
        raise BundleError(f"{path}: {name} has more than {limit} bytes; get the bundle again")
    return content


def file_faults(bundle: Bundle) -> Iterator[str]:
    """Contradictions between a bundle's folder and its manifest, one message a file."""
    known = {file.path: file for file in bundle.manifest.files}
    found = set(_files_below(bundle.folder)) - {MANIFEST}
    yield from (f"{path} is in no manifest; remove it" for path in sorted(found - known.keys()))
    for path, file in known.items():
        where = bundle.folder / path
        state = where.lstat() if path in found else None
        if state is None:
            yield f"{path} is missing; get the bundle again"
        elif not stat.S_ISREG(state.st_mode):
            yield f"{path} is a link or a device; get the bundle again"
        elif state.st_size != file.size or hash_file(where) != file.sha256:
            yield f"{path} is not the file that its manifest names; get the bundle again"


def _files_below(folder: Path) -> Iterator[str]:
    """Places of what is no folder; links are not followed."""
    for here, folders, files in os.walk(folder):
        links = [name for name in folders if Path(here, name).is_symlink()]
        yield from (Path(here, name).relative_to(folder).as_posix() for name in (*files, *links))


def check_is_zip(path: Path) -> None:
    """Refuse a path that no bundle can lie at.

    Raises:
        BundleError: If there is no file, or its name does not end in ``.zip``.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        what = "is no .zip file" if path.exists() else "does not exist"
        msg = f"bundle {str(path)!r} {what}; `crossbench submit` writes bundles"
        raise BundleError(msg)


def _manifest(folder: Path, *, where: Path) -> Manifest:
    content = _read(folder / MANIFEST, MAX_MANIFEST, where=str(where))
    return from_bytes(content, where=str(where))


def _read(file: Path, limit: int, *, where: str) -> bytes:
    try:
        return read_regular(file, limit)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BundleError(f"{where}: {file.name} cannot be read: {reason}") from error
    except RecordError as error:
        raise BundleError(f"{where}: {file.name} cannot be read: {error}") from error


# ---------------------------------------------------------------------------------------- writing


_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can hold
_MODE = 0o100644 << 16  # a regular file that its owner may write


def write_bundle(path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> Manifest:
    """Write a bundle atomically: members in order of their names, with one date and mode.

    Args:
        path: The zip file, replaced where there is one.
        manifest: What is known of the bundle; its files and its digest are filled in here.
        contents: Every file but the manifest, by its place in the bundle.

    Returns:
        The manifest as it was written.

    Raises:
        BundleError: If the files are not those that a bundle holds.
        OSError: If the file cannot be written.
    """
    whole = sealed(dataclasses.replace(manifest, files=tuple(_listed(contents))))
    written = manifest_bytes(whole)
    from_bytes(written, where=str(path))  # what no reader takes is not written
    with replacing(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        for name, content in sorted({**contents, MANIFEST: written}.items()):
            archive.writestr(_member(name), content, zipfile.ZIP_DEFLATED, 9)
    return whole


def _listed(contents: Mapping[str, bytes]) -> list[BundledFile]:
    return [
        BundledFile(path=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in sorted(contents.items())
    ]


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = _MODE
    info.create_system = 3  # Unix, on every system
    return info
