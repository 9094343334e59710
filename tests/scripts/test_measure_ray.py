"""The measurement of what a Ray cluster costs beside processes of this machine."""

from __future__ import annotations

import re

import pytest
from measure_ray import main


@pytest.mark.slow
def test_both_ways_are_measured_and_their_ratio_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--turns", "1", "--seeds", "43", "--epochs", "1", "--samples", "40"]) == 0
    *turns, runs, whole = capsys.readouterr().out.splitlines()
    cost = r"[\d.]+ s \+ [\d.]+ s \(runs' own [\d.]+ s\), \d+ MiB at most in \d+ processes"
    for way, line in zip(("--jobs 2", "--executor ray"), turns, strict=True):
        assert re.fullmatch(rf"turn 1, {way}: {cost}", line)
    assert re.fullmatch(r"Ray to --jobs 2, runs: [\d.]+ \(median\)", runs)
    assert re.fullmatch(r"Ray to --jobs 2, whole: [\d.]+ \(median\)", whole)
