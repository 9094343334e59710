"""What a network starts from: a checkpoint that must fit key by key, or fresh draws."""

from __future__ import annotations

import hashlib
import itertools
import math
import pickle
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from crossbench.errors import ConversionError, RequestError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

RANDOM = "random"

_WRAPPERS = ("_orig_mod.", "module.")  # what torch.compile and DistributedDataParallel prepend
_SHOWN = 4  # keys in a message
_NOT_SHIPPED = {
    "in1k": (
        "download model.safetensors of timm/resnet18.tv_in1k (SHA-256 694f673df6520a31...) from "
        "Hugging Face, or CDConvR18_IN1K.pth of convergedmachine/Cross-D-Conv for Cross-D Conv"
    ),
    "rin": (
        "download R18_RIN.pth, or CDConvR18_RIN.pth for Cross-D Conv, of "
        "convergedmachine/Cross-D-Conv from Hugging Face"
    ),
}


def init_name(init: str | Path) -> str:
    """The name that views show: ``random``, or the checkpoint's file name without its ending."""
    return RANDOM if init == RANDOM else Path(init).stem


def init_hash(init: str | Path) -> str:
    """SHA-256 of the checkpoint file; ``random`` for random weights.

    Raises:
        WeightsError: If there is no such file.
    """
    if init == RANDOM:
        return RANDOM
    path = _existing(init)
    return _hash(path, path.stat().st_mtime_ns)


@cache
def _hash(path: Path, _modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------------- checkpoints


def load_weights(network: nn.Module, init: str | Path) -> None:
    """Load a checkpoint into a 2D network; all but the classifier must be there, and fit.

    Args:
        network: A 2D timm network, with a method's layers.
        init: A ``.safetensors`` file, or a ``.pth`` file holding a state dict or one under
            the key ``model``. The prefixes of torch.compile and DistributedDataParallel are
            stripped, and the checkpoint's classifier is ignored.

    Raises:
        WeightsError: If the file is missing or unreadable, or a key is missing, unexpected,
            of another shape, or not finite.
    """
    path = _existing(init)
    heads = _classifiers(network)
    found = {
        key: tensor for key, tensor in _read(path).items() if not key.startswith(heads or "\0")
    }
    wanted = {
        key: tensor for key, tensor in network.state_dict().items() if not key.startswith(heads)
    }
    _check_keys(path, wanted, found)
    for key, tensor in found.items():
        if tensor.shape != wanted[key].shape:
            msg = (
                f"{path}: {key} has shape {tuple(tensor.shape)}, the network's has "
                f"{tuple(wanted[key].shape)}; choose the backbone that the checkpoint was made with"
            )
            raise WeightsError(msg)
        if not tensor.isfinite().all():
            msg = f"{path}: {key} holds NaN or infinite values; the checkpoint is damaged"
            raise WeightsError(msg)
    network.load_state_dict(found, strict=False)


def _existing(init: str | Path) -> Path:
    if init in _NOT_SHIPPED:
        msg = f"the weights {str(init)!r} do not ship with crossbench: {_NOT_SHIPPED[str(init)]}"
        raise WeightsError(f"{msg}, and give its path as init")
    path = Path(init).expanduser()
    if not path.is_file():
        msg = f"no checkpoint at {str(path)!r}; init takes 'random' or the path of a weights file"
        raise WeightsError(msg)
    return path


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        msg = f"{path} cannot be read as weights alone (no code is run): {reason}"
        raise WeightsError(msg) from error
    state = content.get("model", content) if isinstance(content, dict) else content
    if not _is_state_dict(state):
        keys = f" but has the keys {_few(map(str, state))}" if isinstance(state, dict) else ""
        msg = f"{path} holds no state dict, at its top level or under 'model',{keys or ' at all'}"
        raise WeightsError(msg)
    return {_unwrapped(key): tensor for key, tensor in state.items()}


def _is_state_dict(state: object) -> bool:
    return (
        isinstance(state, dict)
        and bool(state)
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())
    )


def _unwrapped(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.partition(".")[2]
    return key


def _classifiers(network: nn.Module) -> tuple[str, ...]:
    """Prefixes of the classifier's keys, as timm's configuration names it."""
    names = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _check_keys(path: Path, wanted: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    # Checkpoints from before PyTorch 0.4.1 lack BatchNorm's counter; torch starts it at zero.
    missing = [
        key for key in wanted if key not in found and not key.endswith("num_batches_tracked")
    ]
    unexpected = [key for key in found if key not in wanted]
    if not missing and not unexpected:
        return
    parts = [
        f"{len(keys)} {what} ({_few(keys)})"
        for what, keys in (("missing", missing), ("unexpected", unexpected))
        if keys
    ]
    msg = (
        f"{path} does not fit the network key by key: {', '.join(parts)}; choose the backbone "
        "and the method that the checkpoint was made with"
    )
    if {_owner(key) for key in missing} & {_owner(key) for key in unexpected}:
        msg = (
            f"{path} was made with another method's layers: it has {unexpected[0]} where this "
            f"network has {missing[0]}; pass a checkpoint that was trained with this method"
        )
    raise WeightsError(msg)


def _owner(key: str) -> str:
    return key.rpartition(".")[0]


def _few(keys: Iterable[str]) -> str:
    keys = list(keys)
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


# ---------------------------------------------------------------------------- fresh draws


def draw_plain_conv3d(network: nn.Module, layers: Iterable[str]) -> None:
    """Draw afresh those of the named layers that have become a plain ``nn.Conv3d``.

    Kaiming normal, fan_out, ReLU, counting the output channels of one group.
    """
    for name in layers:
        conv = network.get_submodule(name)
        if type(conv) is nn.Conv3d:
            fan_out = conv.out_channels // conv.groups * math.prod(conv.kernel_size)
            nn.init.normal_(conv.weight, std=math.sqrt(2 / fan_out))


def start_afresh(network: nn.Module, parts: Collection[str]) -> None:
    """Reset every tensor whose name contains one of ``parts`` by its module's own rule.

    Raises:
        RequestError: If a part is in no tensor's name.
        ConversionError: If a module has no rule (``reset_parameters``).
    """
    names = list(network.state_dict())
    for part in parts:
        if not any(part in name for name in names):
            msg = f"drop_keys has {part!r}, which is in no tensor's name ({_few(names)})"
            raise RequestError(msg)
    for path, module in network.named_modules():
        own = dict(
            itertools.chain(
                module.named_parameters(path, recurse=False),
                module.named_buffers(path, recurse=False),
            )
        )
        dropped = {name: any(part in name for part in parts) for name in own}
        if any(dropped.values()):
            _reset(path, module, [own[name] for name in own if not dropped[name]])


@torch.no_grad()
def _reset(path: str, module: nn.Module, kept: list[Tensor]) -> None:
    reset: Callable[[], None] | None = getattr(module, "reset_parameters", None)
    if reset is None:
        msg = f"{path} ({type(module).__name__}) has no reset_parameters, so it cannot start afresh"
        raise ConversionError(msg)
    values = [tensor.clone() for tensor in kept]
    reset()
    for tensor, value in zip(kept, values, strict=True):
        tensor.copy_(value)
