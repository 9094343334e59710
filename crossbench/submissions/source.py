"""Source of a method: the files that its identity covers, from a machine to a bundle and back.

In a bundle a plugin file lies in ``source/plugin``, and those of its own folder beside it, as on
the author's machine; files of installed packages lie in ``source/packages``, each below its
top-level package. Unpacked at another place, they make the same identity.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossbench.errors import BundleError
from crossbench.methods import input_kinds
from crossbench.registry.claims import plugin_path
from crossbench.registry.entries import METHOD_GROUP, points
from crossbench.registry.method_identity import identify, sources
from crossbench.registry.plugin_files import PLUGIN, imports_from
from crossbench.results.bundles.manifest import SOURCE, BundledMethod
from crossbench.specs.method_names import base_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.methods import Method
    from crossbench.registry.method_identity import Identity
    from crossbench.registry.tracing import SourceFile

#: Folders of a bundle's source: of a plugin file, and of the packages it is made of.
PLUGIN_FOLDER, PACKAGES = "plugin", "packages"


class Source(NamedTuple):
    """A method as a bundle has it.

    Attributes:
        method: What its manifest says.
        contents: The files, by their places in the bundle.
    """

    method: BundledMethod
    contents: dict[str, bytes]


def gather_source(method: Method, plugins: Sequence[str] = ()) -> Source:
    """The whole source of a method that was loaded.

    Args:
        method: The method.
        plugins: The references of the plugin files that were loaded, as ``--plugin`` takes them.

    Raises:
        BundleError: If a file lies outside of the plugin's folder, or nothing says how the method
            is to be loaded elsewhere.
        RequestError: If a file has changed since the method was loaded.
    """
    identity = identify(method)
    root = _plugin_root(identity)
    places = {file.label: _place(file, root, method.name) for file in identity.files}
    if len(set(places.values())) < len(identity.files):
        msg = f"method {method.name!r}: two of its files have one name; rename one of the two"
        raise BundleError(msg)
    contents = {f"{SOURCE}/{places[label]}": held for label, held in sources(method).items()}
    return Source(_described(method, identity, places, plugins), contents)


def _described(
    method: Method, identity: Identity, places: dict[str, str], plugins: Sequence[str]
) -> BundledMethod:
    """Entry of a method in a manifest."""
    own = next((file for file in identity.files if file.label == PLUGIN), None)
    origin = identity.origin
    package = origin if origin is not None and own is None else None
    return BundledMethod(
        name=method.name,
        sha256=identity.sha256,
        sources=places,
        plugin="" if own is None else f"{places[PLUGIN]}:{_attribute(method, own, plugins)}",
        target=_target(method) if own is None else "",
        distribution="" if package is None else package.distribution,
        version="" if package is None else package.version,
        inputs=input_kinds(method),
    )


def _plugin_root(identity: Identity) -> Path | None:
    """The folder that a plugin's own imports start from; None where there is no plugin."""
    file = next((file.path for file in identity.files if file.label == PLUGIN), None)
    return None if file is None else imports_from(file)


def _place(file: SourceFile, root: Path | None, name: str) -> str:
    """A file's place below ``source/``."""
    if file.content is not None:  # of a notebook's cells
        return f"{PLUGIN_FOLDER}/{base_name(name).replace('-', '_')}.py"
    for folder in (root, root and root.resolve()):
        if folder is not None and file.path.is_relative_to(folder):
            return f"{PLUGIN_FOLDER}/{file.path.relative_to(folder).as_posix()}"
    parts = Path(file.label).parts
    if file.path.parts[-len(parts) :] != parts:  # found by a plugin's own sys.path
        msg = f"source file {file.path.name!r} lies outside of the plugin's folder"
        raise BundleError(f"{msg}, so that no one else could import it; put it beside the plugin")
    return f"{PACKAGES}/{file.label}"


def _attribute(method: Method, own: SourceFile, plugins: Sequence[str]) -> str:
    """The attribute of a plugin file that is the method."""
    if own.content is not None:
        return "method"
    for reference in plugins:
        path, attribute = plugin_path(reference)
        if path.absolute() == own.path:
            return attribute
    msg = f"method {method.name!r} is of {own.path.name}, which no --plugin names; add it"
    raise BundleError(msg)


def _target(method: Method) -> str:
    name = base_name(method.name)
    found = [point.entry.value for point in points(METHOD_GROUP) if point.entry.name == name]
    if not found:
        msg = f"method {method.name!r} is of no plugin file and no installed package"
        raise BundleError(f"{msg}; put it into a file, and name that by --plugin")
    return found[0]
