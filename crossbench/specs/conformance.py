"""The report of a method's conformance check: what was demanded, what was found, what it costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from crossbench.errors import CardError
from crossbench.specs.reader import from_mapping, to_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Layout of the reports that are written and read.
SCHEMA = 1

_LARGEST = 7  # kernels of a report, and values along an axis of one

Verdict = Literal["pass", "skip", "fail"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One demand on a method, and whether it holds.

    Attributes:
        name: In kebab case: ``batch-independence``.
        status: ``pass``, ``skip`` (nothing was demanded; ``detail`` says why) or ``fail``.
        demand: What is demanded, in words.
        tolerance: How exactly it must hold, in words: ``1e-05 of the maximum``.
        measured: The largest deviation that was found, in the unit of the tolerance; None where
            nothing is measured.
        cases: Layers or networks that were tried.
        refused: Those of the cases that the method refuses with a ConversionError.
        detail: Why it was skipped or failed; of one that passed, what is worth knowing.
        example: The smallest case that fails; empty unless it failed.
        seconds: Wall-clock time that it took.
    """

    name: str
    status: Verdict
    demand: str = ""
    tolerance: str = ""
    measured: float | None = None
    cases: int = 0
    refused: int = 0
    detail: str = ""
    example: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spent:
    """The cost of a forward pass of one layer or network; None where nothing says so.

    Attributes:
        parameters: Their number.
        multiply_adds: Of the pass.
        seconds: Its median time.
        bytes: Memory that it takes at most, beyond parameters and input.
    """

    parameters: int
    multiply_adds: int | None = None
    seconds: float | None = None
    bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A method's cost beside a plain convolution's.

    Attributes:
        workload: What is computed, in words.
        reference: What it is measured against, such as ``nn.Conv3d``; empty for nothing.
        method: Cost of the method's layer or network.
        plain: Cost of the reference; None where there is none.
    """

    workload: str
    reference: str
    method: Spent
    plain: Spent | None = None


#: A kernel in 2D, row by row.
Plane: TypeAlias = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What a method's layers amount to where they are given a 2D kernel.

    Attributes:
        channels: The output channels that have it.
        plane: The kernel of the 2D layer, rows of values.
        volume: That of the 3D layer made of it, planes from the first in depth to the last.
    """

    channels: tuple[int, ...]
    plane: Plane
    volume: tuple[Plane, ...]

    @property
    def whole(self) -> bool:
        """Whether it can be drawn: rectangles of finite values, none of them large."""
        planes = (self.plane, *self.volume)
        return 0 < len(self.volume) <= _LARGEST and all(map(_is_rectangle, planes))


@dataclass(frozen=True, kw_only=True)
class ConformanceReport:
    """Every check of one method, in the order in which they were made.

    Attributes:
        method: Its name.
        sha256: Hash over its files and values (:mod:`crossbench.registry.method_identity`).
        config: The values it was built with.
        origin: Distribution, version or file, and git state, as in records.
        versions: Of Python and of the packages that a number depends on.
        device: ``cpu``, ``cuda`` or ``cuda:N``: what costs were measured on.
        hardware: Fingerprint of the machine.
        threads: CPU threads throughout.
        seconds: Time limit of each check.
        memory: Limit on the resident bytes of each check's process; None for none.
        checks: The checks.
        cost: Measured costs; empty where the method did not come so far.
        kernels: Its kernel on the way from 2D to 3D; empty where there is none, or it was not
            measured.
        schema: Layout of the report.
    """

    method: str
    sha256: str
    config: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    hardware: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    seconds: float | None = None
    memory: int | None = None
    checks: tuple[Check, ...] = ()
    cost: tuple[Cost, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    schema: int = SCHEMA

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "fail")

    @property
    def verdict(self) -> str:
        """One line: ``17 pass, 3 skipped, none fails``."""
        count = Counter(check.status for check in self.checks)
        failing = f"{count['fail']} fail" if count["fail"] else "none fails"
        return f"{count['pass']} pass, {count['skip']} skipped, {failing}"

    def check(self, name: str) -> Check:
        """The check of this name.

        Raises:
            KeyError: If there is none.
        """
        found = {check.name: check for check in self.checks}
        return found[name]

    def to_mapping(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return to_mapping(self)

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[str, Any], *, where: str = "the conformance report"
    ) -> ConformanceReport:
        """A report that was read from JSON, every key and type checked.

        Args:
            mapping: What was read.
            where: File that messages name.

        Raises:
            CardError: If a key is unknown, missing or of the wrong type, or the layout is of
                another version.
        """
        if mapping.get("schema") != SCHEMA:
            msg = f"{where}: key 'schema' is {mapping.get('schema')!r}; this version reads {SCHEMA}"
            raise CardError(f"{msg}: make the report anew with `crossbench check-method`")
        report = from_mapping(cls, mapping, where=where)
        if len(report.kernels) > _LARGEST or not all(each.whole for each in report.kernels):
            msg = f"{where}: key 'kernels' holds what is no kernel, or more than {_LARGEST}"
            raise CardError(f"{msg}: make the report anew with `crossbench check-method`")
        return report


def _is_rectangle(plane: Plane) -> bool:
    widths = {len(row) for row in plane}
    sides = (len(plane), *widths)
    within = len(widths) == 1 and all(0 < side <= _LARGEST for side in sides)
    return within and all(isfinite(value) for row in plane for value in row)


#: The words that a check's status can be.
VERDICTS: tuple[str, ...] = get_args(Verdict)
