"""Trace the files that a module imports of its own, by reading sources."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from crossbench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: Names that are never looked up beside a plugin file, whatever lies there.
ELSEWHERE = frozenset({*sys.stdlib_module_names, "crossbench", "torch"})

_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)  # as Python looks them up
_CODE = (*EXTENSION_SUFFIXES, ".py", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp")
_NO_PACKAGES = frozenset({"__pycache__", "node_modules", "site-packages"})
_MOST_FILES = 1000  # of a folder that is hashed whole

# What imports by a value that only running it would tell, or compiles what lies beside it.
_DYNAMIC = frozenset(
    {
        *("import_module", "__import__", "exec", "eval", "__path__", "addsitedir"),
        *("spec_from_file_location", "SourceFileLoader", "exec_module", "load_module"),
        *("run_path", "run_module", "iter_modules", "walk_packages", "extend_path"),
        *("cpp_extension", "load_library", "LoadLibrary", "CDLL"),
    }
)
_DYNAMIC_METHODS = _DYNAMIC - {"eval"}  # every network has a method of this name
_DYNAMIC_TEXTS = _DYNAMIC - {"eval", "exec"}  # as in getattr(importlib, "import_module")


class Found(NamedTuple):
    """The place of a module or package.

    Attributes:
        label: Its place in its tree, such as ``layers/cube``.
        file: What importing it runs; None for a namespace package.
        folders: Where its submodules lie; empty for a plain module.
    """

    label: str
    file: Path | None
    folders: tuple[Path, ...] = ()

    @property
    def file_label(self) -> str:
        """The place of its file, such as ``layers/cube.py``."""
        name = "" if self.file is None else self.file.name
        if self.folders:
            return f"{self.label}/{name}"
        stem = self.label.rpartition("/")[2]
        return self.label + (name[len(stem) :] if name.startswith(stem) else "")


class SourceFile(NamedTuple):
    """A file that a method is made of.

    Attributes:
        label: Its place among the others, such as ``layers/cube.py``.
        path: Where it lies.
        sha256: Of its bytes as they were read.
        content: Its bytes, where it lies in no file.
    """

    label: str
    path: Path
    sha256: str
    content: bytes | None = None


#: Where a top-level name lies, if it is one of a tree's own; the file is the one that imports it,
#: or None where the import is relative.
Top: TypeAlias = Callable[[str, Path | None], Found | None]


def find_below(folders: Sequence[Path], name: str, label: str = "") -> Found | None:
    """The module or package ``name`` in the first folder that has it."""
    label = f"{label}/{name}" if label else name
    for folder in folders:
        for suffix in _SUFFIXES:
            if (file := folder / name / f"__init__{suffix}").is_file():
                return Found(label, file, (folder / name,))
        for suffix in _SUFFIXES:
            if (file := folder / f"{name}{suffix}").is_file():
                return Found(label, file)
    spaces = tuple(folder / name for folder in folders if (folder / name).is_dir())
    return Found(label, None, spaces) if spaces else None


@dataclass
class Tree:
    """The files that belong together, each read once.

    Attributes:
        top: Where a top-level name lies, if it is one of the tree's own.
        whole: Where code of any name lies when imports are dynamic: folders by their label. A
            top-level package stands for itself.
        contents: What lies in no file, by the paths that stand for it.
        files: What has been read so far, by path.
    """

    top: Top
    whole: tuple[tuple[str, Path], ...] = ()
    contents: Mapping[Path, bytes] = field(default_factory=dict)
    files: dict[Path, SourceFile] = field(default_factory=dict)

    def resolve(self, name: Sequence[str], by: Path | None) -> list[Found]:
        """Modules that importing a dotted name passes through, outermost first."""
        found = self.top(name[0], by)
        path: list[Found] = []
        for part in [*name[1:], None]:
            if found is None:
                break
            path.append(found)
            found = None if part is None else find_below(found.folders, part, found.label)
        return path

    def read(self, name: Sequence[str], found: Found) -> None:
        """Read a module and, in turn, all that it imports of the tree's own.

        Args:
            name: Its dotted name, in parts; an empty one for a plugin file.
            found: Where it lies.
        """
        waiting = [(tuple(name), found)]
        while waiting:
            name, found = waiting.pop()
            if found.file is None or found.file in self.files:
                continue
            imports = _imports(self._keep(found.file, found.file_label))
            package = name if found.folders else name[:-1]
            if imports.dynamic:
                self._read_whole(name[0], found.file, imports.dynamic)
            for wanted in imports.wanted:
                parts = wanted.absolute(package)
                if not parts:
                    continue
                path = self.resolve(parts, None if wanted.level else found.file)
                waiting += [(parts[: end + 1], each) for end, each in enumerate(path)]
                if wanted.star and len(path) == len(parts) and path[-1].folders:
                    self._read_whole(parts[0], found.file, f"`from {'.'.join(parts)} import *`")

    def add(self, modules: Mapping[str, Path]) -> None:
        """Read further files, by the names of their modules."""
        for name, file in modules.items():
            if file not in self.files:
                self._keep(file, name)

    def _keep(self, file: Path, label: str) -> bytes:
        given = self.contents.get(file)
        content = file.read_bytes() if given is None else given
        self.files[file] = SourceFile(label, file, hashlib.sha256(content).hexdigest(), given)
        return content if file.suffix in SOURCE_SUFFIXES else b""

    def _read_whole(self, name: str, file: Path, why: str) -> None:
        """Read all the code below a top-level name that a file may import dynamically."""
        top = self.top(name, None) if name else None
        folders = [(top.label, each) for each in top.folders] if top else []
        for label, folder in folders or self.whole:
            for count, path in enumerate(_code_below(folder)):
                if count == _MOST_FILES:
                    msg = (
                        f"{file} imports by {why}, so every file of code in {folder} may belong to "
                        f"it, and these are more than {_MOST_FILES}; write its imports as import "
                        "statements, or give it a folder of its own"
                    )
                    raise RequestError(msg)
                if path not in self.files:
                    place = path.relative_to(folder).as_posix()
                    self._keep(path, f"{label}/{place}" if label else place)


class _Wanted(NamedTuple):
    """A dotted name that an import statement names, ``level`` dots before it."""

    level: int
    parts: tuple[str, ...]
    star: bool = False

    def absolute(self, package: tuple[str, ...]) -> tuple[str, ...]:
        """The name from the top, for a module of this package; empty where there is none."""
        if not self.level:
            return self.parts
        if self.level - 1 > len(package):
            return ()
        return (*package[: len(package) - self.level + 1], *self.parts)


class _Imports(NamedTuple):
    """Names that a file imports, and the first dynamic import in it."""

    wanted: list[_Wanted]
    dynamic: str


def _imports(content: bytes) -> _Imports:
    """The imports of a source file; none where it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Imports([], "")
    wanted = [each for node in nodes for each in _wanted(node)]
    return _Imports(wanted, next((name for node in nodes for name in _dynamic(node)), ""))


