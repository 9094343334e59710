"""Writing of bundles: the same content gives the same bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from typing import TYPE_CHECKING

from crossbench.bundles.manifest import MANIFEST, BundledFile, Manifest, from_bytes, sealed
from crossbench.bundles.manifest import to_bytes as manifest_bytes
from crossbench.files.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can hold
_MODE = 0o100644 << 16  # a regular file that its owner may write


def write_bundle(path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> Manifest:
    """Write a bundle atomically: members in order of their names, with one date and mode.

    Args:
        path: The zip file, replaced where there is one.
        manifest: What is known of the bundle; its files and its digest are filled in here.
        contents: Every file but the manifest, by its place in the bundle.

    Returns:
        The manifest as it was written.

    Raises:
        BundleError: If the files are not those that a bundle holds.
        OSError: If the file cannot be written.
    """
    whole = sealed(dataclasses.replace(manifest, files=tuple(_listed(contents))))
    written = manifest_bytes(whole)
    from_bytes(written, where=str(path))  # what no reader takes is not written
    with replacing(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        for name, content in sorted({**contents, MANIFEST: written}.items()):
            archive.writestr(_member(name), content, zipfile.ZIP_DEFLATED, 9)
    return whole


def _listed(contents: Mapping[str, bytes]) -> list[BundledFile]:
    return [
        BundledFile(path=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in sorted(contents.items())
    ]


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = _MODE
    info.create_system = 3  # Unix, on every system
    return info
