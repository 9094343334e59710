"""Status of a task's data: present, missing, and steps for a person to take."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from crossbench.data.acquire.consents import accepted
from crossbench.data.acquire.fetch import choose_origin
from crossbench.data.acquire.partial import Partial
from crossbench.data.acquire.receipts import Receipts, difference
from crossbench.data.acquire.wanted import wanted
from crossbench.data.sources import kept_by_medmnist
from crossbench.files.paths import data_dir
from crossbench.specs.origins import ManualOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Origin

_FOUND = "found"  # receipts of files that no origin brought


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of a task's data.

    Attributes:
        task: The task.
        state: ``present``, ``unverified`` (no checksum is known), ``wrong checksum``, ``partial``
            or ``absent``.
        file: The data file; empty where there is none.
        on_disk: Bytes that the task takes in the data root.
        to_fetch: Bytes to fetch, as far as they are known; None where they are not.
        licence: The card's licence.
        accept: Terms of the origin that ``fetch`` takes; empty where there are none.
        accepted: Whether they were accepted, or there are none.
        command: What to do next; empty where nothing is to be done.
        steps: What a person does, in order.
        sha256: Of the data file, where it was computed.
        why: What is wrong, or was found, in a sentence.
    """

    task: str
    state: str
    file: str = ""
    on_disk: int = 0
    to_fetch: int | None = 0
    licence: str = ""
    accept: str = ""
    accepted: bool = True
    command: str = ""
    steps: tuple[str, ...] = ()
    sha256: str = ""
    why: str = ""

    @property
    def there(self) -> bool:
        """Whether there is a data file, and none that contradicts its checksum."""
        return self.state in ("present", "unverified")


def status(card: TaskCard, root: DataRoot) -> Status:
    """The state of a task's data; files whose checksum is not known yet are read through.

    Raises:
        DataError: If the file of accepted terms is damaged.
    """
    if card.embedded:
        return Status(task=card.name, state="present", licence=card.licence, why="shipped")
    on_disk = sum(each.stat().st_size for place in places(card, root) for each in files_in(place))
    origin = choose_origin(card) if card.origins else None
    terms = origin.accept if origin is not None else ""
    state, file, sha256, why = _state(card, root)
    there = state in ("present", "unverified")
    return Status(
        task=card.name,
        state=state,
        file=str(file) if file is not None else "",
        on_disk=on_disk,
        to_fetch=0 if there or origin is None else _missing(card, root, origin),
        licence=card.licence,
        accept=terms,
        accepted=not terms or terms in accepted(root),
        command="" if there else command(card, root),
        steps=tuple(_steps(card, there=there)),
        sha256=sha256,
        why=why,
    )


def command(card: TaskCard, root: DataRoot) -> str:
    """The command that brings a task's data as far as a program may, ready to copy.

    ``data status`` says the steps where a person brings it. Another data root than the usual one
    is named.
    """
    if not card.origins:
        return ""
    origin = choose_origin(card)
    where = "" if root.root == data_dir() else f" --data-dir {quote(str(root.root))}"
    if isinstance(origin, ManualOrigin):
        return f"crossbench data status {card.name}{where}"
    words = f"crossbench data fetch {card.name}"
    if origin.accept and origin.accept not in accepted(root):
        words += f" --accept-licence {origin.accept}"
    return words + where


def places(card: TaskCard, root: DataRoot) -> tuple[Path, ...]:
    """Files and folders of a task in the data root, whether or not they are there."""
    published = root.published(card.name, card.source.file)
    return (
        *published,
        *(Partial(file).file for file in published),
        root.root / "originals" / card.name,
        root.imports(card.name),
        root.groups(card.name),
    )


def files_in(place: Path) -> Iterator[Path]:
    """A file, or the files below a folder; links are not followed."""
    if place.is_symlink() or place.is_file():
        yield place
    elif place.is_dir():
        yield from (each for each in place.rglob("*") if each.is_file() and not each.is_symlink())


def _state(card: TaskCard, root: DataRoot) -> tuple[str, Path | None, str, str]:
    current = root.current(card.name)
    if current is not None and current.is_file():
        return _of_import(card, current)
    found = (*root.published(card.name, card.source.file), kept_by_medmnist(card))
    receipts = Receipts(root.receipts(card.name, _holder(card)))
    for file in (each for each in found if each is not None and each.is_file()):
        key = file.name if file.parent == root.root else str(file)
        digests = receipts.digests(key, file, card.checksum)
        if why := difference(card.checksum, digests):
            return "wrong checksum", file, digests["sha256"], why
        state = "present" if card.checksum else "unverified"
        return state, file, digests["sha256"], "" if card.checksum else "no checksum is published"
    if any(True for place in places(card, root) for _ in files_in(place)):
        return "partial", None, "", "begun; the same command goes on"
    return "absent", None, "", ""


def _of_import(card: TaskCard, file: Path) -> tuple[str, Path, str, str]:
    """The state of an imported file: as good as what it was made of."""
    from crossbench.data.formats.npz import NpzFile
    from crossbench.data.imported import import_facts

    with NpzFile(file) as archive:
        facts = import_facts(archive)
    name = facts.origin if facts is not None else ""
    origin = next((each for each in card.origins if each.name == name), None)
    verified = origin is not None and any(True for _ in origin.digests())
    why = f"imported from {name or 'a folder'}, version {file.stem}"
    return "present" if verified else "unverified", file, "", why


def _holder(card: TaskCard) -> str:
    """Name of the origin that brings the data file itself."""
    return next((each.name for each in card.origins if not each.importer), _FOUND)


def _missing(card: TaskCard, root: DataRoot, origin: Origin) -> int | None:
    receipts = Receipts(root.receipts(card.name, origin.name))
    total, files = 0, list(wanted(root, card, origin))
    if origin.listed and len(files) == len(origin.files):
        return None  # its table, which lists the others, is not there
    for file in files:
        receipt = receipts[file.target.name]
        if file.target.exists() or (receipt is not None and receipt.unpacked):
            continue
        if file.source.size is None:
            return None
        total += max(0, file.source.size - Partial(file.target).size)
    return total


def _steps(card: TaskCard, *, there: bool) -> Iterator[str]:
    """Steps of the origins that a person takes, and those that bring groups."""
    for origin in card.origins:
        if not origin.steps or (there and isinstance(origin, ManualOrigin)):
            continue
        yield f"origin {origin.name}:"
        yield from (f"{n}. {step}" for n, step in enumerate(origin.steps, 1))
