"""Methods built with other values than the usual ones: ``--method mine:temp=2``.

A hyperparameter is a parameter of the method's class. What a method has by itself, be it by its
class or by the instance that a file holds, is left out of its name: one method has one name.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError, unknown_name
from crossbench.errors.foreign import contained, show
from crossbench.registry.method_identity import read_config
from crossbench.specs.method_names import MethodName, read_value, write_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.methods import Method

_REQUIRED = inspect.Parameter.empty


def build(target: Any, name: MethodName, *, where: str) -> Any:
    """The method that a class or an instance gives with the values in a name.

    Args:
        target: What a module holds: a method, or a class of methods.
        name: The name that was asked for.
        where: Where the target stands, for messages.

    Returns:
        Whatever the class makes; its ``name`` is the canonical form of the name, values that the
        target has by itself left out.

    Raises:
        RequestError: If the class takes no such parameter, or not this value.
    """
    if not name.given:
        with contained(f"{where} cannot be made without arguments"):
            return target() if inspect.isclass(target) else target
    kind = target if inspect.isclass(target) else type(target)
    own = {} if kind is target else built_with(target)
    usual = parameters(kind, where=where) | own
    given = _values(name, usual)
    changed = {key: value for key, value in given.items() if not _equal(value, usual[key])}
    _check_complete(name, usual, changed)
    with contained(f"{where}: {name} cannot be made{_taken(usual)}"):
        method = kind(**own | changed)
    return _renamed(method, name, changed) if changed else method


def needs_arguments(kind: type, *, where: str) -> bool:
    """Whether a class makes nothing without arguments."""
    return _REQUIRED in parameters(kind, where=where).values()


def built_with(method: Method) -> dict[str, Any]:
    """The arguments that make a method's like of its class, told by its values.

    Raises:
        RequestError: If its values by the names of parameters do not give the same method.
    """
    kind, config = type(method), read_config(method)
    defaults = parameters(kind, where=f"method {method.name!r}")
    found = {key: getattr(method, key, config[key]) for key in defaults if key in config}
    found = {key: value for key, value in found.items() if not _equal(value, defaults[key])}
    with contained(f"method {method.name!r} cannot be made anew by {_call(kind, found)}"):
        again = read_config(kind(**found))
    if again != config:
        msg = (
            f"method {method.name!r} is not what {_call(kind, found)} makes; keep what its class "
            "is called with in attributes of the same names, or return it by these from config()"
        )
        raise RequestError(msg)
    return found


def parameters(kind: type, *, where: str) -> dict[str, Any]:
    """The parameters of a class by name, with their defaults.

    Raises:
        RequestError: If its signature cannot be read.
    """
    with contained(f"{where}: its parameters cannot be read"):
        signature = inspect.signature(kind)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {each.name: each.default for each in signature.parameters.values() if each.kind in named}


def listed(known: Mapping[str, Any]) -> list[str]:
    """Parameters with their defaults, as names have them: ``temp=1.0``."""
    return [
        key if default is _REQUIRED else f"{key}={write_value(default)}"
        for key, default in known.items()
    ]


def _values(name: MethodName, known: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are given, each of the type of the usual one."""
    for key in name.given:
        if key not in known:
            raise RequestError(f"method {name.base!r}: {_unknown(key, known)}")
    return {key: _value(name, key, text, known) for key, text in name.given.items()}


def _unknown(key: str, known: Mapping[str, Any]) -> str:
    if not known:
        return f"it takes no hyperparameters, so leave {key} out"
    return f"{unknown_name('hyperparameter', key, known)}{_taken(known)}"


def _value(name: MethodName, key: str, text: str, known: Mapping[str, Any]) -> Any:
    usual, value = known[key], read_value(text)
    if isinstance(usual, str):
        return text
    if isinstance(usual, bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(usual, int | float):
        fits, wanted = _is_number(value), "a number"
    else:
        return value
    if not fits:
        msg = f"method {name.base!r}: {key} (={show(text)}) must be {wanted}{_taken(known)}"
        raise RequestError(msg)
    return float(value) if isinstance(usual, float) else value  # type: ignore[arg-type]


def _check_complete(name: MethodName, usual: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    lacking = [key for key, value in usual.items() if value is _REQUIRED and key not in given]
    if lacking:
        asked = ":".join([name.base, *(f"{key}=VALUE" for key in lacking)])
        raise RequestError(f"method {name.base!r} needs {' and '.join(lacking)}: write {asked}")


def _renamed(method: Any, name: MethodName, changed: Mapping[str, Any]) -> Any:
    words = {key: write_value(value) for key, value in changed.items()}
    canonical = str(MethodName(name.base, words))
    try:
        if method.name == name.base:  # else the registry says what is wrong
            object.__setattr__(method, "name", canonical)
    except (AttributeError, TypeError) as error:
        msg = f"method {name.base!r}: its name cannot be set to {canonical!r} ({error})"
        raise RequestError(f"{msg}; make name a plain attribute") from error
    return method


def _equal(value: Any, usual: Any) -> bool:
    """Whether two values are the same: 1 is 1.0, and is not true."""
    alike = type(value) is type(usual) or (_is_number(value) and _is_number(usual))
    return alike and bool(value == usual)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _taken(known: Mapping[str, Any]) -> str:
    return f"; it takes {', '.join(listed(known))}" if known else "; it takes no hyperparameters"


def _call(kind: type, values: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{key}={show(value, 100)}" for key, value in values.items())
    return f"{kind.__name__}({arguments})"
