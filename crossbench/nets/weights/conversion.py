"""Conversion: a foreign checkpoint as one of our own, which says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import WeightsError
from crossbench.nets.backbones import PLAIN, create_backbone
from crossbench.nets.modules import classifier_names
from crossbench.nets.weights.checkpoint import CheckpointMetadata, FittedNetwork
from crossbench.nets.weights.inspection import carry

if TYPE_CHECKING:
    from crossbench.methods import Method
    from crossbench.nets.weights.checkpoint import Checkpoint
    from crossbench.specs import Statistics


def convert(
    checkpoint: Checkpoint, method: Method, backbone: str, statistics: Statistics | None = None
) -> FittedNetwork:
    """The tensors of a foreign checkpoint under the keys of the network that they fit.

    Args:
        checkpoint: As it was read; its tensors stay as they are, the classifier's included.
        method: Whose networks they are to fit, in 2D or in 3D.
        backbone: timm name of these networks.
        statistics: Whose channel statistics normalised the inputs; None if that is not known.

    Raises:
        WeightsError: If the checkpoint is one of ours, or fits no network of the method.
        RequestError: If timm has no such backbone.
    """
    if checkpoint.about is not None:
        raise WeightsError(f"{checkpoint.path} is a checkpoint of ours already; use it as it is")
    carries = carry(checkpoint, method, backbone)
    fitting = [each for each in carries if not each.misfit]
    if not fitting:
        reasons = "; ".join(f"for {each.kind}s: {each.misfit}" for each in carries)
        raise WeightsError(f"{checkpoint.path} fits no {backbone} of {method.name}: {reasons}")
    flat = any(each.converted or each.kind == "image" for each in fitting)
    network = create_backbone(backbone, num_classes=2)
    plain = flat and not checkpoint.misfit(network, 2)
    heads = [f"{name}.weight" for name in classifier_names(network)]
    classes = next((len(checkpoint.tensors[key]) for key in heads if key in checkpoint.tensors), 0)
    return FittedNetwork(
        tensors=checkpoint.tensors,
        about=CheckpointMetadata(
            method=PLAIN if plain else method.name,
            dims=2 if flat else 3,
            backbone=backbone,
            num_classes=classes,
            statistics=statistics,
            details={
                "converted_from": checkpoint.path.name,
                "sha256": checkpoint.sha256,
                "keys": checkpoint.scheme or "as they were",
            },
        ),
    )
