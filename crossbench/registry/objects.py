"""Methods that this process registers itself, as in a notebook."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crossbench.errors import RequestError
from crossbench.files.atomic import place
from crossbench.files.paths import named_path
from crossbench.registry.claims import (
    PLAIN,
    Claim,
    Registered,
    as_method,
    find_claims,
    objects,
    of_object,
    quarrel,
)
from crossbench.registry.hyperparameters import built_with
from crossbench.registry.method_identity import Origin, method_hash, remember, sources
from crossbench.registry.methods import load_method, load_plugin
from crossbench.registry.notebooks import NOTEBOOK, is_of_a_notebook, plugin_source
from crossbench.registry.plugin_files import PLUGIN, PluginFile

if TYPE_CHECKING:
    from crossbench.methods import Method

Given = TypeVar("Given")


def register(method: Given) -> Given:
    """Make a method known by its name to this process, as in a notebook.

    Its identity is its source, as that of a plugin file is (docs/methods.md): the file of its
    class, or the definitions in the cells of the notebook. Other processes do not find it by name:
    to submit its runs, or to share them out by ``--jobs``, write it to a file
    (:func:`write_plugin`) and pass that as ``--plugin``.

    Args:
        method: A method or a class of methods, such as
            ``crossbench.register(Mine(temp=2))``; one of the same class takes the place of an
            earlier one. Serves as a decorator of classes.

    Returns:
        What was given.

    Raises:
        RequestError: If it is no method, its name is taken, or its source cannot be told.
    """
    add_object(method)
    return method


def write_plugin(method: str | Method, file: str | Path) -> Path:
    """Write a method of a notebook to a plugin file, which has the same identity.

    The file holds the definitions of the cells that the method is made of. What they import from
    beside the notebook has to lie beside the file too.

    Args:
        method: What was registered, or its name.
        file: Where to; it must not exist.

    Returns:
        The file, for ``--plugin``.

    Raises:
        RequestError: If the file exists, the method is of no notebook, or the file would not give
            the same method.
    """
    path = named_path(file, "file")
    known = load_method(method) if isinstance(method, str) else method
    registered = objects.get(known.name)
    if registered is None or registered.notebook is None or registered.method is not known:
        msg = f"method {known.name!r} is of no notebook; pass the file of its class as --plugin"
        raise RequestError(msg)
    if path.exists():
        raise RequestError(f"{path} exists; remove it, or write the plugin elsewhere")
    place(path, sources(known)[PLUGIN])
    if method_hash(load_plugin(str(path))) != method_hash(known):
        msg = f"{path} does not give the same method: it must lie beside the files that it imports"
        raise RequestError(msg)
    return path


def add_object(method: Any) -> Method:
    """The method that is known by its name from then on.

    An object of the same class takes the place of an earlier one, as when a cell is run again; of
    a method that a package registers alike, that one is returned.

    Raises:
        RequestError: As :func:`register`.
    """
    kind = method if inspect.isclass(method) else type(method)
    made = as_method(method, PLAIN, where=f"an object of class {kind.__qualname__}")
    registered = Registered(made, _notebook_plugin(made))
    remember(made, Origin.by_hand(kind), registered.notebook)
    for claim in find_claims(()).by_name.get(made.name, []):
        if claim.package and method_hash(known := claim.build(PLAIN)) == method_hash(made):
            return known
        if not _is_earlier(claim, kind):
            raise quarrel(made.name, [claim, of_object(registered)])
    objects[made.name] = registered
    return made


def _notebook_plugin(method: Method) -> PluginFile | None:
    """The plugin file that a method of a notebook amounts to, in the folder it is run in."""
    kind = type(method)
    if not is_of_a_notebook(kind):
        return None
    given = ", ".join(f"{key}={value!r}" for key, value in built_with(method).items())
    content = plugin_source(kind, f"{kind.__qualname__}({given})")
    return PluginFile(Path.cwd() / f"{NOTEBOOK}.py", content=content)


def _is_earlier(claim: Claim, kind: type) -> bool:
    """Whether a claim is an object's of a class that stands, or stood, where this one does."""
    earlier = claim.kind
    return earlier is not None and (earlier.__module__, earlier.__qualname__) == (
        kind.__module__,
        kind.__qualname__,
    )
