"""Source of a method: the files that its identity covers, from a machine to a bundle and back.

In a bundle a plugin file lies in ``source/plugin``, and those of its own folder beside it, as on
the author's machine; files of installed packages lie in ``source/packages``, each below its
top-level package. Unpacked at another place, they make the same identity.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossbench.bundles.manifest import SOURCE, BundledMethod
from crossbench.errors import BundleError
from crossbench.registry.claims import PLUGIN_FILE, plugin_path
from crossbench.registry.entries import METHOD_GROUP, points
from crossbench.registry.method_identity import identify
from crossbench.registry.plugin_files import PLUGIN

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
        BundleError: If a file lies outside of the plugin's folder or has changed since the
            method was loaded, or nothing says how the method is to be loaded elsewhere.
    """
    identity = identify(method)
    root = _plugin_root(identity)
    placed = {file.label: (_place(file, root), file) for file in identity.files}
    contents = {f"{SOURCE}/{place}": _content(file) for place, file in placed.values()}
    if len(contents) < len(identity.files):
        msg = f"method {method.name!r}: two of its files have one name; rename one of the two"
        raise BundleError(msg)
    sources = {label: place for label, (place, _) in placed.items()}
    origin = identity.origin
    installed = origin is not None and origin.distribution != PLUGIN_FILE
    described = BundledMethod(
        name=method.name,
        sha256=identity.sha256,
        sources=sources,
        plugin=_plugin(method, identity, sources, plugins) if root else "",
        target="" if root else _target(method),
        distribution=origin.distribution if origin and installed else "",
        version=origin.version if origin and installed else "",
    )
    return Source(described, contents)


def _plugin_root(identity: Identity) -> Path | None:
    """The folder that a plugin's own imports start from; None where there is no plugin."""
    file = next((file.path for file in identity.files if file.label == PLUGIN), None)
    if file is None:
        return None
    root = file.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _place(file: SourceFile, root: Path | None) -> str:
    """A file's place below ``source/``."""
    for folder in (root, root and root.resolve()):
        if folder is not None and file.path.is_relative_to(folder):
            return f"{PLUGIN_FOLDER}/{file.path.relative_to(folder).as_posix()}"
    parts = Path(file.label).parts
    if file.path.parts[-len(parts) :] != parts:  # found by a plugin's own sys.path
        msg = f"source file {file.path.name!r} lies outside of the plugin's folder"
        raise BundleError(f"{msg}, so that no one else could import it; put it beside the plugin")
    return f"{PACKAGES}/{file.label}"


def _content(file: SourceFile) -> bytes:
    content = file.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        msg = f"source file {file.path.name!r} has changed since the method was loaded"
        raise BundleError(f"{msg}; run the command again")
    return content


def _plugin(
    method: Method, identity: Identity, sources: dict[str, str], plugins: Sequence[str]
) -> str:
    """The plugin's place in the bundle, with the attribute that is the method."""
    own = next(file.path for file in identity.files if file.label == PLUGIN)
    for reference in plugins:
        path, attribute = plugin_path(reference)
        if path.absolute() == own:
            return f"{sources[PLUGIN]}:{attribute}"
    msg = f"method {method.name!r} is of {own.name}, which no --plugin names; add it"
    raise BundleError(msg)


def _target(method: Method) -> str:
    name = method.name.partition(":")[0]
    found = [point.entry.value for point in points(METHOD_GROUP) if point.entry.name == name]
    if not found:
        msg = f"method {method.name!r} is of no plugin file and no installed package"
        raise BundleError(f"{msg}; put it into a file, and name that by --plugin")
    return found[0]
