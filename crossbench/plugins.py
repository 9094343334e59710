"""Finding tasks, methods and observers: the only reader of entry points.

A listing reads metadata and docstrings without importing any plugin, so it is fast and
runs nobody's code. A method's module is imported when, and only when, it is asked for.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import importlib.util
import inspect
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError, unknown_name
from crossbench.methods import Method, Observer

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL = "all"
METHOD_GROUP = "crossbench.methods"
OBSERVER_GROUP = "crossbench.observers"
TASK_GROUP = "crossbench.tasks"
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """A registered method, before its code is imported.

    Attributes:
        name: Registry name.
        target: ``module:attribute`` or ``file.py:attribute``.
        distribution: Name of the installed package that registers it, or "plugin file".
        version: Version of that package.
        summary: First line of the module's docstring.
        dims: Dimensions of the tasks it is evaluated on; empty where its source does not say.
    """

    name: str
    target: str
    distribution: str
    version: str
    summary: str
    dims: tuple[int, ...]


def task_folders() -> dict[str, Path]:
    """Folders of task cards by the registered package that holds them, where it is found."""
    folders = {point.module: _folder(point.module) for point in entry_points(group=TASK_GROUP)}
    return {package: folder for package, folder in folders.items() if folder is not None}


def missing_task_packages() -> tuple[str, ...]:
    """One message with its remedy for each registered task package that is not found."""
    return tuple(
        f"{_owner(point)[0]} registers tasks in {point.module!r}, which is no installed package; "
        f"reinstall {_owner(point)[0]} or remove it"
        for point in entry_points(group=TASK_GROUP)
        if _folder(point.module) is None
    )


@cache
def method_entries() -> dict[str, MethodEntry]:
    """The registered methods by name, found without importing them."""
    return {point.name: _entry(point) for point in entry_points(group=METHOD_GROUP)}


def load_method(name: str) -> Method:
    """Import and instantiate one registered method.

    Raises:
        RequestError: If no method has this name, two packages register it, or its module
            cannot be imported or holds something else.
    """
    found = [point for point in entry_points(group=METHOD_GROUP) if point.name == name]
    if not found:
        raise unknown_name("method", name, method_entries())
    point, owner = found[0], _owner(found[0])[0]
    if len(found) > 1:
        owners = " and ".join(sorted(_owner(each)[0] for each in found))
        msg = f"method {name!r} is registered by {owners}; uninstall one of them"
        raise RequestError(msg)
    try:
        target = point.load()
    except Exception as error:
        msg = f"method {name!r} of {owner} cannot be imported from {point.value}: {error!r}"
        raise RequestError(msg) from error
    method = _as_method(target, where=f"{point.value} of {owner}")
    if method.name != name:
        msg = f"{point.value} of {owner} is registered as {name!r}, but its name is {method.name!r}"
        raise RequestError(msg)
    return method


def load_observers() -> tuple[Observer, ...]:
    """Import and instantiate every registered observer.

    Raises:
        RequestError: If one cannot be imported or is something else.
    """
    observers = []
    for point in entry_points(group=OBSERVER_GROUP):
        where = f"observer {point.name!r} of {_owner(point)[0]}"
        try:
            observer = point.load()()
        except Exception as error:
            raise RequestError(f"{where} cannot be made from {point.value}: {error!r}") from error
        if not isinstance(observer, Observer):
            msg = f"{where}: {point.value} is no observer (see crossbench.methods.Observer)"
            raise RequestError(msg)
        observers.append(observer)
    return tuple(observers)


def find_methods(names: Sequence[str], plugins: Sequence[str] = ()) -> tuple[Method, ...]:
    """The methods with these names, or every one there is.

    Args:
        names: Registered names, or those of plugins; ``["all"]`` stands for all of both.
        plugins: Python files that define further methods, as for :func:`load_plugin`.

    Raises:
        RequestError: If a name is unknown, or a plugin cannot be loaded or takes a name that
            exists.
    """
    extra: dict[str, Method] = {}
    for reference in plugins:
        method = load_plugin(reference)
        if method.name in extra or method.name in method_entries():
            msg = f"plugin {reference!r} defines method {method.name!r}, which exists; rename it"
            raise RequestError(msg)
        extra[method.name] = method
    if list(names) == [ALL]:
        names = [*method_entries(), *extra]
    return tuple(extra[name] if name in extra else load_method(name) for name in names)


def split_names(given: str | Sequence[str]) -> list[str]:
    """Names from ``"a,b"`` or a sequence, each once.

    Raises:
        RequestError: If there is none, or ``all`` does not stand alone.
    """
    parts = given.split(",") if isinstance(given, str) else list(given)
    names = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not names:
        raise RequestError("no names given; pass names separated by commas, or 'all'")
    if ALL in names and len(names) > 1:
        raise RequestError("'all' stands alone; leave the other names out")
    return names


def load_plugin(reference: str) -> Method:
    """Import a method from a Python file of the user's own.

    Args:
        reference: ``path/to/file.py``, whose attribute ``method`` is the method, or
            ``path/to/file.py:ATTRIBUTE``.

    Raises:
        RequestError: If there is no such file or attribute, or the file does not run.
    """
    path, attribute = plugin_path(reference)
    module_name = f"crossbench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        msg = f"plugin file {str(path)!r} is no Python source; its name must end in .py"
        raise RequestError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        msg = f"plugin file {str(path)!r} cannot be imported: {error!r}"
        raise RequestError(msg) from error
    if not hasattr(module, attribute):
        msg = (
            f"plugin file {str(path)!r} has no attribute {attribute!r}; "
            f"add a line such as `method = MyMethod()`, or name it: --plugin {path}:NAME"
        )
        raise RequestError(msg)
    return _as_method(getattr(module, attribute), where=str(path))


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


def source_files(method: Method) -> tuple[Path, ...]:
    """The Python files of a method's class and of those it inherits from, nearest first.

    Their hash goes into the record; what Python and crossbench itself define is left out, for
    their versions are there already.
    """
    covered = {*sys.stdlib_module_names, __package__}
    kinds = [
        kind for kind in type(method).__mro__ if kind.__module__.partition(".")[0] not in covered
    ]
    files = [inspect.getsourcefile(kind) for kind in kinds]
    return tuple(dict.fromkeys(Path(file) for file in files if file))


def _as_method(target: Any, *, where: str) -> Method:
    try:
        method = target() if inspect.isclass(target) else target
    except Exception as error:
        msg = f"{where} cannot be made without arguments: {error!r}"
        raise RequestError(msg) from error
    if not isinstance(method, Method):
        lacking = [
            part for part in ("name", "dims", "layer_2d", "layer_3d") if not hasattr(method, part)
        ]
        msg = f"{where} is no method: it lacks {', '.join(lacking)} (see crossbench.methods.Method)"
        raise RequestError(msg)
    if not isinstance(method.name, str) or not KEBAB_CASE.fullmatch(method.name):
        msg = f"{where}: name (={method.name!r}) must be in kebab case, such as 'my-method'"
        raise RequestError(msg)
    if method.dims not in ((2,), (3,), (2, 3)):
        msg = f"{where}: dims (={method.dims!r}) must be (2,), (3,) or (2, 3)"
        raise RequestError(msg)
    return method


def _entry(point: EntryPoint) -> MethodEntry:
    distribution, version = _owner(point)
    return MethodEntry(
        name=point.name,
        target=point.value,
        distribution=distribution,
        version=version,
        summary=_summary(point.module),
        dims=_dims(point.module, point.attr),
    )


def _owner(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown package", "unknown")


def _summary(module: str) -> str:
    """First line of a module's docstring, read from its source without running it."""
    spec = _find_spec(module)
    if spec is None:
        return "(module not found)"
    if spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    try:
        docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_bytes()))
    except (OSError, SyntaxError, ValueError) as error:
        return f"(unreadable: {error})"
    return docstring.splitlines()[0] if docstring else ""


def _dims(module: str, name: str) -> tuple[int, ...]:
    """What a class declares as ``dims``, or inherits, read from its source without running it."""
    spec = _find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ()
    try:
        body = ast.parse(Path(spec.origin).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ()
    for node in reversed(body):
        if isinstance(node, ast.ClassDef) and node.name == name:
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            inherited = (_dims(module, base) for base in bases if base != name)
            return _declared_dims(node) or next(filter(None, inherited), ())
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _dims(node.module, alias.name)
    return ()


def _declared_dims(kind: ast.ClassDef) -> tuple[int, ...]:
    for node in kind.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "dims" for target in targets):
            with contextlib.suppress(ValueError, TypeError):  # computed, or no tuple
                return tuple(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return ()


def _folder(package: str) -> Path | None:
    spec = _find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _find_spec(module: str) -> importlib.machinery.ModuleSpec | None:
    """Locate a module by walking its packages' folders; importing none of them."""
    parts = module.split(".")
    spec = importlib.util.find_spec(parts[0])
    for position in range(1, len(parts)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join(parts[: position + 1])
        spec = importlib.machinery.PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec
