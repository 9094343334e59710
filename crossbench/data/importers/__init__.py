"""Importers: from an original distribution to one data file.

What holds for all distributions is here; each distribution is a module of a package that
registers it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from crossbench.data.importers.interface import Distribution, Importer, Listing, Original
from crossbench.errors import RequestError, unknown_name
from crossbench.errors.foreign import contained
from crossbench.registry.entries import IMPORTER_GROUP, owners, points

__all__ = ["Distribution", "Importer", "Listing", "Original", "find_importer"]


@cache
def find_importer(name: str) -> Importer:
    """The importer that a package registers under ``crossbench.importers``.

    Raises:
        RequestError: If none has this name, two packages register it, it cannot be imported, or
            packages that it needs are not installed.
    """
    found = [point for point in points(IMPORTER_GROUP) if point.entry.name == name]
    if not found:
        known = [point.entry.name for point in points(IMPORTER_GROUP)]
        raise unknown_name("importer", name, known)
    point = found[0]
    if len(found) > 1:
        msg = f"importer {name!r} is registered by {owners(found)}; uninstall one of them"
        raise RequestError(msg)
    if point.fault:
        msg = f"importer {name!r} of {point.distribution} cannot be loaded: {point.fault}; "
        raise RequestError(f"{msg}reinstall {point.distribution}")
    where = f"importer {name!r} of {point.distribution}"
    with contained(f"{where} cannot be made from {point.entry.value}"):
        importer = point.entry.load()()
    if not isinstance(importer, Importer):
        msg = f"{where}: {point.entry.value} is no subclass of crossbench.data.importers.Importer"
        raise RequestError(msg)
    lacking = [package for package in importer.needs if find_spec(package) is None]
    if lacking:
        msg = f"{where} needs {', '.join(lacking)}, not installed;"
        raise RequestError(f"{msg} pip install 'crossbench[{importer.extra}]'")
    return importer
