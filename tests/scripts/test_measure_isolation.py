"""The measurement of what a process of its own adds to a run."""

from __future__ import annotations

import re

import pytest
from measure_isolation import main


@pytest.mark.slow
def test_both_ways_are_timed_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--turns", "1", "--folds", "1", "--samples", "40"]) == 0
    turn, cpu, clock = capsys.readouterr().out.splitlines()
    seconds = r"[\d.]+ s of CPU \([\d.]+ s by the clock\)"
    assert re.fullmatch(rf"turn 1: {seconds} here, {seconds} apart", turn)
    spread = r"-?[\d.]+ \(.+ to .+\)"
    assert re.fullmatch(rf"a process adds {spread} s of CPU to a run,", cpu)
    assert re.fullmatch(rf"{spread} s by the clock \(medians, the middle half\)", clock)
