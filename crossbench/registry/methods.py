"""Load methods and observers of installed packages, of plugin files and of this process.

It is imported when, and only when, it is asked for; whatever it raises becomes a message.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossbench.errors import RequestError
from crossbench.errors.foreign import contained
from crossbench.methods import Method, Observer, input_kinds
from crossbench.registry.claims import PLAIN, Claim, Claims, find_claims, of_plugin, take
from crossbench.registry.entries import OBSERVER_GROUP, MethodEntry, points
from crossbench.registry.hyperparameters import listed, parameters
from crossbench.registry.method_origin import summary
from crossbench.specs.method_names import MethodName
from crossbench.specs.requests import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence


class Chosen(NamedTuple):
    """Methods that were asked for, and those left out.

    Attributes:
        methods: The methods.
        left_out: What keeps registered methods out of ``all``, one message each.
    """

    methods: tuple[Method, ...]
    left_out: tuple[str, ...] = ()


def load_method(name: str) -> Method:
    """One registered method, made anew; its hyperparameters may be given: ``mine:temp=2``.

    Raises:
        RequestError: If no method has this name, two packages register it, its module cannot be
            imported or holds something else, or it takes no such hyperparameters.
    """
    return take(MethodName.parse(name), find_claims(()))


def plugin_entries(plugins: Sequence[str]) -> tuple[MethodEntry, ...]:
    """The methods of plugin files as listings have them; one that does not load says why.

    Raises:
        RequestError: If a plugin file does not exist.
    """
    claims = find_claims(plugins)
    found = [_broken_entry(file, why) for file, why in claims.faults.items()]
    for name, several in claims.by_name.items():
        claim = next((each for each in several if each.file), None)
        if claim is not None:
            found.append(_entry(name, claim, claims))
    return tuple(found)


def _entry(name: str, claim: Claim, claims: Claims) -> MethodEntry:
    try:
        method = take(MethodName(name, {}), claims)
        defaults = parameters(type(method), where=f"method {name!r}")
    except RequestError as error:
        return replace(_broken_entry(claim.file, str(error)), name=name)
    return replace(
        _broken_entry(claim.file, ""),
        name=name,
        summary=summary(method),
        inputs=input_kinds(method),
        hyperparameters=tuple(listed(defaults)),
    )


def _broken_entry(reference: str, why: str) -> MethodEntry:
    return MethodEntry(
        name=reference,
        target=reference,
        distribution=f"plugin file {Path(reference).name}",
        version="",
        summary=f"({why})",
        inputs=(),
    )


def load_observers() -> tuple[Observer, ...]:
    """Import and instantiate every registered observer.

    Raises:
        RequestError: If one cannot be imported or is something else.
    """
    observers = []
    for point in points(OBSERVER_GROUP):
        where = f"observer {point.entry.name!r} of {point.distribution}"
        if point.fault:
            raise RequestError(f"{where}: {point.fault}; reinstall {point.distribution}")
        with contained(f"{where} cannot be made from {point.entry.value}"):
            observer = point.entry.load()()
            complete = isinstance(observer, Observer)
        if not complete:
            msg = f"{where}: {point.entry.value} is no observer (see crossbench.methods.Observer)"
            raise RequestError(msg)
        observers.append(observer)
    return tuple(observers)


def find_methods(names: Sequence[str], plugins: Sequence[str] = ()) -> tuple[Method, ...]:
    """The methods that :func:`choose_methods` finds."""
    return choose_methods(names, plugins).methods


def choose_methods(names: Sequence[str], plugins: Sequence[str] = ()) -> Chosen:
    """The methods with these names, or every one that can be loaded.

    What cannot be loaded hides nothing: it is an error only where it is asked for by name.

    Args:
        names: Registered names, or those of plugins, with hyperparameters where they have some;
            ``["all"]`` stands for all of both.
        plugins: Python files that define further methods, as for :func:`load_plugin`.

    Raises:
        RequestError: If a name is unknown or claimed twice, a method that is named cannot be
            loaded, or a plugin file does not exist.
    """
    claims = find_claims(plugins)
    if list(names) != [ALL]:
        found = [take(MethodName.parse(name), claims) for name in names]
        return Chosen(
            tuple({each.name: each for each in found}.values()), tuple(claims.faults.values())
        )
    loaded, left_out = [], list(claims.faults.values())
    for name in claims.by_name:
        try:
            loaded.append(take(MethodName(name, {}), claims))
        except RequestError as error:
            left_out.append(str(error))
    return Chosen(tuple(loaded), tuple(left_out))


def load_plugin(reference: str) -> Method:
    """Import a method from a Python file of the user's own.

    Args:
        reference: ``path/to/file.py``, whose attribute ``method`` is the method, or
            ``path/to/file.py:ATTRIBUTE``.

    Raises:
        RequestError: If there is no such file or attribute, or the file does not run.
    """
    return of_plugin(reference).build(PLAIN)
