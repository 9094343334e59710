"""Processes that share a device, tiny and on the CPU."""

from __future__ import annotations

import itertools
import threading

import pytest
import torch
from measure_gpu_processes import Highest, processes


def test_the_highest_of_what_was_seen_is_above_the_first() -> None:
    values = itertools.chain([100, 150, 400, 120], itertools.repeat(110))
    seen = threading.Event()

    def look() -> int:
        value = next(values)
        if value == 110:
            seen.set()
        return value

    with Highest(look) as held:
        assert seen.wait(60)
    assert held.bytes == 300


@pytest.mark.slow
def test_one_and_two_processes_are_measured() -> None:
    rows = processes(torch.device("cpu"), tiny=True)
    assert [(row["processes"], row["runs"]) for row in rows] == [(1, 2), (2, 2)]
    for row in rows:
        assert float(row["runs an hour"].replace(",", "")) > 0
        assert float(row["memory, GiB"]) > 0
