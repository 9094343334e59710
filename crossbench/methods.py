"""The method interface: all that a new method has to provide.

A method builds a network (:class:`NetworkMethod`). An author of a convolution writes less, a
:class:`Convolution`: a 2D network is then the backbone with ``layer_2d`` mapped over its
convolutions, and a 3D network is a trained 2D network with ``layer_3d`` mapped over those layers;
everything else that knows its dimension (BatchNorm, pooling, dropout) is converted by
:mod:`crossbench.nets`.

Example:
    A complete plugin file, run by ``crossbench run --plugin mine.py --method mean3d``::

        from torch import nn

        class Mean3d:
            '''Repeat each 2D kernel over the depth axis, divided by its length.'''

            name = "mean3d"
            dims = (3,)

            def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
                return conv

            def layer_3d(self, layer: nn.Module) -> nn.Module:
                ...

        method = Mean3d()

What a method returns is what runs, from random and from trained weights alike. What goes beyond
that, a method says by an optional attribute of :class:`Declarations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from crossbench.errors import ConversionError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "Convolution",
    "Declarations",
    "FusedNetwork",
    "LayerPlace",
    "Method",
    "NetworkMethod",
    "NetworkRequest",
    "Observer",
    "cube",
    "input_kinds",
]

Number = TypeVar("Number", int, float)

#: The kinds of input of convolutions, by the dimension of their tasks.
KINDS = {2: "image", 3: "volume"}


class NetworkRequest(Protocol):
    """The network that :meth:`NetworkMethod.build` is asked for.

    Attributes:
        kind: Input kind: ``"image"`` (B, C, H, W), ``"volume"`` (B, C, D, H, W), or another that a
            package registers.
        shape: Spatial shape of one input; empty where it is not known yet.
        facts: What the input kind says of its inputs, plain values by name; empty of images and
            volumes, and where no task is known yet.
        num_classes: Outputs of the linear head, which is always new; 0 for pooled features (B, F).
        backbone: timm name of the 2D network.
    """

    kind: str
    shape: tuple[int, ...]
    facts: Mapping[str, Any]
    num_classes: int
    backbone: str

    def image_network(self, num_classes: int) -> nn.Module:
        """The backbone as it is, mapping (B, 3, H, W) to (B, num_classes), on the CPU.

        It has the weights that the run starts from: 2D weights for plain convolutions, or random
        ones. Weights that do not fit it must fit the network that is built, which gets them then.

        Args:
            num_classes: Outputs of its new linear head; 0 for pooled features (B, F).
        """
        ...

    def weights(self) -> Mapping[str, Tensor] | None:
        """The tensors that the run starts from, by key, for a method that loads them itself.

        None where weights are random. Who asks for them has taken them, and answers for every
        key: what does not fit is a :class:`crossbench.errors.WeightsError`.
        """
        ...


@runtime_checkable
class FusedNetwork(Protocol):
    """A network that fuses an encoder which stays as it is with parts that learn.

    Protocol ``frozen-fusion`` computes the embeddings once, keeps them, and fits the rest; of a
    network without these attributes it fits everything. The whole network, ``forward``, is
    ``fuse(inputs, frozen(inputs).mean(1))``.

    Attributes:
        frozen: Maps a batch of inputs to (B, W, F): embeddings of W windows of each sample.
        remarks: Optional: what plan and record are to say of it, one text each.
        standardise: Normalises embeddings (B, F) in ``fuse`` by its running statistics, which
            the protocol measures: ``nn.BatchNorm1d(F, affine=False)``.
    """

    frozen: nn.Module
    standardise: nn.BatchNorm1d

    def fuse(self, inputs: Tensor, embedded: Tensor) -> Tensor:
        """(B, num_classes) from a batch of inputs and the embeddings (B, F) of it."""
        ...


@runtime_checkable
class NetworkMethod(Protocol):
    """A method that builds its own networks.

    Attributes:
        name: Registry name in kebab case.
        inputs: Kinds of input of the tasks that the method is evaluated on, such as
            ``("volume",)``. Elsewhere the plan shows "not applicable", never a zero.
    """

    name: str
    inputs: tuple[str, ...]

    def build(self, request: NetworkRequest) -> nn.Module:
        """A network of its own, on the CPU and in training mode.

        Args:
            request: What the network is for, and what it may be made from.

        Returns:
            A module mapping a batch of inputs to (B, num_classes), or to (B, F) where
            ``num_classes`` is 0. Its ``get_classifier()`` returns its linear head, one of its
            submodules (an ``nn.Identity`` where ``num_classes`` is 0).

        Raises:
            ConversionError: If the backbone does not serve.
        """
        ...


@dataclass(frozen=True)
class LayerPlace:
    """The place of a layer in the network that is being built.

    A :class:`Convolution` whose ``layer_2d`` or ``layer_3d`` has a parameter ``place`` is given it
    by that name; the parameters of a 2D layer must not depend on ``shape``, which differs between
    the network that is pretrained and the one that takes its weights.

    Attributes:
        name: Of the convolution in the backbone, such as ``layer1.0.conv1``; empty for a layer
            without a network.
        index: Its number among the backbone's convolutions, from 0, in the order in which the
            backbone names them.
        total: How many convolutions there are.
        shape: Spatial shape of the layer's input: (H, W), or (D, H, W) in a network for volumes,
            in both forms; empty where the input's size is not known.
    """

    name: str = ""
    index: int = 0
    total: int = 1
    shape: tuple[int, ...] = ()


@runtime_checkable
class Convolution(Protocol):
    """A method that replaces the convolutions of a backbone, in 2D and in 3D.

    What depends on where a layer stands has a further parameter, ``place: LayerPlace``, in either
    function or both.

    Attributes:
        name: Registry name in kebab case.
        dims: Dimensions of the tasks the method is evaluated on: ``(2,)`` for images, ``(3,)`` for
            volumes or ``(2, 3)``. Elsewhere the plan shows "not applicable", never a zero.
    """

    name: str
    dims: tuple[int, ...]

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The layer that takes the place of ``conv`` in the 2D network.

        Args:
            conv: A convolution of the backbone. Return it unchanged where the method's 2D
                form is the plain convolution.

        Returns:
            A module mapping (B, C_in, H, W) to (B, C_out, H', W') as ``conv`` would.
        """
        ...

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The 3D layer that carries the weights of a (possibly trained) 2D layer.

        Args:
            layer: What ``layer_2d`` returned.

        Returns:
            A module mapping (B, C_in, D, H, W) to (B, C_out, D', H', W'), on the device
            and with the dtype of ``layer``.

        Raises:
            ConversionError: If this geometry has no 3D form.
        """
        ...


#: What may be registered; one that has ``build`` is taken for what it builds.
Method: TypeAlias = NetworkMethod | Convolution


class Declarations(Protocol):
    """Optional attributes of a method; names are a layer's or a built network's.

    Attributes:
        learns: Parameters, or submodules, that learn wherever the head does: under every protocol
            but ``linear-probe``. ``()`` says that none do; left out, the plan warns of parameters
            of a convolution's layers that nothing trains.
        kernels: The axis (or axes) of each kernel's output channels, which low-rank updates read
            as the rows of a matrix and all other axes as its columns: ``{"weight": 0}``. Left
            out, a parameter is a kernel if its shape is (C_out, C_in / groups, ...).
        own_depth: Whether 3D layers treat the depth otherwise than the plane (kernel, stride or
            padding), so that theirs is another depth than that of ``nn.Conv3d``'s output. Left
            out, they do not, and ``crossbench check-method`` demands the same depth.
        drops: Tensors, or submodules, of a 2D layer that its 3D layer leaves behind, such as a
            network that steers 2D kernels. Left out, there are none: whatever else is lost in the
            conversion fails ``crossbench check-method``.
        lifts: Whether a 2D layer with weights of its own computes at first what the convolution
            that it was made of does: networks of the method then start from weights of plain
            convolutions too. Left out, they start from weights of its own layers alone.
        image_weights: Whether a network that is built starts from 2D weights (its ``build`` calls
            :meth:`NetworkRequest.image_network`). Left out, it does.
        metadata: Who made it and where it is described: ``authors`` (names), ``paper`` (text, an
            arXiv number or a DOI), ``url`` and ``licence`` (an SPDX expression), each optional.
            It stands in every record, and is no part of a run's identity. What is left out is
            taken from the package that registers the method, where that says it.
    """

    learns: Sequence[str]
    own_depth: bool
    kernels: Mapping[str, int | tuple[int, ...]]
    drops: Sequence[str]
    lifts: bool
    image_weights: bool
    metadata: Mapping[str, Any]

    def draw_3d(self, layer: nn.Module) -> None:
        """Draw the weights of a 3D layer afresh, in place.

        Called for each layer of a 3D network under random weights, when there is nothing to
        carry from 2D: a method that has it is then trained in 3D from scratch. Left out, what
        ``layer_3d`` made of the drawn 2D layer is what runs.

        Args:
            layer: What ``layer_3d`` returned.
        """
        ...

    def config(self) -> Mapping[str, Any]:
        """The values that the method was built with, by name.

        They are a part of every run's identity, beside the method's files, and stand in its
        record. Left out, the method's public attributes are; one that is of no plain type is then
        refused.

        Returns:
            None, bool, int, finite float, str, and lists, tuples and dicts of these; of what is
            read from other files, a hash.
        """
        ...


def input_kinds(method: Method) -> tuple[str, ...]:
    """The kinds of input that a method takes."""
    if isinstance(method, NetworkMethod):
        return tuple(method.inputs)
    return tuple(KINDS[dims] for dims in method.dims)


@runtime_checkable
class Observer(Protocol):
    """Per-layer diagnostics for ``crossbench run --diagnostics``.

    A package registers the class under the entry point group ``crossbench.observers``. Nothing
    here changes a run or its record: the network is fitted and tested by then.

    A further method ``gather(layer, measured)`` is optional: of what was measured of all samples it
    makes arrays of any shape, which are kept in its place.

    Attributes:
        layer: The kind of layer, or kinds, that are looked into, wherever a network has them; a
            network itself is one, whose ``forward`` may be called without calling the observer.
    """

    layer: type[nn.Module] | tuple[type[nn.Module], ...]

    def measure(self, layer: nn.Module, inputs: Tensor) -> Mapping[str, Tensor]:
        """Measure the layer on each sample of a batch.

        Args:
            layer: The layer, in evaluation mode.
            inputs: Its input for one batch, (B, C_in, *spatial).

        Returns:
            Small arrays by name, (B, ...), the same names for every batch.
        """
        ...

    def picture(self, layer: nn.Module, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Arrays to draw for a few samples.

        Args:
            layer: The layer.
            measured: The first rows of what ``measure`` returned, for S samples.

        Returns:
            Small arrays of any shape, under names of their own.
        """
        ...


def cube(argument: str, value: Number | Sequence[Number]) -> Number:
    """The value of a geometry argument on both 2D axes, for the third axis.

    Args:
        argument: Its name, for the message: ``"kernel_size"``, ``"stride"``.
        value: One number, or one for each axis.

    Raises:
        ConversionError: If the axes differ, so that the third is not determined.
    """
    sides = set(value) if isinstance(value, Sequence) else {value}
    if len(sides) != 1:
        msg = f"{argument} {value} differs between the axes, which leaves the third one open"
        raise ConversionError(msg)
    return sides.pop()
