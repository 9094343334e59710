"""Checkpoint files: tensors by key, and what our own say of themselves.

Ours are safetensors files with one JSON text, :class:`About`, in their metadata. Read are also
those of others: safetensors, and ``.pth`` files as far as they hold tensors alone.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from crossbench.atomic import replacing
from crossbench.cards import from_mapping, to_mapping
from crossbench.errors import CardError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_METADATA_KEY = "crossbench"
_WRAPPERS = ("_orig_mod.", "module.")  # what torch.compile and DistributedDataParallel prepend
_SHOWN = 4  # keys in a message


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The samples that weights were fitted to or selected by.

    Attributes:
        file: The data file, as :func:`data_file` names it.
        unit: ``"group"`` where the data has groups (patients, lesions, scans), else ``"sample"``.
        codes: Codes of ``Dataset.groups``, or indices of samples.
    """

    file: str
    unit: str
    codes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class About:
    """What a checkpoint of ours says of itself.

    Attributes:
        method: The method whose layers the tensors belong to; ``conv2d`` for plain
            convolutions, whichever method they are to serve.
        dims: 2 or 3.
        backbone: timm name of the network.
        num_classes: Outputs of the classifier, which is stored but not loaded as an init.
        recipe: Hash over what made the weights, except seed, fold and samples.
        statistics: Key of ``crossbench.site.STATISTICS`` that normalised the inputs.
        seen: The samples that made the weights and those they were made from, where they can be
            told.
        details: Whatever else is worth knowing, as JSON has it.
    """

    method: str
    dims: int
    backbone: str
    num_classes: int
    recipe: str = ""
    statistics: str = ""
    seen: tuple[Seen, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


def data_file(file: Path) -> str:
    """The name of a data file in :class:`Seen`: ``NAME:SIZE IN BYTES``."""
    return f"{file.name}:{file.stat().st_size}"


def write_checkpoint(file: Path, tensors: Mapping[str, Tensor], about: About) -> None:
    """Write a checkpoint of our own, whole or not at all; the same content gives the same bytes.

    Args:
        file: Its path, ending in ``.safetensors``; folders are made as needed.
        tensors: By key, as of ``state_dict()``, on any device; stored in their dtypes.
        about: What it says of itself.

    Raises:
        WeightsError: If the file's name has another ending.
    """
    if file.suffix != ".safetensors":
        raise WeightsError(f"{file}: checkpoints are written as .safetensors; name the file so")
    metadata = {_METADATA_KEY: json.dumps(to_mapping(about), sort_keys=True, allow_nan=False)}
    # Cloned, for the format has no tensors that share memory.
    own = {
        key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in tensors.items()
    }
    with replacing(file) as draft:
        safetensors.torch.save_file(own, draft, metadata)


def read_about(file: Path) -> About | None:
    """What a checkpoint of ours says of itself, without reading its tensors.

    Returns:
        None for a checkpoint from elsewhere.

    Raises:
        WeightsError: If there is no such file, it is damaged, or it was written by a version
            with other fields.
    """
    path = existing(file)
    if path.suffix != ".safetensors":
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as content:
            text = (content.metadata() or {}).get(_METADATA_KEY)
    except (safetensors.SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error
    if text is None:
        return None
    try:
        about = from_mapping(About, json.loads(text), where=f"{path}: metadata")
    except (ValueError, CardError) as error:
        msg = f"{path}: what it says of itself cannot be read ({error}); make the checkpoint again"
        raise WeightsError(msg) from error
    if about.dims not in (2, 3):
        raise WeightsError(f"{path}: dims is {about.dims}, not 2 or 3; make the checkpoint again")
    return about


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by key, on the CPU.

    Args:
        file: A ``.safetensors`` file, or a ``.pth`` file holding a state dict or one under the
            key ``model``, as the paper's authors store theirs. The prefixes of torch.compile and
            DistributedDataParallel are stripped from the keys.

    Raises:
        WeightsError: If the file is missing, damaged, or holds anything but tensors.
    """
    path = existing(file)
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        safetensors.SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
    ) as error:
        raise _unreadable(path, error) from error
    state = content.get("model", content) if isinstance(content, dict) else content
    if not _is_state_dict(state):
        keys = f" but has the keys {few(map(str, state))}" if isinstance(state, dict) else ""
        msg = f"{path} holds no state dict, at its top level or under 'model',{keys or ' at all'}"
        raise WeightsError(msg)
    return {_unwrapped(key): tensor for key, tensor in state.items()}


def existing(file: str | Path) -> Path:
    """The path of a file that is there.

    Raises:
        WeightsError: If it is not.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        msg = (
            f"no checkpoint at {str(path)!r}; weights are 'random', a name that 'crossbench "
            "weights list' shows, the path of a file, or hf:REPO/FILE@REV"
        )
        raise WeightsError(msg)
    return path


def few(keys: Iterable[str]) -> str:
    """The first of many keys, for a message."""
    keys = list(keys)
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def _unreadable(path: Path, error: Exception) -> WeightsError:
    reason = str(error).partition("\n")[0]
    return WeightsError(f"{path} cannot be read as weights alone (no code is run): {reason}")


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
