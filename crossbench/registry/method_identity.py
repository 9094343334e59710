"""A method's identity: the files it is made of and the values it was built with.

One rule for every method. Its files are those of its own top-level package that its module
imports, in turn; for a plugin file, those beside it; the whole package where imports are dynamic;
and the same of the classes that it inherits from, Python's, torch's and crossbench's own left
out, for records name their versions. Its values are ``method.config()`` or, without one, its
public attributes.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError
from crossbench.errors.foreign import contained, kind_of, show
from crossbench.files.hashing import hash_json
from crossbench.registry.plugin_files import PluginFile, find_plugin
from crossbench.registry.tracing import ELSEWHERE, Found, SourceFile, Tree

if TYPE_CHECKING:
    from types import ModuleType

    from crossbench.methods import Method

#: Where methods are from that this process alone knows.
BY_HAND = "made by hand"

_DEEPEST = 20  # lists in lists
_LONGEST = 100_000  # characters of JSON
_LARGEST = 2**63
_TAKEN = "None, bool, int, finite float, str, and lists, tuples and dicts of these"
_REMEDY = "define config() so that it returns what the method was built with"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The package or plugin file that a method was loaded from.

    Attributes:
        distribution: Name of the installed package that registers it, or "plugin file".
        version: Version of that package; empty for a plugin file.
        module: The module that was asked for it.
    """

    distribution: str
    version: str
    module: str

    @classmethod
    def by_hand(cls, kind: type) -> Origin:
        """The origin of an object that this process has made itself."""
        return cls(distribution=BY_HAND, version="", module=kind.__module__)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Files and values that identify a method.

    Attributes:
        files: What it is made of, by their places.
        config: The values it was built with.
        origin: Where it was loaded from; None if it was made by hand.
    """

    files: tuple[SourceFile, ...]
    config: dict[str, Any]
    origin: Origin | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """All of it, as JSON has it; where the files lie is not a part."""
        files = sorted([file.label, file.sha256] for file in self.files)
        return {"files": files, "config": self.config}

    @property
    def sha256(self) -> str:
        """The hash that stands for all of it."""
        return hash_json(self.facts)


# What was loaded, with its identity as it was then: code that has been imported stays what it
# was, whatever becomes of its files. The method is kept so that its id is not given to another.
_loaded: dict[int, tuple[Method, Identity]] = {}


def identify(method: Method) -> Identity:
    """The identity of a method: as it was loaded or, if it was made by hand, as it is.

    Raises:
        RequestError: If an attribute is of no plain type and there is no ``config()``, or no
            file is found that defines the method.
    """
    known = _loaded.get(id(method))
    return known[1] if known else _identity(method, None)


def method_hash(method: Method) -> str:
    """SHA-256 (hex) over a method's files and values; raises as :func:`identify`."""
    return identify(method).sha256


def sources(method: Method) -> dict[str, bytes]:
    """The files that a method's identity covers, by their places in it.

    Raises:
        RequestError: If one of them is not what it was when the method was loaded.
    """
    return {file.label: _unchanged(method, file) for file in identify(method).files}


def _unchanged(method: Method, file: SourceFile) -> bytes:
    if file.content is not None:
        return file.content
    try:
        content = file.path.read_bytes()
    except OSError as error:
        msg = f"method {method.name!r}: {file.label} cannot be read: {error}"
        raise RequestError(msg) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        msg = f"method {method.name!r}: {file.label} has changed since it was loaded; load it anew"
        raise RequestError(msg)
    return content


def is_of_this_process(method: Method) -> bool:
    """Whether other processes cannot find a method by its name."""
    origin = identify(method).origin
    return origin is None or origin.distribution == BY_HAND


def remember(method: Method, origin: Origin, notebook: PluginFile | None = None) -> None:
    """Keep the identity of a method that was just loaded.

    Args:
        method: The method.
        origin: Where it is from.
        notebook: The plugin file that the cells of its class amount to.
    """
    _loaded[id(method)] = method, _identity(method, origin, notebook)


def _identity(
    method: Method, origin: Origin | None, notebook: PluginFile | None = None
) -> Identity:
    modules = [] if origin is None else [origin.module]
    modules += [kind.__module__ for kind in type(method).__mro__]
    files = {} if notebook is None else dict(notebook.tree.files)
    for name in dict.fromkeys(modules):
        module = sys.modules.get(name)
        if module is not None and name.partition(".")[0] not in ELSEWHERE:
            files |= _files_of(module)
    if not files:
        msg = (
            f"method {method.name!r} is a {kind_of(method)} that no file defines, so its identity "
            "cannot be told; put its class into a Python file, or into a cell of a notebook whose "
            "methods are registered by crossbench.register"
        )
        raise RequestError(msg)
    return Identity(files=tuple(files.values()), config=read_config(method), origin=origin)


