"""Benchmark of convolutions that carry 2D knowledge into 3D medical images.

Example:
    >>> import crossbench
    >>> frame = crossbench.run("all", "nodule-malignancy-3d", preset="smoke")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossbench.api import run
    from crossbench.nets.build import build_model
    from crossbench.registry.objects import register, write_plugin
    from crossbench.results.records.loading import load_results

__all__ = ["build_model", "load_results", "register", "run", "write_plugin"]

# Resolved on first use, so that reading a card or a record never imports torch.
_HOMES = {
    "register": "crossbench.registry.objects",
    "run": "crossbench.api",
    "write_plugin": "crossbench.registry.objects",
    "build_model": "crossbench.nets.build",
    "load_results": "crossbench.results.records.loading",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("crossbench")
    if name not in _HOMES:
        raise AttributeError(f"module 'crossbench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
