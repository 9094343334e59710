"""Turns, warm-up, calls that fail and peaks; never how long something takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from crossbench.environment.measure import interleave, peak_memory

CPU = torch.device("cpu")


def ticks(step: float) -> Callable[[], float]:
    """A clock that moves by ``step`` each time it is read."""
    return itertools.count(step=step).__next__


def test_every_repeat_times_every_method_once_in_changing_order() -> None:
    calls: list[str] = []
    named = {name: lambda name=name: calls.append(name) for name in "abc"}
    times, failures = interleave(named, repeats=20, device=CPU, clock=ticks(1.0))
    assert failures == {}
    assert times == {name: [1.0] * 20 for name in "abc"}
    turns = ["".join(calls[start : start + 3]) for start in range(9, len(calls), 3)]
    assert len(turns) == 20
    assert all(sorted(turn) == list("abc") for turn in turns)
    assert len(set(turns)) > 1


def test_short_calls_are_timed_several_at_a_time_and_equally_often() -> None:
    calls: list[str] = []
    named = {name: lambda name=name: calls.append(name) for name in "ab"}
    times, _ = interleave(named, repeats=2, device=CPU, clock=ticks(0.001))
    assert times == {name: pytest.approx([0.0002] * 2) for name in "ab"}
    assert calls.count("a") == calls.count("b") == 3 + 2 * 5


def test_a_call_that_fails_is_out_and_the_others_go_on() -> None:
    count = itertools.count()

    def late() -> None:
        if next(count) > 5:
            raise RuntimeError("too late")

    def early() -> None:
        raise ValueError("too early")

    times, failures = interleave(
        {"early": early, "late": late, "well": lambda: None},
        repeats=9,
        device=CPU,
        clock=ticks(1.0),
    )
    assert {name: str(error) for name, error in failures.items()} == {
        "early": "too early",
        "late": "too late",
    }
    assert list(times) == ["well"]
    assert len(times["well"]) == 9


def test_nothing_to_time() -> None:
    assert interleave({}, repeats=3, device=CPU) == ({}, {})


def test_the_peak_is_what_a_call_holds_at_once() -> None:
    size = 64 * 2**20

    def call() -> None:
        for _ in range(2):
            np.ones(size, np.uint8)

    assert 0.95 * size < peak_memory(call, CPU) < 1.5 * size
