"""timm backbones, and a method's 2D layers in place of their convolutions."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

import timm
import torch
from torch import nn

from crossbench.errors import ConversionError, RequestError, WeightsError
from crossbench.methods import NetworkMethod
from crossbench.nets.declarations import lifts, takes_image_weights
from crossbench.nets.modules import asks_place, layer_of, replace_modules
from crossbench.nets.padding import put_before, without_padding
from crossbench.nets.places import places_of

if TYPE_CHECKING:
    from crossbench.methods import Convolution, LayerPlace, Method

#: The layer form of a backbone's own convolutions.
PLAIN = "plain"

Padding = Literal["same", "symmetric"]

#: timm's words for paddings.
_PAD_TYPES: dict[Padding, str] = {"same": "same", "symmetric": ""}

_FAR_WIDER = 4.0  # heads drawn from a normal distribution are not


def create_backbone(name: str, num_classes: int, padding: Padding | None = None) -> nn.Module:
    """An untrained timm network for three channels.

    BatchNorm gains that timm starts at zero, to ease the training of whole residual networks,
    start at one, as in torchvision: an untrained backbone is probed as it is, and a gain of
    zero would hide every layer of the branch before it. A linear head has weights of torch's own
    size: an EfficientNet's is drawn from ±1 / sqrt(classes), 25 times as wide for two classes of
    1,280 features, which short fits on few samples never make up for.

    Args:
        name: timm's.
        num_classes: Outputs of its head; 0 for pooled features.
        padding: Of its convolutions, for a network of which timm has both; None for its own.

    Raises:
        RequestError: If timm has no network of this name, with the nearest names; or none of it
            with this padding.
    """
    known = timm.list_models()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() lists them"
        msg = f"unknown backbone {name!r} (weights are chosen by init, not by a tag); {hint}"
        raise RequestError(msg)
    network = _create(name, num_classes, padding)
    for module in network.modules():
        gain = module.weight if isinstance(module, nn.BatchNorm2d) and module.affine else None
        if gain is not None and not gain.is_meta and not gain.any():
            nn.init.ones_(gain)
    _narrow_head(network)
    return network


def _narrow_head(network: nn.Module) -> None:
    """Scale a linear head to the range from which torch draws one, where it is far wider."""
    head = network.get_classifier()  # type: ignore[operator]
    if isinstance(head, nn.Linear) and not head.weight.is_meta:
        bound, widest = head.in_features**-0.5, float(head.weight.detach().abs().max())
        if widest > _FAR_WIDER * bound:
            with torch.no_grad():
                head.weight.mul_(bound / widest)


def _create(name: str, num_classes: int, padding: Padding | None) -> nn.Module:
    options: dict[str, Any] = {} if padding is None else {"pad_type": _PAD_TYPES[padding]}
    try:
        network: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=num_classes, **options
        )
    except TypeError as error:
        if not options or "pad_type" not in str(error):
            raise
        msg = f"backbone {name!r} has one padding only; leave padding (={padding!r}) out"
        raise RequestError(msg) from error
    return network


def layer_form(method: Method) -> str:
    """The form of a method's 2D layers: methods of one form share 2D weights.

    Returns:
        ``plain`` where the 2D layers are the backbone's own convolutions, as they are in whatever
        network a method builds itself; else the method's own name: a plain ``nn.Conv2d`` of
        another geometry or padding computes something else, and 2D layers that depend on their
        place may.

    Raises:
        WeightsError: If the method's networks take no 2D weights.
    """
    if isinstance(method, NetworkMethod):
        if takes_image_weights(method):
            return PLAIN
        msg = f"method {method.name!r} builds networks that take no 2D weights (image_weights)"
        raise WeightsError(f"{msg}; start it from random weights or from a checkpoint of its own")
    if asks_place(method, "layer_2d"):
        return method.name
    with torch.random.fork_rng(devices=[]):
        conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        given, layer = repr(conv), layer_of(method, "layer_2d", conv)
    return PLAIN if type(layer) is nn.Conv2d and repr(layer) == given else method.name


def weight_forms(method: Method) -> tuple[str, ...]:
    """The layer forms whose 2D weights a method starts from, its own first.

    Raises:
        WeightsError: As :func:`layer_form`.
    """
    own = layer_form(method)
    return (own, PLAIN) if lifts(method) and own != PLAIN else (own,)


def create_image_network(
    method: Method, backbone: str, num_classes: int, shape: tuple[int, ...] = ()
) -> nn.Module:
    """The untrained 2D network whose weights a method starts from, for images of a shape."""
    network = create_backbone(backbone, num_classes)
    if not isinstance(method, NetworkMethod):
        replace_convolutions(network, method, shape)
    return network


def replace_convolutions(
    network: nn.Module, method: Convolution, shape: tuple[int, ...] = ()
) -> dict[str, LayerPlace]:
    """Put ``method.layer_2d`` in the place of every convolution.

    Args:
        network: A backbone; it is changed in place.
        method: What makes the layers.
        shape: Spatial shape of an input of the network that is being built; empty for unknown.

    Returns:
        The method's layers in ``network``: their names, and their places.

    Raises:
        ConversionError: If the method refuses a convolution, or the backbone has none, or has
            some with a rule of their own (weight standardisation), which a method's layer would
            silently lose; padding that depends on the input is kept (:mod:`.padding`).
    """
    asked = asks_place(method, "layer_2d") or asks_place(method, "layer_3d")
    places = places_of(network, shape if asked else ())

    def layer_2d(name: str, module: nn.Module) -> nn.Module | None:
        if not isinstance(module, nn.Conv2d):
            return None
        conv, padding = without_padding(module)
        if type(conv) is not nn.Conv2d:
            msg = "it computes more than a plain Conv2d; choose a backbone without it"
            raise ConversionError(msg)
        return put_before(layer_of(method, "layer_2d", conv, places[name]), padding)

    layers = replace_modules(network, layer_2d)
    if not layers:
        msg = f"{type(network).__name__} has no convolution for method {method.name!r} to replace"
        raise ConversionError(msg)
    return {name: places[name] for name in layers}
