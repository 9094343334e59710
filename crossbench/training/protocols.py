"""Fitting protocols: what learns of a network, from when, and how.

A protocol is either a sequence of stages, which :mod:`crossbench.training.fit` plays, or a linear
probe of the frozen network (:mod:`crossbench.training.linear`). Adding one is adding an entry to
:data:`PROTOCOLS`. Nothing here imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from crossbench.errors import unknown_name

Part = Literal["head", "norm", "all"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of epochs with one set of learning parameters and one optimiser.

    Attributes:
        name: Shown in the training curve.
        trains: ``head`` (the classifier), ``norm`` (BatchNorm scale and shift, those of a
            method's own sub-networks included), ``all``.
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

    def first_epoch(self, epochs: int) -> int:
        """The epoch, counted from 1, with which the stage begins: ``ceil(start * epochs)``.

        With two thirds and the paper's 15 epochs that is epoch 10.
        """
        return max(1, math.ceil(round(self.start * epochs, 9)))


@dataclass(frozen=True, kw_only=True)
class StagedFit:
    """A named way to fit a network to a task by gradient descent.

    BatchNorm layers normalise by batch statistics and move their running statistics in
    every stage, whether or not their scale and shift learn: that is the paper's "weak" probe.
    """

    name: str
    title: str
    stages: tuple[Stage, ...]

    def stage_at(self, epoch: int, epochs: int) -> Stage:
        """The stage that ``epoch`` (from 1) of ``epochs`` belongs to."""
        return [stage for stage in self.stages if stage.first_epoch(epochs) <= epoch][-1]


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
