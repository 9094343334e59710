"""Origin of a method: package or file, authors and summary."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from email.utils import getaddresses
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING, Any

from crossbench.errors import CardError, RequestError
from crossbench.errors.foreign import clean, contained, show
from crossbench.files.checkout import source_state
from crossbench.registry.entries import declarations
from crossbench.registry.method_identity import BY_HAND, identify
from crossbench.registry.plugin_files import PLUGIN
from crossbench.specs.method_metadata import MethodMetadata
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from email.message import Message

    from crossbench.methods import Method
    from crossbench.registry.entries import MethodEntry

_LONGEST_SUMMARY = 500
_HOME = ("homepage", "home", "repository", "source", "source code", "code", "github")


def method_origin(method: Method) -> dict[str, Any]:
    """The origin of a method, for its record.

    Returns:
        ``distribution`` and ``version`` of the package that registers it, or "plugin file" and
        the name of the ``file``; ``git``, as :func:`source_state` has it; ``metadata``, as far as
        it is known; ``summary``, the first paragraph of its docstring.
    """
    identity = identify(method)
    origin, files = identity.origin, identity.files
    real = [file for file in files if file.content is None]
    plugin = next((file.path.name for file in real if file.label == PLUGIN), None)
    return {
        "distribution": origin.distribution if origin else BY_HAND,
        "version": origin.version if origin else "",
        **({"file": plugin} if plugin else {}),
        "git": source_state(tuple(file.path for file in real)),
        "metadata": _known(declared_metadata(method), origin.distribution if origin else ""),
        "summary": summary(method),
    }


def summary(method: Method) -> str:
    """The first paragraph of a method's docstring: its module's or else its class's."""
    kind = type(method)
    module = None if kind.__module__ == "__main__" else sys.modules.get(kind.__module__)
    docstring = getattr(module, "__doc__", None) or kind.__doc__
    paragraph = docstring.strip().split("\n\n")[0] if isinstance(docstring, str) else ""
    return clean(" ".join(paragraph.split()), _LONGEST_SUMMARY)


def declared_metadata(method: Method) -> MethodMetadata:
    """The attribute ``metadata`` of a method; empty where it has none.

    Raises:
        RequestError: If it is no mapping, or a key or value of it is none that is known.
    """
    owner = f"method {method.name!r}"
    with contained(f"{owner}: its metadata cannot be read"):
        declared = getattr(method, "metadata", None)
        named = isinstance(declared, Mapping) and all(isinstance(key, str) for key in declared)
        given = dict(declared) if named else {}  # type: ignore[arg-type]
    if declared is not None and not named:
        msg = f"{owner}: metadata (={show(declared)}) must be a dict, such as {{'authors': [...]}}"
        raise RequestError(msg)
    try:
        return MethodMetadata.read(given, where=f"{owner}: metadata")
    except CardError as error:
        raise RequestError(str(error)) from error


def registered_metadata(entry: MethodEntry) -> MethodMetadata:
    """Metadata of a registered method and its package; its source is read, not run."""
    module, _, name = entry.target.partition(":")
    declared = MethodMetadata.tolerant(declarations(module, name).get("metadata"))
    return MethodMetadata.tolerant(_known(declared, entry.distribution))


def _known(declared: MethodMetadata, distribution: str) -> dict[str, Any]:
    """Metadata of a method and, for the rest, of its package; nothing that is empty."""
    known = to_mapping(_of_distribution(distribution)) | {
        key: value for key, value in to_mapping(declared).items() if value
    }
    return {key: value for key, value in known.items() if value}


@cache
def _of_distribution(name: str) -> MethodMetadata:
    """Metadata of an installed package."""
    try:
        about: Message = metadata(name)  # type: ignore[assignment]
    except (PackageNotFoundError, ValueError):
        return MethodMetadata()
    named = [name for name, _ in getaddresses(about.get_all("Author-email") or [])]
    written = (about.get("Author") or "").split(",")
    authors = dict.fromkeys(name.strip() for name in [*written, *named])
    return MethodMetadata.tolerant(
        {
            "authors": [name for name in authors if name],
            "url": _home_page(about),
            "licence": about.get("License-Expression") or "",
        }
    )


def _home_page(about: Message) -> str:
    """The home page or repository of a package, else the first of its addresses."""
    pages: dict[str, str] = {}
    for entry in about.get_all("Project-URL") or []:
        label, _, url = entry.partition(",")
        pages.setdefault(label.strip().lower(), url.strip())
    found = next((pages[label] for label in _HOME if label in pages), None)
    return found or about.get("Home-page") or next(iter(pages.values()), "")
