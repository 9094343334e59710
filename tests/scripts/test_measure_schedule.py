"""The measurement of the simulator's error."""

from __future__ import annotations

import re

import pytest
from measure_schedule import main


@pytest.mark.slow
def test_both_numbers_of_processes_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--turns", "1", "--folds", "2", "--samples", "40", "--methods", "conv3d"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    for jobs, (turn, error) in zip((1, 2), (lines[:2], lines[2:]), strict=True):
        assert re.fullmatch(rf"{jobs} at a time, turn 1: [\d.]+ s, simulated [\d.]+", turn)
        found = re.fullmatch(
            rf"{jobs} at a time: error of the makespan ([\d.]+)% \(median\)", error
        )
        assert found is not None
        assert float(found[1]) < 50
