"""From a request to a network: backbone, method, weights, dimension, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from crossbench.errors import RequestError
from crossbench.nets.backbones import create_backbone, replace_convolutions
from crossbench.nets.convert import make_3d
from crossbench.nets.weights import RANDOM, draw_plain_conv3d, load_weights, start_afresh
from crossbench.plugins import load_method

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from crossbench.methods import Method


def build_model(
    method: str | Method,
    *,
    dims: int,
    num_classes: int,
    init: str | Path = RANDOM,
    backbone: str = "resnet18",
    drop_keys: Collection[str] = (),
) -> nn.Module:
    """The network of a method: a timm backbone with the method's layers, in 2D or in 3D.

    A 3D network is the 2D one, its weights loaded, with every layer converted. Where the
    weights are random there is nothing to carry: a plain ``nn.Conv2d`` whose 3D form is a plain
    ``nn.Conv3d`` is then drawn afresh as one, which is 3D training from scratch.

    Args:
        method: A registered method, or one of your own.
        dims: 2 for images (B, 3, H, W), 3 for volumes (B, 3, D, H, W).
        num_classes: Outputs of the linear head, which is always new; 0 for a network that
            returns pooled features (B, F), as in timm.
        init: Where the 2D weights come from: ``"random"`` or a checkpoint file
            (:func:`crossbench.nets.weights.load_weights`).
        backbone: A convolutional network of timm.
        drop_keys: Tensors of a 3D network whose name contains one of these start afresh
            instead of being carried from 2D.

    Returns:
        A network on the CPU, in training mode.

    Raises:
        RequestError: If method, dimension and backbone do not exist or do not fit together.
        ConversionError: If a module of the backbone cannot be converted.
        WeightsError: If the checkpoint does not fit the network.
    """
    method = load_method(method) if isinstance(method, str) else method
    if dims not in method.dims:
        known = " and ".join(f"{each}D" for each in method.dims)
        msg = f"method {method.name!r} is evaluated on {known} tasks only; dims={dims} was asked"
        raise RequestError(msg)
    network = create_backbone(backbone, num_classes)
    layers = replace_convolutions(network, method)
    if init != RANDOM:
        load_weights(network, init)
    if dims == 2:
        return network
    plain = [name for name in layers if type(network.get_submodule(name)) is nn.Conv2d]
    make_3d(network, method, layers)
    if init == RANDOM:
        draw_plain_conv3d(network, plain)
    start_afresh(network, drop_keys)
    return network
