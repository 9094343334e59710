"""A conformance check from outside: in processes of their own, within limits, to the end."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from crossbench.conformance.criteria import FIRST
from crossbench.errors import CrossbenchError, RequestError, unknown_name
from crossbench.errors.foreign import ChildDiedError, clean
from crossbench.execution import isolation
from crossbench.execution.isolation import Limits
from crossbench.specs.conformance import Check, ConformanceReport, Cost, Kernel
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    Hearer = Callable[[Check], object]

#: What each check's process may use.
LIMITS = Limits(seconds=120, memory=8 * 2**30)

#: A criterion in words: its name, demand and tolerance.
_Words = dict[str, Any]

_COST: _Words = {"name": "cost", "demand": "its costs can be measured within the limits"}
_WORK = "crossbench.conformance.worker:"
_IN_VAIN = "not tried, because the method does not run"


def check(
    method: str,
    *,
    plugins: Sequence[str] = (),
    limits: Limits = LIMITS,
    device: str = "auto",
    only: Collection[str] = (),
    hear: Hearer = lambda _: None,
) -> ConformanceReport:
    """Check a method against its contract.

    Its code runs in processes of its own alone: whatever it does, this process goes on as before.

    Args:
        method: A registered name, that of a plugin, or a plugin file: ``mine.py``.
        plugins: Python files that define further methods.
        limits: What each check may use.
        device: Where costs are measured: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        only: Names of the checks to make; all of them where there are none.
        hear: Called with each check as soon as it is made.

    Raises:
        RequestError: If the method cannot be loaded, or a check or the device does not exist.
    """
    asked = {"name": method, "plugins": list(plugins), "device": device}
    known = _described(asked, limits)
    chosen = _chosen([*known["criteria"], _COST], only)
    criteria = [each for each in chosen if each is not _COST]
    checks = _examined(asked, criteria, limits, hear)
    cost: tuple[Cost, ...] = ()
    if _COST in chosen:
        last, cost = _measured(asked, limits, checks)
        checks.append(last)
        hear(last)
    return ConformanceReport(
        **known["facts"],
        seconds=limits.seconds,
        memory=limits.memory,
        checks=tuple(checks),
        cost=cost,
        kernels=() if any(map(_is_hopeless, checks)) else _traced(asked, limits),
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


def _chosen(criteria: list[_Words], only: Collection[str]) -> list[_Words]:
    """The criteria of these names, or all.

    Raises:
        RequestError: If one does not exist.
    """
    names = [each["name"] for each in criteria]
    for name in only:
        if name not in names:
            raise unknown_name("check", name, names)
    return [each for each in criteria if not only or each["name"] in only]


def _examined(
    asked: dict[str, Any], criteria: list[_Words], limits: Limits, hear: Hearer
) -> list[Check]:
    """The checks of criteria, in as many processes as it takes; none in vain."""
    made: list[Check] = []
    while len(made) < len(criteria) and not any(map(_is_hopeless, made)):
        made += _in_one_process(asked, criteria[len(made) :], limits, hear)
    for criterion in criteria[len(made) :]:
        made.append(Check(status="skip", detail=_IN_VAIN, **criterion))
        hear(made[-1])
    return made


def _in_one_process(
    asked: dict[str, Any], criteria: list[_Words], limits: Limits, hear: Hearer
) -> list[Check]:
    """The checks that one process makes.

    One that ends the process is made again by the next, as its first, with all of the limits to
    itself and no other before it; there the end is its failure.
    """
    made: list[Check] = []
    begun, at = monotonic(), ""

    def listen(told: Any) -> None:
        nonlocal at
        if isinstance(told, str):
            at = clean(told)
        else:
            made.append(from_mapping(Check, told, where="the check"))
            hear(made[-1])

    given = asked | {"wanted": [each["name"] for each in criteria]}
    try:
        isolation.call(f"{_WORK}examine", given, limits=limits, hear=listen)
    except CrossbenchError as error:
        if not made:
            taken = monotonic() - begun
            made.append(_failed(criteria[0], error, example=at, seconds=taken))
            hear(made[0])
    return made


def _failed(criterion: _Words, error: CrossbenchError, **facts: Any) -> Check:
    """The failure that the end of a process is."""
    return Check(status="fail", detail=f"its code ended the check: {error}", **criterion, **facts)


def _is_hopeless(check: Check) -> bool:
    return check.name == FIRST and check.status == "fail"


def _traced(asked: dict[str, Any], limits: Limits) -> tuple[Kernel, ...]:
    """Its kernel from 2D to 3D; none where its code ends the measurement."""
    try:
        rows = isolation.call(f"{_WORK}trace", asked, limits=limits)
    except CrossbenchError:
        return ()
    return tuple(from_mapping(Kernel, row, where="the kernel") for row in rows)


def _measured(
    asked: dict[str, Any], limits: Limits, made: list[Check]
) -> tuple[Check, tuple[Cost, ...]]:
    """The check that costs can be measured, and the costs."""
    if any(map(_is_hopeless, made)):
        return Check(status="skip", detail=_IN_VAIN, **_COST), ()
    begun = monotonic()
    try:
        rows = isolation.call(f"{_WORK}spend", asked, limits=limits)
    except CrossbenchError as error:
        return _failed(_COST, error, seconds=monotonic() - begun), ()
    if not rows:
        return Check(status="skip", detail="the method refuses what is measured", **_COST), ()
    cost = tuple(from_mapping(Cost, row, where="the cost") for row in rows)
    return Check(status="pass", cases=len(cost), seconds=monotonic() - begun, **_COST), cost
