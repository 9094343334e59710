"""From 2D to 3D: what becomes of every tensor, and of an image that is repeated in depth."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from crossbench.conformance.comparing import (
    answer,
    demand_close,
    disturb,
    draw,
    infer,
    make,
    tensors,
)
from crossbench.conformance.interface import Criterion, Finding, ViolationError
from crossbench.conformance.target import CLASSES, LayerCase, NetworkCase, Target
from crossbench.environment.state import own_randomness
from crossbench.errors import ConversionError
from crossbench.methods import NetworkMethod
from crossbench.nets.backbones import create_backbone, replace_convolutions
from crossbench.nets.build import construct
from crossbench.nets.convert import make_3d
from crossbench.nets.declarations import dropped, lifts
from crossbench.nets.modules import layer_of
from crossbench.nets.request import BuildRequest
from crossbench.nets.weights.stored import few

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_SHARE = 1e-5  # of the maximum
_NO_3D = "not applicable: the method has no layers that become 3D"

# ------------------------------------------------------------------------ tensors


def _accounted(case: LayerCase) -> Finding:
    """Fate of each tensor of the 2D layer, seen by changing it before the conversion."""
    plain = tensors(_converted(case))
    fates: dict[str, list[str]] = {}
    for name, tensor in tensors(make(_flat(case))).items():
        changed = tensors(_converted(case, disturbed=name))
        fates.setdefault(_fate(case, name, tensor, plain, changed), []).append(name)
    lost = fates.get("lost")
    if lost:
        raise ViolationError(
            f"{few(lost)} of the 2D layer changes nothing in the 3D layer; carry it, or declare it "
            "in `drops`"
        )
    return Finding(note="; ".join(f"{fate}: {few(fates[fate])}" for fate in sorted(fates)))


def _flat(case: LayerCase) -> LayerCase:
    return replace(case, dims=2)


def _converted(case: LayerCase, disturbed: str = "") -> nn.Module:
    """The 3D layer of a 2D one, a tensor of which is changed before."""
    layer = make(_flat(case))
    if disturbed:
        disturb(tensors(layer)[disturbed])
    with own_randomness(9):
        return case.layer_3d(layer)


def _fate(
    case: LayerCase, name: str, tensor: Tensor, plain: dict[str, Tensor], changed: dict[str, Tensor]
) -> str:
    """``carried`` as it is, ``derived`` from, ``dropped`` by declaration, or ``lost``."""
    follows = [each for each, value in plain.items() if not _same(value, changed.get(each))]
    declared = [each for each in dropped(case.method) if f"{name}.".startswith(f"{each}.")]
    if follows and declared:
        said = f"`drops` names {declared[0]}, but {follows[0]} of the 3D layer follows it"
        raise ViolationError(said)
    if follows:
        values = [plain[each].flatten() for each in follows]
        return "carried" if any(_same(value, tensor.flatten()) for value in values) else "derived"
    return "dropped by declaration" if declared else "lost"


def _same(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and one.shape == other.shape and torch.equal(one, other)


# ---------------------------------------------------------------- from the convolution


def _lifted(case: LayerCase) -> Finding:
    """A 2D layer, in both modes, beside the convolution that it was made of."""
    with own_randomness(0):
        conv = case.conv()
        layer = layer_of(case.method, "layer_2d", deepcopy(conv))
    inputs = draw(case)
    with torch.no_grad():
        wanted = answer(conv, inputs)
        deviations = [
            demand_close(answer(layer.train(mode), inputs), wanted, _SHARE, "it and its Conv2d")
            for mode in (True, False)
        ]
    return Finding(max(deviations))


# ------------------------------------------------------------- dtype and mode


def _alike(case: LayerCase) -> Finding:
    for training in (True, False):
        layer = make(_flat(case)).double().train(training)
        volumetric = case.layer_3d(layer)
        for name, tensor in tensors(volumetric).items():
            if tensor.is_floating_point() and tensor.dtype != torch.float64:
                kind = str(tensor.dtype).removeprefix("torch.")
                raise ViolationError(f"{name} is {kind} in the 3D layer of a float64 layer")
        for name, module in volumetric.named_modules():
            if module.training != training:
                mode = "training" if training else "eval"
                raise ViolationError(f"{name or 'it'} is not in the {mode} mode of its 2D layer")
    return Finding()


# ------------------------------------------------------------- constant in depth


def _constant_layer(case: LayerCase) -> Finding:
    """The middle slice of a volume that repeats an image, far from where it ends in depth."""
    it = case.geometry
    depth = 4 * it.reach + 2 * it.padding + it.stride
    case = replace(case, geometry=replace(it, sides=(depth, *it.sides[1:])))
    layer = make(_flat(case))
    image = draw(_flat(case))
    wanted = infer(layer, image)
    found = infer(case.layer_3d(layer), _repeated(image, depth))
    middle = found[:, :, found.shape[2] // 2]
    return Finding(demand_close(middle, wanted, _SHARE, "a constant volume and its slice"))


def _repeated(image: Tensor, depth: int) -> Tensor:
    return image.unsqueeze(2).expand(-1, -1, depth, -1, -1).contiguous()


def _constant_network(case: NetworkCase) -> Finding:
    image = draw(replace(case, kind="image", sides=case.sides[1:]))
    with own_randomness(0):
        flat, volumetric = _pair(case)
    found, wanted = infer(volumetric, _repeated(image, case.sides[0])), infer(flat, image)
    return Finding(demand_close(found, wanted, _SHARE, "a constant volume and its image"))


def _pair(case: NetworkCase) -> tuple[nn.Module, nn.Module]:
    """A 2D network of a method and the 3D network that carries its weights."""
    if isinstance(case.method, NetworkMethod):
        return _built_pair(case)
    flat = create_backbone(case.backbone, CLASSES)
    places = replace_convolutions(flat, case.method, case.sides)
    volumetric = deepcopy(flat)
    make_3d(volumetric, case.method, places)
    return flat, volumetric


def _built_pair(case: NetworkCase) -> tuple[nn.Module, nn.Module]:
    """The 2D network that a method asked for, as it was handed out, and what it made of that.

    Raises:
        ConversionError: If it asks for no 2D network with a head.
    """
    request = _Recording(**vars(case.request()) | {"handed": []})
    network = construct(case.method, request)
    if not request.handed:
        raise ConversionError("it asks for no 2D network with a head, so there is none to compare")
    return request.handed[0], network


@dataclass(kw_only=True)
class _Recording(BuildRequest):
    """A request that keeps copies of the 2D networks with a head that it hands out."""

    handed: list[nn.Module]

    def image_network(self, num_classes: int) -> nn.Module:
        """The plain backbone."""
        network = super().image_network(num_classes)
        if num_classes:
            self.handed.append(deepcopy(network))
        return network


def _volumes(target: Target) -> Iterator[NetworkCase]:
    return (case for case in target.networks() if case.kind == "volume")


def _lifts(target: Target) -> Iterator[LayerCase]:
    return (case for case in target.layers() if case.dims == 2 and lifts(target.method))


CRITERIA = (
    Criterion(
        name="lifted",
        demand="a 2D layer of a method that declares `lifts` answers as the Conv2d it is made of",
        tolerance=f"{_SHARE:g} of the maximum",
        cases=_lifts,
        examine=_lifted,
        absent="not applicable: the method does not declare `lifts`",
    ),
    Criterion(
        name="tensors",
        demand="every tensor of a 2D layer is carried to 3D, derived from, or declared as dropped",
        tolerance="all accounted for",
        cases=Target.conversions,
        examine=_accounted,
        absent=_NO_3D,
    ),
    Criterion(
        name="dtype-and-mode",
        demand="a 3D layer has the number format and the mode of its 2D layer",
        tolerance="equal",
        cases=Target.conversions,
        examine=_alike,
        absent=_NO_3D,
    ),
    Criterion(
        name="constant-layer",
        demand="a 3D layer answers a volume that is constant in depth as its 2D layer does a slice",
        tolerance=f"{_SHARE:g} of the maximum",
        cases=Target.conversions,
        examine=_constant_layer,
        absent=_NO_3D,
        demanded=False,
    ),
    Criterion(
        name="constant-network",
        demand="a 3D network answers such a volume as its 2D network does the image",
        tolerance=f"{_SHARE:g} of the maximum",
        cases=_volumes,
        examine=_constant_network,
        absent="not applicable: the method builds no networks for volumes",
        demanded=False,
    ),
)
