"""``--diagnostics``: what a run writes beside its record, and that it changes nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import crossbench
from crossbench.errors import RequestError
from crossbench.nets.build import build_model
from crossbench.registry.methods import load_observers
from crossbench.results.records.diagnostics import Diagnostics, read_diagnostics
from crossbench.results.records.store import Store
from crossbench.training.diagnostics import DRAWN, SAMPLES, diagnose
from crossbench.training.loader import BatchLoader
from crossbench_baselines.crossd import CrossDConv2d
from crossbench_baselines.observers import CrossDObserver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """Run a method on a small 2D task; returns its record and diagnostics."""

    def call(method: str, out: str, **options: Any) -> tuple[Any, Diagnostics | None]:
        crossbench.run(
            method,
            str(make_task(dimension=2, samples=12)),
            out=tmp_path / out,
            device="cpu",
            seeds=[43],
            folds=[0],
            settings=["fit.epochs=1", "compute.threads=1", "split.folds=3"],
            data_dir=tmp_path,
            backbone="test_resnet",
            **options,
        )
        store = Store(tmp_path / out)
        (record,) = (each for each in store.records() if each.key.method == method)
        return record, read_diagnostics(store.path_of(record.key, record.identity), record)

    return call


def test_diagnostics_lie_beside_the_record_and_change_nothing(run: Callable[..., Any]) -> None:
    plain, none = run("crossd", "plain")
    record, diagnostics = run("crossd", "with", diagnostics=True)
    assert none is None
    assert (record.identity, record.metrics, record.curve) == (
        plain.identity,
        plain.metrics,
        plain.curve,
    )
    assert record.predictions_sha256 == plain.predictions_sha256
    assert diagnostics is not None
    assert len(diagnostics.index) == record.counts["test"]
    assert set(diagnostics.drawn) <= set(diagnostics.index)
    for arrays in diagnostics.layers.values():
        assert arrays["angle"].shape == diagnostics.index.shape
        np.testing.assert_allclose(arrays["shift"].sum(1), 3, rtol=1e-5)
        assert np.abs(arrays["angle"]).max() <= np.pi / 4


def test_methods_without_observed_layers_write_none_and_say_nothing(
    run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    _, diagnostics = run("conv2d", "out", diagnostics=True)
    assert diagnostics is None
    assert capsys.readouterr() == ("", "")


def test_what_is_done_is_not_run_again_for_its_diagnostics(run: Callable[..., Any]) -> None:
    run("crossd", "out")
    _, diagnostics = run("crossd", "out", diagnostics=True)
    assert diagnostics is None


class _Pixels:
    """What a loader needs of a dataset."""

    images = np.random.default_rng(0).normal(size=(100, 1, 16, 16)).astype(np.float32)
    labels = np.zeros(100, dtype=np.int64)

    def check_unchanged(self) -> None:
        """They are in memory."""


def _feed(count: int) -> BatchLoader:
    return BatchLoader(
        dataset=_Pixels(),  # type: ignore[arg-type]
        indices=np.arange(count),
        transform=lambda images, _: images,
        batch_size=7,
        device=torch.device("cpu"),
    )


def test_samples_are_spread_over_the_part() -> None:
    model = torch.nn.Sequential(CrossDConv2d(1, 2, 3), torch.nn.Flatten())
    found = diagnose(model, _feed(100), [CrossDObserver()], identity="abc")
    assert found is not None
    assert len(found.index) == SAMPLES
    assert len(found.drawn) == DRAWN
    assert found.index[[0, -1]].tolist() == found.drawn[[0, -1]].tolist() == [0, 99]
    assert len(_hooks(model)) == 0


def _hooks(model: torch.nn.Module) -> list[Any]:
    return [hook for module in model.modules() for hook in module._forward_pre_hooks.values()]


def test_pictured_kernels_are_those_the_layer_convolves_with() -> None:
    torch.manual_seed(0)
    layer = CrossDConv2d(1, 2, 3, padding=1)  # few enough channels that all are pictured
    model = torch.nn.Sequential(layer, torch.nn.Flatten())
    loader = _feed(100)
    found = diagnose(model, loader, [CrossDObserver()], identity="abc")
    assert found is not None
    arrays = found.layers["0"]
    inputs = torch.cat([batch for batch, _ in loader.ordered()])[found.drawn]
    kernels = torch.from_numpy(arrays["kernel_shifted"])
    for image, kernel in zip(inputs, kernels, strict=True):
        expected = torch.nn.functional.conv2d(image[None], kernel[:, None], padding=1)
        torch.testing.assert_close(layer(image[None]), expected)
    weights = layer.weights_3d.detach()[:, 0]
    np.testing.assert_array_equal(arrays["kernel_middle"], weights[:, 1])
    unturned = weights.roll((1, 1, 1), (1, 2, 3))[:, 1]
    np.testing.assert_allclose(arrays["kernel_unturned"], unturned, atol=1e-6)


def test_a_layer_that_no_shift_changes_has_no_kernels() -> None:
    model = torch.nn.Sequential(CrossDConv2d(1, 2, 1), torch.nn.Flatten())
    found = diagnose(model, _feed(2), [CrossDObserver()], identity="abc")
    assert found is not None
    assert set(found.layers["0"]) == {"angle", "shift"}


def test_volumes_have_no_observed_layers() -> None:
    model = build_model("crossd", dims=3, num_classes=2, backbone="test_resnet")
    assert diagnose(model, _feed(2), load_observers(), identity="abc") is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:Observer", "observer 'odd' of crossbench cannot be made"),
        ("builtins:dict", "builtins:dict is no observer"),
    ],
)
def test_an_observer_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    from importlib.metadata import EntryPoint

    from crossbench.registry.entries import Point

    entry = EntryPoint("odd", target, "crossbench.observers")
    point = Point(entry=entry, distribution="crossbench", version="0")
    monkeypatch.setattr("crossbench.registry.methods.points", lambda group: [point])
    with pytest.raises(RequestError, match=message):
        load_observers()
