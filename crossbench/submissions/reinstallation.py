"""A bundled method put where another process finds it: as a plugin file, or as a package."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, NamedTuple

from crossbench.environment.state import importing
from crossbench.errors import BundleError, RequestError
from crossbench.registry.method_identity import identify
from crossbench.registry.methods import find_methods
from crossbench.specs.method_names import base_name
from crossbench.submissions.source import PACKAGES, PLUGIN_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.results.bundles.bundle import Bundle
    from crossbench.results.bundles.manifest import BundledMethod

_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9.+!_-]+")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Installed(NamedTuple):
    """Plugin files and import path that give a process a method.

    Attributes:
        plugins: What ``--plugin`` is to name.
        path: Folders that go before all others of the import path.
        built_in: Whether it is the very method that is installed here.
    """

    plugins: tuple[str, ...] = ()
    path: tuple[Path, ...] = ()
    built_in: bool = False


def reinstall(bundle: Bundle, folder: Path) -> Installed:
    """Put a bundle's method where a process finds it; none of its code is run.

    A method of an installed package is that package's own where the source is the same, file by
    file.

    Args:
        bundle: The bundle.
        folder: An empty folder, which outlives the process.

    Raises:
        BundleError: If the manifest's package has a name that none has.
    """
    method, packages = bundle.manifest.method, bundle.source / PACKAGES
    if method.target and _is_here(method):
        return Installed(built_in=True)
    path = (folder,) if packages.is_dir() else ()
    if packages.is_dir():
        shutil.copytree(packages, folder, dirs_exist_ok=True)
    if method.target:
        _register(method, folder)
        return Installed(path=path)
    if method.plugin.count("/") > 1:  # it is a part of a package, which it may import
        path = (*path, bundle.source / PLUGIN_FOLDER)
    return Installed((f"{bundle.source / method.plugin}",), path)


def _is_here(method: BundledMethod) -> bool:
    try:
        with importing(method.name):
            (found,) = find_methods([method.name])
    except RequestError:
        return False
    return identify(found).sha256 == method.sha256


def _register(method: BundledMethod, folder: Path) -> None:
    """Register a method as its package does, so that its identity is the same."""
    named = (
        (_DISTRIBUTION, method.distribution),
        (_VERSION, method.version),
        (_TARGET, method.target),
    )
    for pattern, text in named:
        if not pattern.fullmatch(text):
            msg = f"its manifest says that {text!r} registers the method, which no package is"
            raise BundleError(f"{msg}; the bundle cannot be run")
    about = folder / f"{method.distribution}-{method.version}.dist-info"
    about.mkdir()
    header = f"Metadata-Version: 2.1\nName: {method.distribution}\nVersion: {method.version}\n"
    (about / "METADATA").write_text(header)
    registered = f"[crossbench.methods]\n{base_name(method.name)} = {method.target}\n"
    (about / "entry_points.txt").write_text(registered)
