"""Features of a frozen network: computed once, kept on disk under the hash of what they are.

The hash covers the weights and all that the caller says the features depend on. It cannot cover
the code of every layer, so the first sample is computed by itself each time, and what is kept is
taken for granted only if the same sample gave the same bits when it was written.
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
    """Features of N samples, by a network without its classifier or by a frozen encoder.

    Attributes:
        values: (N, F) float32, pooled over space; (N, W, F) of W windows.
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
        model: A network that returns (B, F), as from ``build_model(num_classes=0)``, or an
            encoder that returns (B, W, F); left in evaluation mode.
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

    def compute(part: BatchLoader, told: Callable[[int], None]) -> NDArray[np.float32]:
        with unchanged():  # or what is kept would be of another state than it says
            values: NDArray[np.float32] = predict(
                model, part, precision=precision, on_samples=told
            ).numpy()
        return values

    file = cache.entry(folder, _key(model, depends_on), ".npz")
    alone = dataclasses.replace(loader, indices=loader.indices[:1])
    sample = compute(alone, lambda _: None)
    kept = cache.load(file, lambda path: _read(path, sample))
    if kept is not None and kept.values.shape == (len(loader), *sample.shape[1:]):
        on_samples(len(loader))
        return kept
    begin = perf_counter()
    values = compute(loader, on_samples)
    features = Features(values=values, seconds=perf_counter() - begin)
    cache.keep(file, lambda draft: _write(draft, features, sample))
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


def _read(file: Path, sample: NDArray[np.float32]) -> Features | None:
    """What a file holds, if ``sample`` is its first alone; its checksum is verified by reading."""
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        features = Features(values=arrays["values"], seconds=float(arrays["seconds"]))
        same = np.array_equal(arrays["sample"], sample)
    return features if same and features.values.dtype == np.float32 else None


def _write(draft: Path, features: Features, sample: NDArray[np.float32]) -> None:
    seconds = np.float64(features.seconds)
    with draft.open("wb") as stream:  # savez would give another name an ending
        np.savez(stream, values=features.values, seconds=seconds, sample=sample)
