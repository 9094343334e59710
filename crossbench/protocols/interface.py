"""What planner and runner see of a protocol: settings, passes, a rehearsal, costs, an outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import torch

    from crossbench.data.splits import Split
    from crossbench.evaluation.probabilities import LogProbabilities
    from crossbench.nets.weights.checkpoint import FittedNetwork
    from crossbench.protocols.context import Context
    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.specs import Preset


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Samples that a run puts through its network, repetitions counted."""

    train: int = 0
    evaluate: int = 0

    @property
    def total(self) -> int:
        """Samples in training and evaluation together."""
        return self.train + self.evaluate


@dataclass(frozen=True, kw_only=True)
class SampleCost:
    """Seconds that one sample takes in training and in evaluation."""

    train: float = 0.0
    evaluate: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a protocol is given to rehearse on before anything runs.

    Attributes:
        method: Name of the method.
        init: ``random``, or the path of a checkpoint file.
        preset: The settings.
        batch: Samples of the smallest batch that is trained on.
        feed: Runs a network on a batch of so many inputs; raises ConversionError if it cannot.
        keeps: Whether the fitted network is to be kept.
    """

    method: str
    init: str | Path
    preset: Preset
    batch: int
    feed: Callable[[torch.nn.Module, int], None]
    keeps: bool = False


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rehearsal came to.

    Attributes:
        obstacle: Why the run cannot be; empty where it can.
        learns: Parameters that would learn, by part of the network.
        warnings: What the run's record should say.
    """

    obstacle: str = ""
    learns: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run yields besides its identity.

    Attributes:
        log_probabilities: (n_test, K) float64 natural logarithms.
        record: Fields of the record.
        provenance: What its provenance says further.
        warnings: What a reader of its result should know further.
        diagnostics: Per-layer diagnostics, where these are asked for.
        fitted: The fitted network, where it is to be kept.
        seconds: By phase, what other runs spent on this one beside its own spans.
    """

    log_probabilities: LogProbabilities
    record: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    diagnostics: Diagnostics | None = None
    fitted: FittedNetwork | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Protocol(ABC):
    """A way for a run to come by its test predictions.

    Attributes:
        name: Registry name.
        title: One line for people.
        shares_features: Whether runs of one frozen network share its features.
        compares_weights: Whether scores under it tell what weights carried from 2D are worth.
    """

    name: str
    title: str
    shares_features: ClassVar[bool] = False
    compares_weights: ClassVar[bool] = True

    def fingerprint(self) -> dict[str, Any]:
        """What identities hash of the protocol: all but its title."""
        mapping = to_mapping(self)
        del mapping["title"]
        return mapping

    @abstractmethod
    def settings(self, preset: Preset) -> dict[str, Any]:
        """Sections of a preset that bear on the result, and the protocol itself."""

    @abstractmethod
    def passes(self, split: Split, preset: Preset) -> Passes:
        """Samples that one run puts through its network."""

    @abstractmethod
    def rehearse(self, network: torch.nn.Module, rehearsal: Rehearsal) -> Finding:
        """Feed a network as a run would.

        Raises:
            ConversionError: If the network cannot take its inputs.
            WeightsError: If it is to be kept and cannot be.
        """

    @abstractmethod
    def time(
        self,
        network: torch.nn.Module,
        input_shape: tuple[int, ...],
        preset: Preset,
        device: torch.device,
    ) -> SampleCost:
        """Time one step of each kind on inputs of shape (C, *spatial)."""

    @abstractmethod
    def run(self, context: Context, on_samples: Callable[[int], None]) -> Outcome:
        """Do one run.

        Args:
            context: What the run computes on.
            on_samples: Told how many samples went through a network, for progress.
        """

    def idle_note(
        self, method: str, idle: Mapping[str, int], unread: Mapping[str, int] = MappingProxyType({})
    ) -> tuple[str, ...]:
        """A warning of a method's own parameters that nothing trains, if there are any.

        Args:
            method: Name of the method.
            idle: Number of elements by name in the method's layer.
            unread: Likewise of kernels that low-rank updates cannot read.
        """
        sizes = {**idle, **unread}
        if not sizes:
            return ()
        hint = "kernels of another layout are declared by `kernels`, " if unread else ""
        note = (
            f"{method}: nothing trains {listed(sizes)} under {self.name}; {hint}what learns with "
            "the head is declared by `learns`, which may be ()"
        )
        return (note,)


def listed(sizes: Mapping[str, int]) -> str:
    """Parameters and their numbers of elements, in words."""
    return ", ".join(f"{name} ({size:,} parameters)" for name, size in sizes.items())
