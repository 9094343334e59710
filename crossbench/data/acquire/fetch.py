"""Fetch what an origin of a task lists: verified, once, and made visible when it is whole."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from crossbench.data.acquire.consents import require
from crossbench.data.acquire.listening import Listener
from crossbench.data.acquire.partial import Partial
from crossbench.data.acquire.receipts import Receipt, Receipts, difference, digests_of
from crossbench.data.acquire.wanted import folder_of, mirrored, wanted
from crossbench.data.sources import kept_by_medmnist
from crossbench.errors import FetchError, RequestError, unknown_name
from crossbench.files.archives import unpack, unpacked_folder
from crossbench.files.sizes import free_bytes
from crossbench.specs.origins import DownloadOrigin, HubOrigin, ManualOrigin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crossbench.data.acquire.http import Patience, ResumingDownloader
    from crossbench.data.acquire.wanted import Wanted
    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Origin

_SEVERAL = 3  # a file that changes under a resumed download is begun again so often


@dataclass(frozen=True, kw_only=True)
class Means:
    """Options of fetching.

    Attributes:
        offline: Whether the network is left alone.
        mirror: Address whose scheme and host replace those of downloads.
        keep_archives: Whether archives stay once they are unpacked.
        patience: How long a server that fails is asked again.
        free: Bytes that a folder's disk has room for.
        listener: Told of progress.
    """

    offline: bool = False
    mirror: str | None = None
    keep_archives: bool = False
    patience: Patience | None = None
    free: Callable[[Path], int] = free_bytes
    listener: Listener = field(default_factory=Listener)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Result of fetching an origin.

    Attributes:
        origin: The origin.
        files: The data file, or what its importer reads.
        unverified: Name and SHA-256 of each file of which no checksum is known.
    """

    origin: Origin
    files: tuple[Path, ...]
    unverified: tuple[tuple[str, str], ...] = ()


def choose_origin(card: TaskCard, name: str = "") -> Origin:
    """The origin of a name, or the first that a program may fetch, or the first.

    Raises:
        RequestError: If the task has none, or none of this name.
    """
    named = {each.name: each for each in card.origins}
    if name and name not in named:
        raise unknown_name(f"origin of task {card.name}", name, named)
    if not named:
        msg = f"task {card.name!r} has no origin to fetch."
        raise RequestError(f"{msg} {card.source.advice(card.name)}")
    if name:
        return named[name]
    usable = [each for each in card.origins if not isinstance(each, ManualOrigin)]
    return usable[0] if usable else card.origins[0]


def fetch(card: TaskCard, origin: Origin, root: DataRoot, means: Means) -> Fetched:
    """Bring every file of an origin, those that are there left as they are.

    Raises:
        RequestError: If its terms were not accepted, or a person has to get it; with the steps.
        FetchError: If a file cannot be had or has another checksum; nothing of it is visible.
        DataError: If an archive is damaged or hostile.
    """
    require(root, card, origin)
    if isinstance(origin, ManualOrigin):
        folder = folder_of(root, card, origin)
        if origin.importer and folder.is_dir() and any(folder.iterdir()):
            return Fetched(origin=origin, files=(folder,))
        raise RequestError(by_hand(card, origin))
    receipts = Receipts(root.receipts(card.name, origin.name))
    files, unverified = [], []
    for file in wanted(root, card, origin):
        found = _found_by_medmnist(card, file, receipts)
        place, sha256 = (found, "") if found else _bring(origin, file, receipts, means)
        files.append(place)
        if not file.source.checksum:
            unverified.append((file.target.name, sha256))
    return Fetched(origin=origin, files=tuple(files), unverified=tuple(unverified))


def by_hand(card: TaskCard, origin: Origin) -> str:
    """The steps that a person takes for an origin, numbered."""
    head = f"task {card.name!r}: origin {origin.name!r} is not for programs to fetch; by hand:"
    return "\n".join([head, *(f"  {n}. {step}" for n, step in enumerate(origin.steps, 1))])


def _found_by_medmnist(card: TaskCard, file: Wanted, receipts: Receipts) -> Path | None:
    """The right file where the package medmnist keeps it, used without a copy."""
    place = kept_by_medmnist(card)
    if place is None or file.target.name != place.name:
        return None
    checksum = file.source.checksum
    if not checksum or file.target.exists() or not place.is_file():
        return None
    digests = receipts.digests(str(place), place, checksum)
    return None if difference(checksum, digests) else place


