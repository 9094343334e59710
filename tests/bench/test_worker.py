"""What one process replies, asked in this one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from crossbench.bench.phases import PHASES
from crossbench.bench.worker import perform
from crossbench.specs.reader import from_mapping, to_mapping
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossbench.bench.jobs import Job

MULTIPLY_ADDS = 2 * 4 * 4 * 9 * 6 * 7  # batch, outputs, inputs, kernel, pixels


def test_a_job_survives_json(job: Callable[..., Job]) -> None:
    asked = job("memory", "acs", run=RunRequest(tasks=("a",), preset="b", backbone="d"))
    text = json.dumps(to_mapping(asked))
    assert from_mapping(type(asked), json.loads(text), where="here") == asked


def test_memory_comes_with_what_was_counted(job: Callable[..., Job]) -> None:
    reply = perform(job("memory", "nn.Conv2d"))["nn.Conv2d"]
    assert reply["status"] == "ok"
    assert reply["peak_memory"] >= 0
    assert reply["parameters"] == 4 * 4 * 9
    assert reply["multiply_adds"] == MULTIPLY_ADDS
    step = perform(job("memory", "nn.Conv2d", backward=True))["nn.Conv2d"]
    assert step["multiply_adds"] == 3 * MULTIPLY_ADDS


def test_times_come_for_all_that_work(
    job: Callable[..., Job], greedy: str, plugin: Callable[..., str]
) -> None:
    plugins = (greedy, plugin("sick", "raise ValueError('no such kernel')"))
    reply = perform(job("time", "nn.Conv2d", "sick", "greedy", "conv3d", plugins=plugins))
    assert {name: each["status"] for name, each in reply.items()} == {
        "nn.Conv2d": "ok",
        "conv3d": "ok",
        "greedy": "out-of-memory",
        "sick": "failed",
    }
    assert len(reply["nn.Conv2d"]["seconds"]) == len(reply["conv3d"]["seconds"]) == 6
    assert reply["sick"]["error"] == {"class": "ValueError", "message": "no such kernel"}


def test_a_machine_is_described(job: Callable[..., Job]) -> None:
    facts = perform(job("machine"))
    assert set(facts) == {"provenance", "peak_flops", "free_memory"}
    assert facts["peak_flops"] > 1e8
    assert 0 < facts["free_memory"] < 2**50
    assert facts["provenance"]["hardware"]["device"] == "cpu"
    json.dumps(facts, allow_nan=False)


def test_a_whole_run_is_split_into_phases(
    job: Callable[..., Job], make_task: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = make_task(dimension=2)
    monkeypatch.setenv("CROSSBENCH_DATA", str(card.parent))
    settings = ("fit.epochs=2", "input.max_samples=40")
    run = RunRequest(tasks=(str(card),), limit=1, preset="smoke",
                     protocol="weak-probe", backbone="test_resnet", settings=settings)  # fmt: skip
    reply = perform(job("run", "conv2d", layer=None, run=run))["conv2d"]
    assert reply["status"] == "ok", reply
    assert tuple(reply["phases"]) == PHASES
    assert all(seconds > 0 for seconds in reply["phases"].values())
    assert sum(reply["phases"].values()) == pytest.approx(reply["seconds"][0])
    assert reply["shape"] == [1, 18, 18]
    assert 40 < reply["samples"] < 2 * 40  # two epochs of two thirds, and a test of one third


def test_a_run_that_fails_says_why(
    job: Callable[..., Job], make_task: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = make_task(dimension=2)
    monkeypatch.setenv("CROSSBENCH_DATA", str(card.parent))
    run = RunRequest(tasks=(str(card),), limit=1, preset="smoke",
                     backbone="resnet", settings=("fit.epochs=1",))  # fmt: skip
    reply = perform(job("run", "conv2d", layer=None, run=run))["conv2d"]
    assert reply["status"] == "failed"
    assert "unknown backbone 'resnet'" in reply["error"]["message"]
