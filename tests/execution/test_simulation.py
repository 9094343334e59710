"""Schedules before they run: bounds that hold for every list of groups, and known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.api import prepare
from crossbench.errors import RequestError
from crossbench.execution import sweep
from crossbench.execution.simulation import Data, Schedule, longest_first, simulate
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = st.lists(st.integers(1, 1000).map(float), max_size=60)
PROCESSES = st.integers(1, 1000)


@given(seconds=SECONDS, processes=PROCESSES)
def test_no_schedule_is_shorter_than_its_work_allows(seconds: list[float], processes: int) -> None:
    made = simulate(seconds, processes)
    least = max(sum(seconds) / processes, max(seconds, default=0.0))
    assert made.makespan >= least * (1 - 1e-9)
    assert made.makespan <= sum(seconds) / processes + max(seconds, default=0.0) + 1e-9
    assert 0 <= made.idle < 1


@given(seconds=SECONDS)
def test_one_process_does_everything_and_is_never_idle(seconds: list[float]) -> None:
    made = simulate(seconds, 1)
    assert made.makespan == sum(seconds)
    assert made.idle == 0


@given(seconds=SECONDS)
def test_as_many_processes_as_groups_end_with_the_longest(seconds: list[float]) -> None:
    assert simulate(seconds, len(seconds) + 1).makespan == max(seconds, default=0.0)


def test_graham_s_worst_case_of_longest_first() -> None:
    # R. L. Graham, Bounds on multiprocessing timing anomalies, 1969: 4/3 - 1/(3m) is attained
    made = simulate(longest_first([3.0, 5.0, 3.0, 4.0, 5.0, 4.0, 3.0], lambda each: each), 3)
    assert made.makespan == 11
    assert made.makespan / 9 == pytest.approx(4 / 3 - 1 / 9)


def test_equal_groups_keep_their_order() -> None:
    groups = [("a", 1), ("b", 2), ("c", 1), ("d", 2)]
    assert [name for name, _ in longest_first(groups, lambda each: each[1])] == list("bdac")


def test_every_process_is_paid_until_the_last_ends() -> None:
    made = Schedule(processes=4, makespan=7200, busy=14400)
    assert made.cost(2.5) == 20
    assert made.idle == 0.5


def test_a_sweep_hands_out_what_takes_longest_first(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    store = Store(tmp_path / "out")
    task = str(make_task())
    short, long = (
        prepare(
            "conv3d",
            task,
            store=store,
            data_dir=tmp_path,
            backbone="test_resnet",
            seeds=[43],
            folds=[0],
            settings=[f"fit.epochs={epochs}"],
        )
        for epochs in (1, 3)
    )
    groups = longest_first(sweep._groups([short, long]), sweep._size)
    first, second, *rest = ([run.key.method for _, _, run in group] for group in groups)
    assert first == second == ["conv3d"]
    assert sweep._size(groups[0]) > sweep._size(groups[1]) > 0
    assert {name for names in rest for name in names} <= {"majority", "logistic", "covariate"}


@given(seconds=SECONDS, nodes=st.integers(1, 9), each=st.integers(1, 9), task=st.integers(1, 4))
def test_data_comes_to_each_node_once(
    seconds: list[float], nodes: int, each: int, task: int
) -> None:
    data = [Data(task=str(number % task), seconds=2.0) for number in range(len(seconds))]
    there = [Data(task=one.task, seconds=0.0) for one in data]
    alone = simulate(seconds, nodes * each)
    sent = simulate(seconds, nodes * each, nodes=nodes, data=data)
    assert sent.busy == alone.busy
    assert simulate(seconds, nodes * each, nodes=nodes, data=there).makespan == alone.makespan
    assert sent.makespan <= sum(seconds) + 2.0 * nodes * task
    if seconds:
        assert sent.makespan >= max(sum(seconds) / (nodes * each), 2.0 + min(seconds))


def test_one_machine_sends_to_one_node_after_the_other() -> None:
    scan, slide = Data(task="scan", seconds=10.0), Data(task="slide", seconds=1.0)
    assert simulate([5.0, 5.0], 2, nodes=2, data=[scan, scan]).makespan == 25
    assert simulate([5.0, 5.0], 2, nodes=1, data=[scan, scan]).makespan == 15
    assert simulate([5.0, 5.0], 2, nodes=2, data=[scan, slide]).makespan == 16


def test_without_a_process_nothing_is_simulated() -> None:
    with pytest.raises(RequestError, match=r"processes \(=0\) must be at least 1 to simulate"):
        simulate([1.0], 0)
