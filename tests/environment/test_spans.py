"""Seconds by phase, for whoever listens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from crossbench.environment.spans import charge, collect, span

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let a clock of the test's own go on."""
    now = 0.0

    def let(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("crossbench.environment.spans.perf_counter", lambda: now)
    return let


def test_seconds_add_up_by_name_and_nested_spans_count_in_each(
    pass_time: Callable[[float], None],
) -> None:
    with collect() as seconds:
        for _ in range(2):
            with span("outer"):
                pass_time(1)
                with span("inner"):
                    pass_time(2)
        pass_time(4)
        charge("inner", 8)
    assert seconds == {"outer": 6, "inner": 12}


def test_fine_spans_are_for_those_who_ask(pass_time: Callable[[float], None]) -> None:
    waited: list[None] = []
    listening = collect(fine=True, wait=lambda: waited.append(None))
    with listening as fine, collect() as coarse, span("train"), span("forward", fine=True):
        pass_time(1)
    assert fine == {"train": 1, "forward": 1}
    assert coarse == {"train": 1}
    assert len(waited) == 4


def test_listeners_hear_what_lies_within_them_even_where_it_fails(
    pass_time: Callable[[float], None],
) -> None:
    @span("work")
    def work() -> None:
        pass_time(1)
        raise ValueError

    with collect() as outer:
        with collect() as inner, pytest.raises(ValueError, match=r"^$"):
            work()
        with pytest.raises(ValueError, match=r"^$"):
            work()
    with pytest.raises(ValueError, match=r"^$"):
        work()
    assert (inner, outer) == ({"work": 1}, {"work": 2})


def test_spans_of_other_threads_are_not_collected() -> None:
    @span("work")
    def work() -> None:
        pass

    with collect() as seconds:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seconds == {}
