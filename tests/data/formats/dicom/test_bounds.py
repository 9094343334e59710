"""Hostile files: each is left out or refused by name, in little time and memory."""

from __future__ import annotations

import struct
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import made_dicom as made
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.pixels import compress
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless

from crossbench.data.formats.dicom import (
    Choice,
    bounds,
    list_series,
    listing,
    one_series,
    pictures,
    read_dicom_picture,
    read_volume,
    volumes,
)
from crossbench.errors import CrossbenchError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"


def reason(file: Path) -> str:
    found = list_series(file)
    assert found.series == ()
    (left,) = found.left_out
    assert left.files == (file,)
    return left.reason


def test_a_truncated_file(tmp_path: Path) -> None:
    file = made.save(tmp_path / "x", made.dataset())
    content = file.read_bytes()
    file.write_bytes(content[:-10])
    assert reason(file) == "truncated: 230 of 240 bytes of pixels are there"
    with pytest.raises(DataError, match=r"x: truncated: 230 of 240 bytes of pixels are there"):
        read_dicom_picture(file)
    for length in range(0, len(content) - 10, 7):
        file.write_bytes(content[:length])
        reason(file)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"Rows": 65535, "Columns": 65535}, "a header that claims 8,589,672,450 bytes of pixels"),
        ({"NumberOfFrames": 99_999}, "truncated: 240 of 23,999,760 bytes of pixels are there"),
        ({"NumberOfFrames": 2_000_000_000}, "damaged DICOM header (2000000000 frames of 12x10x1"),
        ({"NumberOfFrames": -1}, "damaged DICOM header (-1 frames of 12x10x1, 16 bits)"),
        ({"Rows": 0}, "damaged DICOM header (1 frames of 0x10x1, 16 bits)"),
    ],
)
def test_a_header_that_claims_too_much(changed: dict, why: str, tmp_path: Path) -> None:
    file = made.save(tmp_path / "x", made.dataset(**changed))
    tracemalloc.start()
    try:
        assert reason(file).startswith(why)
        with pytest.raises(DataError, match=r"x: "):
            read_dicom_picture(file)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_compressed_frame_that_claims_more_than_its_header(tmp_path: Path) -> None:
    stored = np.zeros((64, 64), "<u2")
    data = made.radiograph(Rows=64, Columns=64, PixelData=stored.tobytes())
    compress(data, JPEG2000Lossless, encoding_plugin="pylibjpeg")
    size = struct.pack(">II", 64, 64)
    assert size in data.PixelData
    data.PixelData = data.PixelData.replace(size, struct.pack(">II", 60_000, 60_000), 1)
    file = made.save(tmp_path / "x", data)
    why = "x: damaged: its compressed frame has 60000x60000x1, its header 64x64x1"
    with pytest.raises(DataError, match=why):
        read_dicom_picture(file)


def test_a_compressed_frame_of_gigabytes(tmp_path: Path) -> None:
    stored = np.zeros((64, 64), "<u2")
    data = made.radiograph(Rows=64, Columns=64, PixelData=stored.tobytes())
    compress(data, JPEG2000Lossless, encoding_plugin="pylibjpeg")
    size = struct.pack(">II", 64, 64)
    data.PixelData = data.PixelData.replace(size, struct.pack(">II", 40_000, 40_000), 1)
    data.Rows = data.Columns = 40_000
    file = made.save(tmp_path / "x", data)
    with pytest.raises(DataError, match=r"x: a frame of 40000x40000x1 values; 67,108,864 are read"):
        read_dicom_picture(file)
    with pytest.raises(DataError, match=r"x: dcm2niix "):
        read_volume(one_series(made.save(file, _as_ct(data))))


def _as_ct(data: pydicom.Dataset) -> pydicom.Dataset:
    plain = made.dataset()
    for name in ("SOPClassUID", "Modality", "ImagePositionPatient", "ImageOrientationPatient"):
        setattr(data, name, plain.get(name))
    return data


