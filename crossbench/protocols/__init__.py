"""Fitting protocols: what learns of a network, from when, and how.

A protocol is either a sequence of stages, which :mod:`crossbench.training.fit` plays, or a linear
probe of the frozen network (:mod:`crossbench.training.linear`). Adding one is adding an entry to
:data:`PROTOCOLS`. Nothing here imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from crossbench.errors import unknown_name

if TYPE_CHECKING:
    from crossbench.specs import LoraSettings

Part = Literal["head", "norm", "adapters", "all"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of epochs with one set of learning parameters and one optimiser.

    Attributes:
        name: Shown in the training curve.
        trains: ``head`` (the classifier), ``norm`` (BatchNorm scale and shift, those of a
            method's own sub-networks included), ``adapters`` (low-rank updates of the kernels),
            ``all``.
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
class StagedFit:
    """A named way to fit a network to a task by gradient descent."""

    name: str
    title: str
    stages: tuple[Stage, ...]

    def stage_at(self, epoch: int, epochs: int) -> Stage:
        """The stage that ``epoch`` (from 1) of ``epochs`` belongs to."""
        return [stage for stage in self.stages if stage.first_epoch(epochs) <= epoch][-1]

    @property
    def adapts(self) -> bool:
        """Whether it trains low-rank updates, which the network has to be given first."""
        return any("adapters" in stage.trains for stage in self.stages)

    def under(self, lora: LoraSettings) -> StagedFit:
        """The protocol whose adapting stages train BatchNorm as well, if the settings say so."""
        if lora.batch_norm == "frozen":
            return self
        return replace(
            self,
            stages=tuple(
                replace(stage, trains=(*stage.trains, "norm")) if stage.freezes_norm else stage
                for stage in self.stages
            ),
        )


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """A linear classifier over the features of a network that stays as it is.

    Attributes:
        name: Registry name.
        title: One line for people.
        inverse_penalties: Values of scikit-learn's ``C``, strongest penalty first; they are
            tried until the loss of the validation part rises.
    """

    name: str
    title: str
    inverse_penalties: tuple[float, ...]


Protocol = StagedFit | LinearProbe

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        StagedFit(
            name="weak-probe",
            title="Linear head, then head and BatchNorm; convolutions frozen (the paper's)",
            stages=(
                Stage(name="head", trains=("head",), optimiser="adamw"),
                Stage(
                    name="head+norm",
                    trains=("head", "norm"),
                    optimiser="adam",
                    start=2 / 3,
                    scheduled=False,
                ),
            ),
        ),
        StagedFit(
            name="finetune",
            title="Every parameter, from the first epoch",
            stages=(Stage(name="all", trains=("all",), optimiser="adamw"),),
        ),
        StagedFit(
            name="lora",
            title="Linear head and low-rank updates of the convolutions' kernels",
            stages=(Stage(name="head+adapters", trains=("head", "adapters"), optimiser="adamw"),),
        ),
        LinearProbe(
            name="linear-probe",
            title="Logistic regression on the frozen network's features",
            inverse_penalties=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol with this name.

    Raises:
        RequestError: If no protocol has this name, with the nearest names.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
