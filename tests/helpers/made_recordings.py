"""Recordings with a planted signal, as networks are fed them; a checkpoint that tells rhythms."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossbench_baselines._brainlm import BrainLM, Geometry

REGIONS, VOLUMES = 12, 240
SHAPE = (REGIONS, 3 + REGIONS + VOLUMES)
FACTS: dict[str, Any] = {
    "views": {
        "coordinates": (0, 3),
        "connectivity": (3, 3 + REGIONS),
        "timeseries": (3 + REGIONS, 3 + REGIONS + VOLUMES),
    },
    "atlas": "twelve",
    "has_coordinates": True,
}

_KNOWING = Geometry(hidden=16, layers=2, heads=4, inner=32, reach=65, patch=20, positions=50)


def recordings(
    *, edges: float = 0.0, rhythm: float = 0.0, samples: int = 120, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(N, 1, *SHAPE) recordings of two classes and their labels.

    Four regions share a source, which is weak or strong; six others are slow or alternating. Which
    of both, the class says with probabilities that differ by ``edges`` and ``rhythm`` between the
    classes. The six are autoregressive, with coefficients of one size and either sign, so that
    correlations between regions are distributed alike.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % 2
    places = rng.uniform(-70, 70, (REGIONS, 3))
    made = [_recording(rng, label - 0.5, edges, rhythm, places) for label in labels]
    return np.array(made, np.float32)[:, None], labels


def _recording(
    rng: np.random.Generator, side: float, edges: float, rhythm: float, places: NDArray[Any]
) -> NDArray[Any]:
    series = _autoregressive(rng, REGIONS, 0.0)
    series[6:] = _autoregressive(rng, 6, 0.7 if rng.random() < 0.5 + rhythm * side else -0.7)
    share = 0.6 if rng.random() < 0.5 + edges * side else 0.1
    source = _autoregressive(rng, 1, 0.0)
    series[:4] = np.sqrt(1 - share) * series[:4] + np.sqrt(share) * source
    middle, spread = np.median(series, 1), np.subtract(*np.percentile(series, [75, 25], axis=1))
    scaled = (series - middle[:, None]) / spread[:, None]
    correlations = np.corrcoef(scaled) - np.eye(REGIONS)
    return np.concatenate([places, np.arctanh(correlations), scaled], axis=1)


def _autoregressive(rng: np.random.Generator, count: int, memory: float) -> NDArray[Any]:
    """(count, VOLUMES) series of unit variance."""
    series = rng.standard_normal((count, VOLUMES + 30))
    noise = series * np.sqrt(1 - memory**2)
    for volume in range(1, series.shape[1]):
        series[:, volume] = memory * series[:, volume - 1] + noise[:, volume]
    return series[:, 30:]


def knowing_checkpoint() -> dict[str, torch.Tensor]:
    """A checkpoint by hand, which stands for one that has learnt: it tells rhythms apart.

    Tokens are the patch's products with waves from slow to fast; the first block rectifies them,
    and the second adds their mean over regions and time to the class token.
    """
    state = BrainLM(_KNOWING).state_dict()
    hidden = _KNOWING.hidden
    one, waves = torch.eye(hidden), torch.arange(hidden)[:, None]
    for key, tensor in state.items():
        if not key.endswith((".pe", "orm.weight")):
            tensor.zero_()
        elif key.endswith("orm.weight"):
            tensor.fill_(1)
    rates = torch.linspace(0.02, 0.48, hidden)[:, None] * 2 * torch.pi
    block = "encoder.layer.{}.{}.weight"
    state["embeddings.signal_embedding_projection.weight"].copy_(
        torch.cos(rates * torch.arange(20) + waves)
    )
    state[block.format(0, "intermediate.dense")].copy_(3 * torch.cat([one, -one]))
    state[block.format(0, "output.dense")].copy_(torch.cat([one, one], 1))
    state[block.format(1, "attention.self.value")].copy_(one)
    state[block.format(1, "attention.output.dense")].copy_(one)
    return {f"vit.{key}": tensor for key, tensor in state.items()}
