"""The request to build a network, and the loading of its initial weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossbench.errors import WeightsError
from crossbench.nets.backbones import create_backbone
from crossbench.nets.reinit import reinitialise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from crossbench.nets.backbones import Padding
    from crossbench.nets.weights.checkpoint import Checkpoint


@dataclass(kw_only=True)
class BuildRequest:
    """A :class:`crossbench.methods.NetworkRequest`, and where its weights go.

    Attributes:
        kind: Input kind.
        dims: Number of spatial axes of an input.
        shape: Spatial shape of one input; empty where it is not known.
        facts: What the input kind says of its inputs.
        num_classes: Outputs of the linear head; 0 for pooled features.
        backbone: timm name of the 2D network.
        checkpoint: The weights to start from; None for random ones.
        drop_keys: Parts of the names of tensors that are not to be carried from 2D.
        bn_eps: What every BatchNorm adds to the variance; None leaves the network's own.
        padding: Of the backbone's convolutions; None leaves its own.
        misfit: Why no 2D network could take the weights; empty where one has, or none was made.
        carried: Whether a 2D network, or the method itself, took them.
        padded: Whether a backbone was made, which has the padding.
    """

    kind: str
    dims: int
    shape: tuple[int, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    num_classes: int
    backbone: str
    checkpoint: Checkpoint | None = None
    drop_keys: tuple[str, ...] = ()
    bn_eps: float | None = None
    padding: Padding | None = None
    misfit: str = field(default="", init=False)
    carried: bool = field(default=False, init=False)
    padded: bool = field(default=False, init=False)

    def image_network(self, num_classes: int) -> nn.Module:
        """The plain backbone with the weights to start from, where it takes them."""
        network = self.plain_backbone(num_classes)
        self.carry(network)
        return network

    def plain_backbone(self, num_classes: int) -> nn.Module:
        """The untrained backbone."""
        self.padded = True
        return create_backbone(self.backbone, num_classes, self.padding)

    def weights(self) -> Mapping[str, Tensor] | None:
        """The tensors that the run starts from, which are the caller's to load; None if random."""
        if self.checkpoint is None:
            return None
        self.carried = True
        return self.checkpoint.tensors

    def carry(self, network: nn.Module) -> None:
        """Load the weights into a 2D network that they fit."""
        if self.checkpoint is not None:
            misfit = self.checkpoint.misfit(network, 2)
            self.carried = not misfit
            reasons = [] if self.carried else dict.fromkeys(filter(None, (self.misfit, misfit)))
            self.misfit = "; with the method's own layers: ".join(reasons)
            if self.carried:
                self.checkpoint.load(network)

    def complete(self, network: nn.Module) -> None:
        """Load weights of the built network itself, or reset what is not carried from 2D.

        Raises:
            WeightsError: If the weights fit neither a 2D network nor this one.
            RequestError: If a drop key is in no tensor's name.
        """
        if self.checkpoint is None or self.carried:
            if self.kind != "image":
                reinitialise(network, self.drop_keys)
            return
        misfit = self.checkpoint.misfit(network, self.dims)
        if misfit:
            reasons = dict.fromkeys([self.misfit, misfit])
            both = f"; as {self.dims}D weights: ".join(reason for reason in reasons if reason)
            raise WeightsError(f"{self.checkpoint.path}: {both}")
        self.checkpoint.load(network)