@pytest.mark.parametrize("package", ["pydicom", "dcm2niix", "nibabel"])
def test_a_package_that_is_not_installed(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write(tmp_path, made.axial(3))

    def find(name: str) -> object:
        return None if name == package else find_spec(name)

    for module in (listing, pictures, volumes):
        monkeypatch.setattr(module, "find_spec", find)
    with pytest.raises(DataError, match=rf"{package}, (which is )?not installed; .*\[data\]"):
        read_volume(one_series(tmp_path))
    if package == "pydicom":
        with pytest.raises(DataError, match=r"I00000: DICOM is read by pydicom"):
            read_dicom_picture(tmp_path / "I00000")


def test_a_deflated_bomb(tmp_path: Path) -> None:
    data = made.dataset()
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = made.save(tmp_path / "x", data)
    head = file.read_bytes()[: 144 + pydicom.dcmread(file).file_meta.FileMetaInformationGroupLength]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    chunk = bytes(2**20)
    body = b"".join(packer.compress(chunk) for _ in range(300)) + packer.flush()
    file.write_bytes(head + body)
    assert reason(file) == "deflated file that unpacks to more than 256 MiB; inflate it"
    with pytest.raises(DataError, match="x: deflated file that unpacks to more than 256 MiB"):
        read_dicom_picture(file)


def test_a_deflated_volume_is_refused_by_name(tmp_path: Path) -> None:
    data = made.dataset()
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    series = one_series(made.save(tmp_path / "x", data))
    with pytest.raises(DataError, match=r"x: dcm2niix makes .*Unsupported transfer syntax"):
        read_volume(series)


def test_no_dicom_among_them(tmp_path: Path) -> None:
    made.write(tmp_path, made.axial(4))
    (tmp_path / "I00001").chmod(0)
    (tmp_path / "thumbs.db").write_bytes(b"\x08\x00" + b"\xff" * 200)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "magic").write_bytes(bytes(128) + b"DICM" + b"\xff" * 50)
    found = list_series(tmp_path)
    left = {file.name for each in found.left_out for file in each.files}
    assert left >= {"thumbs.db", "empty", "magic"}


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    made.write(tmp_path, made.axial(4))
    series = one_series(tmp_path)
    series.files[1].unlink()
    with pytest.raises(DataError, match=r"and 3 more: cannot be converted .*No such file"):
        read_volume(series)


def test_a_program_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.write(tmp_path, made.axial(20))
    monkeypatch.setattr(volumes, "_SECONDS", 1e-6)
    with pytest.raises(DataError, match=r"and 19 more: dcm2niix took longer than 0 s; its files"):
        read_volume(one_series(tmp_path))


def test_a_program_without_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.write(tmp_path, made.axial(20))
    monkeypatch.setattr(volumes, "_ROOM", 4096)
    monkeypatch.setattr(volumes, "_EXPANSION", 0)
    with pytest.raises(DataError, match=r"and 19 more: dcm2niix "):
        read_volume(one_series(tmp_path))


def test_many_threads_leave_warnings_as_they_were() -> None:
    before, mode = warnings.filters[:], pydicom.config.settings.reading_validation_mode

    def read(_: int) -> None:
        with bounds.quiet():
            warnings.warn("not shown", stacklevel=1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(200)))
    assert warnings.filters == before
    assert pydicom.config.settings.reading_validation_mode == mode


READ = "read"
_FILES = [
    SHIPPED / name
    for name in ("MR_small.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
                 "SC_rgb_jpeg_gdcm.dcm", "MR_small_RLE.dcm", "image_dfl.dcm", "test-SR.dcm")
]  # fmt: skip
_VALID = [file.read_bytes() for file in _FILES]
_DAMAGE = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(["byte", "cut", "long", "drop"]),
              st.integers(0, 255)),
    min_size=1, max_size=6,
)  # fmt: skip


def damaged(content: bytes, damage: list[tuple[float, str, int]]) -> bytes:
    held = bytearray(content)
    for where, how, value in damage:
        place = int(where * len(held))
        if how == "byte" and held:
            held[place] = value
        elif how == "long":
            held[place : place + 4] = b"\xff\xff\xff\xff"
        elif how == "drop":
            del held[place : place + value]
        elif how == "cut":
            del held[place:]
    return bytes(held)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(which=st.integers(0, len(_VALID) - 1), damage=_DAMAGE)
def test_damaged_bytes_are_refused_or_read(
    which: int, damage: list[tuple[float, str, int]], tmp_path: Path
) -> None:
    file = tmp_path / "x"
    file.write_bytes(damaged(_VALID[which], damage))
    list_series(file)
    readers = (
        lambda: read_dicom_picture(file, frame="first"),
        lambda: read_volume(one_series(file, Choice(volume=1, frame="first"))),
    )
    for read in readers:
        assert _refusal(read).startswith((str(file), READ))


def _refusal(read: Callable[[], object]) -> str:
    try:
        read()
    except CrossbenchError as error:
        return str(error)
    return READ
