"""One criterion over its cases: passed, skipped with a reason, or failed with the smallest case."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from crossbench.conformance.interface import Finding, ViolationError
from crossbench.errors import ConversionError
from crossbench.errors.foreign import clean, describe, message_of
from crossbench.execution.child import tell
from crossbench.specs.conformance import Check

if TYPE_CHECKING:
    from crossbench.conformance.interface import Criterion, Subject
    from crossbench.conformance.target import Target

_MOST_TRIES = 300  # of a search for a smaller example


@dataclass
class _Tally:
    """Results of the cases so far."""

    cases: int = 0
    refused: list[str] = field(default_factory=list)
    deviation: float | None = None
    note: str = ""
    waived: str = ""

    def measure(self, deviation: float | None) -> bool:
        """Take in a deviation; whether it is the largest yet."""
        larger = deviation is not None and (self.deviation is None or deviation > self.deviation)
        if larger:
            self.deviation = deviation
        return larger


def judge(criterion: Criterion, target: Target) -> Check:
    """Try a criterion on its cases, until one fails.

    The process that has this done, if there is one, is told each case before it is tried.
    """
    begun, tally = monotonic(), _Tally()
    facts = _failure(criterion, target, tally) or _conclusion(criterion, tally)
    return Check(
        name=criterion.name,
        demand=criterion.demand,
        tolerance=criterion.tolerance,
        cases=tally.cases,
        refused=len(tally.refused),
        measured=_finite(tally.deviation),
        seconds=monotonic() - begun,
        **facts,
    )


def _failure(criterion: Criterion, target: Target, tally: _Tally) -> dict[str, Any] | None:
    """Take the cases into the tally up to the first that fails; the facts of that one."""
    for case in criterion.cases(target):
        tally.cases += 1
        found = _attempt(criterion, case)
        if isinstance(found, ConversionError) and message_of(found):
            tally.refused.append(message_of(found))
        elif isinstance(found, ViolationError) and not criterion.demanded:
            if tally.measure(found.deviation) or not tally.waived:
                tally.waived = f"{found} ({case})"
        elif isinstance(found, BaseException):
            smallest, error = _smallest(criterion, case, found)
            tally.measure(getattr(error, "deviation", None))
            return {"status": "fail", "detail": _words(error), "example": clean(str(smallest))}
        else:
            tally.measure(found.deviation)
            tally.note = found.note or tally.note
    return None


def _attempt(criterion: Criterion, case: Subject) -> Finding | BaseException:
    """Finding of the examination of a case, or the exception that ended it."""
    tell(str(case))
    try:
        return criterion.examine(case)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a method's code raises what it likes)
        return error


def _smallest(
    criterion: Criterion, case: Subject, error: BaseException
) -> tuple[Subject, BaseException]:
    """The smallest case that is found to fail, step by step from one that does, and its error."""
    candidates = case.simpler()
    for _ in range(_MOST_TRIES):
        smaller = next(candidates, None)
        if smaller is None:
            break
        found = _attempt(criterion, smaller)
        if isinstance(found, BaseException) and not isinstance(found, ConversionError):
            case, error, candidates = smaller, found, smaller.simpler()
    return case, error


def _conclusion(criterion: Criterion, tally: _Tally) -> dict[str, Any]:
    """The facts of a criterion of which no case fails."""
    refused = tally.refused
    if not tally.cases:
        return {"status": "skip", "detail": criterion.absent}
    if len(refused) == tally.cases:
        return {"status": "skip", "detail": f"the method refuses: {refused[0]}"}
    if tally.waived:
        return {"status": "skip", "detail": f"measured, not demanded: {tally.waived}"}
    first = f"refused: {refused[0]}" if refused else ""
    return {"status": "pass", "detail": "; ".join(filter(None, (tally.note, first)))}


def _words(error: BaseException) -> str:
    if isinstance(error, ViolationError):
        return clean(str(error))
    if isinstance(error, ConversionError):
        return "it raises a ConversionError that gives no reason"
    return f"it raises {describe(error)}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
