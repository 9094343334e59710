"""A conformance check from outside: every criterion in a process of its own, within limits."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from crossbench.errors import CrossbenchError, RequestError
from crossbench.errors.foreign import ChildDiedError, clean
from crossbench.execution import isolation
from crossbench.execution.isolation import Limits
from crossbench.specs.conformance import Check, ConformanceReport, Cost
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

#: What each check's process may use.
LIMITS = Limits(seconds=120, memory=8 * 2**30)

COST = "cost"
_WORK = "crossbench.conformance.worker:"


def check(
    method: str,
    *,
    plugins: Sequence[str] = (),
    limits: Limits = LIMITS,
    device: str = "auto",
    only: Collection[str] = (),
    hear: Callable[[Check], object] = lambda _: None,
) -> ConformanceReport:
    """Check a method against its contract.

    Its code runs in processes of its own alone: whatever it does, this process goes on as before.

    Args:
        method: A registered name, that of a plugin, or a plugin file: ``mine.py``.
        plugins: Python files that define further methods.
        limits: What the process of each check may use.
        device: Where costs are measured: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        only: Names of the checks to make; all of them where there are none.
        hear: Called with each check as soon as it is made.

    Raises:
        RequestError: If the method cannot be loaded, or a check or the device does not exist.
    """
    asked = {"name": method, "plugins": list(plugins), "device": device}
    known = _described(asked, limits)
    names = [each["name"] for each in known["criteria"]]
    _demand_known(only, [*names, COST])
    checks: list[Check] = []
    for criterion in known["criteria"]:
        if not only or criterion["name"] in only:
            checks.append(_checked(asked, criterion, limits, checks))
            hear(checks[-1])
    cost: tuple[Cost, ...] = ()
    if not only or COST in only:
        made, cost = _cost(asked, limits, checks)
        checks.append(made)
        hear(made)
    return ConformanceReport(
        **known["facts"],
        seconds=limits.seconds,
        memory=limits.memory,
        checks=tuple(checks),
        cost=cost,
    )


def _described(asked: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The method's facts and the criteria.

    Raises:
        RequestError: If the method cannot be loaded.
    """
    try:
        known: dict[str, Any] = isolation.call(f"{_WORK}describe", asked, limits=limits)
    except ChildDiedError as error:
        raise RequestError(f"method {asked['name']!r} cannot be loaded: {error}") from error
    except CrossbenchError as error:
        raise RequestError(str(error)) from error
    return known


def _demand_known(only: Collection[str], names: list[str]) -> None:
    from crossbench.errors import unknown_name

    for name in only:
        if name not in names:
            raise unknown_name("check", name, names)


def _checked(
    asked: dict[str, Any], criterion: dict[str, Any], limits: Limits, made: list[Check]
) -> Check:
    """The check of one criterion, or why it is not made."""
    if fault := _hopeless(made):
        return Check(status="skip", detail=fault, **criterion)
    return _watched(
        lambda hear: from_mapping(
            Check,
            isolation.call(
                f"{_WORK}examine",
                asked | {"criterion": criterion["name"]},
                limits=limits,
                hear=hear,
            ),
            where="the check",
        ),
        Check(status="fail", **criterion),
    )


def _hopeless(made: list[Check]) -> str:
    """Why nothing more is tried; empty where it is."""
    first = made[0] if made else None
    if first is not None and first.name == "runs" and first.status == "fail":
        return "not tried, because it does not run"
    return ""


def _watched(work: Callable[[Callable[[Any], object]], Check], failed: Check) -> Check:
    """What a process answers, or the failure that its death is, with the case it was at."""
    begun, at = monotonic(), [""]

    def hear(case: Any) -> None:
        at[0] = clean(str(case))

    try:
        return work(hear)
    except CrossbenchError as error:
        return replace(failed, detail=str(error), example=at[0], seconds=monotonic() - begun)


def _cost(
    asked: dict[str, Any], limits: Limits, made: list[Check]
) -> tuple[Check, tuple[Cost, ...]]:
    """The check that costs can be measured, and the costs."""
    check = Check(name=COST, status="pass", demand="its costs are measured within the limits")
    if fault := _hopeless(made):
        return replace(check, status="skip", detail=fault), ()
    measured: list[Cost] = []

    def work(hear: Callable[[Any], object]) -> Check:
        rows = isolation.call(f"{_WORK}spend", asked, limits=limits, hear=hear)
        measured.extend(from_mapping(Cost, row, where="the cost") for row in rows)
        return replace(check, cases=len(measured), seconds=monotonic() - begun)

    begun = monotonic()
    done = _watched(work, replace(check, status="fail"))
    if done.status == "pass" and not measured:
        done = replace(done, status="skip", detail="the method refuses what is measured")
    return done, tuple(measured)
