"""Load methods and observers of installed packages and of plugin files.

It is imported when, and only when, it is asked for; whatever it raises becomes a message.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crossbench.errors import RequestError, unknown_name
from crossbench.errors.foreign import contained, show
from crossbench.methods import Convolution, Method, NetworkMethod, Observer
from crossbench.registry.entries import (
    METHOD_GROUP,
    OBSERVER_GROUP,
    method_entries,
    owners,
    points,
)
from crossbench.registry.method_identity import Origin, remember
from crossbench.registry.method_origin import declared_metadata
from crossbench.registry.plugin_files import PluginFile, import_plugin
from crossbench.specs.cards import KEBAB_CASE
from crossbench.specs.requests import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

PLUGIN_FILE = "plugin file"
#: Names that no method may have: what selects methods, inits, and the plain baselines.
RESERVED = frozenset({ALL, "none", "random", "majority", "logistic", "covariate"})

_LONGEST_NAME = 64  # it becomes a part of file names


class Chosen(NamedTuple):
    """Methods that were asked for, and those left out.

    Attributes:
        methods: The methods.
        left_out: What keeps registered methods out of ``all``, one message each.
    """

    methods: tuple[Method, ...]
    left_out: tuple[str, ...] = ()


def load_method(name: str) -> Method:
    """Import and instantiate one registered method.

    Raises:
        RequestError: If no method has this name, two packages register it, or its module
            cannot be imported or holds something else.
    """
    found = [point for point in points(METHOD_GROUP) if point.entry.name == name]
    if not found:
        raise unknown_name("method", name, method_entries())
    entry, owner, version = found[0]
    if len(found) > 1:
        msg = f"method {name!r} is registered by {owners(found)}; uninstall one of them"
        raise RequestError(msg)
    if found[0].fault:
        msg = f"method {name!r} of {owner} cannot be loaded: {found[0].fault}; reinstall {owner}"
        raise RequestError(msg)
    with contained(f"method {name!r} of {owner} cannot be imported from {entry.value}"):
        target = entry.load()
    where = f"{entry.value} of {owner}"
    method = _as_method(target, where=where)
    if method.name != name:
        msg = f"{where} is registered as {name!r}, but its name is {method.name!r}"
        raise RequestError(msg)
    remember(method, Origin(distribution=owner, version=version, module=entry.module))
    return method


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

    Args:
        names: Registered names, or those of plugins; ``["all"]`` stands for all of both.
        plugins: Python files that define further methods, as for :func:`load_plugin`.

    Raises:
        RequestError: If a name is unknown, a method that is named cannot be loaded, or a plugin
            cannot, or takes a name that exists.
    """
    extra: dict[str, Method] = {}
    for reference in plugins:
        method = load_plugin(reference)
        if method.name in extra or method.name in method_entries():
            msg = f"plugin {reference!r} defines method {method.name!r}, which exists; rename it"
            raise RequestError(msg)
        extra[method.name] = method
    if list(names) != [ALL]:
        return Chosen(tuple(extra[name] if name in extra else load_method(name) for name in names))
    loaded, left_out = [], []
    for name in method_entries():
        try:
            loaded.append(load_method(name))
        except RequestError as error:
            left_out.append(str(error))
    return Chosen((*loaded, *extra.values()), tuple(left_out))


def load_plugin(reference: str) -> Method:
    """Import a method from a Python file of the user's own.

    Args:
        reference: ``path/to/file.py``, whose attribute ``method`` is the method, or
            ``path/to/file.py:ATTRIBUTE``.

    Raises:
        RequestError: If there is no such file or attribute, or the file does not run.
    """
    path, attribute = plugin_path(reference)
    if path.suffix != ".py":
        msg = f"plugin file {str(path)!r} is no Python source; its name must end in .py"
        raise RequestError(msg)
    plugin = PluginFile(path.absolute())
    where = f"plugin file {str(path)!r}"
    with contained(f"{where} cannot be imported"):
        target = getattr(import_plugin(plugin), attribute, plugin)
    if target is plugin:
        msg = (
            f"{where} has no attribute {attribute!r}; "
            f"add a line such as `method = MyMethod()`, or name it: --plugin {path}:NAME"
        )
        raise RequestError(msg)
    method = _as_method(target, where=str(path))
    remember(method, Origin(distribution=PLUGIN_FILE, version="", module=plugin.module))
    return method


def plugin_path(reference: str) -> tuple[Path, str]:
    """File and attribute that a plugin's reference names, without running the file.

    Raises:
        RequestError: If there is no such file.
    """
    file, _, attribute = reference.partition(".py:")
    path = Path(f"{file}.py" if attribute else reference)
    if not path.is_file():
        msg = f"plugin file {str(path)!r} does not exist; --plugin takes a path to a Python file"
        raise RequestError(msg)
    return path, attribute or "method"


def _as_method(target: Any, *, where: str) -> Method:
    """The method that a module holds or, where that is a class, one made of it."""
    with contained(f"{where} cannot be made without arguments"):
        method: Any = target() if inspect.isclass(target) else target
    with contained(f"{where} cannot be read as a method"):
        complaint = _complaint(method)
    if complaint:
        raise RequestError(f"{where}{complaint}")
    checked: Method = method
    declared_metadata(checked)  # refuses what is malformed
    return checked


def _complaint(method: Any) -> str:
    """The fault of an object as a method; empty for none."""
    if not isinstance(method, NetworkMethod | Convolution):
        own = hasattr(method, "build") or hasattr(method, "inputs")
        parts = ("name", "inputs", "build") if own else ("name", "dims", "layer_2d", "layer_3d")
        lacking = ", ".join(part for part in parts if not hasattr(method, part))
        return f" is no method: it lacks {lacking} (see crossbench.methods)"
    name = method.name
    if type(name) is not str or not KEBAB_CASE.fullmatch(name[: _LONGEST_NAME + 1]):
        return f": name (={show(name)}) must be in kebab case, such as 'my-method'"
    if len(name) > _LONGEST_NAME:
        return f": name (={show(name)}) must not be longer than {_LONGEST_NAME} characters"
    if name in RESERVED:
        return f": name (={name!r}) means something else to crossbench; choose another"
    return _wrong_inputs(method)


def _wrong_inputs(method: Method) -> str:
    if not isinstance(method, NetworkMethod):
        fits = method.dims in ((2,), (3,), (2, 3))
        return "" if fits else f": dims (={show(method.dims)}) must be (2,), (3,) or (2, 3)"
    kinds: object = method.inputs
    if isinstance(kinds, tuple) and kinds and all(isinstance(kind, str) for kind in kinds):
        return ""
    return f': inputs (={show(kinds)}) must name kinds of input, such as ("volume",)'
