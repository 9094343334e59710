"""TensorFlow's "same" padding, which depends on the size of the input, in 2D and in 3D.

timm's ``Conv2dSame`` is this padding and a plain convolution without any. A method is handed the
plain convolution; the padding is applied to the input of whatever layer it makes of it, along all
its axes, so it is carried exactly by every method that carries a convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from timm.layers.conv2d_same import Conv2dSame
from torch import nn
from torch.nn import functional

from crossbench.methods import cube

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SamePadding:
    """A hook before a layer: with a stride of S, N voxels give ceil(N / S) along every axis.

    Where the zeros are odd in number, there is one more at the end than at the beginning.

    Attributes:
        kernel: Voxels of the layer's kernel along each axis.
        stride: Its stride along each axis.
        dilation: Likewise.
    """

    kernel: int
    stride: int
    dilation: int

    def __call__(self, _: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        """Pad an input (B, C, *S), one axis at least."""
        (x,) = inputs
        rims: list[int] = []
        for size in reversed(x.shape[2:]):
            reach = (-(-size // self.stride) - 1) * self.stride + (self.kernel - 1) * self.dilation
            rim = max(reach + 1 - size, 0)
            rims += (rim // 2, rim - rim // 2)
        return functional.pad(x, rims)


def without_padding(conv: nn.Conv2d) -> tuple[nn.Conv2d, SamePadding | None]:
    """A convolution as one that pads nothing, and its "same" padding; itself where it has none.

    Raises:
        ConversionError: If the padding differs between the axes.
    """
    if type(conv) is not Conv2dSame:
        return conv, None
    arguments = ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups")
    shared = {name: getattr(conv, name) for name in arguments}
    plain = nn.Conv2d(**shared, bias=False, device="meta")
    plain.weight, plain.bias = conv.weight, conv.bias
    sides = (cube(name, shared[name]) for name in ("kernel_size", "stride", "dilation"))
    return plain.train(conv.training), SamePadding(*sides)


def put_before(layer: nn.Module, padding: SamePadding | None) -> nn.Module:
    """The layer, its inputs padded from now on, if there is a padding that it lacks."""
    if padding is not None and padding_of(layer) is None:
        layer.register_forward_pre_hook(padding)
    return layer


def padding_of(layer: nn.Module) -> SamePadding | None:
    """The padding that was put before a layer."""
    hooks = layer._forward_pre_hooks.values()  # noqa: SLF001  (torch has no public view of them)
    return next((hook for hook in hooks if isinstance(hook, SamePadding)), None)
