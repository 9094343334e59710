"""Planted faults, each found under the name of its check, with the smallest example."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossbench.conformance.criteria import criteria
from crossbench.conformance.judging import judge
from crossbench.conformance.target import Target
from crossbench.conformance.worker import _loaded
from crossbench.environment.state import restored
from crossbench.errors import ConversionError
from crossbench.nets.declarations import dropped
from crossbench.registry.methods import load_method, load_plugin
from crossbench.specs.conformance import Check

FAULTY = Path(__file__).parent / "faulty"
LEAST = "layer_2d of Conv2d(1, 1, 1, bias=False) on 1 × 1"
TRIED = ("runs", "eval-mode", "input-unchanged")  # the quick ones of those that apply
LEAST_3D = "layer_3d of Conv2d(1, 1, 1, bias=False) on 1 × 1 × 1"


def judged(file: str, name: str) -> Check:
    (criterion,) = (each for each in criteria() if each.name == name)
    with _loaded(str(FAULTY / f"{file}.py"), [], "cpu") as target, restored():
        return judge(criterion, target)


@pytest.mark.parametrize(
    ("file", "name", "detail", "example"),
    [
        (
            "wrong_shape",
            "shape-stride",
            "the shape is (2, 1, 2, 1), nn.Conv2d's is (2, 1, 2, 2)",
            "layer_2d of Conv2d(1, 1, 1, stride=2, bias=False) on 3 × 3",
        ),
        (
            "dropped_weights",
            "tensors",
            "bias of the 2D layer changes nothing in the 3D layer; carry it, or declare it",
            "layer_3d of Conv2d(1, 1, 1) on 1 × 1 × 1",
        ),
        ("fresh_weights", "lifted", "it and its Conv2d: they differ by", LEAST),
        ("batch_leakage", "batch-independence", "a batch of 8 and its samples alone", LEAST),
        ("nondeterminism", "determinism", "not the same bits", LEAST),
        ("nan_gradient", "gradients", "weight on zero inputs: 1 of 1 values are not", LEAST),
        ("changed_state", "global-state", "torch's number of threads (from 1 to 2)", LEAST),
        ("fixed_seed", "global-state", "building it seeds the generator of torch", LEAST),
        ("noisy_import", "import", "torch's default dtype (from torch.float32", "its import"),
        ("float32_only", "float64", "in float64 its answer is float32", LEAST),
        ("stale_kernel", "state-dict", "the answer with the loaded weights", LEAST),
        ("in_place", "input-unchanged", "the input, after a forward pass in training", LEAST),
        ("batch_statistics", "eval-mode", "a forward pass in eval mode changes seen", LEAST),
        ("batch_statistics", "tensors", "seen of the 2D layer changes nothing", LEAST_3D),
        ("frozen_path", "gradients", "no gradient reaches weight (on random inputs)", LEAST),
    ],
)
def test_a_planted_fault_fails_under_its_name(
    file: str, name: str, detail: str, example: str
) -> None:
    check = judged(file, name)
    assert check.status == "fail"
    assert detail in check.detail
    assert check.example == example


@pytest.mark.parametrize("name", ["tensors", "batch-independence", "state-dict", "eval-mode"])
def test_the_sound_method_passes_where_the_faulty_ones_fail(name: str) -> None:
    check = judged("sound", name)
    assert (check.status, check.example) == ("pass", "")


@pytest.mark.parametrize(
    ("drops", "status", "detail"),
    [
        (("bias",), "pass", "carried: weight; dropped by declaration: bias"),
        (("bias", "weight"), "fail", "`drops` names weight, but weight of the 3D layer follows it"),
        (None, "fail", "bias of the 2D layer changes nothing in the 3D layer"),
    ],
)
def test_a_tensor_is_left_behind_by_declaration_alone(
    drops: tuple[str, ...] | None, status: str, detail: str
) -> None:
    method = load_plugin(str(FAULTY / "dropped_weights.py"))
    method.drops = drops  # type: ignore[union-attr]
    target = Target(method, torch.device("cpu"))
    check = judge(next(each for each in criteria() if each.name == "tensors"), target)
    assert (check.status, detail in check.detail) == (status, True)


def test_methods_that_do_not_lift_are_not_held_to_it() -> None:
    check = judged("sound", "lifted")
    assert (check.status, check.detail) == (
        "skip",
        "not applicable: the method does not declare `lifts`",
    )


def test_drops_are_names() -> None:
    method = load_plugin(str(FAULTY / "dropped_weights.py"))
    method.drops = "bias"  # type: ignore[union-attr]
    with pytest.raises(ConversionError, match=r"drops \(='bias'\) must be a sequence of names"):
        dropped(method)


def test_what_is_measured_and_not_demanded_is_skipped_with_its_measure() -> None:
    check = judged("stripes", "constant-layer")
    assert check.status == "skip"
    assert check.measured is not None
    assert check.measured > 0.1
    assert check.detail.startswith("measured, not demanded: a constant volume and its slice")


def test_a_declared_refusal_is_no_failure() -> None:
    check = judged("stripes", "shape-groups")
    assert (check.status, check.refused > 0) == ("pass", True)
    assert "refused: groups (=2) must be 1" in check.detail
    assert judged("slices", "lora").status == "pass"


def test_what_does_not_apply_is_skipped_with_the_reason() -> None:
    check = judged("slices", "shape-kernel")
    assert (check.status, check.cases) == ("skip", 0)
    assert check.detail.startswith("not applicable: the method builds whole networks")


@pytest.mark.parametrize("name", ["fc-cnn", "fmm-tc"])
def test_methods_of_recordings_are_tried_on_a_made_up_one(name: str) -> None:
    target = Target(load_method(name), torch.device("cpu"))
    judgements = {each.name: judge(each, target) for each in criteria() if each.name in TRIED}
    assert {found: check.status for found, check in judgements.items()} == dict.fromkeys(
        TRIED, "pass"
    ), judgements
    (case,) = target.networks()
    assert case.shape(2) == (2, 1, 20, 3 + 20 + 240)
    assert case.facts["has_coordinates"]