def _wanted(node: ast.AST) -> Iterator[_Wanted]:
    if isinstance(node, ast.Import):
        yield from (_Wanted(0, tuple(alias.name.split("."))) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = tuple(node.module.split(".")) if node.module else ()
        for alias in node.names:
            star = alias.name == "*"
            yield _Wanted(node.level, base if star else (*base, alias.name), star=star)


def _dynamic(node: ast.AST) -> Iterable[str]:
    """The names in a node that make imports dynamic."""
    match node:
        case ast.Name(id=name):
            return [name] if name in _DYNAMIC else []
        case ast.Constant(value=str(name)):
            return [name] if name in _DYNAMIC_TEXTS else []
        case ast.Attribute(value=ast.Name(id="sys"), attr="path"):
            return ["sys.path"]
        case ast.Attribute(attr=name):
            return [name] if name in _DYNAMIC_METHODS else []
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            parts = {part for alias in names for part in alias.name.split(".")}
            module = getattr(node, "module", None)
            parts |= set((module or "").split("."))
            return ["sys.path"] if module == "sys" and "path" in parts else parts & _DYNAMIC
    return []


def _code_below(folder: Path) -> Iterator[Path]:
    """Files of code below a folder, hidden folders and environments left out."""
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = Path(here).resolve()
        if real in seen or "pyvenv.cfg" in files:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _NO_PACKAGES
        )
        paths = (Path(here, name) for name in sorted(files) if name.endswith(_CODE))
        yield from (path for path in paths if path.is_file())