def _bring(origin: Origin, file: Wanted, receipts: Receipts, means: Means) -> tuple[Path, str]:
    """A file, or the folder it is unpacked into, and its SHA-256."""
    name, folder = file.target.name, file.target.parent
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(file, means):
        receipt = receipts[name]
        done = unpacked_folder(file.target)
        if file.source.unpack and receipt is not None and receipt.unpacked and done.is_dir():
            return done, receipt.digests.get("sha256", "")
        if file.target.exists():
            receipt = _accept(file, receipts)
        else:
            receipt = _download(origin, file, receipts, means)
        if not file.source.unpack:
            return file.target, receipt.digests["sha256"]
        means.listener.said(f"unpacking {name}")
        done = unpack(file.target, free=means.free)
        receipts.keep(name, replace(receipt, unpacked=done.name))
        if not means.keep_archives:
            file.target.unlink()
        return done, receipt.digests["sha256"]


@contextmanager
def _locked(file: Wanted, means: Means) -> Iterator[None]:
    """A file to be, held against other processes; who comes later waits and finds it there."""
    lock = FileLock(file.target.with_name(f".{file.target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        means.listener.said(f"{file.target.name}: another process fetches it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _accept(file: Wanted, receipts: Receipts) -> Receipt:
    """The receipt of a file that is there, once its checksum was compared."""
    checksum = file.source.checksum
    digests = receipts.digests(file.target.name, file.target, checksum)
    if wrong := difference(checksum, digests):
        raise FetchError(f"{file.target}: {wrong}; delete the file and fetch it again")
    receipt = receipts[file.target.name]
    assert receipt is not None  # noqa: S101  (digests keeps it)
    return receipt


def _download(origin: Origin, file: Wanted, receipts: Receipts, means: Means) -> Receipt:
    """Fetch a file, compare its checksum, and make it visible."""
    if means.offline or os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        msg = f"{file.target.name} is not here and the network is left alone (--offline or"
        raise FetchError(f"{msg} HF_HUB_OFFLINE); save it as {file.target}, or go online")
    partial = Partial(file.target)
    for attempt in range(1, _SEVERAL + 1):
        url, revision, resumed, checksum = _receive(origin, file, means)
        digests = digests_of(partial.file, {"sha256", *checksum})
        wrong = difference(checksum, digests)
        if not wrong:
            break
        partial.discard()
        if not resumed or attempt == _SEVERAL:
            raise FetchError(f"{url}: {file.target.name} was refused: {wrong}; it was removed")
        means.listener.said(f"{file.target.name}: {wrong}; it changed meanwhile, begun again")
    partial.finish()
    state = file.target.stat()
    receipt = Receipt(
        bytes=state.st_size,
        modified=state.st_mtime_ns,
        digests=digests,
        url=url,
        revision=revision,
    )
    receipts.keep(file.target.name, receipt)
    return receipt


def _receive(origin: Origin, file: Wanted, means: Means) -> tuple[str, str, bool, dict[str, str]]:
    """Bring the bytes: address, commit, whether they were put together, and known digests."""
    try:
        from crossbench.data.acquire import doi, http
    except ModuleNotFoundError as error:
        msg = f"fetching data needs {error.name}, which is not installed"
        raise RequestError(f"{msg}; pip install 'crossbench[data]'") from error
    if isinstance(origin, HubOrigin):
        from crossbench.data.acquire.hub import fetch_from_hub

        revision = fetch_from_hub(origin, file, listener=means.listener, free=means.free)
        return f"hf:{origin.repo}/{origin.file}", revision, False, file.source.checksum
    assert isinstance(origin, DownloadOrigin)  # noqa: S101
    url, checksum = _address(file, means, doi.resolve)
    downloader: ResumingDownloader = http.ResumingDownloader(
        file.target,
        size=file.source.bytes,
        checked=bool(checksum),
        listener=means.listener,
        patience=means.patience,
        free=means.free,
    )
    downloader(url)
    return url, "", downloader.resumed, checksum


def _address(
    file: Wanted, means: Means, resolve: Callable[[str], tuple[str, dict[str, str]]]
) -> tuple[str, dict[str, str]]:
    """Address of a file, and the digests that are known of it."""
    address, checksum = file.source.url, file.source.checksum
    if address.startswith("doi:"):
        mirror = means.mirror or os.environ.get("CROSSBENCH_MIRROR")
        if not mirror:
            url, published = resolve(address)
            return url, checksum or published
    elif not address.startswith(("http://", "https://")):
        raise RequestError(f"address {address!r} of {file.target.name} is not of the web")
    return mirrored(address, means.mirror), checksum
