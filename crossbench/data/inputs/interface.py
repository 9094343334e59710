"""The interface of an input kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from crossbench.errors import CardError, DataError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.transforms import BatchTransform
    from crossbench.specs import InputSettings, Statistics, TaskCard
    from crossbench.specs.sources import Slice

    #: Reads one file as samples, given the file and (C, *spatial) of a task's sample.
    Reader = Callable[[Path, tuple[int, ...]], NDArray[Any]]


_SIDE = 32  # of an example


class Example(NamedTuple):
    """A small made-up input of a kind.

    Attributes:
        shape: Spatial shape of what a network is fed.
        facts: What :meth:`InputKind.facts` says of it.
    """

    shape: tuple[int, ...]
    facts: dict[str, Any]


def _form(images: NDArray[Any]) -> str:
    """Data type and shape of samples, in words."""
    return f"{images.dtype} of shape {images.shape[1:]}"


class InputKind(ABC):
    """One form of samples, from the file to the network.

    A package registers a subclass under the entry point group ``crossbench.inputs``. Importing
    its module must not import torch. The attributes are literals in its source, which is how
    cards are checked without running it.

    Attributes:
        name: Registry name, which cards give as ``kind``.
        dims: Spatial axes of a sample.
        axes: A letter for each spatial axis, in canonical order: ``HW``, ``DHW``.
        channels: Numbers of channels that a stored sample may have.
        channels_fed: Channels of what a network is fed.
        extras: Further arrays of a file that samples are made of, each (N, ...).
        sized: Whether samples of any size are fed at the card's ``input_size``; otherwise at the
            size that they are stored in.
        made_of: Kind whose samples a file may hold instead, to be reduced to this one's.
        tasks: Its tasks in a few words, such as ``fMRI tasks``, which boards of them are called by
            and divided by; empty for ``2D tasks``, by the number of axes.
        caption: One sentence on what :meth:`pictures` shows; empty where that is plain.
    """

    name: ClassVar[str]
    dims: ClassVar[int]
    axes: ClassVar[str]
    channels: ClassVar[tuple[int, ...]]
    channels_fed: ClassVar[int]
    extras: ClassVar[tuple[str, ...]] = ()
    sized: ClassVar[bool] = False
    made_of: ClassVar[str] = ""
    tasks: ClassVar[str] = ""
    caption: ClassVar[str] = ""

    # --------------------------------------------------------------------- what a card decides

    def configured(self, options: Mapping[str, Any], *, where: str) -> InputKind:
        """The kind under the options of a card's table ``[input]``.

        Args:
            options: Plain values by name.
            where: Card that error messages name.

        Raises:
            CardError: If the kind has no such option, or a value is not one of its values.
        """
        if options:
            msg = (
                f"{where}: key 'input' is {dict(options)}; input kind {self.name!r} has no options"
            )
            raise CardError(f"{msg}, leave it out")
        return self

    def facts(self, shape: tuple[int, ...]) -> dict[str, Any]:  # noqa: ARG002
        """Facts on inputs of a spatial shape, which methods find in a request's ``facts``."""
        return {}

    def example(self) -> Example:
        """The form of a made-up input, on which methods are checked without a task."""
        return Example((_SIDE,) * self.dims, {})

    # ------------------------------------------------------------------------- what is stored

    @abstractmethod
    def canonical(
        self,
        arrays: Mapping[str, NDArray[Any]],
        *,
        where: str,
        axes: str | None = None,
        least: int = 2,
    ) -> NDArray[Any]:
        """Stored samples as (N, C, *spatial), views where possible.

        Args:
            arrays: ``images`` and, where the file has them, the ``extras``.
            where: File that error messages name.
            axes: Stored order of the spatial axes; None for the canonical one.
            least: Smallest number of samples.

        Raises:
            DataError: If dtype, rank, channels or the number of samples do not fit.
        """

    def reduced(self, images: NDArray[Any], which: Slice) -> NDArray[Any]:
        """Samples of the kind ``made_of``, canonical, as canonical samples of this one.

        Args:
            images: (N, C, *spatial) of the kind ``made_of``.
            which: The slice that stands for a volume.
        """
        raise NotImplementedError(f"{self.name} is made of no other kind")

    def joined(
        self,
        images: NDArray[Any],
        other: Self,  # noqa: ARG002
        others: NDArray[Any],
        *,
        where: str,
    ) -> NDArray[Any]:
        """Samples of two tasks in one array, those of the other task behind.

        Args:
            images: (N, C, *spatial) canonical samples of a task of this kind.
            other: The kind under the options of the other task's card.
            others: (M, C, *spatial) canonical samples of that one.
            where: What error messages name.

        Raises:
            DataError: If one network cannot be fed both, or they do not mean the same.
        """
        own, theirs = _form(images), _form(others)
        if own != theirs:
            msg = f"{where}: samples to test are {own}, and those to fit {theirs}"
            raise DataError(f"{msg}; import both in one shape and data type")
        return np.concatenate([images, others])

    def doubts(self, images: NDArray[Any]) -> tuple[str, ...]:  # noqa: ARG002
        """Warnings on canonical samples whose axes may not be what they are taken for."""
        return ()

    def readers(self) -> dict[str, Reader]:
        """Readers of single files other than ``.npz`` and ``.npy``, by the ending of the name."""
        return {}

    def phantom(self, card: TaskCard) -> dict[str, NDArray[Any]]:
        """Synthetic twin of a task, as the arrays of a file; the same for the same card.

        Raises:
            RequestError: If the kind has none.
        """
        raise RequestError(
            f"task {card.name!r}: input kind {self.name!r} has no synthetic twin; choose a preset "
            "that reads real data"
        )

    # ---------------------------------------------------------------------------- what is fed

    def learns(self, settings: InputSettings) -> bool:  # noqa: ARG002
        """Whether :meth:`fitted` takes more from the training part than a value range."""
        return False

    def fitted(
        self,
        images: NDArray[Any],  # noqa: ARG002
        train: NDArray[np.int64],  # noqa: ARG002
        settings: InputSettings,  # noqa: ARG002
    ) -> InputKind:
        """The kind with what its transforms and features take from the training part.

        Args:
            images: (N, C, *spatial) canonical samples.
            train: (n,) indices of the training part, the only ones that are looked at.
            settings: The preset's.
        """
        return self

    @abstractmethod
    def fed_shape(
        self, card: TaskCard, sample_shape: tuple[int, ...], settings: InputSettings
    ) -> tuple[int, ...]:
        """Spatial shape of what a network is fed.

        Args:
            card: The task.
            sample_shape: Spatial shape of a canonical sample.
            settings: The preset's: ``max_size`` bounds the side of kinds that are ``sized``,
                ``min_size`` each side of any.
        """

    @abstractmethod
    def transforms(
        self,
        shape: tuple[int, ...],
        *,
        value_range: tuple[float, float] | None,
        statistics: Statistics,
        settings: InputSettings,
    ) -> tuple[BatchTransform, BatchTransform]:
        """The transforms of training and of evaluation.

        Args:
            shape: Spatial shape that a network is fed.
            value_range: Stored values that become 0 and 1; None takes each sample's own.
            statistics: Whose channel statistics normalise inputs.
            settings: The preset's.
        """

    def forked_workers(self, settings: InputSettings) -> int:  # noqa: ARG002
        """Loader processes with one random state among them that are imitated; 0 for none."""
        return 0

    def statistics(self, method: str, settings: InputSettings) -> Statistics | None:  # noqa: ARG002
        """Channel statistics that the preset fixes for a method; None asks its weights."""
        return None

    # ----------------------------------------------------------------- baselines and pictures

    @abstractmethod
    def features(self, images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[np.float64]:
        """(len(index), F) features of canonical samples, for a linear model without a network."""

    @abstractmethod
    def pictures(self, sample: NDArray[Any]) -> list[NDArray[np.uint8]]:
        """(H, W, 3) pictures of one canonical sample, to be shown below one another."""
