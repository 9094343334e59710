"""What cannot be is found before anything runs, and said with its reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from crossbench.api import prepare
from crossbench.cli import main
from crossbench.errors import DataError, RequestError
from crossbench.execution.isolation import Limits
from crossbench.nets.build import build_model
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossbench.runs.plan import Plan

GROUPED = "regnetx_002"  # groups that a view would get a part of

TANGENTS = """
name = "tangents"
title = "Tangents"
kind = "recording"
dimension = 2
modality = "Drawing"
classes = ["one", "other"]
licence = "CC0-1.0"
citation = "Drawn for the tests"
metric = "accuracy"
version = 1

[input]
atlas = "twelve"
tr = 2.0
connectivity = "tangent"

[source]
kind = "npz"
file = "tangents.npz"
"""

PLUGIN = """\
import os, sys
import torch
from torch import nn
from crossbench_baselines.conv3d import Conv3d

class Layer(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = Conv3d().layer_3d(conv)
        self.mixing = nn.Parameter(torch.ones(3))
    def forward(self, x):
        return self.conv(x) * self.mixing.softmax(0).sum()

class Mine:
    name, dims = "mine", (3,)
    {declares}
    def layer_2d(self, conv):
        return conv
    def layer_3d(self, layer):
        {layer}

method = Mine()
"""


@pytest.fixture
def plan(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Plan]:
    """``prepare`` on a task of blobs, one seed and fold, beside a plugin."""

    def call(
        method: str = "mine",
        *,
        layer: str = "return Layer(layer)",
        declares: str = "pass",
        **options: Any,
    ) -> Plan:
        plugin = tmp_path / "mine.py"
        plugin.write_text(PLUGIN.format(layer=layer, declares=declares))
        given = {"seeds": [43], "folds": [0], "backbone": "test_resnet"} | options
        return prepare(
            method,
            given.pop("task", None) or str(make_task()),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
            plugins=[str(plugin)],
            **given,
        )

    return call


def reasons(plan: Plan) -> list[str]:
    return [str(each) for each in plan.not_applicable]


def notes(plan: Plan) -> tuple[str, ...]:
    (warnings,) = {run.noticed for run in plan.runs if not run.key.plain}
    return warnings


# ------------------------------------------------------------------------------ what cannot be


def test_a_method_that_refuses_a_backbone_leaves_the_others_to_it(
    plan: Callable[..., Plan],
) -> None:
    planned = plan("acs,conv3d", backbone=GROUPED)
    assert {run.key.method for run in planned.runs if not run.key.plain} == {"conv3d"}
    (reason,) = reasons(planned)
    assert re.match(r"acs on blobs: s2\..* \(Conv2d\): acs has no form for the groups", reason)


def test_nothing_that_can_be_is_an_error_with_every_reason(plan: Callable[..., Plan]) -> None:
    message = r"no requested method can do any requested task .*:\nnot applicable: acs on blobs: "
    with pytest.raises(RequestError, match=message):
        plan("acs", backbone=GROUPED)


def test_a_network_that_cannot_be_kept_is_refused_before_it_is_fitted(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    card = tmp_path / "tangents.toml"
    card.write_text(TANGENTS, encoding="utf-8")
    message = (
        r"not applicable: fmm-tc on tangents: what its inputs take from the training part is in no "
        "checkpoint; leave --save-weights out"
    )
    with pytest.raises(RequestError, match=message):
        plan("fmm-tc", task=str(card), save_weights=True)
    with pytest.raises(DataError, match=r"tangents\.npz"):  # it is looked for without
        plan("fmm-tc", task=str(card))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            "raise NotImplementedError",
            r"blobs: conv1\.0 \(Conv2d\): method 'mine' does not implement layer_3d for it$",
        ),
        (
            "raise NotImplementedError('grouped ones')",
            r"method 'mine' does not implement layer_3d for it: grouped ones$",
        ),
        ("return None", r"conv1\.0 \(Conv2d\): layer_3d of method 'mine' returned None, which is"),
    ],
)
def test_what_a_method_does_not_implement(
    plan: Callable[..., Plan], layer: str, message: str
) -> None:
    (reason,) = reasons(plan("mine,conv3d", layer=layer))
    assert re.search(message, reason)


def test_an_init_that_fits_nothing_is_refused_in_the_plan(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    """And so is one that fits some methods, for the others."""
    state = build_model("crossd", dims=2, num_classes=2, backbone="test_resnet").state_dict()
    torch.save(state, tmp_path / "w.pth")
    asked = {"init": str(tmp_path / "w.pth"), "statistics": "imagenet"}
    planned = plan("acs,crossd", **asked)
    assert {run.key.method for run in planned.runs if not run.key.plain} == {"crossd"}
    (reason,) = reasons(planned)
    assert "w.pth: made with another method's layers: it has conv1.0.weights_3d" in reason
    with pytest.raises(RequestError, match=r"w\.pth: made with another method's layers"):
        plan("acs,conv3d", **asked)


def test_named_weights_that_a_method_has_none_of(
    plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = build_model("crossd", dims=2, num_classes=2, backbone="test_resnet").state_dict()
    torch.save(state, tmp_path / "w.pth")
    own = f'weights = [{{name = "own", file = "{tmp_path / "w.pth"}", layers = ["crossd"], '
    own += 'statistics = "imagenet"}]'
    (tmp_path / "weights.toml").write_text(own)
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(tmp_path / "weights.toml"))
    (reason,) = reasons(plan("acs,crossd", init="own"))
    assert reason.startswith("acs on blobs: no 'own' weights are known for the layers of method")


def test_samples_too_small_for_the_backbone(
    plan: Callable[..., Plan], make_task: Callable[..., Path]
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 4, 4, 4), dtype=np.uint8)
    card = make_task(images=images, labels=np.arange(60) % 2, groups=np.arange(60))
    message = "conv3d on blobs: a batch of 4x4x4 inputs fails in test_resnet .*; larger samples"
    with pytest.raises(RequestError, match=message):
        plan("conv3d", task=str(card))


@pytest.mark.parametrize(
    ("protocol", "settings", "can"),
    [
        ("weak-probe", [], False),
        ("finetune", [], False),
        ("lora", [], True),  # BatchNorm normalises by its running statistics
        ("lora", ["lora.batch_norm=train"], False),
        ("linear-probe", [], True),
    ],
)
def test_batches_of_one_are_refused_where_batchnorm_would_be_left_with_one_value(
    plan: Callable[..., Plan], protocol: str, settings: list[str], can: bool
) -> None:
    settings = ["fit.batch_size=1", *settings]
    if can:
        assert plan("conv3d", protocol=protocol, settings=settings).todo
    else:
        message = r"one value a channel of a 18x18x18 input, .*\(--set fit.batch_size=\.\.\.\)"
        with pytest.raises(RequestError, match=message):
            plan("conv3d", protocol=protocol, settings=settings)


def test_batches_of_one_do_where_a_channel_keeps_more_values(
    plan: Callable[..., Plan], make_task: Callable[..., Path]
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (30, 40, 40, 40), dtype=np.uint8)
    card = make_task(images=images, labels=np.arange(30) % 2, groups=np.arange(30))
    assert plan("conv3d", task=str(card), settings=["fit.batch_size=1"]).todo


# --------------------------------------------------------------- what fails, but is no misfit


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("return layer.kernel", "mine will hardly run: AttributeError: 'Conv2d' object has no"),
        ("sys.exit(0)", "mine will hardly run: SystemExit: 0"),
        ("os._exit(0)", "mine will hardly run: its process ended with exit status 0 before"),
    ],
)
def test_mistakes_are_left_to_the_runs_whose_records_keep_them(
    plan: Callable[..., Plan], layer: str, message: str
) -> None:
    planned = plan(layer=layer)
    assert reasons(planned) == []
    (note,) = notes(planned)
    assert note.startswith(message)


def test_a_layer_that_is_never_made_is_given_up(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbench.execution.isolation.TRIAL", Limits(seconds=1))
    made = plan(layer="while True: pass")
    assert "mine will hardly run: out of time after 1 s" in notes(made)


def test_the_plan_leaves_no_trace_of_a_methods_code(plan: Callable[..., Plan]) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    layer = "torch.set_default_dtype(torch.float64); torch.rand(3); return Layer(layer)"
    assert plan(layer=layer).todo
    assert torch.get_default_dtype() is torch.float32
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_done_is_not_built(plan: Callable[..., Plan], tmp_path: Path) -> None:
    words = ["run", "--plugin", str(tmp_path / "mine.py"), "--method", "mine", "--seeds", "43"]
    words += ["--folds", "0", "--task", str(tmp_path / "blobs.toml"), "--device", "cpu"]
    words += ["--data-dir", str(tmp_path), "--out", str(tmp_path / "out"), "--set", "fit.epochs=1"]
    (tmp_path / "built").mkdir()
    folder = repr(str(tmp_path / "built"))
    count = f"os.mkdir(os.path.join({folder}, str(len(os.listdir({folder}))))); return Layer(layer)"
    plan(layer=count)
    assert main([*words, "--backbone", "test_resnet"]) == 0
    built = len(list((tmp_path / "built").iterdir()))
    assert plan(layer=count, settings=["fit.epochs=1"]).todo == ()
    assert len(list((tmp_path / "built").iterdir())) == built


# ----------------------------------------------------------------------------- what learns


@pytest.mark.parametrize("protocol", ["weak-probe", "linear-probe", "lora"])
def test_parameters_that_nothing_trains_are_said(plan: Callable[..., Plan], protocol: str) -> None:
    (note, *_) = notes(plan(protocol=protocol))
    assert re.match(
        rf"mine: nothing trains mixing \(\d+ parameters\) under {protocol}; what learns with the "
        r"head is declared by `learns`, which may be \(\)$",
        note,
    )


def test_under_finetune_everything_learns(plan: Callable[..., Plan]) -> None:
    planned = plan(protocol="finetune")
    assert notes(planned) == ()
    assert planned.findings["mine", "blobs"].learns.keys() == {"all"}


def test_what_is_declared_learns_where_something_does(plan: Callable[..., Plan]) -> None:
    planned = plan(declares="learns = ('mixing',)")
    assert notes(planned) == ()
    assert planned.findings["mine", "blobs"].learns.keys() == {"head", "norm", "mixing"}
    (note,) = notes(plan(declares="learns = ('mixing',)", protocol="linear-probe"))
    assert re.match(
        r"mine: mixing \(\d+ parameters\) learn with the head elsewhere; under linear-probe, which "
        "trains nothing within the network, they stay as they are drawn or loaded$",
        note,
    )
    assert notes(plan(declares="learns = ()")) == ()


def test_lora_from_random_weights_needs_batchnorm_to_learn(plan: Callable[..., Plan]) -> None:
    (note,) = notes(plan("conv3d", protocol="lora"))
    assert note.startswith("lora from random weights with BatchNorm frozen: its running statistics")
    assert notes(plan("conv3d", protocol="lora", settings=["lora.batch_norm=train"])) == ()
    assert notes(plan("conv3d", protocol="weak-probe")) == ()


def test_a_dry_run_says_all_of_it(
    plan: Callable[..., Plan], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan("mine,conv3d", layer="raise NotImplementedError")
    words = ["run", "--plugin", str(tmp_path / "mine.py"), "--method", "mine,conv3d", "--dry-run"]
    words += ["--seeds", "43", "--folds", "0", "--task", str(tmp_path / "blobs.toml")]
    words += ["--data-dir", str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cpu"]
    words += ["--backbone", "test_resnet", "--protocol", "lora"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "not applicable: mine on blobs: conv1.0 (Conv2d): method 'mine' does not" in said
    assert "note: lora from random weights with BatchNorm frozen" in said
    assert re.search(r"learns under lora: head 1?,?\d+, low-rank updates [\d,]+ parameters", said)
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr().out
    assert '"method": "mine"' in told
    assert '"reason": "conv1.0 (Conv2d)' in told
