"""Parse the bytes of a checkpoint file, or name what they are instead.

What a file is, its content says: neither its name nor its ending is looked at.
"""

from __future__ import annotations

import io
import json
import re
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import safetensors.torch
import torch
from torch import Tensor

from crossbench.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

#: Bytes at the beginning of a file that say what it is.
START = 4096

_WRAPPERS = ("_orig_mod.", "module.")  # what torch.compile and DistributedDataParallel prepend
_CONTAINERS = ("model", "module", "state_dict", "trunk_state_dict")  # keys of state dicts
_DEEPEST = 3  # of these, one within the other
_LARGEST_HEADER = 100_000_000  # bytes, as in the safetensors library
_SHOWN = 4  # keys in a message
_GLOBAL = re.compile(r"GLOBAL ([\w.]{1,100})")

_KINDS = (
    (b"version https://git-lfs", "a Git LFS pointer, which stands for the file; run git lfs pull"),
    (b"\x1f\x8b", "packed by gzip; unpack it"),
    (b"\x89HDF", "an HDF5 file; convert it to .safetensors"),
    (b"\x93NUMPY", "a NumPy array; save a state dict as .safetensors"),
)
_PLAIN = "ask its maker for its state_dict() alone, saved as .safetensors"


def parse_tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by key, on the CPU.

    Args:
        content: A safetensors file, or one of ``torch.save`` holding a state dict or one under
            the key ``model``, ``module``, ``state_dict`` or ``trunk_state_dict``. The prefixes of
            torch.compile and DistributedDataParallel are stripped from the keys.
        path: The file, for messages.

    Raises:
        WeightsError: If it is something else, is damaged, or holds anything but dense tensors
            whose values are there.
    """
    check_kind(content[:START], path)
    state = _safetensors(content, path) if is_safetensors(content[:9]) else _torch(content, path)
    tensors: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    for key, tensor in state.items():
        own = _unwrapped(key)
        if own in tensors:
            msg = (
                f"{path} has both {origins[own]!r} and {key!r}, which are one key without the "
                "prefixes of torch.compile and DistributedDataParallel; remove one of them"
            )
            raise WeightsError(msg)
        tensors[own], origins[own] = tensor, key
        if fault := _fault(tensor):
            raise WeightsError(f"{path}: {key} {fault}")
    return tensors


def check_kind(start: bytes, path: Path) -> None:
    """Refuse a file that is no checkpoint by its first :data:`START` bytes.

    Raises:
        WeightsError: If it is empty, a pointer of Git LFS, a web page, other text, or packed.
    """
    if not start:
        raise WeightsError(f"{path} is empty; get it again")
    for magic, what in _KINDS:
        if start.startswith(magic):
            raise WeightsError(f"{path} is no checkpoint but {what}")
    if _is_text(start):
        begin = start.lstrip().lower()
        if begin.startswith((b"<!doctype", b"<html", b"<?xml")):
            msg = "a web page, such as one that asks for a login; download the file itself"
            raise WeightsError(f"{path} is no checkpoint but {msg}")
        shown = start.decode(errors="replace").split(maxsplit=3)[:3]
        msg = f"{path} is no checkpoint but text ({' '.join(shown)[:40]!r} ...); pass a file"
        raise WeightsError(f"{msg} of tensors, .safetensors or of torch.save")


def is_safetensors(start: bytes) -> bool:
    """Whether the first 9 bytes or more of a file are those of safetensors."""
    return len(start) > 8 and start[8:9] == b"{" and _header_bytes(start) <= _LARGEST_HEADER


def read_metadata(stream: BinaryIO) -> dict[str, str] | None:
    """The metadata of a safetensors file; None for another kind of file.

    Raises:
        ValueError: If its header is damaged.
    """
    start = stream.read(9)
    if not is_safetensors(start):
        return None
    header = start[8:] + stream.read(_header_bytes(start) - 1)
    parsed = json.loads(header)
    metadata = parsed.get("__metadata__") or {}
    return {str(key): str(value) for key, value in metadata.items()}


def few(keys: Iterable[str]) -> str:
    """The first of many keys, for a message."""
    keys = list(keys)
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def _header_bytes(start: bytes) -> int:
    """Length of a safetensors header, as the first 8 bytes of the file give it."""
    (length,) = struct.unpack("<Q", start[:8])
    return int(length)


def _is_text(start: bytes) -> bool:
    """Whether bytes are text, a character at their end possibly cut off."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.end < len(start) - 3:
            return False
        text = start[: error.start].decode()
    return all(each.isprintable() or each.isspace() for each in text)


def _safetensors(content: bytes, path: Path) -> Mapping[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except Exception as error:
        raise _damaged(path, error) from error


def _torch(content: bytes, path: Path) -> Mapping[str, Tensor]:
    try:
        loaded: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unloadable(path, error) from error
    state = _contained(loaded, path)
    if not _is_state_dict(state):
        keys = f" but has the keys {few(map(str, state))}" if isinstance(state, dict) else ""
        where = ", ".join(map(repr, _CONTAINERS))
        msg = f"{path} holds no state dict, at its top level or under {where},{keys or ' at all'}"
        raise WeightsError(msg)
    return dict(state)


def _contained(loaded: Any, path: Path) -> Any:
    """What lies under the usual keys of checkpoints, beside whatever else they hold."""
    for _ in range(_DEEPEST):
        known = loaded if isinstance(loaded, dict) else {}
        inner = [key for key in _CONTAINERS if known.get(key) and isinstance(known[key], dict)]
        if len(inner) > 1:
            msg = f"{path} holds state dicts under {' and '.join(map(repr, inner))}; save one alone"
            raise WeightsError(msg)
        if not inner:
            break
        loaded = loaded[inner[0]]
    return loaded


def _unloadable(path: Path, error: Exception) -> WeightsError:
    """A failure of ``torch.load`` in words that do not advise to run the file's code."""
    text = str(error)
    if "TorchScript" in text:
        return WeightsError(f"{path} is a program (TorchScript), not weights alone; {_PLAIN}")
    if found := _GLOBAL.search(text):
        msg = f"{path} holds more than tensors: {found[1]}, which is code and is not run; {_PLAIN}"
        return WeightsError(msg)
    if isinstance(error, RuntimeError):  # of the zip archive that torch.save writes
        return WeightsError(f"{path} is damaged, or a zip archive of something else; get it again")
    msg = f"{path} is no file of tensors alone, neither .safetensors nor of torch.save, or is"
    return WeightsError(f"{msg} damaged (no code in it is run); get it again, or {_PLAIN}")


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = str(error).partition("\n")[0]
    return WeightsError(f"{path} is damaged as a .safetensors file ({reason}); get it again")


def _is_state_dict(state: object) -> bool:
    return (
        isinstance(state, dict)
        and bool(state)
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())
    )


def _fault(tensor: Tensor) -> str:
    """Why a tensor's values cannot be had as they are; empty where they can."""
    faults: Iterator[str] = (
        words
        for holds, words in (
            (tensor.is_meta, "has a shape and no values (meta device); save it once it is loaded"),
            (tensor.is_quantized, f"is quantised ({tensor.dtype}); save it dequantised"),
            (tensor.layout != torch.strided, "is sparse; save it .to_dense()"),
        )
        if holds
    )
    return next(faults, "")


def _unwrapped(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.partition(".")[2]
    return key
