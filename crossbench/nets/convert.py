"""A 2D network becomes a 3D one: structure here, starting values in ``weights``.

A method's layers are converted by the method, the modules in the table below by their 3D
twins, and every other module stays as it is. Whether what stayed is free of the dimension is
not a matter of belief: :mod:`crossbench.nets.axis_check` runs the network on a volume and refuses
what reaches for the axes of an image.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench.nets.axis_check import try_on_volume
from crossbench.nets.modules import layer_of, replace_modules
from crossbench.nets.padding import padding_of, put_before
from crossbench.nets.pooling import MaxPool3d

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torch import Tensor

    from crossbench.methods import Convolution, LayerPlace


def make_3d(network: nn.Module, method: Convolution, layers: Mapping[str, LayerPlace]) -> None:
    """Convert a 2D network to 3D; tensors outside the method's layers stay untouched.

    Afterwards it maps (B, 3, D, H, W) as it mapped (B, 3, H, W), with the same modes,
    devices, dtypes and ``requires_grad``.

    Args:
        network: A 2D network of the method, trained or not; it is changed in place.
        method: What converts its layers.
        layers: Their names and places.

    Raises:
        ConversionError: If a module cannot be converted; the message names it.
    """
    before = _tensors_outside(network, layers)

    def layer_3d(name: str, module: nn.Module) -> nn.Module | None:
        if name in layers:
            padding = padding_of(module)
            return put_before(layer_of(method, "layer_3d", module, layers[name]), padding)
        return _twin(module) if type(module) in _TWINS else None

    converted = replace_modules(network, layer_3d)
    _account_for(before, _tensors_outside(network, layers))
    try_on_volume(network, converted.values())


def _tensors_outside(network: nn.Module, layers: Collection[str]) -> dict[str, Tensor]:
    inside = tuple(f"{layer}." for layer in layers)
    named = itertools.chain(
        network.named_parameters(remove_duplicate=False),
        network.named_buffers(remove_duplicate=False),
    )
    return {name: tensor for name, tensor in named if not name.startswith(inside)}


def _account_for(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    """Refuse to go on if a parameter or buffer was lost, added or exchanged."""
    names = sorted(before.keys() | after.keys())
    astray = [name for name in names if before.get(name) is not after.get(name)]
    if astray:
        msg = f"the conversion did not carry {', '.join(astray[:5])} ({len(astray)} tensors)"
        raise ConversionError(msg)


# ------------------------------------------------------------------ modules and their 3D twins


def _twin(module: nn.Module) -> nn.Module:
    twin = _TWINS[type(module)](module)
    for name, tensor in itertools.chain(
        module.named_parameters(recurse=False), module.named_buffers(recurse=False)
    ):
        setattr(twin, name, tensor)
    twin.training = module.training
    return twin


class BatchNormAct3d(nn.BatchNorm3d):
    """The 3D twin of timm's BatchNormAct2d: normalise, drop, activate."""

    def __init__(self, norm: BatchNormAct2d) -> None:
        super().__init__(**_norm_arguments(norm))
        self.drop = norm.drop
        self.act = norm.act

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, D, H, W) to the same shape."""
        y: Tensor = self.act(self.drop(super().forward(x)))
        return y


def _norm_arguments(norm: Any) -> dict[str, Any]:
    """Arguments of a norm layer whose tensors are to be set by :func:`_twin`."""
    shared = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    return {name: getattr(norm, name) for name in shared} | {"device": "meta"}


def _max_pool(pool: nn.MaxPool2d) -> MaxPool3d:
    return MaxPool3d(
        cube("kernel_size", pool.kernel_size),
        cube("stride", pool.stride),
        cube("padding", pool.padding),
        cube("dilation", pool.dilation),
        ceil_mode=pool.ceil_mode,
    )


def _average_pool(pool: nn.AvgPool2d) -> nn.AvgPool3d:
    if pool.divisor_override is not None:
        msg = f"divisor_override={pool.divisor_override} is meant for an area, not a volume"
        raise ConversionError(msg)
    return nn.AvgPool3d(
        cube("kernel_size", pool.kernel_size),
        cube("stride", pool.stride),
        cube("padding", pool.padding),
        ceil_mode=pool.ceil_mode,
        count_include_pad=pool.count_include_pad,
    )


def _upsample(layer: nn.Upsample) -> nn.Upsample:
    modes = {"nearest": "nearest", "nearest-exact": "nearest-exact", "bilinear": "trilinear"}
    if layer.mode not in modes:
        msg = f"mode {layer.mode!r} has no 3D form"
        raise ConversionError(msg)
    return nn.Upsample(
        size=layer.size and cube("size", layer.size),
        scale_factor=layer.scale_factor and cube("scale_factor", layer.scale_factor),
        mode=modes[layer.mode],
        align_corners=layer.align_corners,
    )


_TWINS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.BatchNorm2d: lambda norm: nn.BatchNorm3d(**_norm_arguments(norm)),
    BatchNormAct2d: BatchNormAct3d,
    nn.InstanceNorm2d: lambda norm: nn.InstanceNorm3d(**_norm_arguments(norm)),
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: lambda pool: nn.AdaptiveAvgPool3d(cube("output_size", pool.output_size)),
    nn.AdaptiveMaxPool2d: lambda pool: nn.AdaptiveMaxPool3d(cube("output_size", pool.output_size)),
    nn.Dropout2d: lambda drop: nn.Dropout3d(drop.p, drop.inplace),
    nn.Upsample: _upsample,
}
