"""Inspection: what a method carries of a checkpoint into its networks."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from crossbench.environment.state import own_randomness
from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import describe
from crossbench.methods import KINDS, NetworkMethod, input_kinds
from crossbench.nets.backbones import create_backbone, replace_convolutions
from crossbench.nets.build import construct
from crossbench.nets.declarations import lifts
from crossbench.nets.modules import asks_place, layer_of
from crossbench.nets.places import places_of
from crossbench.nets.request import BuildRequest
from crossbench.nets.weights.matching import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from crossbench.methods import Convolution, LayerPlace, Method
    from crossbench.nets.modules import Form
    from crossbench.nets.weights.checkpoint import Checkpoint
    from crossbench.nets.weights.matching import State

#: By tensor of the built network, the tensors of the 2D network that it is made of.
Origins = dict[str, tuple[str, ...]]

_ORDER = ("carried", "fresh", "dropped", "ignored", "missing", "unexpected", "shape", "dtype")


@dataclass(frozen=True, kw_only=True)
class Key:
    """The state of one key.

    Attributes:
        name: Of the network's tensor, or of the checkpoint's where the network has none.
        state: As :data:`crossbench.nets.weights.matching.State`; or ``dropped`` where a 2D tensor
            is carried into 2D and no tensor of the 3D network is made of it.
        made_of: Tensors of the 2D network under other names.
    """

    name: str
    state: str
    made_of: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Carry:
    """The states of a checkpoint's keys in one network of a method.

    Attributes:
        method: The method's name.
        kind: What the network takes: ``image``, ``volume``, ...
        converted: Whether it is loaded into a 2D network, of which the network is then made.
        misfit: Why it cannot be loaded; empty where it can.
        keys: What becomes of each key; empty if the backbone cannot be converted.
    """

    method: str
    kind: str
    converted: bool
    misfit: str
    keys: tuple[Key, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of keys by state, in a fixed order."""
        found = Counter(key.state for key in self.keys)
        return {state: found[state] for state in _ORDER if state in found}


def carry(checkpoint: Checkpoint, method: Method, backbone: str) -> tuple[Carry, ...]:
    """Try a checkpoint on the networks that a method is evaluated with.

    Args:
        checkpoint: Of whatever network.
        method: The method.
        backbone: timm name of its networks.

    Returns:
        One for each kind of input that the method takes.

    Raises:
        RequestError: If timm has no such backbone.
    """
    create_backbone(backbone, num_classes=2)
    return tuple(_carry(checkpoint, method, kind, backbone) for kind in input_kinds(method))


def _carry(checkpoint: Checkpoint, method: Method, kind: str, backbone: str) -> Carry:
    """A checkpoint in a method's network, or in the 2D network it is made of."""
    dims = next((dims for dims, name in KINDS.items() if name == kind), checkpoint.dims or 0)
    request = BuildRequest(
        kind=kind, dims=dims, num_classes=2, backbone=backbone, checkpoint=checkpoint
    )
    found = partial(Carry, method=method.name, kind=kind)
    try:
        image_network, origins = _image_network(checkpoint, method, kind, backbone)
        network = construct(method, request)
    except CrossbenchError as error:
        return found(converted=False, misfit=str(error), keys=())
    except Exception as error:  # noqa: BLE001  (whatever a method's code raises)
        return found(converted=False, misfit=describe(error), keys=())
    misfit = checkpoint.misfit(network, dims)
    flat, states = (compare(each, checkpoint.tensors) for each in (image_network, network))
    if request.carried or (
        request.misfit and misfit and _nearer_2d(checkpoint, [*flat.values()], [*states.values()])
    ):
        keys = _converted_keys(flat, origins)
        made = isinstance(method, NetworkMethod) or any(key.made_of for key in keys)
        same = kind == "image" and not made
        return found(converted=not same, misfit=request.misfit, keys=keys)
    keys = tuple(Key(name=name, state=state) for name, state in states.items())
    return found(converted=False, misfit=misfit, keys=keys)


