"""Diagnostics beside a record: written and read back, refused where they are not its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crossbench.errors import RecordError
from crossbench.results.diagnostics import (
    Diagnostics,
    diagnostics_path,
    read_diagnostics,
    write_diagnostics,
)
from crossbench.results.shifts import kernel_frame, shift_frame, shift_layers

if TYPE_CHECKING:
    from pathlib import Path


def make(samples: int = 5, drawn: int = 2, channels: int = 3, size: int = 3) -> Diagnostics:
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> Any:
        return random.normal(size=shape).astype(np.float32)

    measured = {"angle": numbers(samples), "shift": numbers(samples, 3)}
    kernels = {
        "kernel_middle": numbers(channels, size, size),
        "kernel_unturned": numbers(channels, size, size),
        "kernel_shifted": numbers(drawn, channels, size, size),
    }
    return Diagnostics(
        identity="abc",
        index=np.arange(samples) * 10,
        drawn=np.arange(drawn) * 10,
        layers={"stem/conv": measured | kernels, "down": measured, "a.conv1": measured | kernels},
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = make()
    path = write_diagnostics(tmp_path / "folder" / "run.json", written)
    assert path.name == "run.diagnostics.npz"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    read = read_diagnostics(tmp_path / "folder" / "run.json", "abc")
    assert read is not None
    np.testing.assert_array_equal(read.index, written.index)
    np.testing.assert_array_equal(read.drawn, written.drawn)
    assert list(read.layers) == list(written.layers)
    for layer, arrays in written.layers.items():
        assert list(read.layers[layer]) == list(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(read.layers[layer][name], values)


def test_a_run_without_diagnostics_has_none(tmp_path: Path) -> None:
    assert read_diagnostics(tmp_path / "run.json", "abc") is None


def test_another_runs_diagnostics_are_refused(tmp_path: Path) -> None:
    write_diagnostics(tmp_path / "run.json", make())
    with pytest.raises(RecordError, match=r"run\.diagnostics\.npz: belongs to another run"):
        read_diagnostics(tmp_path / "run.json", "xyz")


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_damaged_file_is_named(tmp_path: Path, keep: int) -> None:
    path = write_diagnostics(tmp_path / "run.json", make())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecordError, match=r"run\.diagnostics\.npz: cannot be read"):
        read_diagnostics(tmp_path / "run.json", "abc")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    with diagnostics_path(tmp_path / "run.json").open("wb") as stream:
        np.savez(stream, identity=np.array({"a": 1}, dtype=object))
    with pytest.raises(RecordError, match="Object arrays cannot be loaded"):
        read_diagnostics(tmp_path / "run.json", "abc")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"run\.diagnostics\.npz: cannot be written"):
        write_diagnostics(tmp_path / "file" / "run.json", make())


def test_shifts_as_a_table_leave_out_layers_without_kernels() -> None:
    diagnostics = make(samples=5)
    assert shift_layers(diagnostics) == ["stem/conv", "a.conv1"]
    frame = shift_frame(diagnostics)
    assert list(frame["layer"].unique()) == ["stem/conv", "a.conv1"]
    assert len(frame) == 2 * 5
    second = frame[(frame["layer"] == "a.conv1") & (frame["sample"] == 20)].squeeze()
    arrays = diagnostics.layers["a.conv1"]
    assert second["angle"] == arrays["angle"][2]
    assert second[["first", "second", "third"]].tolist() == arrays["shift"][2].tolist()


def test_a_network_without_shifts_gives_an_empty_table() -> None:
    diagnostics = Diagnostics(
        identity="abc", index=np.arange(1), drawn=np.arange(1), layers={"x": {}}
    )
    assert shift_frame(diagnostics).empty


def test_kernels_as_a_table() -> None:
    diagnostics = make(drawn=2, channels=3, size=3)
    frame = kernel_frame(diagnostics, "a.conv1")
    assert list(frame["kernel"].unique()) == ["middle slice", "angle 0", "sample 0", "sample 10"]
    assert len(frame) == 4 * 3 * 9
    place = frame.query("kernel == 'sample 10' and channel == 2 and row == 1 and column == 0")
    expected = diagnostics.layers["a.conv1"]["kernel_shifted"][1, 2, 1, 0]
    assert place["weight"].tolist() == [expected]
