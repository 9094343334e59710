"""A trial run that refuses what a 3D network must not do to a volume.

Code written for images can run on volumes and be wrong without a word: the ``x.mean((2, 3))``
of a squeeze-and-excite module leaves the width standing, ``functional.pad`` with four numbers
pads two axes of three. So every torch function that is applied to a feature map during the
trial must be known to treat all spatial axes alike, or to look at the channel axis alone.
What has been converted is trusted: the method's layers are what is being benchmarked, and the
3D twins of other modules are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from crossbench.errors import ConversionError
from crossbench.errors.foreign import describe
from crossbench.nets.places import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch.utils.hooks import RemovableHandle

_MAP_AXES = 5  # batch, channel, depth, height, width

_SIDES = (32, 64)  # voxels; the second where the network fails on the first

_PROPERTIES = "__get__ size dim contiguous is_contiguous clone detach to float type_as new_empty"
_ARITHMETIC = "add add_ sub sub_ rsub __rsub__ mul mul_ div div_ neg clamp clamp_"
_ACTIVATIONS = (
    "relu relu_ relu6 leaky_relu leaky_relu_ prelu elu elu_ selu celu gelu silu silu_ mish "
    "sigmoid sigmoid_ tanh tanh_ softplus softsign hardtanh hardtanh_ hardsigmoid hardswish"
)
_LAYERS = "group_norm dropout"
_ALIKE_ON_ALL_AXES = frozenset(
    name for names in (_PROPERTIES, _ARITHMETIC, _ACTIVATIONS, _LAYERS) for name in names.split()
)
_AXIS_POSITION = {"cat": 1, "split": 2, "chunk": 2, "flatten": 1}  # of functions along one axis


def try_on_volume(network: nn.Module, converted: Collection[nn.Module]) -> None:
    """Run a 3D network on a volume of 32 voxels a side, or of 64 if that fails.

    Args:
        network: The network; modes and statistics are left as they were.
        converted: Its modules that were made for volumes, and may do as they like.

    Raises:
        ConversionError: If a module fails on the volume, or treats its axes unlike; the
            message names it.
    """
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        output = _run(network, converted)
    finally:
        for module, training in modes.items():
            module.training = training
    if output.dim() != 2:
        msg = f"the 3D network returns {tuple(output.shape)} for one volume, not one row"
        raise ConversionError(msg)


@torch.no_grad()
def _run(network: nn.Module, converted: Collection[nn.Module]) -> Tensor:
    for side in _SIDES:
        watch = _Watch(network, converted)
        volume = next(network.parameters()).new_zeros(1, CHANNELS, side, side, side)
        try:
            with watch:
                output: Tensor = network(volume)
        except ConversionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a module may raise
            msg = f"{watch.place()} fails on a volume of {side} voxels a side: {describe(error)}"
            failure = ConversionError(msg)
        else:
            return output
    raise failure


class _Watch(TorchFunctionMode):
    """Sees every torch function that a network's modules call on a feature map."""

    def __init__(self, network: nn.Module, trusted: Collection[nn.Module]) -> None:
        super().__init__()
        self._network = network
        self._trusted = frozenset(trusted)
        self._running: list[tuple[str, nn.Module]] = []
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for name, module in self._network.named_modules():
            self._follow(name, module)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()

    def _follow(self, name: str, module: nn.Module) -> None:
        """Keep track of when a module runs; after a failure it stays the running one."""

        def enter(*_: object) -> None:
            self._running.append((name, module))

        def leave(*_: object) -> None:
            self._running.pop()

        self._hooks += [
            module.register_forward_pre_hook(enter, prepend=True),
            module.register_forward_hook(leave),
        ]

    def place(self) -> str:
        """The running module, for a message."""
        name, module = self._running[-1] if self._running else ("", self._network)
        return f"{name or 'the network'} ({type(module).__name__})"

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        trusted = any(module in self._trusted for _, module in self._running)
        if not trusted and _on_map(args, kwargs) and not _treats_axes_alike(func, args, kwargs):
            msg = (
                f"{self.place()} calls {func.__name__} on a feature map, which is not known to "
                "hold for three spatial axes; choose a backbone without it"
            )
            raise ConversionError(msg)
        return func(*args, **kwargs)


def _on_map(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    leaves = tree_leaves((args, kwargs))
    return any(isinstance(leaf, Tensor) and leaf.dim() == _MAP_AXES for leaf in leaves)


def _treats_axes_alike(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    name = func.__name__
    if name in _AXIS_POSITION:
        rest = args[_AXIS_POSITION[name] :]
        axis = kwargs.get("dim", kwargs.get("start_dim", rest[0] if rest else 0))
        last = kwargs.get("end_dim", rest[1] if len(rest) > 1 else -1)
        return axis == 1 and last in {-1, _MAP_AXES - 1}
    if name == "__getitem__":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return all(isinstance(part, slice) for part in index) and all(
            part == slice(None) for part in index[2:]
        )
    return name in _ALIKE_ON_ALL_AXES
