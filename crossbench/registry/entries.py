"""Reader of the entry points that installed packages register; imports none.

Metadata and docstrings are read from files, so a listing is fast and runs nobody's code. What is
malformed in one package is named, and hides nothing of the others.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, update_wrapper
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from crossbench.errors.foreign import describe, message_of, show
from crossbench.methods import KINDS
from crossbench.specs.method_names import write_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import Distribution

T = TypeVar("T")

COLUMN_GROUP = "crossbench.columns"
GROUPING_GROUP = "crossbench.groupings"
IMPORTER_GROUP = "crossbench.importers"
INPUT_GROUP = "crossbench.inputs"
METHOD_GROUP = "crossbench.methods"
OBSERVER_GROUP = "crossbench.observers"
PRESET_GROUP = "crossbench.presets"
PUBLISHED_GROUP = "crossbench.published"
TASK_GROUP = "crossbench.tasks"
TRACK_GROUP = "crossbench.tracks"
VIEW_GROUP = "crossbench.views"
WEIGHTS_GROUP = "crossbench.weights"
_PARTS_OF_A_NAME = re.compile(r"[-_.]+")
_NO_PYTHON = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """A registered method, before its code is imported.

    Attributes:
        name: Registry name.
        target: ``module:attribute`` or ``file.py:attribute``.
        distribution: Name of the installed package that registers it, or "plugin file".
        version: Version of that package.
        summary: First line of the module's docstring; in parentheses, what is wrong with it.
        inputs: Kinds of input that it takes; empty where its source does not say.
        hyperparameters: The parameters of its class with their defaults, such as ``temp=1``, as
            far as its source says.
    """

    name: str
    target: str
    distribution: str
    version: str
    summary: str
    inputs: tuple[str, ...]
    hyperparameters: tuple[str, ...] = ()


class Point(NamedTuple):
    """An entry point and the package that registers it.

    Attributes:
        entry: The entry point.
        distribution: Name of the package.
        version: Its version.
    """

    entry: EntryPoint
    distribution: str
    version: str

    @property
    def fault(self) -> str:
        """The fault of a malformed entry point; empty for none."""
        if EntryPoint.pattern.match(self.entry.value):
            return ""
        return f"its entry point {show(self.entry.value)} is not of the form module:attribute"


class while_installed(Generic[T]):  # noqa: N801  (a decorator)
    """Keep what a function reads of packages as long as the import path and its folders are equal.

    Args:
        read: The function.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._kept = lru_cache(maxsize=1)(lambda _: read())
        update_wrapper(self, read)

    def __call__(self) -> T:
        """What the function reads."""
        return self._kept(tuple((entry, _changed(entry)) for entry in sys.path))

    def cache_clear(self) -> None:
        """Read anew the next time."""
        self._kept.cache_clear()


def _changed(entry: str) -> int:
    """When a folder's entries last changed, in nanoseconds; 0 where there is none."""
    try:
        return os.stat(entry).st_mtime_ns  # noqa: PTH116  (asked for often)
    except OSError:
        return 0


def points(group: str) -> list[Point]:
    """The entry points of a group, malformed ones included."""
    return [point for point in _registered()[0] if point.entry.group == group]


def package_faults() -> tuple[str, ...]:
    """Messages, with remedies, on packages whose registrations are unreadable."""
    return _registered()[1]


def folders(group: str) -> dict[Point, Path]:
    """The folders of files that packages register under a group, where they are found."""
    found = {point: _folder(point.entry.module) for point in points(group) if not point.fault}
    return {point: folder for point, folder in found.items() if folder is not None}


def registered_files(group: str) -> tuple[Path, ...]:
    """The TOML files in the folders that packages register under a group."""
    return tuple(
        file for folder in folders(group).values() for file in sorted(folder.glob("*.toml"))
    )


def task_folders() -> dict[str, Path]:
    """Folders of task cards by registered package."""
    return {point.entry.module: folder for point, folder in folders(TASK_GROUP).items()}


def preset_folders() -> dict[str, tuple[Path, frozenset[str]]]:
    """Folders of parts of presets by package, with the package's methods."""
    owners = [(each.entry.name, each.distribution) for each in points(METHOD_GROUP)]
    return {
        point.distribution: (
            folder,
            frozenset(name for name, owner in owners if owner == point.distribution),
        )
        for point, folder in folders(PRESET_GROUP).items()
    }


def missing_task_packages() -> tuple[str, ...]:
    """One message with its remedy for each registered task package that is not found."""
    return package_faults() + tuple(
        f"{point.distribution} registers tasks in {show(point.entry.value)}, which is no installed "
        f"package; reinstall {point.distribution} or remove it"
        for point in points(TASK_GROUP)
        if point.fault or _folder(point.entry.module) is None
    )


@while_installed
def method_entries() -> dict[str, MethodEntry]:
    """The registered methods by name, found without importing them."""
    found: dict[str, list[Point]] = defaultdict(list)
    for point in points(METHOD_GROUP):
        found[point.entry.name].append(point)
    return {name: _entry(claims) for name, claims in found.items()}


def owners(claims: list[Point]) -> str:
    """The packages that register something, in words."""
    return " and ".join(sorted(point.distribution for point in claims))


