"""Match checkpoint keys against a network's state dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from crossbench.nets.modules import classifier_names
from crossbench.nets.weights.stored import few

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

#: What becomes of a key: ``carried`` from the checkpoint; ``fresh`` in the network, as are its
#: classifier and counters that old checkpoints lack; ``ignored`` in the checkpoint, as is its
#: classifier; or what keeps the whole from fitting: ``missing`` in the checkpoint,
#: ``unexpected`` in it, or there in another ``shape`` or as another kind of numbers (``dtype``).
State = Literal["carried", "fresh", "ignored", "missing", "unexpected", "shape", "dtype"]

_FAULTS: tuple[State, ...] = ("missing", "unexpected", "shape", "dtype")
_IN_WORDS = {"shape": "of another shape", "dtype": "of another kind of numbers"}

#: What weights are stored as; narrower ones mean nothing without a scale.
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def compare(network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, State]:
    """The state of every key of a network or checkpoint, in network order.

    Args:
        network: A timm network, in 2D or in 3D.
        tensors: A checkpoint's, by key.
    """
    heads = tuple(f"{name}." for name in classifier_names(network))
    wanted = network.state_dict()
    keys = [*wanted, *(key for key in tensors if key not in wanted)]
    return {key: _state(key, wanted.get(key), tensors.get(key), heads) for key in keys}


def misfit(network: nn.Module, tensors: Mapping[str, Tensor], dims: int) -> str:
    """Why a checkpoint does not fit a network, with the remedy; empty where it does.

    Args:
        network: A timm network of ``dims`` dimensions.
        tensors: The checkpoint's, by key.
        dims: 2 or 3, for the message.
    """
    states = compare(network, tensors)
    faults = {fault: [key for key in states if states[key] == fault] for fault in _FAULTS}
    missing, unexpected, reshaped, recoded = faults.values()
    instead = {_owner(key): key for key in reversed(unexpected)}
    for key in missing:
        if _owner(key) in instead:
            return (
                f"made with another method's layers: it has {instead[_owner(key)]} where this "
                f"{dims}D network has {key}; pass a checkpoint that was trained with this method"
            )
    if missing or unexpected:
        counts = [
            f"{len(keys)} {_IN_WORDS.get(fault, fault)} ({few(keys)})"
            for fault, keys in faults.items()
            if keys
        ]
        return (
            f"does not fit the {dims}D network key by key: {', '.join(counts)}; choose the "
            "backbone and the method that the checkpoint was made with"
        )
    if reshaped:
        found, wanted = tensors[reshaped[0]], network.state_dict()[reshaped[0]]
        fitting = sum(state == "carried" for state in states.values())
        return (
            f"{fitting} of {fitting + len(reshaped) + len(recoded)} tensors fit; "
            f"{_unlike(reshaped[0], found, wanted, dims)}; choose the backbone and the method that "
            "the checkpoint was made with"
        )
    if recoded:
        return (
            f"{recoded[0]} holds {_kind(tensors[recoded[0]])} numbers, which are no weights, and "
            f"{len(recoded)} of {len(states)} tensors do; save it as float32, dequantised where "
            "it was quantised"
        )
    for key, state in states.items():
        if state == "carried" and not tensors[key].isfinite().all():
            return f"{key} holds NaN or infinite values; the checkpoint is damaged"
    return ""


def _state(key: str, wanted: Tensor | None, found: Tensor | None, heads: tuple[str, ...]) -> State:
    if key.startswith(heads):
        return "fresh" if wanted is not None else "ignored"
    if wanted is None:
        return "unexpected"
    if found is None:
        # Checkpoints from before PyTorch 0.4.1 lack BatchNorm's counter; torch starts it at zero.
        return "fresh" if key.endswith("num_batches_tracked") else "missing"
    if found.shape != wanted.shape:
        return "shape"
    counts = key.endswith("num_batches_tracked")
    same = counts or found.dtype == wanted.dtype or _are_weights(found, wanted)
    return "carried" if same else "dtype"


def _unlike(key: str, found: Tensor, wanted: Tensor, dims: int) -> str:
    """In what a tensor differs: a kernel of other sides, or any shape."""
    kernels = found.ndim == wanted.ndim == dims + 2 and found.shape[:2] == wanted.shape[:2]
    if kernels:
        theirs, ours = ("x".join(map(str, each.shape[2:])) for each in (found, wanted))
        return f"{key} is {theirs} where the {dims}D network's is {ours}"
    shapes = tuple(found.shape), tuple(wanted.shape)
    return f"{key} has shape {shapes[0]}, the {dims}D network's has {shapes[1]}"


def _are_weights(found: Tensor, wanted: Tensor) -> bool:
    return found.dtype in _FLOATS and wanted.dtype in _FLOATS


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _owner(key: str) -> str:
    return key.rpartition(".")[0]
