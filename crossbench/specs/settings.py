"""Settings of splits, inputs, training and arithmetic, and the presets that bundle them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from crossbench.specs.limits import (
    MOST_FOLDS,
    MOST_SEEDS,
    Count,
    Decay,
    Epochs,
    Positive,
    Seed,
    Share,
    Threads,
)
from crossbench.specs.reader import Demand, facts, under

#: Name of the init that draws weights at random.
RANDOM = "random"

_SEEDS = Meta(min_length=1, max_length=MOST_SEEDS, description=f"an array of 1 to {MOST_SEEDS}")

#: Whose channel means and standard deviations normalise the inputs of a network; ``inception``
#: are 1/2 and 1/2, as of TensorFlow's networks, and ``unit`` 0 and 1, which leave it in 0 to 1.
Statistics = Literal["imagenet", "radimagenet", "inception", "unit"]


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Division of samples into folds.

    Attributes:
        scheme: ``paper`` (shuffled k-fold, unstratified, ungrouped, first 20 % of the
            training indices validate), ``standard`` (stratified group k-fold),
            ``leave-site-out`` (each site is tested in turn) or ``official`` (MedMNIST's own).
        folds: Folds of one repetition; ``official`` has one, ``leave-site-out`` one a site.
        seeds: One repetition a seed; one under ``leave-site-out``, which draws no folds.
        run_folds: Folds to run; empty means all.
        validation: Share of the training part that validates.
        max_labelled: Upper bound on the labelled samples, of training and validation together: a
            stratified draw of whole groups, or, with a warning, of groups in part where no whole
            group of each class fits. Test parts stay whole.
    """

    scheme: Literal["paper", "standard", "leave-site-out", "official"]
    folds: Annotated[int, Meta(ge=1, le=MOST_FOLDS, description=f"from 1 to {MOST_FOLDS}")]
    seeds: Annotated[tuple[Seed, ...], _SEEDS]
    run_folds: tuple[int, ...] = ()
    validation: Share = 0.2
    max_labelled: Annotated[int, Meta(ge=4, description="at least 4")] | None = None

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash: all but which of the runs are asked for."""
        return facts(self, "scheme", "folds", "validation", "max_labelled")

    def demands(self) -> Iterator[Demand]:
        """What must hold beyond types."""
        official = self.scheme == "official"
        count = f"scheme {self.scheme!r} has {'one' if official else 'two or more'}"
        yield "folds", (self.folds == 1) == official, count
        yield "seeds", _are_distinct(self.seeds), "it must hold each once"
        once = self.scheme != "leave-site-out" or len(self.seeds) == 1
        yield "seeds", once, "leaving sites out repeats nothing, so ask for one seed"
        chosen = _are_distinct(self.run_folds) and set(self.run_folds) <= set(range(self.folds))
        yield "run_folds", chosen, f"folds count from 0 to {self.folds - 1}, each once"


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """Conversion of stored samples to network inputs.

    Attributes:
        scaling: Range that is mapped to [0, 1]: ``global`` (the whole array, test folds
            included), ``train`` (the training part) or ``sample`` (each sample its own).
        max_size: Upper bound on the side length in pixels of a 2D input.
        min_size: Lower bound on each side of an input, in pixels or voxels: shorter sides are
            enlarged to it, linearly. None feeds them as they are.
        crop_scale: Area range of RandomResizedCrop.
        augment: Whether training batches are augmented.
        max_samples: Size of a stratified subset of the task, in whole groups where these suffice
            for the folds; None takes every sample.
        radimagenet_3d: Methods whose 3D inputs are normalised by RadImageNet's statistics
            whatever their weights were pretrained on.
        jitter_order: Whether the order of the four 2D colour adjustments is drawn for each
            ``batch`` or, as in the paper's scripts, for each ``sample``.
        forked_workers: Number of loader processes with a common random state to imitate in 3D:
            batch ``i`` is augmented by ``i // forked_workers`` and the run's seed, the same in
            every epoch. 0 draws afresh for every sample. The paper's scripts have 6.
    """

    scaling: Literal["global", "train", "sample"]
    max_size: Count | None = None
    min_size: Count | None = None
    crop_scale: tuple[float, float] = (0.08, 1.0)
    augment: bool = True
    max_samples: Count | None = None
    radimagenet_3d: tuple[str, ...] = ()
    jitter_order: Literal["batch", "sample"] = "batch"
    forked_workers: Threads = 0

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash.

        The indices of the split say ``max_samples``, and a run's own statistics what
        ``radimagenet_3d`` means for its method.
        """
        fed = self.fed() | facts(self, "crop_scale")
        return fed | facts(self, "augment", "jitter_order", "forked_workers")

    def fed(self) -> dict[str, Any]:
        """What identities hash of inputs that are not augmented; ``min_size`` where it is set."""
        enlarged = facts(self, "min_size") if self.min_size is not None else {}
        return facts(self, "scaling", "max_size") | enlarged

    def demands(self) -> Iterator[Demand]:
        """What must hold beyond types."""
        least, most = self.min_size or 1, self.max_size
        yield "min_size", most is None or least <= most, f"max_size is {most}, so at most that"
        yield "crop_scale", *_are_shares(self.crop_scale)


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Training of a network under staged protocols.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples a step.
        lr: Learning rate of the first stage.
        weight_decay: AdamW's weight decay in the first stage.
        milestone: Share of the epochs after which the learning rate drops.
        gamma: Factor of that drop.
        train_from: Under `finetune` and `lora`, the first module that learns, such as ``layer4``:
            what comes before it stays as it is, BatchNorm included, and is computed once, so that
            training batches cannot be augmented. Empty for the whole network.
    """

    epochs: Epochs
    batch_size: Count = 8
    lr: Positive = 1e-3
    weight_decay: Decay = 0.01
    milestone: Annotated[float, Meta(ge=0, le=1, description="a share from 0 to 1")] = 0.5
    gamma: Positive = 0.1
    train_from: str = ""

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash."""
        fit = facts(self, "epochs", "batch_size", "lr", "weight_decay", "milestone", "gamma")
        return fit | (facts(self, "train_from") if self.train_from else {})


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Constants of a network that no checkpoint holds; None leaves the network's own.

    Attributes:
        bn_eps: What every BatchNorm adds to the variance.
        padding: How the convolutions of timm's EfficientNets and their like pad: ``same``, as
            TensorFlow, or ``symmetric``, as torch.
    """

    bn_eps: Positive | None = None
    padding: Literal["same", "symmetric"] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Those that are set, as :func:`crossbench.build_model` takes them."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash: what is set, in a section of its own."""
        return {"network": self.options} if self.options else {}


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """Low-rank adaptation, by protocol ``lora`` alone.

    Attributes:
        rank: Rank of each kernel's update.
        alpha: Updates are scaled by ``alpha / rank``.
        target: ``all`` kernels, or ``spatial`` ones: those larger than 1 along some axis.
        batch_norm: What BatchNorm normalises by: its running statistics as they are (``frozen``)
            or measured anew on the training part before the fit (``recalibrated``); or batch
            statistics (``train``), where running statistics, scale and shift are updated.
        affine: Whether BatchNorm's scale and shift learn also where its statistics stay.
    """

    rank: Count = 4
    alpha: Positive = 4.0
    target: Literal["all", "spatial"] = "all"
    batch_norm: Literal["frozen", "recalibrated", "train"] = "frozen"
    affine: bool = False

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash."""
        chosen = facts(self, "rank", "alpha", "target", "batch_norm")
        return chosen | (facts(self, "affine") if self.affine else {})


@dataclass(frozen=True, kw_only=True)
class FusionSettings:
    """Fit over the kept embeddings of a frozen encoder, by protocol ``frozen-fusion`` alone.

    Attributes:
        standardise: Whether embeddings are standardised by those of the training part.
        windows: What a recording is tested by: the ``mean`` of its windows' embeddings, or one
            that is ``drawn`` afresh, as in training.
        zero_grad: When gradients are zeroed: before each ``step``, or once an ``epoch``, over
            which they pile up.
        select: What chooses the epoch: the lowest ``loss``, the highest ``mcc``, or none, which
            keeps the ``last``.
        select_on: The part that chooses. A figure of the ``test`` part that chose its own epoch
            means nothing; records and boards say so.
    """

    standardise: bool = True
    windows: Literal["mean", "drawn"] = "mean"
    zero_grad: Literal["step", "epoch"] = "step"
    select: Literal["loss", "mcc", "last"] = "loss"
    select_on: Literal["validation", "test"] = "validation"

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash."""
        return facts(self, "standardise", "windows", "zero_grad", "select", "select_on")


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """Arithmetic, fixed so that a rerun gives the same bits.

    Attributes:
        threads: CPU threads; 0 takes every core this process may use.
        workers: Prefetch threads; 0 loads synchronously.
        precision: ``float32``, or ``bfloat16`` under autocast.
        tf32: Whether CUDA matrix products may round to TF32.
    """

    threads: Threads = 0
    workers: Threads = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    tf32: bool = False

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash: the arithmetic, not how many threads do it."""
        return facts(self, "precision", "tf32")


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
        drop_keys: Per method, parts of the names of tensors that are reinitialised in 3D.
    """

    name: str
    title: str
    data: Literal["real", "phantom"]
    protocol: str
    split: SplitSettings
    input: InputSettings
    fit: FitSettings
    network: NetworkSettings = NetworkSettings()
    lora: LoraSettings = LoraSettings()
    fusion: FusionSettings = FusionSettings()
    compute: ComputeSettings = ComputeSettings()
    metric: str | None = None
    drop_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def demands(self) -> Iterator[Demand]:
        """What must hold beyond types."""
        yield from under("split", self.split.demands())
        yield from under("input", self.input.demands())


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """Pretraining of a network; the defaults are those of the paper's Table I.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples a step, over all processes.
        lr: Learning rate of the first ``step`` epochs.
        weight_decay: AdamW's weight decay.
        step: Epochs after which the learning rate drops, again and again.
        gamma: Factor of each drop.
        size: Side length in pixels that the network is fed; None takes 224 for a folder of images
            and the task's own for a task.
        crop_scale: Area range of RandomResizedCrop.
        statistics: Channel statistics that normalise the inputs; None takes RadImageNet's for gray
            tasks and ImageNet's for all else.
        select: Epoch whose weights are kept: the ``last``, as in the paper, or that of the
            ``lowest`` validation loss.
        max_unreadable: Share of a folder's images that may be unreadable.
        precision: ``float32``, or ``bfloat16`` under autocast.
        tf32: Whether CUDA matrix products may round to TF32.
        channels_last: Whether inputs are laid out channels last.
        compile: Whether torch.compile compiles the training step's network.
        workers: Prefetch threads a process; None takes one a core for a folder of images and none
            for a task.
        threads: CPU threads a process; 0 takes ``$OMP_NUM_THREADS`` or every core it may use.
    """

    epochs: Epochs = 90
    batch_size: Annotated[int, Meta(ge=2, description="at least 2")] = 256
    lr: Positive = 1e-3
    weight_decay: Decay = 0.01
    step: Count = 30
    gamma: Positive = 0.1
    size: Count | None = None
    crop_scale: tuple[float, float] = (0.08, 1.0)
    statistics: Statistics | None = None
    select: Literal["last", "lowest"] = "last"
    max_unreadable: Annotated[float, Meta(ge=0, lt=1, description="a share below 1")] = 0.01
    precision: Literal["float32", "bfloat16"] = "float32"
    tf32: bool = False
    channels_last: bool = False
    compile: bool = False
    workers: Threads | None = None
    threads: Threads = 0

    @property
    def compute(self) -> ComputeSettings:
        """The settings of the arithmetic."""
        return ComputeSettings(threads=self.threads, precision=self.precision, tf32=self.tf32)

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash: all that bears on the weights."""
        fit = facts(self, "epochs", "batch_size", "lr", "weight_decay", "step", "gamma", "select")
        fed = facts(self, "size", "crop_scale", "statistics")
        return fit | fed | facts(self, "precision", "tf32", "channels_last", "compile")

    def demands(self) -> Iterator[Demand]:
        """What must hold beyond types."""
        yield "crop_scale", *_are_shares(self.crop_scale)


def _are_shares(scale: tuple[float, float]) -> tuple[bool, str]:
    return 0 < scale[0] <= scale[1] <= 1, "it must be [smallest, largest] share of the area"


def _are_distinct(values: tuple[int, ...]) -> bool:
    return len(set(values)) == len(values)