def _entry(claims: list[Point]) -> MethodEntry:
    """One method, or the quarrel over its name."""
    entry, fault = claims[0].entry, claims[0].fault
    if len(claims) > 1:
        fault = f"registered by {owners(claims)}; uninstall one of them"
    return MethodEntry(
        name=entry.name,
        target=entry.value,
        distribution=claims[0].distribution,
        version=claims[0].version,
        summary=f"({fault})" if fault else _summary(entry.module),
        inputs=() if fault else _inputs(entry.module, entry.attr),
        hyperparameters=() if fault else _hyperparameters(entry.module, entry.attr),
    )


@while_installed
def _registered() -> tuple[list[Point], tuple[str, ...]]:
    """Entry points for crossbench, of each package once, and messages on faults."""
    found: list[Point] = []
    faults: list[str] = []
    seen = set()
    for package in distributions():
        try:
            if "crossbench." not in (package.read_text("entry_points.txt") or ""):
                continue
            entries = tuple(package.entry_points)
        except Exception as error:  # noqa: BLE001  (parsers of other versions raise what they like)
            name = _name_and_version(package)[0]
            msg = f"entry_points.txt of {name} cannot be read ({describe(error)}); reinstall {name}"
            faults.append(msg)
            continue
        name, version = _name_and_version(package)
        normal = _PARTS_OF_A_NAME.sub("-", name).lower()
        if normal not in seen:  # the first on the path is the one that is imported
            found += [Point(entry, name, version) for entry in entries]
        seen.add(normal)
    return found, tuple(dict.fromkeys(faults))


def _name_and_version(package: Distribution) -> tuple[str, str]:
    try:
        return str(package.name), str(package.version)
    except Exception:  # noqa: BLE001  (metadata that is missing, or no metadata)
        return "unknown package", "unknown"


# ----------------------------------------------------------------- what sources say, not run


def _summary(module: str) -> str:
    """First line of a module's docstring, read from its source without running it."""
    spec = _find_spec(module)
    if spec is None:
        return "(module not found)"
    if spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    try:
        docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_bytes()))
    except _NO_PYTHON as error:
        return f"(unreadable: {message_of(error)})"
    return docstring.splitlines()[0] if docstring else ""


def _inputs(module: str, name: str) -> tuple[str, ...]:
    """Input kinds that a class declares or inherits; its source is read, not run."""
    declared = declarations(module, name)
    values = declared.get("inputs", declared.get("dims"))
    if not isinstance(values, tuple | list):
        return ()
    return tuple(str(KINDS.get(value, value)) for value in values)


def declarations(module: str, name: str) -> dict[str, Any]:
    """Literal attributes of a class and its bases; the source is read, not run."""
    found: dict[str, Any] = {}
    for kind in _classes(module, name, set()):
        found = _literals(kind) | found
    return found


def _hyperparameters(module: str, name: str) -> tuple[str, ...]:
    """Parameters of a class, or of the first of its bases that states them."""
    for kind in _classes(module, name, set()):
        for node in kind.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return tuple(_called_with(node.args))
        if any("dataclass" in ast.unparse(each) for each in kind.decorator_list):
            fields = [node for node in kind.body if isinstance(node, ast.AnnAssign)]
            return tuple(
                _with_default(ast.unparse(node.target), node.value)
                for node in fields
                if "ClassVar" not in ast.unparse(node.annotation)
            )
    return ()


def _called_with(arguments: ast.arguments) -> Iterator[str]:
    """Named arguments with their defaults, the object itself left out."""
    named = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(named) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(named, defaults, strict=True)][1:]
    for argument, default in [
        *pairs,
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]:
        yield _with_default(argument.arg, default)


def _with_default(name: str, default: ast.expr | None) -> str:
    if default is None:
        return name
    with contextlib.suppress(ValueError, TypeError):
        return f"{name}={write_value(ast.literal_eval(default))}"
    return f"{name}={ast.unparse(default)}"


def _classes(module: str, name: str, seen: set[tuple[str, str]]) -> Iterator[ast.ClassDef]:
    """A class, then its bases, each read once."""
    if (module, name) in seen:
        return
    seen.add((module, name))
    node = _definition(module, name)
    if isinstance(node, ast.ClassDef):
        yield node
        for base in node.bases:
            if isinstance(base, ast.Name):
                yield from _classes(module, base.id, seen)
    elif node is not None and node.module and not node.level:
        yield from _classes(node.module, _bound(node)[name], seen)


def _definition(module: str, name: str) -> ast.ClassDef | ast.ImportFrom | None:
    """The last top-level statement that defines or imports a class of this name."""
    spec = _find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        body = ast.parse(Path(spec.origin).read_bytes()).body
    except _NO_PYTHON:
        return None
    for node in reversed(body):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in _bound(node):
            return node
    return None


def _bound(node: ast.ImportFrom) -> dict[str, str]:
    """The names that a statement imports, by the names that it gives them."""
    return {alias.asname or alias.name: alias.name for alias in node.names}


def _literals(kind: ast.ClassDef) -> dict[str, Any]:
    """Attributes that a class body sets to literals."""
    found = {}
    for node in kind.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                with contextlib.suppress(ValueError, TypeError):  # computed
                    found[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
    return found


def _folder(package: str) -> Path | None:
    top, *below = package.split(".")
    spec = _find_spec(top)
    roots = (spec and spec.submodule_search_locations) or ()
    return next((path for root in roots if (path := Path(root, *below)).is_dir()), None)


def _find_spec(module: str) -> importlib.machinery.ModuleSpec | None:
    """Locate a module by walking its packages' folders; importing none of them."""
    parts = module.split(".")
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):  # an empty name, or a module that is no file's
        return None
    for position in range(1, len(parts)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join(parts[: position + 1])
        spec = importlib.machinery.PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec
