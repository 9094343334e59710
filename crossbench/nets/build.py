"""From a method and the weights it starts from to a network."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from crossbench.errors import ConversionError, RequestError
from crossbench.errors.foreign import show
from crossbench.methods import KINDS, Method, NetworkMethod
from crossbench.nets.convolutional import as_network_method
from crossbench.nets.request import BuildRequest
from crossbench.nets.roles import assign_roles
from crossbench.nets.weights.checkpoint import Checkpoint, read_checkpoint
from crossbench.nets.weights.init import resolve_init
from crossbench.registry.methods import load_method
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from crossbench.nets.backbones import Padding


def build_model(  # noqa: PLR0913
    method: str | Method,
    *,
    dims: int,
    num_classes: int,
    init: str | Path | Checkpoint = RANDOM,
    backbone: str = "resnet18",
    drop_keys: Collection[str] = (),
    kind: str | None = None,
    shape: tuple[int, ...] = (),
    facts: Mapping[str, Any] = MappingProxyType({}),
    bn_eps: float | None = None,
    padding: Padding | None = None,
) -> nn.Module:
    """The network of a method for one kind of input.

    Example:
        >>> import torch
        >>> class Plain:
        ...     name, dims = "plain", (2,)
        ...     def layer_2d(self, conv): return conv
        ...     def layer_3d(self, layer): return layer
        >>> network = build_model(Plain(), dims=2, num_classes=5, backbone="test_resnet")
        >>> network(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 5])

    Args:
        method: A registered method, or one of your own.
        dims: Spatial axes of an input: 2 for images (B, 3, H, W), 3 for volumes (B, 3, D, H, W).
        num_classes: Outputs of the linear head, which is always new; 0 for a network that
            returns pooled features (B, F), as in timm.
        init: Where the weights come from, as for
            :func:`crossbench.nets.weights.init.resolve_init`: ``"random"``, a name such as
            ``"in1k"``, or a checkpoint file; or a checkpoint that is read already. 2D weights are
            carried into a 3D network, whose own weights are loaded whole. A checkpoint that does
            not say which it holds is taken as what it fits, 2D first.
        backbone: A convolutional network of timm.
        drop_keys: Tensors of a 3D network whose name contains one of these are initialised anew
            instead of being carried from 2D; the weights of a 3D network are kept whole.
        kind: Input kind; None for images or volumes, by ``dims``.
        shape: Spatial shape of one input, where it is known.
        facts: What the input kind says of its inputs.
        bn_eps: What every BatchNorm adds to the variance; None leaves the network's own.
        padding: ``same`` or ``symmetric``, of a timm network that has both; None for its own.

    Returns:
        A network on the CPU, in training mode.

    Raises:
        RequestError: If method, dimension and backbone do not exist or do not fit together.
        ConversionError: If a module of the backbone cannot be converted.
        WeightsError: If the checkpoint does not fit the network.
    """
    method = load_method(method) if isinstance(method, str) else method
    kind = kind or KINDS.get(dims)
    if kind is None:
        raise RequestError(f"dims (={dims}) must be 2 for images or 3 for volumes")
    return build_network(
        method,
        BuildRequest(
            kind=kind,
            dims=dims,
            shape=shape,
            facts=facts,
            num_classes=num_classes,
            backbone=backbone,
            checkpoint=_checkpoint(init, method, backbone),
            drop_keys=tuple(drop_keys),
            bn_eps=bn_eps,
            padding=padding,
        ),
    )


def build_network(method: Method, request: BuildRequest) -> nn.Module:
    """The network that a method builds for a request, its initial weights loaded.

    Raises:
        RequestError: As :func:`construct` and :meth:`BuildRequest.complete`.
        ConversionError: As :func:`construct`.
        WeightsError: If the weights do not fit.
    """
    network = construct(method, request)
    request.complete(network)
    return network


def construct(method: Method, request: BuildRequest) -> nn.Module:
    """The network that a method builds for a request, only 2D weights loaded.

    Raises:
        RequestError: If the method does not take this kind of input, or its network has no
            BatchNorm or no padding of the kind that is asked for.
        ConversionError: If the method refuses the backbone, or builds something else.
    """
    builder = as_network_method(method)
    if request.kind not in builder.inputs:
        known = " and ".join(f"{kind}s" for kind in builder.inputs)
        msg = f"method {method.name!r} is evaluated on {known} only, not on {request.kind}s"
        raise RequestError(msg)
    network: object = builder.build(request)
    if not isinstance(network, nn.Module):
        msg = f"build of method {method.name!r} returned {show(network)}, which is no module"
        raise ConversionError(msg)
    if isinstance(method, NetworkMethod):
        _check_head(network, method)
        assign_roles(network, method, {"": None})
    if request.padding is not None and not request.padded:
        msg = f"method {method.name!r} makes its network of no backbone; leave padding"
        raise RequestError(f"{msg} (={request.padding!r}) out")
    if request.bn_eps is not None:
        _set_bn_eps(network, request.bn_eps, method)
    return network


def _set_bn_eps(network: nn.Module, eps: float, method: Method) -> None:
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        msg = f"the network of method {method.name!r} has no BatchNorm; leave bn_eps (={eps:g}) out"
        raise RequestError(msg)
    for norm in norms:
        norm.eps = eps


def _check_head(network: nn.Module, method: NetworkMethod) -> None:
    head = getattr(network, "get_classifier", lambda: None)()
    if not any(module is head for module in network.modules()):
        msg = (
            f"the network of method {method.name!r} does not name its linear head; its "
            "get_classifier() must return it, one of its submodules"
        )
        raise ConversionError(msg)


def _checkpoint(init: str | Path | Checkpoint, method: Method, backbone: str) -> Checkpoint | None:
    """The checkpoint of an init, read; None for random weights."""
    if isinstance(init, Checkpoint):
        return init
    found = resolve_init(init, method, backbone)
    return None if found == RANDOM else read_checkpoint(found)
