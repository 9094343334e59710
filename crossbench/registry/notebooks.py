"""Sources of methods that are defined in cells of a notebook, as IPython has run them.

A class of a notebook lies in no file. Its source is made of the cells: the statement that defines
it and, in turn, every statement that defines or changes a name which these refer to. What else
the cells hold, such as the runs themselves, is no part of it; nor are changes that a call makes
(``TABLE.append(1)``). The outcome is a plugin file.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: The module in which cells are run.
MAIN = "__main__"

#: The name that a notebook goes by where files have theirs.
NOTEBOOK = "<notebook>"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OF_IPYTHON = frozenset({"get_ipython", "In", "Out", "exit", "quit", "open", "display"})


def is_of_a_notebook(kind: type) -> bool:
    """Whether a class was defined in a cell that IPython has run."""
    return kind.__module__ == MAIN and bool(_cells())


def plugin_source(kind: type, call: str) -> bytes:
    """The plugin file that a class of a notebook amounts to.

    Args:
        kind: The class.
        call: The expression that makes the method, such as ``"Mine(temp=2)"``.

    Raises:
        RequestError: If a definition that it needs is in no cell, or is no longer the one of
            the class.
    """
    statements = [each for cell in _cells() for each in _statements(cell)]
    needed = _needed(kind.__qualname__, statements)
    for each in needed:
        _check_current(kind, each)
    parts = [each.text for each in needed]
    return ("\n\n".join([*parts, f"method = {call}"]) + "\n").encode()


# --------------------------------------------------------------------------------- cells


def _cells() -> list[str]:
    """The cells that were run, in order, magics as Python has them; none outside IPython."""
    package = sys.modules.get("IPython")
    shell = package.get_ipython() if package is not None else None
    return [] if shell is None else list(shell.history_manager.input_hist_parsed)


@dataclass(frozen=True, eq=False)
class _Statement:
    """A statement at the top of a cell, as it stands there."""

    node: ast.stmt
    text: str

    @cached_property
    def binds(self) -> frozenset[str]:
        """The names that it gives a meaning to."""
        return frozenset(_bound(self.node))

    @cached_property
    def changes(self) -> frozenset[str]:
        """The names whose attributes or items it sets."""
        return frozenset(name for node in ast.walk(self.node) for name in _changed(node))

    @cached_property
    def refers(self) -> frozenset[str]:
        """The names of the notebook that it mentions, at any depth."""
        return frozenset(_mentioned(symtable.symtable(ast.unparse(self.node), NOTEBOOK, "exec")))

    @property
    def is_of_the_future(self) -> bool:
        """Whether it changes the meaning of what follows, and so has to come first."""
        return isinstance(self.node, ast.ImportFrom) and self.node.module == "__future__"

    @property
    def is_always_needed(self) -> bool:
        """Whether what it means for the others does not show in names."""
        node = self.node
        return self.is_of_the_future or (
            isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        )

    @property
    def builds_on_itself(self) -> bool:
        """Whether it needs an earlier meaning of a name that it gives one to."""
        if isinstance(self.node, ast.AugAssign):
            return True
        return not isinstance(self.node, _SCOPES) and bool(self.binds & self.refers)


def _statements(cell: str) -> list[_Statement]:
    try:
        body = ast.parse(cell).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [_Statement(node, _text(cell, node)) for node in body]


def _text(cell: str, node: ast.stmt) -> str:
    """The lines of a statement, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    if first == node.lineno:
        return ast.get_source_segment(cell, node) or ast.unparse(node)
    return "\n".join(cell.splitlines()[first - 1 : node.end_lineno])


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds at its own level; functions and classes are not entered."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def _mentioned(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that are looked up at the top; those of functions' own are not."""
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _mentioned(child)


def _changed(node: ast.AST) -> Iterator[str]:
    """The name whose attribute or item a node sets or deletes."""
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        root: ast.expr = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if isinstance(root, ast.Name):
            yield root.id


