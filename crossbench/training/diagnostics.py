"""Per-layer diagnostics of a fitted network, on a few samples of the test part."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from crossbench.results.records.diagnostics import Diagnostics
from crossbench.training.predict import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from crossbench.methods import Observer
    from crossbench.training.loader import BatchLoader

SAMPLES = 64  # measured, at most
DRAWN = 4  # of these, pictured
WHOLE = "network"  # name of the layer that is all of it


@torch.no_grad()
def diagnose(
    model: nn.Module,
    loader: BatchLoader,
    observers: Sequence[Observer],
    *,
    identity: str,
    precision: str = "float32",
) -> Diagnostics | None:
    """Diagnostics of the observed layers of a network, on some samples of a loader.

    Args:
        model: The network; left in evaluation mode.
        loader: The test part; up to :data:`SAMPLES` of it are measured and :data:`DRAWN` of
            these are pictured, spread evenly because a part may be sorted by class.
        observers: Who looks at which kind of layer.
        identity: Of the run.
        precision: As the network was tested.

    Returns:
        None if the network has no layer that is observed.
    """
    watched = [
        (name or WHOLE, layer, observer)
        for name, layer in model.named_modules()
        for observer in observers
        if isinstance(layer, observer.layer)
    ]
    if not watched:
        return None
    part = dataclasses.replace(loader, indices=loader.indices[_spread(len(loader), SAMPLES)])
    drawn = _spread(len(part), DRAWN)
    batches: list[list[Mapping[str, Tensor]]] = [[] for _ in watched]
    handles = [
        layer.register_forward_pre_hook(_recorder(observer, rows))
        for (_, layer, observer), rows in zip(watched, batches, strict=True)
    ]
    try:
        predict(model, part, precision=precision)
    finally:
        for handle in handles:
            handle.remove()
    layers = {
        name: _arrays(layer, observer, rows, drawn)
        for (name, layer, observer), rows in zip(watched, batches, strict=True)
    }
    return Diagnostics(
        identity=identity, index=part.indices, drawn=part.indices[drawn], layers=layers
    )


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of ``count`` places, first and last among them."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)


def _recorder(
    observer: Observer, rows: list[Mapping[str, Tensor]]
) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def record(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        rows.append(observer.measure(layer, inputs[0]))

    return record


def _arrays(
    layer: nn.Module,
    observer: Observer,
    rows: Sequence[Mapping[str, Tensor]],
    drawn: NDArray[np.int64],
) -> dict[str, NDArray[np.float32]]:
    measured = {key: torch.cat([batch[key] for batch in rows]) for key in rows[0]}
    pictures = observer.picture(layer, {key: values[drawn] for key, values in measured.items()})
    gather = getattr(observer, "gather", None)
    kept = measured if gather is None else gather(layer, measured)
    return {key: values.float().cpu().numpy() for key, values in {**kept, **pictures}.items()}
