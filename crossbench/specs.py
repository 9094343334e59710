"""The nouns of the suite: immutable descriptions, with no behaviour beyond naming themselves.

Everything here is plain data that survives a round trip through TOML or JSON. Nothing
here imports torch, so cards, records and tables can be read at once anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Dimension = Literal[2, 3]
DataSource = Literal["real", "embedded", "phantom"]
Status = Literal["ok", "failed", "skipped"]

#: What weights that are drawn are called, and no others.
RANDOM = "random"

#: Whose channel means and standard deviations normalise the inputs of a network.
Statistics = Literal["imagenet", "radimagenet"]

#: Layout of the records that are written; those of schema 1 are read, and have no seal.
SCHEMA_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """Where a task's samples come from.

    Attributes:
        kind: ``npz`` (the authors' format: ``images``, ``labels``, optional ``groups``),
            ``medmnist`` (``{train,val,test}_{images,labels}``) or ``embedded`` (a file
            shipped beside the card).
        file: File name, looked for in the data folder; for ``embedded`` relative to the card.
        remedy: One sentence for a user who does not have the file: where to get it.
        url: Direct download, where the publisher offers one.
        axes: Order of the stored axes in space where it is not ``HW`` or ``DHW``: ``WHD`` where
            the slices lie along the last axis. Nothing is guessed from the lengths.
        images: ``embedded`` only: key of the image array. A 2D card over volumes takes
            each volume's largest slice.
        label: ``embedded`` only: key of the rating that is thresholded into two classes.
        threshold: Ratings above it are class 1, below it class 0, equal ones are left out.
        minimum: Lower bounds on further columns, such as ``{ diameter_mm = 6.0 }``.
        covariate: ``embedded`` only: column that a plain baseline predicts from, such as
            ``diameter_mm``.
        invert: ``embedded`` only: whether intensities are turned around within the range of
            their dtype, as where another modality shows bright what this one shows dark.
        permute: ``embedded`` only: seed under which labels are dealt out anew, which leaves
            nothing to learn; the folds stay those of the labels as they were.
    """

    kind: Literal["npz", "medmnist", "embedded"]
    file: str
    remedy: str = ""
    url: str | None = None
    axes: str | None = None
    images: str | None = None
    label: str | None = None
    threshold: float | None = None
    minimum: dict[str, float] = field(default_factory=dict)
    covariate: str | None = None
    invert: bool = False
    permute: int | None = None


@dataclass(frozen=True, kw_only=True)
class TaskCard:
    """One labelled dataset: what it is, where it comes from, and what is known to be wrong.

    The first block is the required core; the rest are facts left out where unknown.

    Attributes:
        name: Registry name in kebab case.
        title: Name for people.
        dimension: 2 for images, 3 for volumes.
        modality: Imaging modality.
        classes: Class names; the index is the label.
        licence: SPDX identifier or the publisher's words; ``unknown`` where unpublished.
        citation: Reference to cite.
        source: Where the samples come from.
        metric: Main metric of the task, a name of ``crossbench.evaluation.metrics``.
        version: Version of the card; raised when a change alters results.
        group_by: Board the task belongs to in Table II's layout.
        samples: Number of samples by source of the figure (``paper``, ``publisher``).
        class_counts: Samples per class, in the order of ``classes``.
        shape: Spatial shape as stored, ``(H, W)`` or ``(D, H, W)``.
        channels: Channels as stored.
        intensity: Lowest and highest stored value.
        input_size: Side length in pixels that a 2D network is fed; 3D volumes are fed as stored.
        restrictions: What the licence forbids.
        homepage: Where the data is described.
        checksum: Digest by algorithm, of the distributed file.
        group: What must not straddle a split: patient, lesion, scan.
        official_split: The publisher's split, in words.
        known_issues: Leakage, duplicates, label errors.
        control: Whether this is a variation on another task, made to check a claim; run by name
            and not among ``all``.
        path: The file the card was read from.
    """

    name: str
    title: str
    dimension: Dimension
    modality: str
    classes: tuple[str, ...]
    licence: str
    citation: str
    source: SourceSpec
    metric: str
    version: int

    group_by: str | None = None
    samples: dict[str, int] = field(default_factory=dict)
    class_counts: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None
    channels: int | None = None
    intensity: tuple[float, float] | None = None
    input_size: int | None = None
    restrictions: str | None = None
    homepage: str | None = None
    checksum: dict[str, str] = field(default_factory=dict)
    group: str | None = None
    official_split: str | None = None
    known_issues: tuple[str, ...] = ()
    control: bool = False
    path: Path | None = field(default=None, compare=False)

    @property
    def embedded(self) -> bool:
        """Whether the data ships with the card."""
        return self.source.kind == "embedded"


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How samples are divided.

    Attributes:
        scheme: ``paper`` (shuffled k-fold, unstratified, ungrouped, first 20 % of the
            training indices validate), ``standard`` (stratified group k-fold) or
            ``official`` (MedMNIST's own).
        folds: Number of folds of one repetition; ``official`` has one.
        seeds: One repetition a seed.
        run_folds: The folds that are run; empty means all.
        validation: Share of the training part that validates.
        max_labelled: At most so many samples are learnt from, those that validate included: a
            stratified draw of whole groups, as if no more were labelled; where no whole group of
            each class fits, of groups in part, which is said. Test parts stay whole.
    """

    scheme: Literal["paper", "standard", "official"]
    folds: int
    seeds: tuple[int, ...]
    run_folds: tuple[int, ...] = ()
    validation: float = 0.2
    max_labelled: int | None = None


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """How stored samples become network inputs.

    Attributes:
        scaling: Range that is mapped to [0, 1]: ``global`` (the whole array, test folds
            included), ``train`` (the training part) or ``sample`` (each sample its own).
        max_size: Upper bound on the side length in pixels of a 2D input.
        crop_scale: Area range of RandomResizedCrop.
        augment: Whether training batches are augmented.
        max_samples: Stratified subset of a task, in whole groups where these are enough for the
            folds; None takes every sample.
        radimagenet_3d: Methods whose 3D inputs are normalised by RadImageNet's statistics
            whatever their weights were pretrained on.
        jitter_order: Whose order of the four colour adjustments is drawn in 2D: one for each
            ``batch``, or one for each ``sample``, as the paper's scripts do.
        forked_workers: Loader processes with one random state among them that are imitated in
            3D: the augmentation of a batch depends on its number over this, rounded down, and on
            the run's seed, the same in every epoch. 0 draws afresh for every sample. The paper's
            scripts have 6.
    """

    scaling: Literal["global", "train", "sample"]
    max_size: int | None = None
    crop_scale: tuple[float, float] = (0.08, 1.0)
    augment: bool = True
    max_samples: int | None = None
    radimagenet_3d: tuple[str, ...] = ()
    jitter_order: Literal["batch", "sample"] = "batch"
    forked_workers: int = 0


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a network is fitted.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples a step.
        lr: Learning rate of the first stage.
        weight_decay: AdamW's weight decay in the first stage.
        milestone: Share of the epochs after which the learning rate drops.
        gamma: Factor of that drop.
    """

    epochs: int
    batch_size: int = 8
    lr: float = 1e-3
    weight_decay: float = 0.01
    milestone: float = 0.5
    gamma: float = 0.1


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """How protocol ``lora`` adapts a network; no other protocol reads it.

    Attributes:
        rank: Rank of each kernel's update.
        alpha: Updates are scaled by ``alpha / rank``.
        target: ``all`` kernels, or ``spatial`` ones: those larger than 1 along some axis.
        batch_norm: ``frozen`` (BatchNorm normalises by its running statistics, and nothing of it
            changes) or ``train`` (it normalises by batch statistics, running statistics follow,
            scale and shift learn).
    """

    rank: int = 4
    alpha: float = 4.0
    target: Literal["all", "spatial"] = "all"
    batch_norm: Literal["frozen", "train"] = "frozen"


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """What the arithmetic runs on, fixed so that a rerun gives the same bits.

    Attributes:
        threads: CPU threads; 0 takes every core this process may use.
        workers: Background threads that read the next batch.
        precision: ``float32``, or ``bfloat16`` under autocast.
        tf32: Whether CUDA matrix products may round to TF32.
    """

    threads: int = 0
    workers: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    tf32: bool = False


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named bundle of settings under which results may be compared.

    Attributes:
        name: Registry name.
        title: One line for people.
        data: ``real`` reads the files; ``phantom`` replaces the files a user would have to
            download by synthetic twins (embedded tasks keep their real data).
        protocol: Default protocol.
        metric: Main metric; None leaves the card's.
        drop_keys: Per method, parts of tensor names that are not carried from 2D to 3D.
    """

    name: str
    title: str
    data: Literal["real", "phantom"]
    protocol: str
    split: SplitSettings
    input: InputSettings
    fit: FitSettings
    lora: LoraSettings = LoraSettings()
    compute: ComputeSettings = ComputeSettings()
    metric: str | None = None
    drop_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """What one run is, in the words of a request.

    ``method`` is a registered method, or a plain baseline (``majority``, ``logistic``,
    ``covariate``), in which case backbone and init are ``none`` and protocol ``plain``.
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
    """What one run left behind, failures included.

    Attributes:
        identity: SHA-256 over everything that changes the number and nothing that does not.
        key: The run, in the words of the request.
        status: ``ok``, ``failed`` or ``skipped``.
        source: Real, embedded or phantom data; never shown on one board.
        dimension: 2 or 3.
        metric: Name of the main metric.
        grouped: Whether patients (or the card's group) were kept within one part.
        metrics: Test metrics by name; None where undefined.
        undefined: Reason for each None, which names the classes.
        partial: Reason for each mean over fewer classes than the task has, for the test part
            lacks one, by metric name.
        per_class: Per-class metrics, a list over the classes each.
        curve: One row an epoch: epoch, stage, lr, train_loss, val_loss, val_accuracy. Under
            ``linear-probe`` one row a penalty tried: C, train_loss, val_loss, val_accuracy.
        selected_epoch: The epoch (from 1) whose weights were tested.
        selected: What else the validation part selected, by name: ``C``.
        counts: Samples in ``train``, ``val`` and ``test``.
        parameters: ``total`` and ``trainable`` parameter counts.
        cost: ``gmacs``, the 1e9 multiply-adds of one sample's forward pass.
        timings: Seconds by phase.
        peak_memory: Bytes, by what was measured.
        warnings: What a reader should know, such as a one-class validation part.
        error: ``class`` and ``message`` of what made the run fail, or the reason it was skipped.
        predictions: File name of the predictions beside the record.
        predictions_sha256: Digest of that file's bytes.
        weights: File name of the fitted network's weights beside the record, where they are kept.
        weights_sha256: Digest of that file's bytes.
        diagnostics: File name of what the network's layers told of themselves beside the record.
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
    dimension: Dimension
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


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """How a network is pretrained; the defaults are those of the paper's Table I.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples a step, over all processes together.
        lr: Learning rate of the first ``step`` epochs.
        weight_decay: AdamW's weight decay.
        step: Epochs after which the learning rate drops, again and again.
        gamma: Factor of each drop.
        size: Side length in pixels that the network is fed; None takes 224 for a folder of images
            and the task's own for a task.
        crop_scale: Area range of RandomResizedCrop.
        statistics: What normalises the inputs; None takes RadImageNet's for gray tasks and
            ImageNet's for all else.
        select: Whether the weights of the ``last`` epoch are kept, as in the paper, or those of
            the ``lowest`` validation loss.
        max_unreadable: Share of a folder's images that may be unreadable.
        precision: ``float32``, or ``bfloat16`` under autocast.
        tf32: Whether CUDA matrix products may round to TF32.
        channels_last: Whether inputs are laid out channels last.
        compile: Whether torch.compile compiles the training step's network.
        workers: Threads a process that read ahead; None takes a thread for every core for a
            folder of images and none for a task.
        threads: CPU threads a process; 0 takes ``$OMP_NUM_THREADS`` or every core it may use.
    """

    epochs: int = 90
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.01
    step: int = 30
    gamma: float = 0.1
    size: int | None = None
    crop_scale: tuple[float, float] = (0.08, 1.0)
    statistics: Statistics | None = None
    select: Literal["last", "lowest"] = "last"
    max_unreadable: float = 0.01
    precision: Literal["float32", "bfloat16"] = "float32"
    tf32: bool = False
    channels_last: bool = False
    compile: bool = False
    workers: int | None = None
    threads: int = 0

    @property
    def compute(self) -> ComputeSettings:
        """The settings of the arithmetic."""
        return ComputeSettings(threads=self.threads, precision=self.precision, tf32=self.tf32)