# ---------------------------------------------------------------------- what is needed


def _needed(name: str, statements: Sequence[_Statement]) -> list[_Statement]:
    """The statements that define a name, and all that these refer to, in the order of cells."""
    found = {each for each in statements if each.is_always_needed}
    waiting, seen = [name], {name}
    while waiting:
        wanted = waiting.pop()
        own = _defining(wanted, statements)
        if not own:
            _check_known_elsewhere(name, wanted)
        found.update(own)
        fresh = {each for one in own for each in one.refers} - seen
        seen |= fresh
        waiting += fresh
    ordered = [each for each in statements if each in found]
    return sorted(ordered, key=lambda each: not each.is_of_the_future)


def _defining(name: str, statements: Sequence[_Statement]) -> list[_Statement]:
    """The last statement that binds a name, what it builds on, and what changes it since."""
    binding = [place for place, each in enumerate(statements) if name in each.binds]
    if not binding:
        return []
    first = last = binding.pop()
    while binding and statements[first].builds_on_itself:
        first = binding.pop()
    since = statements[last + 1 :]
    between = [each for each in statements[first : last + 1] if name in each.binds]
    return between + [each for each in since if name in each.changes]


def _check_known_elsewhere(name: str, wanted: str) -> None:
    """Refuse a name that the notebook knows and no cell defines."""
    known = vars(sys.modules[MAIN])
    if wanted != name and (wanted not in known or hasattr(builtins, wanted)):
        return
    if wanted in _OF_IPYTHON or wanted.startswith("_"):
        return
    what = "is defined at the top of no cell" if wanted == name else f"refers to {wanted!r}, which"
    msg = f"class {name} of the notebook {what}"
    if wanted != name:
        msg += " no cell defines"
    raise RequestError(f"{msg}, so its source cannot be told; put it into a Python file")


def _check_current(kind: type, statement: _Statement) -> None:
    """Refuse a definition that is not the one which the notebook has in use."""
    node = statement.node
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.decorator_list:
        return
    live = kind if node.name == kind.__qualname__ else vars(sys.modules[MAIN]).get(node.name)
    written = _code_of(statement)
    if not all(_is_alike(code, written) for code in _functions(live)):
        msg = (
            f"{node.name}, of which class {kind.__qualname__} is made, is not what its last cell "
            "says; run the cells again from there on"
        )
        raise RequestError(msg)


def _functions(live: Any) -> list[CodeType]:
    """The code of a function, or of the methods that a class itself defines in a cell."""
    if isinstance(live, FunctionType):
        return [live.__code__]
    found = vars(live).values() if isinstance(live, type) else ()
    prefix = f"{getattr(live, '__qualname__', '')}."
    own = [inspect.unwrap(each) for each in found if isinstance(each, FunctionType)]
    codes = [each.__code__ for each in own if each.__qualname__.startswith(prefix)]
    return [code for code in codes if not _is_of_a_file(code.co_filename)]


def _is_of_a_file(name: str) -> bool:
    """Whether code is no cell's: a decorator's from elsewhere, or made by a dataclass."""
    return name == "<string>" or Path(name).is_file()


def _code_of(statement: _Statement) -> list[CodeType]:
    """All code objects of a statement."""
    module = ast.Module(body=[statement.node], type_ignores=[])
    waiting, found = [compile(module, NOTEBOOK, "exec", dont_inherit=True)], []
    while waiting:
        code = waiting.pop()
        found.append(code)
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found


def _is_alike(code: CodeType, written: Sequence[CodeType]) -> bool:
    """Whether one of the code objects computes what this one does."""
    return any(_essence(code) == _essence(each) for each in written)


def _essence(code: CodeType) -> tuple[Any, ...]:
    """Content of a code object, without its place."""
    constants = tuple(
        _essence(each) if isinstance(each, CodeType) else (type(each), each)
        for each in code.co_consts
    )
    return code.co_name, code.co_code, code.co_names, code.co_varnames, constants
