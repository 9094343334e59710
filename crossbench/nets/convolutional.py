"""The convolutional family: a backbone with a method's layers, in 2D or in 3D."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.methods import Convolution, Method, NetworkMethod, input_kinds
from crossbench.nets.backbones import replace_convolutions
from crossbench.nets.convert import make_3d
from crossbench.nets.declarations import drawing_3d, lifts
from crossbench.nets.roles import assign_roles, channels_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import nn

    from crossbench.nets.request import BuildRequest


class ConvolutionalMethod:
    """A convolution as a method that builds networks.

    A 3D network is the 2D one, its weights drawn or loaded, with every layer converted; weights of
    plain convolutions are loaded before the layers of a method that lifts them are made. Where the
    weights are random, a convolution may have its 3D layers drawn anew
    (:meth:`crossbench.methods.Declarations.draw_3d`).
    """

    def __init__(self, convolution: Convolution) -> None:
        self.convolution = convolution
        self.name, self.inputs = convolution.name, input_kinds(convolution)

    def build(self, request: BuildRequest) -> nn.Module:
        """The backbone with the convolution's layers."""
        network = request.plain_backbone(request.num_classes)
        channels = channels_of(network)
        if lifts(self.convolution):
            request.carry(network)
        layers = replace_convolutions(network, self.convolution, request.shape)
        if not request.carried:
            request.carry(network)
        if request.kind == "volume":
            make_3d(network, self.convolution, layers)
            if request.checkpoint is None:
                self._draw_3d(network, layers)
        assign_roles(network, self.convolution, {name: channels[name] for name in layers})
        return network

    def _draw_3d(self, network: nn.Module, layers: Collection[str]) -> None:
        draw = drawing_3d(self.convolution)
        if draw is not None:
            for name in layers:
                draw(network.get_submodule(name))


def as_network_method(method: Method) -> NetworkMethod:
    """A method as one that builds networks."""
    if isinstance(method, NetworkMethod):
        return method
    return ConvolutionalMethod(method)  # type: ignore[return-value]  # it reads a wider request
