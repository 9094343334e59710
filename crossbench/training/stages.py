"""Stages of a fit: which parameters learn, from which epoch, by which optimiser."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing import Self

    from crossbench.specs import LoraSettings

Part = Literal["head", "norm", "affine", "adapters", "all"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of epochs with one set of learning parameters and one optimiser.

    Attributes:
        name: Shown in the training curve.
        trains: ``head`` (the classifier), ``norm`` (BatchNorm scale and shift, those of a
            method's own sub-networks included), ``affine`` (the same, where the statistics stay),
            ``adapters`` (low-rank updates of the kernels), ``all``.
        optimiser: ``adamw`` with the preset's weight decay, or ``adam`` without.
        start: Share of the epochs that go before; see :meth:`first_epoch`.
        scheduled: Whether the learning rate still drops at the milestone. An unscheduled
            stage keeps the rate it finds.
    """

    name: str
    trains: tuple[Part, ...]
    optimiser: Literal["adamw", "adam"]
    start: float = 0.0
    scheduled: bool = True

    @property
    def freezes_norm(self) -> bool:
        """Whether BatchNorm layers normalise by their running statistics, and keep them.

        They do where kernels alone are adapted. In every other stage they normalise by batch
        statistics and move the running ones, whether or not their scale and shift learn: that
        is the paper's "weak" probe.
        """
        return "adapters" in self.trains and "norm" not in self.trains

    def first_epoch(self, epochs: int) -> int:
        """The epoch, counted from 1, with which the stage begins: ``ceil(start * epochs)``.

        With two thirds and the paper's 15 epochs that is epoch 10.
        """
        return max(1, math.ceil(round(self.start * epochs, 9)))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A sequence of stages."""

    stages: tuple[Stage, ...]

    def stage_at(self, epoch: int, epochs: int) -> Stage:
        """The stage that ``epoch`` (from 1) of ``epochs`` belongs to."""
        return [stage for stage in self.stages if stage.first_epoch(epochs) <= epoch][-1]

    @property
    def adapts(self) -> bool:
        """Whether it trains low-rank updates, which the network has to be given first."""
        return any("adapters" in stage.trains for stage in self.stages)

    def under(self, lora: LoraSettings) -> Self:
        """The schedule whose adapting stages train of BatchNorm what the settings say."""
        more: tuple[Part, ...] = ("affine",) if lora.affine else ()
        if lora.batch_norm == "train":
            more = ("norm",)
        return replace(
            self,
            stages=tuple(
                replace(stage, trains=(*stage.trains, *more)) if stage.freezes_norm else stage
                for stage in self.stages
            ),
        )
