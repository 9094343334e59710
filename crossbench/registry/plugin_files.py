"""Plugin files as modules that find the files beside them.

A plugin is imported into a package of its own, which is its folder. There, ``import layers``
means the file beside it, as for a script: absolute imports of what lies there are rewritten to
imports from that package, so that neither ``sys.path`` nor the name ``layers`` of ``sys.modules``
is touched, and two plugins can each have a ``layers.py``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import itertools
import sys
from dataclasses import dataclass, field
from functools import cached_property
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.registry.tracing import ELSEWHERE, Found, Tree, find_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import CodeType, ModuleType

#: The place of a plugin file among its own files, whatever its name.
PLUGIN = "<plugin>"
_PREFIX = "crossbench_plugin_"
_numbers = itertools.count(1)
_plugins: dict[str, PluginFile] = {}


@dataclass(frozen=True, eq=False)
class PluginFile:
    """A plugin file and the package that it is imported into.

    Attributes:
        file: The file.
        package: Name of the package.
        content: Its bytes, where it lies in no file: those of a notebook's cells.
    """

    file: Path
    package: str = field(default_factory=lambda: f"{_PREFIX}{next(_numbers)}")
    content: bytes | None = None

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Its folder and, where it is a symbolic link, that of the real file."""
        return tuple(dict.fromkeys([self.file.parent, self.file.resolve().parent]))

    @cached_property
    def module(self) -> str:
        """The name that it is imported under."""
        stem = self.file.name.partition(".")[0]
        return f"{self.package}.{stem if stem.isidentifier() else 'plugin'}"

    @cached_property
    def tree(self) -> Tree:
        """The plugin file and those beside it that it imports, as first read."""
        folders = tuple(("", folder) for folder in self.folders)
        contents = {} if self.content is None else {self.file: self.content}
        tree = Tree(top=self._own, whole=folders, contents=contents)
        tree.read([""], Found(PLUGIN, self.file))
        return tree

    def beside(self, name: str, by: Path | None = None) -> Found | None:
        """The module ``name`` in the plugin's folder, if there is one.

        Args:
            name: A top-level name.
            by: The file that imports it; None where its import says that it lies there.
        """
        found = find_below(self.folders, name)
        if by is None or found is None:
            return found
        itself = found.file == by and not found.folders
        other = found.file is None and _is_installed(name)  # a folder that is no package
        return None if name in ELSEWHERE or itself or other else found

    def _own(self, name: str, by: Path | None) -> Found | None:
        """As :meth:`beside`, and the package that the plugin is a part of."""
        return self.beside(name, by) or (self._outer if by and name == self._outer_name else None)

    @cached_property
    def _outer(self) -> Found | None:
        folder = None
        for parent in self.file.parents:
            if not (parent / "__init__.py").is_file():
                break
            folder = parent
        return Found(folder.name, folder / "__init__.py", (folder,)) if folder else None

    @property
    def _outer_name(self) -> str | None:
        return self._outer.label if self._outer else None


def import_plugin(plugin: PluginFile) -> ModuleType:
    """Import a plugin file anew; whatever its code raises is raised.

    What it adds to ``sys.path`` serves its own import alone: the modules found there count as its
    own files, and leave ``sys.modules`` again.

    Raises:
        ImportError: If a file is no longer what it was when its imports were read.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    package = importlib.util.module_from_spec(_package_spec(plugin.package, plugin.folders))
    sys.modules[plugin.package] = package
    _plugins[plugin.package] = plugin
    places, names = list(sys.path), set(sys.modules)
    try:
        module = importlib.import_module(plugin.module)
    except BaseException:
        del _plugins[plugin.package]
        _drop(name for name in list(sys.modules) if name.partition(".")[0] == plugin.package)
        raise
    finally:
        added = [Path(place).resolve() for place in sys.path if place not in places]
        sys.path[:] = places
        found = {name: _file_below(added, sys.modules[name]) for name in {*sys.modules} - names}
        own = {name: file for name, file in found.items() if file is not None}
        _drop(own)
    plugin.tree.add(own)
    return module


def imports_from(file: Path) -> Path:
    """The folder that a plugin file's own imports start from: above the package it is a part of."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def find_plugin(module: str) -> PluginFile | None:
    """The plugin that a module was imported for, if it was for one."""
    return _plugins.get(module.partition(".")[0])


