"""Run keys and run records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from crossbench.specs.cards import DataSource

#: Layout of the records that are written; those of schema 1 are read, and have no seal.
SCHEMA_VERSION = 2


Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """Coordinates of a run, in the words of a request.

    ``method`` is a registered method, or a plain baseline (``majority``, ``logistic``,
    ``covariate``, ``covariates``), in which case backbone and init are ``none`` and protocol
    ``plain``.
    """

    preset: str
    task: str
    method: str
    backbone: str
    init: str
    protocol: str
    seed: int
    fold: int

    @property
    def plain(self) -> bool:
        """Whether this is a plain baseline, shown beside the methods and never ranked."""
        return self.protocol == "plain"

    def __str__(self) -> str:
        return f"{self.method} on {self.task}, seed {self.seed}, fold {self.fold}"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Result of one run, failures included.

    Attributes:
        identity: SHA-256 over everything that changes the number and nothing that does not.
        key: The run, in the words of the request.
        status: ``ok``, ``failed`` or ``skipped``.
        source: Real, embedded or phantom data; never shown on one board.
        dimension: Spatial axes of a sample.
        metric: Name of the main metric.
        grouped: Whether the samples of a patient (or the card's group) stayed in one part.
        metrics: Test metrics by name; None where undefined.
        undefined: Reason for each None, which names the classes.
        partial: By metric name, why a mean is over fewer classes than the task has: those that the
            test part lacks.
        per_class: Per-class metrics, a list over the classes each.
        curve: One row an epoch: epoch, stage, lr, train_loss, val_loss, val_accuracy. Under
            ``linear-probe`` one row a penalty tried: C, train_loss, val_loss, val_accuracy.
        selected_epoch: The epoch (from 1) whose weights were tested.
        selected: Further values that the validation part selected, by name: ``C``.
        counts: Samples in ``train``, ``val`` and ``test``.
        parameters: ``total`` and ``trainable`` parameter counts.
        cost: ``gmacs``, the 1e9 multiply-adds of one sample's forward pass.
        timings: Seconds by phase.
        peak_memory: Bytes, by what was measured.
        warnings: Caveats for readers, such as a one-class validation part.
        error: ``class`` and ``message`` of the failure, or the reason for skipping.
        predictions: File name of the predictions beside the record.
        predictions_sha256: Digest of that file's bytes.
        weights: File name of the fitted network's weights beside the record, where they are kept.
        weights_sha256: Digest of that file's bytes.
        diagnostics: File name of the per-layer diagnostics beside the record.
        diagnostics_sha256: Digest of that file's bytes.
        provenance: Hashes, versions, device, settings, times.
        schema_version: Version of this layout.
        digest: SHA-256 over all other fields as canonical JSON, the record's seal; None in
            records of schema 1.
    """

    identity: str
    key: RunKey
    status: Status
    source: DataSource
    dimension: int
    metric: str
    grouped: bool | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    partial: dict[str, str] = field(default_factory=dict)
    per_class: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    curve: tuple[dict[str, Any], ...] = ()
    selected_epoch: int | None = None
    selected: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    peak_memory: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: dict[str, str] | None = None
    predictions: str | None = None
    predictions_sha256: str | None = None
    weights: str | None = None
    weights_sha256: str | None = None
    diagnostics: str | None = None
    diagnostics_sha256: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION
    digest: str | None = None

    @property
    def sealed(self) -> bool:
        """Whether a digest tells if the record was changed after it was written."""
        return self.digest is not None
