"""Integrated gradients of networks of recordings: exact where a network is linear, and complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from made_recordings import FACTS, REGIONS, SHAPE, knowing_checkpoint, recordings
from torch import nn

from crossbench.errors import RequestError
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import Checkpoint
from crossbench_baselines.recording_observer import RecordingObserver

INPUTS = torch.from_numpy(recordings(samples=3)[0])


def network(method: str) -> Any:
    torch.manual_seed(0)
    known = Checkpoint(path=Path("known"), sha256="", tensors=knowing_checkpoint(), about=None)
    built = build_model(
        method,
        dims=2,
        kind="recording",
        shape=SHAPE,
        facts=FACTS,
        num_classes=2,
        backbone="test_resnet",
        init=known,
    )
    return built.eval()


class _Edges(nn.Module):
    """A linear network of the first channel of connectivity."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(REGIONS**2, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.linear(image[:, 0].flatten(1))
        return answer


def test_attributions_of_a_linear_network_are_weight_times_input() -> None:
    model = network("fc-cnn")
    model.connectivity.image_network = _Edges()
    with torch.no_grad():
        measured = RecordingObserver().measure(model, INPUTS)
        rows = model.connectivity.image_network.linear.weight
        chosen = model(INPUTS).argmax(1)
    weights = (rows[chosen] - rows[1 - chosen]).unflatten(1, (REGIONS, REGIONS))
    exact = weights * INPUTS[:, 0, :, 3 : 3 + REGIONS]
    torch.testing.assert_close(measured["edges"], (exact + exact.mT) / 2)
    assert (measured["decision"] > 0).all()


def test_attributions_of_both_views_sum_to_the_change_of_the_decision() -> None:
    observer, model = RecordingObserver(), network("fmm-tc")
    before = torch.get_rng_state()
    with torch.no_grad():
        measured = observer.measure(model, INPUTS)
        again = observer.measure(model, INPUTS)
    kept = observer.gather(model, measured)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(measured[name], again[name]) for name in measured)
    change = kept["decision"] - kept["reference"]
    deviation = (kept["edges_sum"] + kept["series_sum"] - change).abs().max()
    assert deviation < 0.02 * change.abs().mean()
    shapes = {name: tuple(values.shape) for name, values in kept.items()}
    per_sample = dict.fromkeys(("decision", "reference", "edges_sum", "series_sum"), (3,))
    regions = {
        f"{way}{view}_regions": (REGIONS,)
        for way in ("", "redrawn_")
        for view in ("edges", "series")
    }
    matrices = {f"{way}edges": (REGIONS, REGIONS) for way in ("", "redrawn_")}
    assert shapes == per_sample | regions | matrices
    assert not torch.equal(kept["edges_regions"], kept["redrawn_edges_regions"])


def test_a_view_that_is_not_read_has_no_attributions() -> None:
    with torch.no_grad():
        measured = RecordingObserver().measure(network("ts-brainlm"), INPUTS[:2])
    assert set(measured) == {"decision", "reference", "series", "redrawn_series"}


def test_captum_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(RequestError, match=r"captum, which is not installed; pip install 'crossb"):
        RecordingObserver().measure(network("fc-cnn"), INPUTS[:2])
