"""Reading and hashing the arrays of npz files without trusting the file."""

from __future__ import annotations

import hashlib
import io
import json
import math
import mmap
import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.lib import format as npy

from crossbench.data.watch import Watch, open_regular
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

_CHUNK_BYTES = 1 << 24
_DEFLATE_LIMIT = 1032  # bytes that one byte of a deflate stream can stand for, at most
_LOCAL_HEADER = struct.Struct("<26xHH")  # PKZIP APPNOTE 4.3.7: .. lengths of name and extra
_ENCRYPTED, _UTF8 = 0x1, 0x800
_LONGEST_HEADER = 1 << 16  # bytes; numpy writes some 120
_LARGEST_BLANK = 1 << 28  # bytes that a member may unpack to at any ratio
_LARGEST_RATIO = 900  # of more than that: zeros yield 1030, AdrenalMNIST3D's masks of 64 voxels 220
# Damaged bytes reach zipfile's, numpy's and the tokenizer's code, whose errors are of many kinds.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, RuntimeError, ValueError,
    OverflowError, LookupError, TypeError, AttributeError, AssertionError,
)  # fmt: skip
_BAD_HEADER = (
    ValueError, TypeError, SyntaxError, tokenize.TokenError, LookupError, AttributeError,
    OverflowError, RecursionError, MemoryError,
)  # fmt: skip


