"""Diagnostics beside a record: written and read back, refused where they are not its own."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from made_diagnostics import make
from record_files import companion, unseal

from crossbench.errors import RecordError
from crossbench.results.records.diagnostics import Diagnostics, pack_diagnostics, read_diagnostics
from crossbench.results.records.files import read_record
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def written(tmp_path: Path, scored: Any) -> Path:
    """The record of a run with diagnostics."""
    record, predictions = scored()
    diagnostics = dataclasses.replace(make(), identity=record.identity)
    return Store(tmp_path).write(record, predictions, diagnostics=diagnostics)


def read(path: Path) -> Diagnostics | None:
    return read_diagnostics(path, read_record(path))


def test_what_is_written_is_read_back(written: Path) -> None:
    name = companion(written, "diagnostics").name
    assert re.fullmatch(rf"{written.stem}\.[0-9a-f]{{16}}\.diagnostics\.npz", name)
    again, before = read(written), make()
    assert again is not None
    np.testing.assert_array_equal(again.index, before.index)
    np.testing.assert_array_equal(again.drawn, before.drawn)
    assert list(again.layers) == list(before.layers)
    for layer, arrays in before.layers.items():
        assert list(again.layers[layer]) == list(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(again.layers[layer][name], values)


def test_a_run_without_diagnostics_has_none(tmp_path: Path, scored: Any) -> None:
    assert read(Store(tmp_path).write(*scored())) is None


def test_a_run_written_again_keeps_what_was_observed(
    tmp_path: Path, written: Path, scored: Any
) -> None:
    before = companion(written, "diagnostics").read_bytes()
    Store(tmp_path).write(*scored(), lambda file: file.write_bytes(b"weights"))
    assert companion(written, "diagnostics").read_bytes() == before
    assert read(written) is not None


def test_diagnostics_of_schema_1_are_found_under_their_fixed_name(written: Path) -> None:
    companion(written, "diagnostics").rename(written.with_suffix(".diagnostics.npz"))
    unseal(written)
    assert read(written) is not None
    written.with_suffix(".diagnostics.npz").unlink()
    assert read(written) is None


def test_another_runs_diagnostics_are_refused(tmp_path: Path, scored: Any) -> None:
    path = Store(tmp_path).write(*scored(), diagnostics=make())
    with pytest.raises(RecordError, match=r"\.diagnostics\.npz: belongs to another run"):
        read(path)


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_damaged_file_is_named(written: Path, keep: int) -> None:
    file = companion(written, "diagnostics")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(RecordError, match=r"\.diagnostics\.npz: cannot be read"):
        read(written)
    assert read_record(written).status == "ok"  # which is as valid without


def test_exchanged_diagnostics_are_refused(written: Path) -> None:
    other = dataclasses.replace(make(samples=6), identity=read_record(written).identity)
    companion(written, "diagnostics").write_bytes(pack_diagnostics(other))
    with pytest.raises(RecordError, match="not the file that the record was written with"):
        read(written)


def test_nothing_is_unpickled(written: Path) -> None:
    with companion(written, "diagnostics").open("wb") as stream:
        np.savez(stream, identity=np.array({"a": 1}, dtype=object))
    with pytest.raises(RecordError, match="Object arrays cannot be loaded"):
        read(written)
