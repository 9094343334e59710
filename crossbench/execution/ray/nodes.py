"""One group of runs on a machine of a cluster: from an order as data to what comes of it, as data.

A process of Ray's, which lives as long as the cluster likes, has the runs done in a single-use
process of its own, as :mod:`crossbench.execution.isolation` starts one here. It imports no torch.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import threading
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

import crossbench
from crossbench.environment.provenance import package_versions
from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import ChildDiedError
from crossbench.execution import isolation
from crossbench.execution.child import find
from crossbench.execution.isolation import GRACE, Limits
from crossbench.execution.ray.shelf import Shelf, is_here, settle
from crossbench.files.hashing import hash_file, hash_json
from crossbench.files.paths import cache_dir
from crossbench.files.scratch import make_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_EVERY = 0.5  # seconds between news of samples
_LOOK = 0.25  # seconds between looks at whether the order was withdrawn


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of an order.

    Attributes:
        kind: ``news`` of a run; what its process ``printed``; the order ``wants`` trees that are
            not here; this machine is ``unfit``; the process ``died``, or ``refused``; ``end``.
        value: News, trees, a reason or how it died, as JSON.
        files: A record and what lies beside it by name, or what was printed.
    """

    kind: str
    value: Any = None
    files: dict[str, bytes] = field(default_factory=dict)


@cache
def software() -> dict[str, str]:
    """Versions of the packages, and the hash of crossbench's own code, that numbers depend on."""
    root = Path(crossbench.__file__).parent
    files = sorted(root.rglob("*.py"))
    code = hash_json([[file.relative_to(root).as_posix(), hash_file(file)] for file in files])
    return {**package_versions(), "crossbench's code": code[:16]}


def do_order(
    order: Mapping[str, Any],
    sent: Mapping[str, Mapping[str, Any]],
    fetch: Callable[[Any], bytes],
    node: str = "",
) -> Iterator[Said]:
    """Do the runs of an order.

    Args:
        order: ``software`` as where it was made; the ``group``, as
            :class:`crossbench.execution.group.RunGroup`, with marks in its request; files that it
            ``carries``, and roots and ``states`` of others, by tree; ``limits``; ``variables``.
        sent: By tree, SHA-256 and references of the pieces of each file.
        fetch: The piece that a reference stands for.
        node: What the cluster calls this machine.
    """
    if unlike := _unlike(order["software"]):
        yield Said(kind="unfit", value=(node, unlike))
        return
    shelf = Shelf(cache_dir() / "sent")
    try:
        roots = {tree: _unpack(shelf, files) for tree, files in order["carries"].items()}
        wanted = []
        for tree, (root, states) in order["states"].items():
            if is_here(states):
                roots[tree] = Path(root)
            elif tree in sent:
                roots[tree] = _receive(shelf, sent[tree], fetch)
            else:
                wanted.append(tree)
    except (CrossbenchError, OSError) as error:
        reason = f"its files cannot be had on {platform.node()}: {error}"
        yield Said(kind="refused", value={"reason": reason})
        return
    if wanted:
        yield Said(kind="wants", value=wanted)
        return
    os.environ.update(order["variables"])
    group = dict(order["group"]) | {"request": settle(order["group"]["request"], roots)}
    yield from _do_group(group, Limits(**order["limits"]))


def _unlike(wanted: Mapping[str, str]) -> str:
    """How this machine's software differs from the planner's; empty if it does not."""
    here = software()
    unlike = [
        f"{name} {here.get(name, 'not installed')} instead of {version}"
        for name, version in wanted.items()
        if here.get(name) != version
    ]
    return ", ".join(unlike)


def _unpack(shelf: Shelf, files: Mapping[str, bytes]) -> Path:
    digests = {place: hashlib.sha256(content).hexdigest() for place, content in files.items()}
    return shelf.put(digests, lambda place: [files[place]])


def _receive(shelf: Shelf, files: Mapping[str, Any], fetch: Callable[[Any], bytes]) -> Path:
    digests = {place: digest for place, (digest, _) in files.items()}
    return shelf.put(digests, lambda place: map(fetch, files[place][1]))


