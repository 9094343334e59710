"""Checks in processes of their own: whatever a method's code does, the caller goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbench.conformance import check
from crossbench.errors import RequestError
from crossbench.execution.isolation import Limits
from crossbench.methods import KINDS, input_kinds
from crossbench.registry.entries import method_entries
from crossbench.registry.methods import load_method
from crossbench.specs.conformance import Check, ConformanceReport

FAULTY = Path(__file__).parent / "faulty"


def report(file: str, *only: str, seconds: float = 60) -> ConformanceReport:
    return check(
        str(FAULTY / f"{file}.py"), only=only, limits=Limits(seconds=seconds), device="cpu"
    )


def test_a_hard_exit_fails_the_check_alone_and_the_others_are_made() -> None:
    heard: list[Check] = []
    made = check(
        str(FAULTY / "hard_exit.py"),
        only=("runs", "shape-sides", "import"),
        device="cpu",
        hear=heard.append,
    )
    assert [(each.name, each.status) for each in made.checks] == [
        ("runs", "pass"),
        ("import", "pass"),
        ("shape-sides", "fail"),
    ]
    assert tuple(heard) == made.checks
    failed = made.check("shape-sides")
    assert "ended with exit status 3 before its work was done" in failed.detail
    assert failed.example == "layer_2d of Conv2d(2, 2, 1, bias=False) on 7 × 9"
    assert (made.method, made.threads, made.device) == ("hard-exit", 1, "cpu")


def test_a_hanging_forward_is_out_of_time_and_nothing_more_is_tried() -> None:
    made = report("hanging_forward", "runs", "gradients", "cost", seconds=5)
    runs, gradients, cost = made.checks
    assert (runs.name, runs.status) == ("runs", "fail")
    assert "out of time after 5 s" in runs.detail
    assert runs.example == "layer_2d of Conv2d(2, 3, 1, bias=False) on 4 × 4"
    assert {gradients.status, cost.status} == {"skip"}
    assert gradients.detail == cost.detail == "not tried, because the method does not run"


def test_what_cannot_be_loaded_is_a_wrong_request() -> None:
    with pytest.raises(RequestError, match="unknown method 'nonesuch'"):
        check("nonesuch", device="cpu")
    with pytest.raises(RequestError, match="unknown check 'shapes'; did you mean"):
        check(str(FAULTY / "sound.py"), only=("shapes",), device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(method_entries()))
def test_every_shipped_method_passes(name: str) -> None:
    made = check(name, device="cpu")
    assert [(each.name, each.detail, each.example) for each in made.failed] == []
    assert made.cost
    spatial = {*KINDS.values()} >= {*input_kinds(load_method(name))}
    assert all((cost.plain is not None) == spatial for cost in made.cost)


@pytest.mark.slow
def test_the_sound_examples_pass() -> None:
    for file in ("sound", "stripes", "slices"):
        assert report(file).failed == ()
