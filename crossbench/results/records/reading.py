"""Defensive reading: regular files of bounded size and valid content.

Whatever lies in such a folder becomes a record or a :class:`~crossbench.errors.RecordError`
that names the file: a pipe or a device is never waited for, a file of any size or nesting is
read to a limit, and text and numbers are such that every view and table can hold them.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from crossbench.errors import CardError, RecordError
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

T = TypeVar("T")

#: Bytes of the largest record; the largest of the shipped ones has 60 kB.
MAX_RECORD = 64 * 2**20

#: Bytes of the largest archive of arrays, packed and unpacked.
MAX_ARRAYS = 2**30

#: Levels of the deepest record; those of this project have 8.
MAX_DEPTH = 32

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_INT64 = 2**63
_FORBIDDEN = frozenset("/\\\0")
_DIGITS = 20
_LONGEST = 1000
_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, or of the one that a link leads to.

    Args:
        path: The file.
        limit: Bytes that it may have.

    Raises:
        OSError: If it cannot be read.
        RecordError: If it is a folder, a pipe, a device or the like, or larger than the limit;
            the message is the fact alone.
    """
    descriptor, state = _open(path)
    try:
        if state.st_size > limit:
            raise RecordError(f"it is larger than {limit // 2**20} MiB")
        return os.read(descriptor, state.st_size)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> io.BufferedReader:
    """A regular file, opened for reading; nothing else is opened, or waited for.

    Raises:
        OSError: If it cannot be opened.
        RecordError: If it is a folder, a pipe, a device or the like, or its name holds NUL.
    """
    return os.fdopen(_open(path)[0], "rb")


def _open(path: Path) -> tuple[int, os.stat_result]:
    name = str(path)
    if "\0" in name:
        raise RecordError("its name holds NUL")
    if is_foreign(path) and not path.exists():
        raise RecordError("its name is no text in UTF-8; rename it")
    _check_regular(os.stat(name).st_mode)  # noqa: PTH116  # opening a device may already do harm
    descriptor = os.open(name, _FLAGS)
    try:
        state = os.fstat(descriptor)
        _check_regular(state.st_mode)  # what was put in its place meanwhile
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, state


def as_text(name: str) -> str:
    """A file name as text, with bytes that are not UTF-8 escaped."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode("utf-8")


def is_foreign(path: Path) -> bool:
    """Whether :func:`as_text` had to escape a path, which then finds no file."""
    return "\\udc" in str(path)


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise RecordError(f"it is {kind}, not a regular file")


def beside(path: Path, name: str, what: str) -> Path:
    """The file that a record names, which must lie beside it.

    Raises:
        RecordError: If the name leads elsewhere.
    """
    if name in ("", ".", "..") or not _FORBIDDEN.isdisjoint(name):
        raise RecordError(f"{path}: {what} {name!r} must be the name of a file beside it")
    return path.with_name(name)


# ------------------------------------------------------------------------ JSON


def as_spec(path: Path, spec: type[T], mapping: dict[str, Any]) -> T:
    """A file's mapping as the dataclass that is its schema.

    Raises:
        RecordError: If a key is unknown, missing or of the wrong type.
    """
    try:
        return from_mapping(spec, mapping, where=str(path))
    except CardError as error:
        message = str(error)
        raise RecordError(message[:_LONGEST] + "…" * (len(message) > _LONGEST)) from error


def read_mapping(path: Path, versions: Collection[int], *, what: str) -> dict[str, Any]:
    """The object in a JSON file of a known ``schema_version``.

    Raises:
        RecordError: If the file cannot be read or holds something else.
    """
    mapping = _read_json(path, what)
    found = mapping.get("schema_version")
    if found is None:
        raise RecordError(f"{path}: no {what}: it has no schema_version")
    if type(found) is not int or found not in versions:
        known = " and ".join(map(str, versions))
        msg = f"{path}: schema version {found!r} is unknown; this crossbench reads {known}"
        raise RecordError(msg)
    return mapping


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        value = parse_json(read_regular(path, MAX_RECORD))
    except RecordError as error:
        raise RecordError(f"{path}: no {what}: {error}") from error
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}: no {what}: it holds {type(value).__name__}, not an object")
    return value


def parse_json(content: bytes) -> Any:
    """A JSON document whose numbers, text and depth every later step can hold.

    Raises:
        ValueError: If it is none; the message is the fact.
    """
    try:
        value = msgspec.json.decode(content)
        _check_size(value)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return _parse_slowly(content.decode("utf-8"))  # says what is wrong
    return value


def _parse_slowly(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise ValueError("it begins with a byte order mark (BOM)")
    value = _DECODER.decode(text)
    if has_surrogates(text):
        raise ValueError("it holds half a surrogate pair, which is no text")
    _check_size(value)
    return value


def has_surrogates(text: str) -> bool:
    """Whether a JSON document holds an unpaired surrogate escape."""
    if not _ESCAPED.search(text):
        return False
    return bool(_SURROGATE.search(json.dumps(json.loads(text), ensure_ascii=False)))


_NESTED = (dict, list)


def _check_size(value: Any) -> None:
    """Refuse whole numbers of more than 64 bits, and values nested too deep."""
    level: list[Any] = [[value]]  # the value itself may be no list or object
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if (kind := type(inner)) in _NESTED or (kind is int and not -_INT64 <= inner < _INT64)
        ]
        if not level:
            return
        if int in map(type, level):
            raise ValueError("it holds a whole number of more than 64 bits")
    raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def _finite(text: str) -> float:
    """A finite number of a JSON file; 1e400 would become infinity."""
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text[:_DIGITS]} is not a JSON number that a float can hold"
        raise ValueError(msg)
    return value


def _whole(text: str) -> int:
    """A whole number of a JSON file; no table holds more than 64 bits."""
    if len(text) > _DIGITS or not -_INT64 <= (value := int(text)) < _INT64:
        shown = text if len(text) <= _DIGITS else f"{text[:_DIGITS]}… ({len(text)} digits)"
        msg = f"{shown} is a whole number of more than 64 bits"
        raise ValueError(msg)
    return value


_DECODER = json.JSONDecoder(parse_constant=_finite, parse_float=_finite, parse_int=_whole)


# ---------------------------------------------------------------------- arrays


def pack(arrays: Mapping[str, Any]) -> bytes:
    """Arrays by name as a compressed npz archive."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an npz archive, by name; nothing is unpickled.

    Raises:
        RecordError: If it is no archive of arrays, or unpacks to too much; the message is the
            fact alone.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_ARRAYS:
            raise RecordError(f"it unpacks to more than {MAX_ARRAYS // 2**20} MiB")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        SyntaxError,  # numpy reads array headers as Python literals
        tokenize.TokenError,
        MemoryError,
        NotImplementedError,
        RuntimeError,  # an encrypted member
        OverflowError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise RecordError(str(error) or type(error).__name__) from error