def _drop(names: Iterable[str]) -> None:
    for name in list(names):
        del sys.modules[name]


def _file_below(folders: Sequence[Path], module: ModuleType) -> Path | None:
    """The file of a module, if one of the folders holds it."""
    name = vars(module).get("__file__") if folders else None
    file = Path(name).resolve() if isinstance(name, str) else None
    return file if file and any(file.is_relative_to(folder) for folder in folders) else None


def _is_installed(name: str) -> bool:
    """Whether a module of this name is found outside a plugin's folder."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None


def _package_spec(name: str, folders: Sequence[Path]) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder) for folder in folders]
    return spec


class _Finder(MetaPathFinder):
    """Finds the modules of the plugins' packages, and no others."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The place that a plugin's tree says, so that what is imported is what was read."""
        package, _, name = fullname.partition(".")
        plugin = _plugins.get(package)
        if plugin is None or not path:
            return None
        if fullname == plugin.module:
            found: Found | None = Found(name, plugin.file)
        else:
            found = find_below([Path(folder) for folder in path], name.rpartition(".")[2])
        if found is None or found.file is None:
            return found and _package_spec(fullname, found.folders)
        own = found.file.suffix in SOURCE_SUFFIXES or fullname == plugin.module
        return importlib.util.spec_from_file_location(
            fullname,
            found.file,
            loader=_Loader(fullname, found.file, plugin) if own else None,
            submodule_search_locations=[str(folder) for folder in found.folders] or None,
        )


class _Loader(SourceFileLoader):
    """Compile the source, never a cached older one, with imports rewritten."""

    def __init__(self, fullname: str, file: Path, plugin: PluginFile) -> None:
        super().__init__(fullname, str(file))
        self._file, self._plugin = file, plugin

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        """The code of the file, whose bytes are those that the plugin's tree has read."""
        content = self._file.read_bytes()
        known = self._plugin.tree.files.get(self._file)
        if known is not None and known.sha256 != hashlib.sha256(content).hexdigest():
            msg = f"{self._file} has changed since the plugin was loaded; run the command again"
            raise ImportError(msg)
        tree = ast.parse(content, self.path)
        rewritten = ast.fix_missing_locations(_Rewriter(self._file, self._plugin).visit(tree))
        code: CodeType = compile(rewritten, self.path, "exec", dont_inherit=True)
        return code


class _Rewriter(ast.NodeTransformer):
    """Makes absolute imports of what lies beside a plugin imports from its package."""

    def __init__(self, file: Path, plugin: PluginFile) -> None:
        self._file, self._plugin = file, plugin

    def _lies_beside(self, name: str) -> bool:
        return self._plugin.beside(name.partition(".")[0], self._file) is not None

    def visit_Import(self, node: ast.Import) -> Any:
        """``import a.b`` binds a, after a.b is imported."""
        package = self._plugin.package
        statements: list[ast.stmt] = []
        for alias in node.names:
            own = f"{package}.{alias.name}"
            if not self._lies_beside(alias.name):
                statements.append(ast.Import([alias]))
                continue
            if alias.asname or "." in alias.name:
                statements.append(ast.Import([ast.alias(own, alias.asname)]))
            if not alias.asname:
                top = ast.alias(alias.name.partition(".")[0])
                statements.append(ast.ImportFrom(package, [top], 0))
        return [ast.copy_location(statement, node) for statement in statements]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """``from a.b import c`` looks for a in the package."""
        if not node.level and node.module and self._lies_beside(node.module):
            node.module = f"{self._plugin.package}.{node.module}"
        return node
