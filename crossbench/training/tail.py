"""A network's last modules as a network of their own, fed what those before them compute.

Where the first part of a network stays as it is and its inputs are the same in every epoch, what
it computes is computed once.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from crossbench.errors import ConversionError, RequestError
from crossbench.nets.roles import restrict_roles
from crossbench.training.predict import predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from crossbench.data.transforms import RandomSource
    from crossbench.training.loader import BatchLoader


class Tail(NamedTuple):
    """A network from a module on.

    Attributes:
        network: Maps what the module is fed to the whole network's output.
        example: What the module was fed of some batch.
    """

    network: nn.Module
    example: Tensor


def cut(network: nn.Module, name: str, feed: Callable[[nn.Module], object]) -> Tail:
    """The network from a module on: those before it pass their input through.

    Args:
        network: A network; left in evaluation mode. Its remaining modules are shared.
        name: Of the module: ``layer4``.
        feed: Puts some batch through it.

    Raises:
        RequestError: If the network has no such module.
        ConversionError: If more than that module's input reaches what follows, as over a skip
            connection.
    """
    known = dict(network.named_modules())
    if not name or name not in known:
        children = ", ".join(child for child, _ in network.named_children())
        msg = f"fit.train_from: {type(network).__name__} has no module {name!r}; it has {children}"
        raise RequestError(msg)
    before: list[str] = []
    ends: dict[str, Tensor] = {}

    def arrive(place: str, inputs: tuple[Tensor, ...]) -> None:
        if place == name:
            ends.setdefault("in", inputs[0].detach())
        elif "in" not in ends:
            before.append(place)

    hooks = [
        module.register_forward_pre_hook(lambda _, inputs, place=place: arrive(place, inputs))
        for place, module in known.items()
    ]
    hooks.append(network.register_forward_hook(lambda _, __, end: ends.update(out=end.detach())))
    network.eval()
    try:
        with torch.no_grad():
            feed(network)
    finally:
        for hook in hooks:
            hook.remove()
    around = {name[:end] for end, letter in enumerate(name) if letter == "."} | {""}
    tail = _passing(network, set(before) - around)
    restrict_roles(tail)
    with torch.no_grad():
        found = tail(ends["in"])
    if found.shape != ends["out"].shape or not (
        found.is_meta or torch.allclose(found, ends["out"], rtol=1e-3, atol=1e-5)
    ):
        msg = f"what follows {name} in {type(network).__name__} is fed by more than its input"
        raise ConversionError(f"{msg}; choose another module for fit.train_from")
    return Tail(tail, ends["in"])


def _passing(module: nn.Module, places: set[str]) -> nn.Module:
    """A copy that shares all modules but those at some places, which return their input."""
    tail = copy.copy(module)
    tail._modules = dict(module._modules)  # noqa: SLF001  (nn.Module has no other shallow copy)
    for name, child in module.named_children():
        if name in places:
            tail._modules[name] = nn.Identity()  # noqa: SLF001
        elif inside := {place for place in places if place.startswith(f"{name}.")}:
            below = {place.removeprefix(f"{name}.") for place in inside}
            tail._modules[name] = _passing(child, below)  # noqa: SLF001
    return tail


def features_at(
    network: nn.Module,
    name: str,
    loader: BatchLoader,
    *,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> BatchLoader:
    """A loader of what a module is fed for each sample of a loader, computed now.

    Args:
        network: The whole network; left in evaluation mode.
        name: Of the module.
        loader: The samples, with a transform that draws nothing.
        precision: ``float32`` or ``bfloat16``.
        on_samples: Told how many samples are done.
    """
    found: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_pre_hook(
        lambda _, inputs: found.append(inputs[0].detach().float().cpu())
    )
    try:
        predict(network, loader, precision=precision, on_samples=on_samples)
    finally:
        hook.remove()
    dataset = replace(
        loader.dataset,
        images=torch.cat(found).numpy(),
        labels=loader.labels,
        groups=None,
        official=None,
        covariate=None,
        site=None,
        covariates=None,
        watch=None,
    )
    return replace(loader, dataset=dataset, indices=np.arange(len(loader)), transform=_as_stored)


def _as_stored(raw: Tensor, random: RandomSource | None = None) -> Tensor:  # noqa: ARG001
    return raw
