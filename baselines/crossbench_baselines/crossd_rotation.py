"""Cross-D's rotation network, evaluated without holding its maps.

The network is Conv1x1(C -> 16), BatchNorm, ReLU, Conv1x1(16 -> 4); of each of the four maps only
the mean is wanted, weighted by the map's own softmax over space. Where BatchNorm's statistics are
known beforehand it is an affine map, which is folded into the first convolution, and a few
samples are taken at a time, so that their 16 maps stay in the cache.

In eval mode the statistics are the running ones. In training they are the batch's, and follow
from the moments of the input: for ``h = W x + b`` ::

    mean(h) = W mean(x) + b        var(h) = diag(W cov(x) W^T)

The moments take C^2 multiplications a pixel and the maps 16 C, so this is done where C is no more
than 16: in the stem, whose maps are the largest. The backward pass makes the maps anew.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbench_baselines.crossd_functional import anew

_HIDDEN = 16
_CHUNK = 2**18  # numbers of the hidden maps at a time: 1 MiB of float32


def rotation_network(channels: int) -> nn.Sequential:
    """The network of a layer with so many input channels, freshly drawn."""
    return nn.Sequential(
        nn.Conv2d(channels, _HIDDEN, 1),
        nn.BatchNorm2d(_HIDDEN),
        nn.ReLU(),
        nn.Conv2d(_HIDDEN, 4, 1),
    )


def mean_maps(network: nn.Sequential, x: Tensor) -> Tensor:
    """The means of the network's maps; BatchNorm's statistics move as when it is called.

    Args:
        network: As of :func:`rotation_network`.
        x: (B, C, H, W), in the network's dtype.

    Returns:
        (B, 4), in float32 at the least.
    """
    mean = partial(anew, _weighted_mean) if network.training else _weighted_mean
    return _folded_mean_maps(network, x) if _folds(network, x) else mean(network(x))


def _folds(network: nn.Sequential, x: Tensor) -> bool:
    """Whether BatchNorm's statistics come before its input, and nobody watches the parts."""
    norm = network[1]
    exact = x.device.type == "cpu" and x.dtype in {torch.float32, torch.float64}
    if not exact or torch.compiler.is_compiling() or type(norm) is not nn.BatchNorm2d:
        return False
    if any(part._forward_hooks or part._forward_pre_hooks for part in network):  # noqa: SLF001
        return False
    if norm.training:
        return x.shape[1] <= _HIDDEN and x[:, 0].numel() > 1
    return norm.running_mean is not None


def _folded_mean_maps(network: nn.Sequential, x: Tensor) -> Tensor:
    """The maps' means, a few samples at a time."""
    first, norm, last = network[0], network[1], cast("nn.Conv2d", network[3])
    function = partial(anew, _folded) if norm.training else _folded
    given = (*_fold(first, norm, x), last.weight, last.bias)
    samples = max(1, _CHUNK // (_HIDDEN * x.shape[2] * x.shape[3]))
    return torch.cat([function(some, *given) for some in torch.split(x, samples)])


def _folded(
    x: Tensor, weight: Tensor, bias: Tensor, last: Tensor, last_bias: Tensor | None
) -> Tensor:
    hidden = functional.conv2d(x, weight, bias).relu_()
    return _weighted_mean(functional.conv2d(hidden, last, last_bias))


def _fold(first: Any, norm: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that is ``norm(first(x))``."""
    if norm.training:
        mean, variance = _batch_statistics(first, x)
        _move_statistics(norm, mean, variance, x[:, 0].numel())
    else:
        mean, variance = norm.running_mean, norm.running_var
    scale = norm.weight * (variance + norm.eps).rsqrt()
    return first.weight * scale[:, None, None, None], (first.bias - mean) * scale + norm.bias


def _batch_statistics(first: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of ``first(x)`` by channel, from the input's moments in float64."""
    rows = first.weight.flatten(1).double()
    pixels = x.transpose(0, 1).flatten(1).double()
    centre = pixels.mean(1, keepdim=True)
    pixels = pixels - centre
    moments = pixels @ pixels.T / pixels.shape[1]
    mean = (rows @ centre)[:, 0].to(x.dtype) + first.bias
    return mean, ((rows @ moments) * rows).sum(1).to(x.dtype)


@torch.no_grad()
def _move_statistics(norm: Any, mean: Tensor, variance: Tensor, count: int) -> None:
    """What BatchNorm does to its running statistics in training."""
    if norm.running_mean is None:
        return
    norm.num_batches_tracked += 1
    share = norm.momentum if norm.momentum is not None else 1 / norm.num_batches_tracked
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (count / (count - 1)), share)


def _weighted_mean(maps: Tensor) -> Tensor:
    """The mean over space, weighted by the softmax over it: (B, 4, H, W) to (B, 4)."""
    maps = maps.flatten(2)
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return (maps.softmax(-1) * maps).sum(-1)
