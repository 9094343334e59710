"""Pretraining records, one JSON file beside each checkpoint.

The files are::

<root>/pretrain/<data>/<layers>-<backbone>-<recipe[:8]>/seed43-fold0.safetensors
<root>/pretrain/<data>/<layers>-<backbone>-<recipe[:8]>/seed43-fold0.pretrain.json
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossbench.errors import RecordError
from crossbench.results.records.folders import PRETRAIN_ENDING
from crossbench.results.records.kinds import RecordKind
from crossbench.results.records.reading import beside, open_regular

if TYPE_CHECKING:
    from pathlib import Path

PRETRAIN_SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PretrainRecord:
    """One pretrained network.

    Attributes:
        identity: SHA-256 over everything that makes the weights.
        recipe: The same without seed, fold and samples.
        data: Name of the task or of the folder of images.
        source: ``folder``, or where a task's samples come from.
        layers: ``plain`` for every method with plain 2D layers, else the method.
        backbone: timm name of the network.
        seed: Of the split, the weights drawn, and the order of samples.
        fold: Of the split.
        num_classes: Number of classes.
        counts: Samples in ``train`` and ``val``.
        settings: Every setting, with what was left to the data filled in.
        world_size: Processes that trained it.
        selected_epoch: The epoch (from 1) whose weights were kept.
        curve: One row an epoch: epoch, lr, train_loss, val_loss, val_accuracy,
            images_per_second (of training, over all processes), train_seconds, val_seconds.
        throughput: Median of the curve's images a second.
        metrics: Of the kept weights on the validation part, by name; None where undefined.
        undefined: Reason for each None.
        partial: Reason for each mean over fewer classes than there are, by metric name.
        parameters: Number of learnable values.
        unreadable: Images that could not be read in ``train`` and ``val``, as ``path: reason``.
        warnings: What a reader should know.
        checkpoint: Name of the weights' file, beside the record.
        checkpoint_sha256: Digest of its bytes.
        provenance: Hashes, versions, device, times.
        schema_version: Version of this layout; readers refuse others.
    """

    identity: str
    recipe: str
    data: str
    source: Literal["folder", "real", "embedded", "phantom"]
    layers: str
    backbone: str
    seed: int
    fold: int
    num_classes: int
    counts: dict[str, int]
    settings: dict[str, Any]
    world_size: int
    selected_epoch: int
    curve: tuple[dict[str, Any], ...]
    throughput: float
    metrics: dict[str, float | None]
    undefined: dict[str, str]
    parameters: int
    checkpoint: str
    checkpoint_sha256: str
    partial: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    schema_version: int = PRETRAIN_SCHEMA_VERSION


PRETRAININGS = RecordKind(
    "pretraining record", PRETRAIN_ENDING, PretrainRecord, PRETRAIN_SCHEMA_VERSION
)
read_pretraining, read_pretrainings = PRETRAININGS.read, PRETRAININGS.find
write_pretraining = PRETRAININGS.write


def check_network(path: Path, record: PretrainRecord) -> None:
    """Check that a record's network lies beside it, byte for byte.

    Raises:
        RecordError: If it does not; the message is the fact and the remedy.
    """
    name = record.checkpoint
    try:
        with open_regular(beside(path, name, "checkpoint")) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, RecordError):
        found = ""
    if found != record.checkpoint_sha256:
        raise RecordError(f"its checkpoint {name!r} is gone or another; pretrain it again")