def content_hash(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over the arrays' names, dtypes, shapes and values, read chunk by chunk.

    The order of the mapping and the memory layout do not matter: values are hashed in C order.

    Args:
        arrays: Arrays of any shape and any dtype but object.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        for chunk in chunks(array):
            digest.update(np.ascontiguousarray(chunk).view(np.uint8).data)
    return digest.hexdigest()


def chunks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Consecutive views along the first axis, of about 16 MiB or one entry each.

    What was read of a mapped file is given back, so that a file of many gigabytes that is read
    through does not come to lie in the process's memory.
    """
    array = np.atleast_1d(array)
    rows = max(1, _CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
        give_back(array)


def give_back(array: NDArray[Any]) -> None:
    """Give back the memory of a mapped array that is read only; it is read anew where needed."""
    base: Any = array
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array is a view of a mapped file, not of memory of its own."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


@dataclass(frozen=True)
class _Member:
    """One array of an archive, as its zip and npy headers describe it."""

    key: str
    info: zipfile.ZipInfo
    header_bytes: int
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def mappable(self) -> bool:
        stored = self.info.compress_type == zipfile.ZIP_STORED
        return stored and self.dtype.isnative and math.prod(self.shape) > 0


class NpzFile:
    """An npz file open for reading; a context manager.

    Arrays that are stored uncompressed are memory-mapped read-only; compressed ones are
    read once, in their own dtype. Sizes are compared with the npy header before anything
    is allocated, and no object is ever unpickled.

    The file is opened once: what is read, mapped and hashed are the same bytes, even if
    another file takes its name meanwhile.

    Args:
        file: The npz file.

    Attributes:
        file: The npz file.
        verify: Whether the checksums of mapped arrays are verified, which reads them once;
            those of the others always are.
        watch: Whether it has been written to since it was opened.

    Raises:
        DataError: If the file is truncated, damaged or not an npz file.
    """

    def __init__(self, file: Path, *, verify: bool = True) -> None:
        self.file = file
        self.verify = verify
        with self._naming_the_file():
            self._stream = open_regular(file)
            try:
                self.watch = Watch(file, self._stream)
                self._archive = zipfile.ZipFile(self._stream)
                self._infos = _arrays_of(self._archive, self._stream)
            except BaseException:
                self._stream.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._archive.close()
        self._stream.close()

    def digest(self, algorithm: str) -> str:
        """The file's own digest, in hexadecimal; ``algorithm`` is one of hashlib's."""
        with self._naming_the_file():
            self._stream.seek(0)
            return hashlib.file_digest(self._stream, algorithm).hexdigest()

    def __contains__(self, key: str) -> bool:
        return key in self._infos

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the arrays."""
        return tuple(self._infos)

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of an array, from its header alone.

        Raises:
            DataError: If the key is missing or the array's header is damaged.
        """
        with self._naming_the_file(key):
            return self._member(key).shape

    def read(self, key: str) -> NDArray[Any]:
        """The array under a key, in native byte order; read-only where it is mapped.

        Raises:
            DataError: If the key is missing, or its bytes are damaged or not a plain array.
        """
        with self._naming_the_file(key):
            return self._array(self._member(key))

    def read_pooled(self, keys: Sequence[str]) -> NDArray[Any]:
        """The arrays under several keys, one after the other along the first axis.

        Each is read straight into its place, so that the whole is in memory once.

        Raises:
            DataError: As :meth:`read`; also if dtypes or shapes beyond the first axis differ.
        """
        with self._naming_the_file(*keys):
            members = [self._member(key) for key in keys]
            first = members[0]
            if any(not m.shape or m.shape[1:] != first.shape[1:] or m.dtype != first.dtype
                   for m in members):  # fmt: skip
                facts = (f"{m.key} {m.shape} {m.dtype}" for m in members)
                msg = f"arrays cannot be pooled: {', '.join(facts)}"
                raise DataError(msg)
            _check_memory(" and ".join(keys), sum(m.info.file_size for m in members))
            pooled = np.empty((sum(m.shape[0] for m in members), *first.shape[1:]), first.dtype)
            start = 0
            for member in members:
                self._copy(member, pooled[start : start + member.shape[0]])
                start += member.shape[0]
            return _native(pooled)

    def stream(self, key: str) -> Iterator[NDArray[Any]]:
        """The entries of an array along its first axis, of which one is in memory at a time.

        Raises:
            DataError: As :meth:`read`; damage is found where it lies, or at the end.
        """
        with self._naming_the_file(key):
            member = self._member(key)
            if not member.shape:
                raise DataError(f"array {key!r} is a single number")
            if member.mappable or member.fortran or not math.prod(member.shape):
                whole = self._array(member)
                for entry in whole:
                    own = np.array(entry)
                    give_back(whole)
                    yield own
                return
            _check_memory(key, member.info.file_size // member.shape[0])
            with self._archive.open(member.info) as packed:
                packed.read(member.header_bytes)
                for _ in range(member.shape[0]):
                    yield self._entry(packed, member)
                packed.read(1)  # reaching the end verifies the checksum

    def _entry(self, packed: IO[bytes], member: _Member) -> NDArray[Any]:
        entry = np.empty(member.shape[1:], member.dtype)
        _read_into(entry.reshape(-1).view(np.uint8).data, packed, member.info.filename)
        return _native(entry)

    # ------------------------------------------------------------------ one member

    def _member(self, key: str) -> _Member:
        if key not in self:
            msg = f"no array {key!r}; the file has {', '.join(sorted(self._infos)) or 'none'}"
            raise DataError(msg)
        info = self._infos[key]
        _check_container(key, info)
        with self._archive.open(info) as stream:
            shape, fortran, dtype = _read_header(key, stream)
            header_bytes = stream.tell()
        declared = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or header_bytes + declared != info.file_size:
            msg = (
                f"array {key!r} of shape {shape}, {dtype}, takes {declared} bytes,"
                f" but the archive holds {info.file_size - header_bytes} for it"
            )
            raise DataError(msg)
        return _Member(key, info, header_bytes, shape, fortran, dtype)

    def _array(self, member: _Member) -> NDArray[Any]:
        if member.mappable:
            return self._map(member)
        _check_memory(member.key, member.info.file_size)
        flat = np.empty(math.prod(member.shape), member.dtype)
        self._fill(member, flat)
        return _native(flat.reshape(member.shape, order="F" if member.fortran else "C"))

    def _copy(self, member: _Member, out: NDArray[Any]) -> None:
        if member.mappable or member.fortran:
            out[...] = self._array(member)
        else:
            self._fill(member, out.reshape(-1))

    def _map(self, member: _Member) -> NDArray[Any]:
        start, size = self._data_offset(member.info), member.info.file_size
        if start + size > self.watch.now().size:
            msg = f"{member.info.filename} ends early"
            raise EOFError(msg)
        stream = self._stream
        if self.verify:
            _verify_checksum(np.memmap(stream, np.uint8, "r", start, (size,)), member.info)
        order: Literal["C", "F"] = "F" if member.fortran else "C"
        offset = start + member.header_bytes
        return np.asarray(np.memmap(stream, member.dtype, "r", offset, member.shape, order))

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """Offset of a member's bytes, by its local header (its lengths differ)."""
        self._stream.seek(info.header_offset)
        name_bytes, extra_bytes = _LOCAL_HEADER.unpack(self._stream.read(_LOCAL_HEADER.size))
        return info.header_offset + _LOCAL_HEADER.size + int(name_bytes) + int(extra_bytes)

    def _fill(self, member: _Member, flat: NDArray[Any]) -> None:
        """Read a member's values, in stored order, into a contiguous 1D array."""
        buffer = flat.view(np.uint8).data
        with self._archive.open(member.info) as stream:
            stream.read(member.header_bytes)
            _read_into(buffer, stream, member.info.filename)
            stream.read(1)  # reaching the end verifies the checksum

    @contextmanager
    def _naming_the_file(self, *keys: str) -> Iterator[None]:
        try:
            yield
        except DataError as error:
            msg = f"{self.file}: {error}"
            raise DataError(msg) from error
        except MemoryError as error:
            msg = f"{self.file}: too large for this machine's memory: {error}"
            raise DataError(msg) from error
        except _DAMAGE as error:
            cause = ": ".join([*map(repr, keys), str(error)])
            msg = f"{self.file}: truncated, damaged or not an npz file: {cause}; get it again"
            raise DataError(msg) from error


def _read_into(buffer: memoryview, stream: IO[bytes], name: str) -> None:
    for start in range(0, len(buffer), _CHUNK_BYTES):
        part = buffer[start : start + _CHUNK_BYTES]
        chunk = stream.read(len(part))
        if len(chunk) < len(part):
            raise EOFError(f"{name} ends early")
        part[:] = chunk


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """The array in this machine's byte order, swapped in place."""
    if array.dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def _verify_checksum(stored: NDArray[np.uint8], info: zipfile.ZipInfo) -> None:
    checksum = 0
    for chunk in chunks(stored):
        checksum = zlib.crc32(chunk.data, checksum)
    if checksum != info.CRC:
        msg = f"bad checksum of {info.filename}"
        raise zipfile.BadZipFile(msg)


def _check_memory(what: str, size: int) -> None:
    """Refuse what no memory of this machine can hold, before the system kills who asks for it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        msg = (
            f"array {what!r} takes {size} bytes unpacked, more than this machine's {memory};"
            " save it uncompressed by numpy.savez, as one array, and it is read as needed"
        )
        raise DataError(msg)


def _check_container(key: str, info: zipfile.ZipInfo) -> None:
    """Refuse what numpy does not write, and sizes that the compressed bytes cannot yield."""
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):
        msg = f"array {key!r} is encrypted or not packed as numpy.savez does"
        raise DataError(msg)
    limit = 1 if info.compress_type == zipfile.ZIP_STORED else _DEFLATE_LIMIT
    if info.file_size > limit * info.compress_size:
        msg = (
            f"array {key!r} claims {info.file_size} bytes, more than its"
            f" {info.compress_size} packed bytes can hold"
        )
        raise DataError(msg)
    if info.file_size > max(_LARGEST_BLANK, _LARGEST_RATIO * info.compress_size):
        msg = (
            f"array {key!r} would unpack {info.compress_size} bytes to {info.file_size}: next to"
            " nothing but one value; if that is meant, save it uncompressed by numpy.savez"
        )
        raise DataError(msg)


def _arrays_of(archive: zipfile.ZipFile, stream: IO[bytes]) -> dict[str, zipfile.ZipInfo]:
    """The arrays of an archive by their keys; under another name, one would pass for absent."""
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        stream.seek(info.header_offset)
        length, _ = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
        name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
        if stream.read(length) != name:
            raise DataError(
                f"{info.filename!r} has another name where its bytes begin; get it again"
            )
        if info.filename.endswith(".npy"):
            key = info.filename.removesuffix(".npy")
            if key in infos:
                raise DataError(f"array {key!r} is there twice; save the file anew")
            infos[key] = info
    return infos


def _read_header(key: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype of an npy stream, which is left at the first value."""
    magic = stream.read(npy.MAGIC_LEN)
    version = tuple(magic[len(npy.MAGIC_PREFIX) :])
    prefix = stream.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(prefix, "little")
    body = stream.read(min(length, _LONGEST_HEADER))
    try:
        if not magic.startswith(npy.MAGIC_PREFIX) or version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"it begins with {magic!r}")
        if length > _LONGEST_HEADER:
            raise ValueError(f"{length} bytes long")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tokenizer, about what is refused below
            shape, fortran, dtype = read(io.BytesIO(prefix + body))
    except _BAD_HEADER as error:
        msg = f"array {key!r} has no readable npy header: {error}"
        raise DataError(msg) from error
    if dtype.hasobject or dtype.names or dtype.subdtype:
        msg = f"array {key!r} holds Python objects or records ({dtype}); save a plain number array"
        raise DataError(msg)
    return shape, fortran, dtype


def map_npy(file: Path) -> NDArray[Any]:
    """The array of an npy file, mapped read-only, its header checked as those of npz files are.

    Raises:
        DataError: If the file is no regular file, damaged, or holds something else.
    """
    try:
        with open_regular(file) as stream:
            return _mapped(stream, file.stem)
    except (DataError, *_DAMAGE) as error:
        msg = f"{file}: not readable as one array of numbers ({error}); save it by numpy.save"
        raise DataError(msg) from error


def _mapped(stream: IO[bytes], key: str) -> NDArray[Any]:
    shape, fortran, dtype = _read_header(key, stream)
    start, size = stream.tell(), os.fstat(stream.fileno()).st_size
    declared = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or start + declared != size:
        msg = f"shape {shape}, {dtype}, takes {declared} bytes; it holds {size - start}"
        raise DataError(msg)
    if not declared:
        return np.empty(shape, dtype)
    order: Literal["C", "F"] = "F" if fortran else "C"
    return np.asarray(np.memmap(stream, dtype, "r", start, shape, order))
