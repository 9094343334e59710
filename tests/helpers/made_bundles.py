"""Bundles made by hand, of the files that a bundle must have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.results.bundles.bundle import write_bundle
from crossbench.results.bundles.manifest import BundledMethod, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

METHOD = BundledMethod(
    name="mine",
    sha256="0" * 64,
    sources={"<plugin>": "plugin/mine.py"},
    plugin="plugin/mine.py:method",
)
MANIFEST = Manifest(
    method=METHOD, authors=("A. Author",), licence="MIT", crossbench="0.2.0", preset="smoke"
)
CONTENTS = {
    "LICENSE": b"Do as you like.\n",
    "environment.json": b'{"versions": {}}\n',
    "records/smoke/task/mine/run.json": b"{}\n",
    "source/plugin/mine.py": b"method = None\n",
}


def make_bundle(path: Path, contents: Mapping[str, bytes] = CONTENTS, **manifest: Any) -> Path:
    """Write a bundle whose records are none; keywords replace fields of the manifest."""
    import dataclasses

    write_bundle(path, dataclasses.replace(MANIFEST, **manifest), contents)
    return path
