"""Resources of tasks, and what the first runs of a kind teach of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from crossbench.execution.resources import Needs, Resources, gpu_share

GIB = 2**30
NODE = {"CPU": 8.0, "GPU": 1.0, "memory": 16.0 * GIB}


def record(status: str = "ok", *, gpu: int | None = None, **held: int) -> Any:
    hardware = {} if gpu is None else {"gpu_memory": gpu}
    return SimpleNamespace(status=status, peak_memory=held, provenance={"hardware": hardware})


def test_the_scarcest_resource_decides_how_many_fit() -> None:
    assert Resources(cpus=2).fit(NODE) == 4
    assert Resources(cpus=1, gpus=0.3).fit(NODE) == 3
    assert Resources(cpus=1, gpus=0.1).fit(NODE) == 8
    assert Resources(cpus=1, memory=6 * GIB).fit(NODE) == 2
    assert Resources(cpus=1, gpus=1.0).fit({"CPU": 8.0}) == 0
    assert Resources(cpus=3).among([NODE, NODE, {"CPU": 2.0}]) == 4


def test_resources_are_said_in_words() -> None:
    assert str(Resources(cpus=2, gpus=0.25, memory=3 * GIB)) == "2 CPU, 0.25 GPU, 3.0 GiB of memory"


def test_memory_is_what_runs_of_the_kind_have_held_and_a_quarter_more() -> None:
    needs = Needs(gpu=False, limit=None)
    assert needs.of("kind", cpus=1).memory == 0
    needs.learn("kind", record(process=4 * GIB))
    needs.learn("kind", record(process=2 * GIB))
    needs.learn("kind", record("failed", process=9 * GIB))
    assert needs.of("kind", cpus=1) == Resources(cpus=1, memory=5 * GIB)
    assert needs.of("another", cpus=1).memory == 0


def test_a_limit_stands_for_what_is_held() -> None:
    needs = Needs(gpu=False, limit=3 * GIB)
    needs.learn("kind", record(process=1 * GIB))
    assert needs.of("kind", cpus=1).memory == 3 * GIB


def test_a_gpu_is_shared_once_it_is_known_what_a_run_holds() -> None:
    needs = Needs(gpu=True, limit=None)
    assert needs.of("kind", cpus=1).gpus == 1.0
    needs.learn("kind", record(gpu=80 * GIB, cuda=4 * GIB))
    assert needs.of("kind", cpus=1).gpus == 0.08
    needs.learn("kind", record(gpu=80 * GIB, cuda=200 * GIB))
    assert needs.of("kind", cpus=1).gpus == 1.0


def test_a_share_has_room_for_the_context() -> None:
    assert gpu_share(0, 100 * GIB) == 0.01
    assert gpu_share(1, 16 * GIB) == 0.07
