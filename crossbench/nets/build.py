"""From a request to a network: backbone, method, weights, dimension, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import RequestError, WeightsError
from crossbench.methods import drawing_3d
from crossbench.nets.backbones import create_backbone, replace_convolutions
from crossbench.nets.convert import make_3d
from crossbench.nets.reinit import start_afresh
from crossbench.nets.roles import assign_roles, channels_of
from crossbench.nets.weights.checkpoint import Checkpoint, read_checkpoint
from crossbench.nets.weights.loading import load_weights, resolve_init
from crossbench.registry.methods import load_method
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from torch import nn

    from crossbench.methods import Method


def build_model(
    method: str | Method,
    *,
    dims: int,
    num_classes: int,
    init: str | Path | Checkpoint = RANDOM,
    backbone: str = "resnet18",
    drop_keys: Collection[str] = (),
) -> nn.Module:
    """The network of a method: a timm backbone with the method's layers, in 2D or in 3D.

    A 3D network is the 2D one, its weights drawn or loaded, with every layer converted; where
    the weights are random, a method may have its 3D layers drawn afresh
    (:meth:`crossbench.methods.Declarations.draw_3d`). The weights of a 3D network are loaded
    after the conversion, all of them.

    Args:
        method: A registered method, or one of your own.
        dims: 2 for images (B, 3, H, W), 3 for volumes (B, 3, D, H, W).
        num_classes: Outputs of the linear head, which is always new; 0 for a network that
            returns pooled features (B, F), as in timm.
        init: Where the weights come from, as for
            :func:`crossbench.nets.weights.loading.resolve_init`: ``"random"``, a name such as
            ``"in1k"``, or a checkpoint file; or a checkpoint that is read already. One that
            does not say whether it is of a 2D or a 3D network is taken as what it fits, 2D first.
        backbone: A convolutional network of timm.
        drop_keys: Tensors of a 3D network whose name contains one of these start afresh
            instead of being carried from 2D; the weights of a 3D network are kept whole.

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
    checkpoint = _checkpoint(init, method)
    network = create_backbone(backbone, num_classes)
    channels = channels_of(network)
    layers = replace_convolutions(network, method)
    if dims == 3 and checkpoint is None:
        _draw_3d(network, method, layers, drop_keys)
    elif dims == 3 and checkpoint is not None:
        _load_3d(network, method, layers, checkpoint, drop_keys)
    elif checkpoint is not None:
        load_weights(network, checkpoint)
    assign_roles(network, method, {name: channels[name] for name in layers})
    return network


def _checkpoint(init: str | Path | Checkpoint, method: Method) -> Checkpoint | None:
    """What an init names, read; None for random weights."""
    if isinstance(init, Checkpoint):
        return init
    found = resolve_init(init, method)
    return None if found == RANDOM else read_checkpoint(found)


def _draw_3d(
    network: nn.Module, method: Method, layers: Collection[str], drop_keys: Collection[str]
) -> None:
    """Convert an untrained 2D network, and draw its layers afresh if the method has a rule."""
    make_3d(network, method, layers)
    draw = drawing_3d(method)
    if draw is not None:
        for name in layers:
            draw(network.get_submodule(name))
    start_afresh(network, drop_keys)


def _load_3d(
    network: nn.Module,
    method: Method,
    layers: Collection[str],
    checkpoint: Checkpoint,
    drop_keys: Collection[str],
) -> None:
    """Convert a 2D network; 2D weights are loaded before, those of a 3D network after."""
    misfit_2d = checkpoint.misfit(network, 2)
    if not misfit_2d:
        checkpoint.load(network)
        make_3d(network, method, layers)
        start_afresh(network, drop_keys)
        return
    make_3d(network, method, layers)
    misfit_3d = checkpoint.misfit(network, 3)
    if misfit_3d:
        raise WeightsError(f"{checkpoint.path}: {misfit_2d}; as 3D weights: {misfit_3d}")
    checkpoint.load(network)
