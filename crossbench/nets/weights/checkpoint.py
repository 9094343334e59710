"""Checkpoint files: tensors by key and, in our own, metadata.

Ours are safetensors files whose metadata holds one JSON text, :class:`CheckpointMetadata`. Other
safetensors files are read too, and files of ``torch.save`` that hold tensors alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import safetensors.torch
import torch

from crossbench.errors import CardError, WeightsError
from crossbench.files.atomic import place
from crossbench.nets.weights.matching import compare, misfit
from crossbench.nets.weights.schemes import timm_keys
from crossbench.nets.weights.stored import START, check_kind, parse_tensors, read_metadata
from crossbench.specs import Statistics  # noqa: TC001  (a field of what is read)
from crossbench.specs.reader import from_mapping, to_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

_METADATA_KEY = "crossbench"


@dataclass(frozen=True, kw_only=True)
class TrainingSamples:
    """The samples that weights were fitted to or selected by.

    Attributes:
        file: Name of the data file, for people; in checkpoints of 0.1 as :func:`data_file` has it.
        unit: ``"group"`` where the data has groups (patients, lesions, scans), else ``"sample"``.
        count: Number of groups or samples.
        samples: Hashes of every sample that the file has of them, as :func:`pack_hashes` has them.
        codes: In checkpoints of 0.1 alone: codes of ``Dataset.groups``, or indices of samples.
    """

    file: str
    unit: str
    count: int = 0
    samples: str = ""
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckpointMetadata:
    """Metadata of a checkpoint of ours.

    Attributes:
        method: The method whose layers the tensors belong to; ``plain`` for plain
            convolutions, whichever method they are to serve.
        dims: Spatial axes of its inputs: 1 to 3.
        backbone: timm name of the network.
        num_classes: Outputs of the classifier, which is stored but not loaded as an init.
        recipe: Hash over what made the weights, except seed, fold and samples.
        statistics: Whose channel statistics normalised the inputs; None if that is not known.
        seen: The samples that made the weights and those they were made from, where they can be
            told.
        details: Whatever else is worth knowing, as JSON has it.
    """

    method: str
    dims: int
    backbone: str
    num_classes: int
    recipe: str = ""
    statistics: Statistics | None = None
    seen: tuple[TrainingSamples, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


def pack_hashes(hashes: NDArray[np.uint64]) -> str:
    """Hashes of samples as text: Base64 of 8 bytes each, the least significant first."""
    return base64.b64encode(hashes.astype("<u8").tobytes()).decode()


def unpack_hashes(text: str) -> NDArray[np.uint64]:
    """The hashes that :func:`pack_hashes` made a text of.

    Raises:
        ValueError: If the text is no such.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), "<u8")


def data_file(file: Path) -> str:
    """The name of a data file in :class:`TrainingSamples`: ``NAME:SIZE IN BYTES``."""
    return f"{file.name}:{file.stat().st_size}"


def write_checkpoint(file: Path, tensors: Mapping[str, Tensor], about: CheckpointMetadata) -> None:
    """Write a checkpoint of our own, whole or not at all.

    Args:
        file: Its path, ending in ``.safetensors``; folders are made as needed.
        tensors: As for :func:`pack_checkpoint`.
        about: What it says of itself.

    Raises:
        WeightsError: If the file's name has another ending.
        OSError: If the folder cannot be written.
    """
    if file.suffix != ".safetensors":
        raise WeightsError(f"{file}: checkpoints are written as .safetensors; name the file so")
    place(file, pack_checkpoint(tensors, about))


