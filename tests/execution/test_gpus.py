"""Places on GPUs, which need none to be shared out."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.execution.gpus import Gpus, choose


@given(
    shares=st.lists(st.integers(1, 100), min_size=1, max_size=40),
    count=st.integers(1, 4),
)
def test_no_gpu_is_given_out_twice(shares: list[int], count: int) -> None:
    taken = [0.0] * count
    for share in shares:
        gpu = choose(taken, share / 100)
        if gpu is None:
            assert min(taken) + share / 100 > 1
        else:
            taken[gpu] += share / 100
    assert max(taken) <= 1 + 1e-6


def test_processes_spread_before_they_share() -> None:
    gpus = Gpus(2)
    with (
        gpus.place(lambda: 0.25) as first,
        gpus.place(lambda: 0.25) as second,
        gpus.place(lambda: 0.25),
    ):
        assert {first, second} == {0, 1}
        with gpus.place(lambda: 0.5) as fourth:
            assert fourth == 1  # the other has three quarters left after two of a quarter


def test_who_finds_no_room_waits_until_one_leaves() -> None:
    gpus, order = Gpus(1), []
    began = threading.Event()

    def work() -> None:
        began.set()
        with gpus.place(lambda: 2.0):
            order.append("second")

    with gpus.place(lambda: 0.5):
        waiting = threading.Thread(target=work)
        waiting.start()
        began.wait(10)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_who_waits_takes_what_was_measured_meanwhile() -> None:
    gpus, shares = Gpus(1), [1.0]
    asked, together = threading.Semaphore(0), threading.Barrier(2)

    def share() -> float:
        asked.release()
        return shares[-1]

    def work() -> None:
        with gpus.place(share):
            together.wait(60)

    waiting = [threading.Thread(target=work) for _ in range(2)]
    with gpus.place(lambda: 1.0):
        for each in waiting:
            each.start()
            assert asked.acquire(timeout=60)
        shares.append(0.5)
    for each in waiting:
        each.join(60)
    assert not together.broken


def test_who_waits_is_told_that_nothing_more_begins() -> None:
    gpus, told = Gpus(1), []

    def work() -> None:
        try:
            with gpus.place(lambda: 1.0):
                pass
        except KeyboardInterrupt:
            told.append(True)

    with gpus.place(lambda: 1.0):
        waiting = threading.Thread(target=work)
        waiting.start()
        gpus.close()
        waiting.join(10)
    assert told == [True]
    with pytest.raises(KeyboardInterrupt), gpus.place(lambda: 0.1):
        pass
