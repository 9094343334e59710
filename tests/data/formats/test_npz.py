from __future__ import annotations

import contextlib
import hashlib
import io
import os
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossbench.data.formats import npz
from crossbench.data.formats.npz import NpzFile, chunks, content_hash, map_npy
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

SAVERS = pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
VOLUMES = np.arange(120, dtype=np.float32).reshape(5, 4, 3, 2)


def saved(file: Path, save: Callable[..., None] = np.savez, **arrays: Any) -> Path:
    save(file, **arrays)
    return file


def write_member(file: Path, payload: bytes, **info: Any) -> Path:
    with zipfile.ZipFile(file, "w", info.pop("compression", zipfile.ZIP_STORED)) as archive:
        archive.writestr("images.npy", payload)
    return file


def npy_bytes(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """An npy file, with another shape in its header if one is given."""
    stream = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(stream, header | {"shape": shape or array.shape})
    return stream.getvalue() + array.tobytes()


# ------------------------------------------------------------------------- hashing


def test_hash_is_over_names_dtypes_shapes_and_values() -> None:
    digest = hashlib.sha256(b'["a", "|u1", [2, 2]]' + bytes([0, 1, 2, 3]))
    digest.update(b'["b", "<i2", [1]]' + b"\x05\x00")
    arrays = {
        "b": np.array([5], dtype="<i2"),
        "a": np.array([[0, 1], [2, 3]], dtype=np.uint8),
    }
    assert content_hash(arrays) == digest.hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        {"b": VOLUMES},
        {"a": VOLUMES.astype(np.float64)},
        {"a": VOLUMES.reshape(5, 4, 6)},
        {"a": VOLUMES + (VOLUMES == 119)},
        {"a": VOLUMES, "b": VOLUMES},
        {},
    ],
)
def test_hash_tells_contents_apart(other: dict[str, np.ndarray]) -> None:
    assert content_hash(other) != content_hash({"a": VOLUMES})


@given(
    hnp.arrays(
        st.sampled_from([np.dtype("u1"), np.dtype("<f4"), np.dtype("<U3")]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
    st.integers(1, 64),
)
def test_hash_depends_neither_on_layout_nor_on_chunk_size(array: np.ndarray, size: int) -> None:
    reference = content_hash({"a": array})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "_CHUNK_BYTES", size)
        assert content_hash({"a": array.copy(order="F")}) == reference


@given(st.integers(0, 50), st.integers(1, 200))
def test_chunks_are_the_array_in_order(rows: int, size: int) -> None:
    array = np.arange(rows * 3, dtype=np.int16).reshape(rows, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "_CHUNK_BYTES", size)
        parts = list(chunks(array))
    assert all(len(part) == 1 or part.nbytes <= size for part in parts)
    np.testing.assert_array_equal(np.concatenate([*parts, array[:0]]), array)


# ------------------------------------------------------------------------- reading


@SAVERS
@given(
    array=hnp.arrays(
        st.sampled_from(
            [np.dtype(code) for code in ("u1", "i1", "?", "<i2", ">i2", "<f4", ">f8", "<U2", "<f2")]
        ),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    fortran=st.booleans(),
)
def test_reads_what_numpy_writes(
    tmp_path_factory: pytest.TempPathFactory,
    save: Callable[..., None],
    array: np.ndarray,
    fortran: bool,
) -> None:
    file = tmp_path_factory.mktemp("npz") / "a.npz"
    saved(file, save, first=np.zeros(3), images=array.copy(order="F" if fortran else "C"))
    with NpzFile(file) as archive:
        read, shape = archive.read("images"), archive.shape("images")
    assert shape == array.shape
    assert read.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read, array)


def test_maps_what_is_stored_and_reads_what_is_compressed(tmp_path: Path) -> None:
    with NpzFile(saved(tmp_path / "stored.npz", images=VOLUMES)) as archive:
        stored = archive.read("images")
    with NpzFile(saved(tmp_path / "packed.npz", np.savez_compressed, images=VOLUMES)) as archive:
        packed = archive.read("images")
    assert isinstance(stored.base, np.memmap)
    assert not stored.flags.writeable
    assert not isinstance(packed.base, np.memmap)


def test_knows_its_keys(tmp_path: Path) -> None:
    with NpzFile(saved(tmp_path / "a.npz", images=VOLUMES)) as archive:
        assert "images" in archive
        assert "labels" not in archive


@SAVERS
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_pools_arrays_in_order(
    tmp_path: Path, save: Callable[..., None], fortran: bool, dtype: str
) -> None:
    parts = {"a": VOLUMES[:2], "b": VOLUMES[2:2], "c": VOLUMES[2:]}
    parts = {
        key: np.array(part, dtype, order="F" if fortran else "C") for key, part in parts.items()
    }
    with NpzFile(saved(tmp_path / "a.npz", save, **parts)) as archive:
        pooled = archive.read_pooled(["a", "b", "c"])
    assert pooled.dtype == VOLUMES.dtype
    np.testing.assert_array_equal(pooled, VOLUMES)


@pytest.mark.parametrize(
    "other", [VOLUMES[:, 1:], VOLUMES.astype(np.float64), np.float32(0), VOLUMES[:, :, :, 0]]
)
def test_refuses_to_pool_what_does_not_match(tmp_path: Path, other: np.ndarray) -> None:
    with (
        NpzFile(saved(tmp_path / "a.npz", a=VOLUMES, b=other)) as archive,
        pytest.raises(DataError, match=r"a\.npz: arrays cannot be pooled: a \(5, 4, 3, 2\)"),
    ):
        archive.read_pooled(["a", "b"])


# ----------------------------------------------------------------------- bad files


def read_or_message(file: Path) -> np.ndarray | str:
    try:
        with NpzFile(file) as archive:
            return archive.read("images")
    except DataError as error:
        return str(error)


def test_names_the_keys_that_are_there(tmp_path: Path) -> None:
    with (
        NpzFile(saved(tmp_path / "a.npz", y=VOLUMES, x=VOLUMES)) as archive,
        pytest.raises(DataError, match=r"a\.npz: no array 'images'; the file has x, y"),
    ):
        archive.read("images")


@SAVERS
@given(cut=st.floats(0, 1, exclude_max=True))
def test_refuses_truncated_files(
    tmp_path_factory: pytest.TempPathFactory, save: Callable[..., None], cut: float
) -> None:
    file = saved(tmp_path_factory.mktemp("npz") / "a.npz", save, images=VOLUMES)
    content = file.read_bytes()
    file.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(DataError, match=r"a\.npz: truncated, damaged or not an npz file"):
        NpzFile(file)


@SAVERS
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_changed_byte_is_found_or_harmless(
    tmp_path_factory: pytest.TempPathFactory,
    save: Callable[..., None],
    place: float,
    value: int,
) -> None:
    file = saved(tmp_path_factory.mktemp("npz") / "a.npz", save, images=VOLUMES)
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] = value
    file.unlink()
    file.write_bytes(content)
    outcome = read_or_message(file)
    if isinstance(outcome, str):
        assert outcome.startswith(f"{file}: ")
    else:
        np.testing.assert_array_equal(outcome, VOLUMES)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.slow
