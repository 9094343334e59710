"""Claims to methods' names by packages, plugin files and this process.

Each claims on its own, so that one that is broken hides no other.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crossbench.errors import RequestError, unknown_name
from crossbench.errors.foreign import contained, show
from crossbench.methods import Convolution, Method, NetworkMethod
from crossbench.registry.entries import METHOD_GROUP, Point, points
from crossbench.registry.hyperparameters import build, needs_arguments
from crossbench.registry.method_identity import Origin, remember
from crossbench.registry.method_origin import declared_metadata
from crossbench.registry.plugin_files import PluginFile, import_plugin
from crossbench.specs.cards import KEBAB_CASE
from crossbench.specs.method_names import (
    LONGEST_BASE,
    MethodName,
    base_name,
    is_base_name,
    is_method_name,
)
from crossbench.specs.requests import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLUGIN_FILE = "plugin file"
#: Names that no method may have: what selects methods, inits, and the plain baselines.
RESERVED = frozenset(
    {ALL, "none", "random", "majority", "logistic", "covariate", "covariates", "chance"}
)

#: Of whatever name, and without hyperparameters.
PLAIN = MethodName("", {})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A method under a name, before it is made.

    Attributes:
        where: What claims the name, for messages.
        build: Makes the method with the hyperparameters of a name.
        name: The name; empty where only the method tells.
        kind: The class of a registered object; None for packages and plugin files.
        package: Whether an installed package claims it.
        file: The plugin file that does; empty for none.
    """

    where: str
    build: Callable[[MethodName], Method]
    name: str
    kind: type | None = None
    package: bool = False
    file: str = ""


class Claims(NamedTuple):
    """Claims by name, and by file the faults of plugins."""

    by_name: dict[str, list[Claim]]
    faults: dict[str, str]


class Registered(NamedTuple):
    """An object that this process has registered, and its cells where a notebook defines it."""

    method: Method
    notebook: PluginFile | None

    @property
    def kind(self) -> type:
        """Its class."""
        return type(self.method)


#: Objects that this process has registered, by their names.
objects: dict[str, Registered] = {}


def find_claims(plugins: Sequence[str]) -> Claims:
    """Find all claims; plugin files are run.

    Raises:
        RequestError: If a plugin file does not exist.
    """
    found = [_of_package(point) for point in points(METHOD_GROUP)]
    faults = {}
    for reference in dict.fromkeys(plugins):
        plugin_path(reference)  # a mistyped path is an error of the command
        try:
            found.append(of_plugin(reference))
        except RequestError as error:
            faults[reference] = str(error)
    found += map(of_object, objects.values())
    by_name: dict[str, list[Claim]] = defaultdict(list)
    for claim in found:
        by_name[claim.name].append(claim)
    return Claims(dict(by_name), faults)


def take(name: MethodName, claims: Claims) -> Method:
    """The method that a name stands for.

    Raises:
        RequestError: If nothing claims the name, or several do, or the method cannot be made.
    """
    found = claims.by_name.get(name.base, [])
    if not found:
        unknown = unknown_name("method", name.base, claims.by_name)
        raise RequestError("\n".join([str(unknown), *claims.faults.values()]))
    if len(found) > 1:
        raise quarrel(name.base, found)
    return found[0].build(name)


def quarrel(name: str, claims: Sequence[Claim]) -> RequestError:
    """The error for a name that is claimed more than once."""
    remedy = "uninstall" if all(claim.package for claim in claims) else "rename"
    owners = " and ".join(sorted(claim.where for claim in claims))
    return RequestError(f"method {name!r} is registered by {owners}; {remedy} one of them")


def _of_package(point: Point) -> Claim:
    return Claim(
        where=point.distribution,
        build=lambda name: _from_package(point, name),
        name=point.entry.name,
        package=True,
    )


def _from_package(point: Point, name: MethodName) -> Method:
    """Import and instantiate what an entry point names."""
    entry, owner, version = point
    if point.fault:
        msg = f"method {entry.name!r} of {owner} cannot be loaded: {point.fault}; reinstall {owner}"
        raise RequestError(msg)
    with contained(f"method {entry.name!r} of {owner} cannot be imported from {entry.value}"):
        target = entry.load()
    where = f"{entry.value} of {owner}"
    method = as_method(target, name, where=where)
    if base_name(method.name) != (name.base or entry.name):
        msg = f"{where} is registered as {entry.name!r}, but its name is {method.name!r}"
        raise RequestError(msg)
    remember(method, Origin(distribution=owner, version=version, module=entry.module))
    return method