def pack_checkpoint(tensors: Mapping[str, Tensor], about: CheckpointMetadata) -> bytes:
    """The bytes of a checkpoint of our own; the same content gives the same bytes.

    Args:
        tensors: By key, as of ``state_dict()``, on any device; stored in their dtypes.
        about: What it says of itself.
    """
    metadata = {_METADATA_KEY: json.dumps(to_mapping(about), sort_keys=True, allow_nan=False)}
    # Cloned, for the format has no tensors that share memory.
    own = {
        key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in tensors.items()
    }
    return safetensors.torch.save(own, metadata)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint file's content.

    Attributes:
        path: The file.
        sha256: Of the bytes that were read.
        tensors: By key, timm's where the file has those of a known scheme.
        about: What it says of itself; None for one from elsewhere.
        scheme: Whose keys the file has, as :mod:`crossbench.nets.weights.schemes` recognises
            them; empty where they were left as they are.
        left_out: Keys of the file's other parts, such as a text encoder.
    """

    path: Path
    sha256: str
    tensors: dict[str, Tensor]
    about: CheckpointMetadata | None
    scheme: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def dims(self) -> int | None:
        """Of the network that it says it is of; None if it does not say."""
        return self.about.dims if self.about is not None else None

    def misfit(self, network: nn.Module, dims: int) -> str:
        """Why it does not fit a network of ``dims`` dimensions; empty where it does."""
        if self.dims not in (None, dims):
            return f"it holds a {self.dims}D network, which a {dims}D one does not take"
        return misfit(network, self.tensors, dims)

    def load(self, network: nn.Module) -> None:
        """Put every tensor but the classifier's into a network that it fits."""
        if next(network.parameters()).is_meta:  # which has no numbers to be replaced
            return
        states = compare(network, self.tensors)
        carried = {key: self.tensors[key] for key in states if states[key] == "carried"}
        network.load_state_dict(carried, strict=False)


def read_checkpoint(file: str | Path, *, sha256: str | None = None) -> Checkpoint:
    """Read a checkpoint file; its digest is of the bytes that were parsed.

    Args:
        file: A safetensors file, or one of ``torch.save`` that holds a state dict or one under
            the key ``model``, ``module``, ``state_dict`` or ``trunk_state_dict``.
        sha256: What its bytes must have as digest; None takes any.

    Raises:
        WeightsError: If the file is missing, damaged, holds anything but dense tensors, was
            written by a version of ours with other fields, or has another digest.
    """
    path = existing(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        msg = f"{path} was replaced: it has SHA-256 {found[:16]}..., and {sha256[:16]}... was there"
        raise WeightsError(f"{msg} when it was looked at; give the command again")
    stored = parse_tensors(content, path)
    tensors, scheme = timm_keys(stored)
    taken = {*map(id, tensors.values())}
    return Checkpoint(
        path=path,
        sha256=found,
        tensors=tensors,
        scheme=scheme,
        left_out=tuple(key for key, tensor in stored.items() if id(tensor) not in taken),
        about=_about(io.BytesIO(content), path),
    )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Digest and metadata of a checkpoint file, read without its tensors.

    Attributes:
        sha256: Of its bytes.
        about: What it says of itself; None for one from elsewhere.
    """

    sha256: str
    about: CheckpointMetadata | None


def read_facts(file: str | Path) -> Facts:
    """The facts of a checkpoint file, read again only where the file has changed.

    Raises:
        WeightsError: If there is no such file, it is no checkpoint by its first bytes, or was
            written by a version of ours with other fields.
    """
    path = existing(file)
    state = path.stat()
    return _facts(path, state.st_dev, state.st_ino, state.st_size, state.st_ctime_ns)


@cache
def _facts(path: Path, *_state: int) -> Facts:
    try:
        with path.open("rb") as stream:
            check_kind(stream.read(START), path)
            stream.seek(0)
            about = _about(stream, path)
            stream.seek(0)
            return Facts(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), about=about)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error


def _about(stream: BinaryIO, path: Path) -> CheckpointMetadata | None:
    """The metadata of a checkpoint of ours; None for a foreign one."""
    try:
        text = (read_metadata(stream) or {}).get(_METADATA_KEY)
    except (ValueError, AttributeError, RecursionError) as error:
        msg = f"{path} is damaged as a .safetensors file ({error}); get it again"
        raise WeightsError(msg) from error
    if text is None:
        return None
    try:
        said = json.loads(text)
        if isinstance(said, dict) and said.get("statistics") == "":  # as 0.1 wrote it
            del said["statistics"]
        about = from_mapping(CheckpointMetadata, said, where=f"{path}: metadata")
        for each in about.seen:
            unpack_hashes(each.samples)
    except (ValueError, RecursionError, CardError) as error:
        msg = f"{path}: what it says of itself cannot be read ({error}); make the checkpoint again"
        raise WeightsError(msg) from error
    if not 1 <= about.dims <= 3:
        raise WeightsError(f"{path}: dims is {about.dims}, not 1 to 3; make the checkpoint again")
    return about


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


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """A checkpoint to be written.

    Attributes:
        tensors: By key, the classifier's included.
        about: What the checkpoint says of itself.
    """

    tensors: Mapping[str, Tensor]
    about: CheckpointMetadata

    def write(self, file: Path) -> None:
        """Write it as a checkpoint, whole or not at all."""
        write_checkpoint(file, self.tensors, self.about)
