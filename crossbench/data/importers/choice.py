"""Choice of origin, importer and folder from what a user names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.data.importers import find_importer
from crossbench.data.importers.options import parsed
from crossbench.data.importers.request import Import
from crossbench.errors import RequestError, unknown_name
from crossbench.specs.origins import ManualOrigin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Origin

#: The importer of a single npz file.
NPZ_IMPORTER = "authors-npz"


def choose(
    card: TaskCard,
    root: DataRoot,
    *,
    folder: Path | None = None,
    origin: str = "",
    importer: str = "",
    options: Sequence[str] = (),
    allow_count_mismatch: bool = False,
) -> Import:
    """An import to be made.

    Args:
        card: The task.
        root: Where fetched distributions lie.
        folder: The distribution; None for what was fetched of the origin, or what the importer
            locates. One file that ends in ``.npz`` is read as the authors' form.
        origin: Name of the origin; empty for the first that has an importer and, where no folder
            is given, was fetched.
        importer: Name of another importer than the origin's.
        options: ``OPTION=VALUE`` of the importer.
        allow_count_mismatch: Whether any number of samples is accepted.

    Raises:
        RequestError: If a name is unknown, the folder is not there, or the card has nothing to
            import.
    """
    if not importer and folder is not None and folder.suffix.lower() == ".npz":
        importer = NPZ_IMPORTER
    found = _origin(card, root, folder, origin, importer)
    reader = find_importer(importer or found.importer)
    place = folder or root.originals(card.name, found.name)
    if folder is None and not place.exists():
        place = reader.locate() or place
    if not place.exists():
        wanted = f"--from {folder}" if folder is not None else f"original distribution {place}"
        msg = f"task {card.name!r}: {wanted} is not there"
        raise RequestError(f"{msg}; get it by crossbench data fetch {card.name}, or name it")
    return Import(
        card=card,
        origin=found,
        importer=reader,
        folder=place,
        options=parsed(reader, options),
        allow_count_mismatch=allow_count_mismatch,
    )


def _origin(
    card: TaskCard, root: DataRoot, folder: Path | None, name: str, importer: str
) -> Origin:
    """The origin that is named or, of several, the first that can be imported."""
    named = {each.name: each for each in card.origins}
    if name:
        if name not in named:
            raise unknown_name(f"origin of task {card.name}", name, named)
        if not (named[name].importer or importer):
            msg = f"origin {name!r} of task {card.name!r} is the data file itself; put it into the"
            raise RequestError(f"{msg} data folder, or name an importer by --importer")
        return named[name]
    if importer:
        fitting = [each for each in card.origins if each.importer == importer]
        counts = card.samples.get("paper")
        return fitting[0] if fitting else ManualOrigin(name=importer, samples=counts)
    usable = [each for each in card.origins if each.importer]
    if folder is None:
        usable = [
            each for each in usable if root.originals(card.name, each.name).exists()
        ] or usable
    if not usable:
        msg = f"task {card.name!r} has no origin to import; an npz file of images and labels is"
        raise RequestError(f"{msg} imported by --from FILE.npz")
    return usable[0]