def _do_group(group: dict[str, Any], limits: Limits) -> Iterator[Said]:
    """Have one process do a group into a folder that is gone afterwards."""
    scratch = make_scratch()
    out = scratch / "results"
    child = isolation.start(
        "crossbench.execution.group:do_group", {"group": {**group, "out": str(out)}}
    )
    says = SimpleQueue[Said]()
    listening = threading.Thread(target=_listen, args=(child, limits, out, says), daemon=True)
    listening.start()
    try:
        yield from _until_end(says)
    finally:  # the order was withdrawn where the process is still at work
        if listening.is_alive():
            child.interrupt()
            listening.join(GRACE)
            child.kill()
            listening.join()
        shutil.rmtree(scratch, ignore_errors=True)


def _until_end(says: SimpleQueue[Said]) -> Iterator[Said]:
    """What is said, to the end; a cancellation is heeded between two looks."""
    while True:
        try:
            said = says.get(timeout=_LOOK)
        except Empty:
            continue
        yield said
        if said.kind in ("end", "died", "refused"):
            return


def _listen(child: Any, limits: Limits, out: Path, says: SimpleQueue[Said]) -> None:
    """Say all that a process tells; its records with their files, which go."""
    progress = _Progress(says)

    def hear(news: dict[str, Any]) -> None:
        if news["samples"] is not None:
            progress.advanced(news)
            return
        progress.say()
        says.put(Said(kind="news", value=news, files=_taken(out) if news["record"] else {}))

    try:
        child.result(
            limits, hear, lambda printed: says.put(Said(kind="printed", files={"": printed}))
        )
    except ChildDiedError as died:
        reason = str(died).replace(f"{out}/", "")
        how = {"code": died.code, "last_words": died.last_words, "verdict": died.verdict}
        says.put(Said(kind="died", value=how | {"reason": reason}))
    except BaseException as error:  # noqa: BLE001  (the one who asked is told)
        says.put(Said(kind="refused", value={"reason": str(error).replace(f"{out}/", "")}))
    else:
        says.put(Said(kind="end"))


class _Progress:
    """News of samples, added up and said now and then: each message costs a millisecond."""

    def __init__(self, says: SimpleQueue[Said]) -> None:
        self._says, self._last = says, monotonic()
        self._news: dict[str, Any] | None = None

    def advanced(self, news: dict[str, Any]) -> None:
        before = self._news["samples"] if self._news else 0
        self._news = news | {"samples": before + news["samples"]}
        if monotonic() - self._last > _EVERY:
            self.say()

    def say(self) -> None:
        if self._news:
            self._says.put(Said(kind="news", value=self._news))
        self._news, self._last = None, monotonic()


def _taken(out: Path) -> dict[str, bytes]:
    """The files of the record that was just written, all in one folder, by name; they go."""
    files = [file for file in out.rglob("*") if file.is_file()]
    contents = {file.name: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
    return contents


def call(order: Mapping[str, Any]) -> dict[str, Any]:
    """Call a function of crossbench's in this process.

    Args:
        order: ``software`` and ``carries`` as for :func:`do_order`; ``work`` and its
            ``arguments``, with marks.

    Returns:
        What it returned as ``reply``; or why it ``refused``, or this machine is ``unfit``.
    """
    if unlike := _unlike(order["software"]):
        return {"unfit": f"has {unlike}"}
    shelf = Shelf(cache_dir() / "sent")
    try:
        roots = {tree: _unpack(shelf, files) for tree, files in order["carries"].items()}
        return {"reply": find(order["work"])(**settle(order["arguments"], roots))}
    except (CrossbenchError, OSError) as error:
        return {"refused": f"on {platform.node()}: {error}"}


def work(
    order: Mapping[str, Any], sent: Mapping[str, Mapping[str, Any]]
) -> Iterable[dict[str, Any]]:
    """:func:`do_order` as a task of Ray's."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    for said in do_order(order, sent, ray.get, node):
        yield asdict(said)
