from __future__ import annotations

from typing import Any

from crossbench.results.figures.kernels import kernel_frame, kernel_path
from crossbench.specs.conformance import Kernel

PLANE = ((0.1, 0.2), (0.3, -0.4))
NOTHING = ((0.0, 0.0), (0.0, 0.0))
MIDDLE = Kernel(channels=(0, 1), plane=PLANE, volume=(NOTHING, PLANE, NOTHING))
SPREAD = Kernel(channels=(2,), plane=PLANE, volume=(PLANE, PLANE, NOTHING))


def test_each_value_has_a_cell_of_its_own(valid: Any) -> None:
    frame = kernel_frame([MIDDLE, SPREAD])
    assert len(frame) == 2 * 4 * 4
    assert not frame.duplicated(["x", "y"]).any()
    first = frame[(frame["plane"] == 2) & (frame["y"] < 4)]  # after 2D and the plane before
    assert set(first["words"]) == {"depth 0"}
    assert first["value"].tolist() == [0.1, 0.2, 0.3, -0.4]
    assert set(frame.loc[frame["plane"] == 0, "words"]) == {"2D, outputs 0 1", "2D, output 2"}
    assert valid(kernel_path("mine", [MIDDLE, SPREAD]))


def test_words_say_how_much_lies_in_each_plane() -> None:
    alt = kernel_path("mine", [MIDDLE, SPREAD]).alt
    assert "The kernel of mine in 2D and in 3 planes of 3D." in alt
    assert "outputs 0 1: 0 %, 100 %, 0 %; output 2: 50 %, 50 %, 0 %." in alt


def test_a_kernel_of_zeros_is_drawn(valid: Any) -> None:
    assert valid(kernel_path("mine", [Kernel(channels=(0,), plane=NOTHING, volume=(NOTHING,))]))