@cache  # by the module itself: one that is imported anew is another
def _files_of(module: ModuleType) -> dict[Path, SourceFile]:
    """The files of a module and of what it imports of its own top-level package."""
    plugin = find_plugin(module.__name__)
    file = _file_of(module)
    if plugin is None and module.__name__ == "__main__" and file is not None:
        plugin = PluginFile(file)  # a script's files lie beside it too
    if plugin is not None:
        return plugin.tree.files
    top = module.__name__.partition(".")[0]
    package = sys.modules.get(top, module)
    folders = tuple(Path(folder) for folder in vars(package).get("__path__", ()))
    found = Found(top, _file_of(package), folders)
    tree = Tree(top=lambda name, _: found if name == top else None)
    parts = module.__name__.split(".")
    for end, each in enumerate(tree.resolve(parts, None), start=1):
        tree.read(parts[:end], each)
    return tree.files


def _file_of(module: ModuleType) -> Path | None:
    name = vars(module).get("__file__")
    file = Path(name) if isinstance(name, str) else None
    return file if file is not None and file.is_file() else None


# ------------------------------------------------------------------------------- values


def read_config(method: Method) -> dict[str, Any]:
    """The values that a method was built with, as JSON has them.

    Returns:
        What ``method.config()`` returns, if there is such a thing, else the public attributes:
        its own and, where they are of plain type, those of its classes.

    Raises:
        RequestError: If ``config()`` fails or returns no dict, or a value is none of None, bool,
            int, finite float, str and lists, tuples and dicts of these.
    """
    owner = f"method {method.name!r}"
    with contained(f"{owner}: its values cannot be read"):
        named = _named_values(method)
    if named is None:
        msg = f"{owner}: config() must return a dict of what it was built with, by name"
        raise RequestError(msg)
    config = {}
    for name, value in named.items():
        try:
            config[name] = _plain(value)
        except _NotPlainError as error:
            given = _has_config(method)
            where = f"config()[{name!r}]" if given else f"attribute {name!r}"
            msg = (
                f"{owner}: {where} is {error}; its identity takes {_TAKEN}; "
                f"{'return such values' if given else _REMEDY}"
            )
            raise RequestError(msg) from None
    if (length := len(json.dumps(config))) > _LONGEST:
        msg = (
            f"{owner}: the values it was built with take {length} characters, more than "
            f"{_LONGEST}; return a hash of what is long from config()"
        )
        raise RequestError(msg)
    return config


def _has_config(method: Method) -> bool:
    return callable(getattr(method, "config", None))


def _named_values(method: Method) -> dict[str, Any] | None:
    """Values by name, of any type; None if ``config()`` returns something else."""
    if _has_config(method):
        config = method.config()  # type: ignore[union-attr]
        named = isinstance(config, Mapping) and all(isinstance(name, str) for name in config)
        return dict(config) if named else None
    values: dict[str, Any] = {}
    for kind in reversed(type(method).__mro__):
        values |= {name: value for name, value in vars(kind).items() if _is_plain(value)}
    for kind in type(method).__mro__:
        slots = vars(kind).get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        values |= {name: getattr(method, name) for name in names if hasattr(method, name)}
    values |= getattr(method, "__dict__", {})
    own = {name: value for name, value in values.items() if not name.startswith("_")}
    own.pop("metadata", None)  # says who made it, and changes nothing that it computes
    return own


class _NotPlainError(Exception):
    """A value that is none of JSON's; the message shows it."""


def _is_plain(value: Any) -> bool:
    try:
        _plain(value)
    except _NotPlainError:
        return False
    return True


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it; numbers of NumPy that are Python's too become these."""
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int() if abs(value) < _LARGEST:
            return int.__index__(value)
        case float() if math.isfinite(value):
            return float.__float__(value)
        case list() | tuple() if depth < _DEEPEST:
            return [_plain(each, depth + 1) for each in value]
        case dict() if depth < _DEEPEST and all(isinstance(key, str) for key in value):
            return {str.__str__(key): _plain(each, depth + 1) for key, each in value.items()}
        case dict() if depth < _DEEPEST:
            key = next(key for key in value if not isinstance(key, str))
            raise _NotPlainError(f"a dict with the key {show(key)}, which is no str")
        case list() | tuple() | dict():
            raise _NotPlainError(f"more than {_DEEPEST} levels of lists")
    raise _NotPlainError(f"{show(value)} of class {kind_of(value)}")