@SAVERS
def test_every_flipped_bit_is_found_or_harmless(tmp_path: Path, save: Callable[..., None]) -> None:
    content = saved(tmp_path / "a.npz", save, images=VOLUMES).read_bytes()
    for bit in range(8 * len(content)):
        file = tmp_path / f"{bit}.npz"
        file.write_bytes(flipped(content, bit))
        outcome = read_or_message(file)
        if isinstance(outcome, str):
            assert outcome.startswith(f"{file}: ")
        else:
            np.testing.assert_array_equal(outcome, VOLUMES)
        file.unlink()


@given(bit=st.integers(0, 8 * 128 - 1))
def test_a_flipped_bit_of_an_npy_header_names_the_file_and_the_array(
    tmp_path_factory: pytest.TempPathFactory, bit: int
) -> None:
    """As written into the archive, so that no checksum finds it before the header is read."""
    folder = tmp_path_factory.mktemp("npz")
    payload = flipped(npy_bytes(VOLUMES), bit)
    outcome = read_or_message(write_member(folder / "a.npz", payload))
    if isinstance(outcome, str):
        assert outcome.startswith(f"{folder / 'a.npz'}: array 'images' ")
    (folder / "a.npy").write_bytes(payload)
    with contextlib.suppress(DataError):
        map_npy(folder / "a.npy")


@pytest.mark.parametrize(
    "header",
    [b"{'descr': (\n", b"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,", b"(" * 5000, b"\xff"],
)
def test_a_header_that_is_no_python_is_named(tmp_path: Path, header: bytes) -> None:
    payload = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    file = write_member(tmp_path / "a.npz", payload)
    with NpzFile(file) as archive, pytest.raises(DataError, match="array 'images' has no readable"):
        archive.read("images")


def test_a_long_header_is_not_unpacked(tmp_path: Path) -> None:
    payload = b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + bytes(1 << 20)
    file = write_member(tmp_path / "a.npz", payload, compression=zipfile.ZIP_DEFLATED)
    with NpzFile(file) as archive, pytest.raises(DataError, match="2147483648 bytes long"):
        archive.read("images")


def test_a_bomb_is_refused_by_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "_LARGEST_BLANK", 1 << 20)
    zeros = np.zeros((8, 1 << 18), np.uint8)
    file = saved(tmp_path / "a.npz", np.savez_compressed, images=zeros)
    with (
        NpzFile(file) as archive,
        pytest.raises(DataError, match=r"a\.npz: array 'images' would unpack \d+ bytes to 2097280"),
    ):
        archive.read("images")
    with NpzFile(saved(tmp_path / "b.npz", images=zeros)) as archive:
        assert not archive.read("images").any()


def test_more_than_memory_is_refused_before_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 0}.get)
    file = saved(tmp_path / "a.npz", np.savez_compressed, images=VOLUMES)
    with NpzFile(file) as archive, pytest.raises(DataError, match=r"more than this machine's 0"):
        archive.read("images")


def test_an_array_under_another_name_in_the_directory_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.npz", np.savez, images=VOLUMES, groups=np.arange(len(VOLUMES)))
    content = file.read_bytes()
    place = content.rindex(b"groups.npy")
    file.write_bytes(content[:place] + b"groUps.npy" + content[place + 10 :])
    with pytest.raises(DataError, match=r"'groUps\.npy' has another name where its bytes begin"):
        NpzFile(file)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("images.npy", npy_bytes(VOLUMES))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("images.npy", npy_bytes(VOLUMES))
    with pytest.raises(DataError, match="array 'images' is there twice"):
        NpzFile(file)


@SAVERS
def test_verifies_checksums(tmp_path: Path, save: Callable[..., None]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 1000, dtype=np.uint8)
    file = saved(tmp_path / "a.npz", save, images=noise)
    content = bytearray(file.read_bytes())
    content[600] ^= 1
    file.write_bytes(content)
    with (
        NpzFile(file) as archive,
        pytest.raises(DataError, match=r"truncated, damaged or not an npz file: .*get it again"),
    ):
        archive.read("images")


def test_need_not_verify_what_was_verified_before(tmp_path: Path) -> None:
    zeros = np.zeros(100_000, dtype=np.uint8)
    file = saved(tmp_path / "a.npz", images=zeros)
    content = bytearray(file.read_bytes())
    content[50_000] = 1
    file.write_bytes(content)
    with NpzFile(file, verify=False) as archive:
        assert archive.read("images").sum() == 1


def test_refuses_objects(tmp_path: Path) -> None:
    objects = np.array([{"not": "numbers"}, None], dtype=object)
    file = saved(tmp_path / "a.npz", images=objects)
    with (
        NpzFile(file) as archive,
        pytest.raises(DataError, match="array 'images' holds Python objects or records"),
    ):
        archive.read("images")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("shape", [(2**40,), (119,), (-120,), (-1, -120), (2**70, 0, 3)])
def test_refuses_a_header_that_claims_another_size(
    tmp_path: Path, compression: int, shape: tuple[int, ...]
) -> None:
    payload = npy_bytes(VOLUMES, shape)
    file = write_member(tmp_path / "a.npz", payload, compression=compression)
    with NpzFile(file) as archive, pytest.raises(DataError, match="but the archive holds 480 for"):
        archive.read("images")


def test_refuses_a_size_that_no_packed_bytes_yield(tmp_path: Path) -> None:
    """A lying directory entry must not make us allocate."""
    header = npy_bytes(np.empty(0, np.uint8), (2**33,))
    file = write_member(tmp_path / "a.npz", header, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(file.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, entry + 24, 2**32 - 2)
    file.write_bytes(content)
    with (
        NpzFile(file) as archive,
        pytest.raises(DataError, match=r"claims 4294967294 bytes, more than its .* can hold"),
    ):
        archive.read("images")


def test_refuses_other_packing(tmp_path: Path) -> None:
    file = write_member(tmp_path / "a.npz", npy_bytes(VOLUMES), compression=zipfile.ZIP_LZMA)
    with NpzFile(file) as archive, pytest.raises(DataError, match=r"not packed as numpy\.savez"):
        archive.read("images")


def test_refuses_a_member_that_is_no_array(tmp_path: Path) -> None:
    file = write_member(tmp_path / "a.npz", b"not an array at all")
    with NpzFile(file) as archive, pytest.raises(DataError, match="no readable npy header"):
        archive.read("images")


def test_refuses_what_does_not_fit_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: Any) -> None:
        raise MemoryError

    file = saved(tmp_path / "a.npz", np.savez_compressed, images=VOLUMES)
    with NpzFile(file) as archive:
        monkeypatch.setattr(np, "empty", exhausted)
        with pytest.raises(DataError, match="too large for this machine"):
            archive.read("images")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.npz"):
        NpzFile(tmp_path / "absent.npz")
