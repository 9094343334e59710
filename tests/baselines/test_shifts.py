"""Diagnostics of Cross-D layers as tables."""

from __future__ import annotations

import numpy as np
from made_diagnostics import make

from crossbench.results.records.diagnostics import Diagnostics
from crossbench_baselines.shifts import kernel_frame, shift_frame, shift_layers


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
