"""Interface of a criterion: one demand, its cases, the examination of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import nn

    from crossbench.conformance.target import Target
    from crossbench.methods import Method


class Subject(Protocol):
    """Subject of a criterion; as text, all that a reader needs to make it again."""

    def simpler(self) -> Iterator[Self]:
        """Smaller ones, the smallest first."""
        ...


class Case(Subject, Protocol):
    """A layer or network of a method, and inputs for it."""

    @property
    def method(self) -> Method:
        """Whose it is."""
        ...

    @property
    def dims(self) -> int:
        """Spatial axes of an input."""
        ...

    def build(self) -> nn.Module:
        """The module, its weights drawn from the global generators; float32, on the CPU.

        Raises:
            ConversionError: If the method refuses it.
        """
        ...

    def shape(self, batch: int) -> tuple[int, ...]:
        """The shape of a batch of inputs."""
        ...

    def expected(self, batch: int) -> tuple[int, ...]:
        """The shape that a batch must be answered with."""
        ...


class Finding(NamedTuple):
    """Result of the examination of a case that passes.

    Attributes:
        deviation: The largest one, in the unit of the tolerance; None where none is measured.
        note: What is worth knowing of it; that of the largest case is shown.
    """

    deviation: float | None = None
    note: str = ""


class ViolationError(Exception):
    """A demand that a case does not meet; the message says how."""

    def __init__(self, message: str, deviation: float | None = None) -> None:
        super().__init__(message)
        self.deviation = deviation


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One demand on a method.

    Attributes:
        name: In kebab case.
        demand: What is demanded, in words that follow "it is demanded that".
        tolerance: How exactly it must hold, in words; empty where it holds or not.
        cases: What it is tried on, the smallest first.
        examine: Examines a case.

            It raises :class:`ViolationError`, or whatever the method's code raises, where the
            demand is not met, and ``ConversionError`` where the method refuses the case.
        absent: Why a method has no cases, where it has none.
        demanded: Whether a violation is a failure; else it is measured and told.
    """

    name: str
    demand: str
    cases: Callable[[Target], Iterable[Subject]]
    examine: Callable[[Any], Finding]
    tolerance: str = ""
    absent: str = "not applicable: the method builds whole networks and has no layers"
    demanded: bool = True
