"""Methods of recordings: what each view is worth where a signal is planted in one, both or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from made_recordings import (
    FACTS,
    REGIONS,
    SHAPE,
    VOLUMES,
    knowing_checkpoint,
    recordings,
)
from sklearn.model_selection import StratifiedKFold

from crossbench.data.dataset import Dataset
from crossbench.data.transforms import RandomSource
from crossbench.errors import ConversionError, WeightsError
from crossbench.evaluation.metrics import evaluate_log
from crossbench.evaluation.statistics import corrected_t
from crossbench.nets.build import build_network
from crossbench.nets.request import BuildRequest
from crossbench.nets.weights.checkpoint import Checkpoint
from crossbench.registry.methods import load_method
from crossbench.specs import FitSettings, FusionSettings
from crossbench.training.fusion import Embedded, embed, fit_fusion, measure, predict_fusion
from crossbench.training.loader import BatchLoader
from crossbench.training.predict import log_probabilities

if TYPE_CHECKING:
    from torch import nn

METHODS = ("fc-cnn", "ts-brainlm", "fmm-tc", "fmm-tc-random")
FIT = FitSettings(epochs=12, batch_size=8, lr=3e-3)
CPU = torch.device("cpu")


def network(
    method: str,
    *,
    tensors: dict[str, torch.Tensor] | None = None,
    num_classes: int = 2,
    **facts: Any,
) -> nn.Module:
    checkpoint = (
        None
        if tensors is None
        else Checkpoint(path=Path("weights.bin"), sha256="", tensors=tensors, about=None)
    )
    request = BuildRequest(
        kind="recording",
        dims=2,
        shape=SHAPE,
        facts=FACTS | facts,
        num_classes=num_classes,
        backbone="test_resnet",
        checkpoint=checkpoint,
    )
    torch.manual_seed(0)
    return build_network(load_method(method), request)


# ------------------------------------------------------------------------------ what each view sees


def scores(samples: Any, method: str, folds: int = 5) -> list[float]:
    """AUROC of each test fold of a method that starts from the knowing checkpoint."""
    images, labels = samples
    dataset = Dataset(
        images=images,
        labels=labels,
        num_classes=2,
        groups=None,
        official=None,
        covariate=None,
        source="phantom",
        file=Path(),
        content_hash="",
    )
    found = []
    for fold, (rest, test) in enumerate(
        StratifiedKFold(folds, shuffle=True, random_state=0).split(images, labels)
    ):
        model = network(method, tensors=knowing_checkpoint())
        if fold == 0:
            windows = embed(model, torch.from_numpy(images))

        def part(indices: np.ndarray, windows: torch.Tensor | None = windows) -> Embedded:
            loader = BatchLoader(
                dataset=dataset,
                indices=indices,
                transform=lambda raw, random=None: raw,
                batch_size=8,
                device=CPU,
            )
            return Embedded(loader, None if windows is None else windows[indices])

        train = part(rest[len(rest) // 4 :])
        if train.windows is not None:
            measure(model, train.windows)
        random = RandomSource(fold, CPU)
        fit_fusion(
            model,
            fit=FIT,
            fusion=FusionSettings(),
            train=train,
            selection=part(rest[: len(rest) // 4]),
            random=random,
        )
        logits = predict_fusion(model, part(test), FusionSettings(), random)
        found.append(evaluate_log(labels[test], log_probabilities(logits)).metrics["auroc"])
    return found


@pytest.mark.slow
def test_both_views_beat_either_where_each_holds_a_part_of_the_signal() -> None:
    drawn = [recordings(edges=0.7, rhythm=0.7, samples=160, seed=seed) for seed in (0, 1)]
    both, edges, rhythm = (
        [score for samples in drawn for score in scores(samples, name)]
        for name in ("fmm-tc", "fc-cnn", "ts-brainlm")
    )
    assert np.mean(both) > 0.85
    for single in (edges, rhythm):
        assert np.mean(both) > np.mean(single) + 0.03
        assert corrected_t(single, both, folds=5).p_value < 0.1  # 0.049 and 0.042 on one machine


@pytest.mark.slow
def test_the_view_that_holds_the_signal_is_enough() -> None:
    in_edges, in_rhythm = recordings(edges=0.9), recordings(rhythm=0.9)
    for samples, right, wrong in (
        (in_edges, "fc-cnn", "ts-brainlm"),
        (in_rhythm, "ts-brainlm", "fc-cnn"),
    ):
        means = {name: np.mean(scores(samples, name, 3)) for name in (right, wrong, "fmm-tc")}
        assert means[right] > 0.85
        assert means["fmm-tc"] > means[right] - 0.1
        assert means[wrong] < 0.65


@pytest.mark.slow
def test_nothing_is_found_where_there_is_nothing() -> None:
    samples = recordings()
    for name in METHODS[:3]:
        found = np.mean(scores(samples, name, 3))
        assert 0.3 < found < 0.7


@pytest.mark.slow
def test_drawn_weights_do_not_know_rhythms() -> None:
    samples = recordings(rhythm=0.9)
    found = np.mean(scores(samples, "fmm-tc-random", 3))
    assert found < 0.75


# ------------------------------------------------------------------------------ the networks


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("known", [False, True])
def test_a_network_answers_and_gives_features(method: str, known: bool) -> None:
    inputs = torch.from_numpy(recordings(samples=4)[0])
    tensors = knowing_checkpoint() if known else None
    for classes in (2, 0):
        model = network(method, tensors=tensors, num_classes=classes).eval()
        with torch.no_grad():
            answer = model(inputs)
        assert answer.shape[0] == 4
        assert answer.shape[1] == classes or not classes
        assert any(module is model.get_classifier() for module in model.modules())
        assert torch.equal(answer, model(inputs))


def test_a_network_is_what_it_fuses() -> None:
    model = network("fmm-tc", tensors=knowing_checkpoint()).eval()
    inputs = torch.from_numpy(recordings(samples=4)[0])
    windows = embed(model, inputs)
    assert windows is not None
    assert windows.shape == (4, 2, 16)
    assert torch.equal(model(inputs), model.fuse(inputs, windows.mean(1)))


def test_windows_are_those_of_the_recording_without_its_padding() -> None:
    model = network("ts-brainlm", tensors=knowing_checkpoint()).eval()
    inputs = torch.from_numpy(recordings(samples=1)[0])
    start = 3 + REGIONS
    inputs[..., start + 210 :] = 0
    series, places = inputs[:, 0, :, start:], inputs[:, 0, :, :3]
    first, second = (model.frozen.encoder(series[..., a : a + 200], places) for a in (0, 10))
    assert torch.equal(model.frozen(inputs), torch.stack([first, second], 1))


def test_every_method_starts_from_one_checkpoint() -> None:
    tensors = knowing_checkpoint()
    value = "encoder.layer.1.attention.self.value.weight"
    same = {
        name: torch.equal(
            dict(network(name, tensors=tensors).frozen.encoder.named_parameters())[value],
            tensors[f"vit.{value}"],
        )
        for name in METHODS[1:]
    }
    assert same == {"ts-brainlm": True, "fmm-tc": True, "fmm-tc-random": False}
    drawn, given = network("fc-cnn"), network("fc-cnn", tensors=tensors)
    assert torch.equal(drawn.get_classifier().weight, given.get_classifier().weight)


@pytest.mark.parametrize("method", METHODS)
def test_weights_of_something_else_are_refused(method: str) -> None:
    message = "does not fit the 2D network" if method == "fc-cnn" else "no encoder of BrainLM"
    with pytest.raises(WeightsError, match=message):
        network(method, tensors={"stem.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    ("method", "lacking"),
    [("fc-cnn", "connectivity"), ("ts-brainlm", "timeseries"), ("fmm-tc", "timeseries")],
)
def test_a_task_without_the_view_is_not_applicable(method: str, lacking: str) -> None:
    views = {name: place for name, place in FACTS["views"].items() if name != lacking}
    with pytest.raises(ConversionError, match=f"it reads the {lacking} of recordings, of which"):
        network(method, views=views)


def test_recordings_shorter_than_a_window_are_refused() -> None:
    start = 3 + REGIONS
    views = FACTS["views"] | {"timeseries": (start, start + 199)}
    with pytest.raises(ConversionError, match="windows of 200 volumes; the recordings have 199"):
        network("fmm-tc", views=views)
    assert VOLUMES > 200


def test_an_atlas_that_is_not_that_of_the_weights_is_said() -> None:
    tensors = knowing_checkpoint()
    remarks = network("fmm-tc", tensors=tensors, has_coordinates=False).remarks
    assert "424 regions of the atlas A424, and these recordings have 12 (twelve)" in remarks[0]
    assert "place regions by their coordinates, which this task does not give" in remarks[1]
    assert network("fmm-tc").remarks == ()
    assert network("fmm-tc-random", tensors=tensors).remarks == ()