def _nearer_2d(checkpoint: Checkpoint, flat: list[State], built: list[State]) -> bool:
    """Whether a checkpoint that fits neither network says, or looks, to be of the 2D one."""
    if checkpoint.dims is not None:
        return checkpoint.dims == 2
    return flat.count("carried") >= built.count("carried")


def _image_network(
    checkpoint: Checkpoint, method: Method, kind: str, backbone: str
) -> tuple[nn.Module, Origins]:
    """The 2D network that a checkpoint is for, and the origins of the built network's tensors."""
    network = create_backbone(backbone, num_classes=2)
    forms: tuple[Form, ...] = ("layer_3d",) if kind == "volume" else ()
    if not isinstance(method, NetworkMethod):
        if lifts(method) and not checkpoint.misfit(network, 2):
            forms, layers = ("layer_2d", *forms), places_of(network)
        else:
            layers = replace_convolutions(network, method)
        if forms:
            return network, find_origins(network, method, layers, forms)
    return network, {key: (key,) for key in network.state_dict()}


def find_origins(
    network: nn.Module,
    method: Convolution,
    layers: Mapping[str, LayerPlace],
    forms: Sequence[Form] = ("layer_3d",),
) -> Origins:
    """Origins of a built network's tensors, found by changing one 2D tensor at a time.

    Args:
        network: The network that takes the weights, left as it is.
        method: What converts its layers.
        layers: Their names and places.
        forms: What the method makes of each layer, in turn.

    Raises:
        ConversionError: If a layer cannot be converted.
    """
    inside = tuple(f"{layer}." for layer in layers)
    origins: Origins = {key: (key,) for key in network.state_dict() if not key.startswith(inside)}
    known: dict[object, Origins] = {}  # many layers differ in their numbers of channels alone
    placed = any(asks_place(method, form) for form in forms)
    for name, place in layers.items():
        layer = network.get_submodule(name)
        shapes = ((key, tensor.shape[2:]) for key, tensor in layer.state_dict().items())
        kind = (type(layer), place if placed else None, *shapes)
        if kind not in known:
            known[kind] = _layer_origins(layer, partial(_converted, method, place, forms))
        for key, sources in known[kind].items():
            origins[f"{name}.{key}"] = tuple(f"{name}.{source}" for source in sources)
    return origins


@torch.no_grad()
def _layer_origins(layer: nn.Module, convert: Callable[[nn.Module], nn.Module]) -> Origins:
    before = convert(layer).state_dict()
    sources: dict[str, list[str]] = {key: [] for key in before}
    for source in layer.state_dict():
        changed = copy.deepcopy(layer)
        tensor = changed.state_dict()[source]
        tensor += 1 + torch.arange(tensor.numel()).view_as(tensor)
        for key, after in convert(changed).state_dict().items():
            if not torch.equal(after, before[key]):
                sources[key].append(source)
    return {key: tuple(found) for key, found in sources.items()}


def _converted(
    method: Convolution, place: LayerPlace, forms: Sequence[Form], layer: nn.Module
) -> nn.Module:
    layer = copy.deepcopy(layer)
    with own_randomness(0):
        for form in forms:
            layer = layer_of(method, form, layer, place)
    return layer


def _converted_keys(flat: Mapping[str, State], origins: Origins) -> tuple[Key, ...]:
    """Keys of a built network, and of the checkpoint where none of it is made of them."""
    made = tuple(
        Key(name=name, state=_made(flat, sources), made_of=() if sources == (name,) else sources)
        for name, sources in origins.items()
    )
    used = {source for sources in origins.values() for source in sources}
    rest = tuple(
        Key(name=name, state="dropped" if state == "carried" else state)
        for name, state in flat.items()
        if name not in used
    )
    return made + rest


def _made(flat: Mapping[str, State], sources: tuple[str, ...]) -> State:
    """The state of a tensor: carried if all that it is made of is."""
    states = [flat[source] for source in sources]
    return next((state for state in states if state != "carried"), "carried" if states else "fresh")