def of_plugin(reference: str) -> Claim:
    """Claim of a plugin file, which is imported.

    Raises:
        RequestError: If it holds no method, or does not run.
    """
    path, attribute = plugin_path(reference)
    where = f"plugin file {str(path)!r}"
    if path.suffix != ".py":
        raise RequestError(f"{where} is no Python source; its name must end in .py")
    plugin = PluginFile(path.absolute())
    with contained(f"{where} cannot be imported"):
        target = getattr(import_plugin(plugin), attribute, plugin)
    if target is plugin:
        msg = (
            f"{where} has no attribute {attribute!r}; "
            f"add a line such as `method = MyMethod()`, or name it: --plugin {path}:NAME"
        )
        raise RequestError(msg)

    def build(name: MethodName) -> Method:
        method = as_method(target, name, where=str(path))
        remember(method, Origin(distribution=PLUGIN_FILE, version="", module=plugin.module))
        return method

    name = _name_of(target, where=str(path))
    return Claim(where=where, build=build, name=name, file=reference)


def of_object(registered: Registered) -> Claim:
    """Claim of an object that this process has registered."""
    method, kind = registered.method, registered.kind

    def build(name: MethodName) -> Method:
        made = as_method(method, name, where=f"an object of class {kind.__qualname__}")
        if made is not method:
            remember(made, Origin.by_hand(kind), registered.notebook)
        return made

    where = f"an object of class {kind.__qualname__} (crossbench.register)"
    return Claim(where=where, build=build, name=method.name, kind=kind)


def _name_of(target: Any, *, where: str) -> str:
    """The name of a method that a plugin holds; a class that needs arguments tells it itself."""
    if inspect.isclass(target) and needs_arguments(target, where=where):
        name = getattr(target, "name", None)
        if isinstance(name, str) and is_base_name(name):
            return name
    return as_method(target, PLAIN, where=where).name


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


def as_method(target: Any, name: MethodName, *, where: str) -> Method:
    """The method that a module holds or, where that is a class, one made of it."""
    if not inspect.isclass(target):
        _check(target, where=where)
    method = build(target, name, where=where)
    _check(method, where=where, given=bool(name.given))
    checked: Method = method
    return checked


def _check(method: Any, *, where: str, given: bool = False) -> None:
    """Refuse what is no method, or declares what cannot be read."""
    with contained(f"{where} cannot be read as a method"):
        complaint = _complaint(method, given=given)
    if complaint:
        raise RequestError(f"{where}{complaint}")
    declared_metadata(method)


def _complaint(method: Any, *, given: bool) -> str:
    """The fault of an object as a method; empty for none."""
    if not isinstance(method, NetworkMethod | Convolution):
        own = hasattr(method, "build") or hasattr(method, "inputs")
        parts = ("name", "inputs", "build") if own else ("name", "dims", "layer_2d", "layer_3d")
        lacking = ", ".join(part for part in parts if not hasattr(method, part))
        return f" is no method: it lacks {lacking} (see crossbench.methods)"
    return _wrong_name(method.name, given=given) or _wrong_inputs(method)


def _wrong_name(name: Any, *, given: bool) -> str:
    if given and is_method_name(name):
        return ""
    if type(name) is not str or not KEBAB_CASE.fullmatch(name[: LONGEST_BASE + 1]):
        return f": name (={show(name)}) must be in kebab case, such as 'my-method'"
    if len(name) > LONGEST_BASE:
        return f": name (={show(name)}) must not be longer than {LONGEST_BASE} characters"
    if name in RESERVED:
        return f": name (={name!r}) means something else to crossbench; choose another"
    return ""


def _wrong_inputs(method: Method) -> str:
    if not isinstance(method, NetworkMethod):
        fits = method.dims in ((2,), (3,), (2, 3))
        return "" if fits else f": dims (={show(method.dims)}) must be (2,), (3,) or (2, 3)"
    kinds: object = method.inputs
    if isinstance(kinds, tuple) and kinds and all(isinstance(kind, str) for kind in kinds):
        return ""
    return f': inputs (={show(kinds)}) must name kinds of input, such as ("volume",)'
