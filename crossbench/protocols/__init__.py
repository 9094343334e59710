"""Fitting protocols by name: one module each, behind one interface.

Adding one is adding a module and its entry in :data:`PROTOCOLS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import unknown_name
from crossbench.protocols.frozen_fusion import FrozenFusion
from crossbench.protocols.linear_probe import LinearProbe
from crossbench.protocols.staged import StagedFit
from crossbench.training.stages import Stage

if TYPE_CHECKING:
    from crossbench.protocols.interface import Protocol

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
        FrozenFusion(
            name="frozen-fusion",
            title="A frozen encoder's kept embeddings, and all that a network has beside it",
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol with this name.

    Example:
        >>> find_protocol("weak-probe").shares_features
        False

    Raises:
        RequestError: If no protocol has this name, with the nearest names.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
