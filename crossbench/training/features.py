"""Features of a frozen network: computed once, kept on disk under the hash of what they are.

The hash covers the weights and all that the caller says the features depend on. It cannot cover
the code of every layer, so the first batch is computed again each time, and what is kept is
taken for granted only if it begins with that batch, bit for bit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.npz import content_hash
from crossbench.environment.state import unchanged
from crossbench.files import cache
from crossbench.training.predict import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from crossbench.training.loader import BatchLoader

#: Share of constant features from which on a result is to be taken with care.
MANY_CONSTANT = 0.5

_ROUNDING = 1e-6  # of float32, in a value that went through many layers
_LARGEST_BATCH = 32
_BATCH_PIXELS = 2**20  # a batch of 32 volumes of 32 voxels a side, or of 20 images of 224 pixels


@dataclass(frozen=True, kw_only=True)
class Features:
    """Pooled features of N samples, by a network without its classifier.

    Attributes:
        values: (N, F) float32, pooled over space.
        seconds: Time it took to compute them, be that now or when they were first kept.
    """

    values: NDArray[np.float32]
    seconds: float


def batch_size(shape: Sequence[int]) -> int:
    """Samples a batch: nothing is kept for a gradient, so small inputs go many at a time.

    Args:
        shape: Spatial shape of an input.
    """
    return max(1, min(_LARGEST_BATCH, _BATCH_PIXELS // math.prod(shape)))


def extract(
    model: nn.Module,
    loader: BatchLoader,
    *,
    depends_on: Mapping[str, Any],
    folder: Path,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> Features:
    """The features of every sample of a loader, from ``folder`` where they are kept there.

    Args:
        model: A network that returns (B, F), as from ``build_model(num_classes=0)``; left in
            evaluation mode.
        loader: The N samples, with a transform that draws nothing.
        depends_on: What else decides the features, as JSON: data, samples, input settings,
            software, hardware.
        folder: Where features are kept; made as needed. One that cannot be written costs time
            and nothing else.
        precision: ``float32`` or ``bfloat16``.
        on_samples: Told how many samples are done, for progress.

    Returns:
        The features, in the loader's order; the same bits whether they were kept or not.
    """

    def compute(part: BatchLoader) -> NDArray[np.float32]:
        with unchanged():  # or what is kept would be of another state than it says
            values: NDArray[np.float32] = predict(
                model, part, precision=precision, on_samples=on_samples
            ).numpy()
        return values

    file = cache.entry(folder, _key(model, depends_on), ".npz")
    kept = cache.load(file, _read)
    begin = perf_counter()
    first, *rest = _first_batch_and_rest(loader)
    head = compute(first)
    if kept is not None and _begins_with(kept.values, head, len(loader)):
        on_samples(len(loader) - len(first))
        return kept
    values = np.concatenate([head, *map(compute, rest)])
    features = Features(values=values, seconds=perf_counter() - begin)
    cache.keep(file, lambda draft: _write(draft, features))
    return features


def constant_share(values: NDArray[np.float32]) -> float:
    """The share of features that are the same for every sample, but for rounding.

    Args:
        values: (N, F), N at least 1.
    """
    size = np.abs(values).max(axis=0)
    return float((np.ptp(values, axis=0) <= _ROUNDING * size).mean())


@contextlib.contextmanager
def classifier_inputs(model: nn.Module) -> Iterator[list[NDArray[np.float32]]]:
    """What a network's classifier is fed while the block runs.

    Yields:
        A list that grows by (B, F) a batch; it stays empty where the classifier is fed no rows.
    """
    found: list[NDArray[np.float32]] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].ndim == 2:
            found.append(inputs[0].detach().float().cpu().numpy())

    hook = model.get_classifier().register_forward_pre_hook(keep)  # type: ignore[operator]
    try:
        yield found
    finally:
        hook.remove()


def constant_note(share: float, part: str) -> tuple[str, ...]:
    """What a reader should know of a network whose features hardly differ between samples.

    Args:
        share: What :func:`constant_share` returned.
        part: The samples: ``training``, ``test``.
    """
    if share < MANY_CONSTANT:
        return ()
    note = (
        f"{share:.0%} of the network's features are the same for every sample of the {part} part, "
        "which leaves a classifier little to tell them apart by; larger inputs, other weights or "
        "another --backbone may do"
    )
    return (note,)


def _key(model: nn.Module, depends_on: Mapping[str, Any]) -> dict[str, Any]:
    weights = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
    return {"weights": content_hash(weights), **depends_on}


def _first_batch_and_rest(loader: BatchLoader) -> list[BatchLoader]:
    cut = loader.batch_size
    parts = [loader.indices[:cut], loader.indices[cut:]]
    return [dataclasses.replace(loader, indices=indices) for indices in parts if len(indices)]


def _begins_with(kept: NDArray[np.float32], first: NDArray[np.float32], samples: int) -> bool:
    return kept.shape == (samples, first.shape[1]) and np.array_equal(kept[: len(first)], first)


def _read(file: Path) -> Features | None:
    """What a file holds; its checksum is verified by reading."""
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        features = Features(values=arrays["values"], seconds=float(arrays["seconds"]))
    return features if features.values.dtype == np.float32 else None


def _write(draft: Path, features: Features) -> None:
    with draft.open("wb") as stream:  # savez would give another name an ending
        np.savez(stream, values=features.values, seconds=np.float64(features.seconds))
