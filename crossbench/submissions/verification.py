"""Verification: some of a bundle's runs made again from its own source, and compared.

This is the one place where a bundle's code is run: in a process of its own, and only where the
caller trusts it. That process can do whatever the user can; a container or a virtual machine
limits it, and this does not.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crossbench.environment.arithmetic import find_device
from crossbench.errors import BundleError, CrossbenchError, RequestError
from crossbench.errors.foreign import ChildDiedError, clean
from crossbench.execution import isolation
from crossbench.execution.local import execute, prepare
from crossbench.registry.tasks import registered_task
from crossbench.results.bundles.bundle import open_bundle
from crossbench.results.records.overrides import overrides_of
from crossbench.results.records.store import Found, Store, read_predictions
from crossbench.specs.reader import to_mapping
from crossbench.specs.requests import RunRequest
from crossbench.submissions.comparison import AGREEMENT, METRIC, Rerun, compare
from crossbench.submissions.initial_weights import hash_weights, initial_weights
from crossbench.submissions.reinstallation import reinstall

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.results.bundles.bundle import Bundle
    from crossbench.results.bundles.manifest import Manifest
    from crossbench.results.records.store import FoundRun
    from crossbench.submissions.reinstallation import Installed

_TAIL = 1500  # characters of what a run that fails has printed


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """Request to make runs of a bundle again.

    Attributes:
        sample: Number of runs.
        seed: Draws them.
        init: Files of weights that the author's runs start from; each serves the runs that were
            recorded with its hash.
        data_dir: Where downloaded data lies; None asks ``$CROSSBENCH_DATA``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    sample: int
    seed: int
    init: tuple[str, ...] = ()
    data_dir: str | None = None
    device: str = "auto"


class Prospect(NamedTuple):
    """Preview of a verification: the runs that would be made again.

    Attributes:
        manifest: Of the bundle.
        runs: The runs that would be made again, in words.
        finished: Number of the method's finished runs, of which they are drawn.
    """

    manifest: Manifest
    runs: list[str]
    finished: int


class Verified(NamedTuple):
    """Result of :func:`verify`.

    Attributes:
        prospect: What was drawn.
        reruns: What came of each run.
        built_in: Whether the source is that of the method that is installed here.
    """

    prospect: Prospect
    reruns: list[Rerun]
    built_in: bool

    @property
    def ok(self) -> bool:
        """Whether every run that was made again confirms its record."""
        return all(rerun.confirmed for rerun in self.reruns)

    def quotation(self, seed: int) -> str:
        """Paragraph for a reviewer to quote."""
        manifest = self.prospect.manifest
        confirmed = sum(rerun.confirmed for rerun in self.reruns)
        equal = sum(rerun.outcome == "equal" for rerun in self.reruns)
        source = "the installed package" if self.built_in else "the bundle's own source"
        return (
            f"{confirmed} of {len(self.reruns)} runs of {manifest.method.name!r} were confirmed, "
            f"{equal} of them bit for bit; they were drawn by seed {seed} from its "
            f"{self.prospect.finished} finished runs and made again from {source} by crossbench "
            f"verify. Tolerance: every bit on a like machine, elsewhere {AGREEMENT:.0%} of the "
            f"predicted classes and {METRIC:g} of the main metric. Bundle {manifest.digest}."
        )


def prospect(path: Path, request: VerifyRequest) -> Prospect:
    """Preview of :func:`verify`; nothing is run.

    Raises:
        BundleError: If the bundle does not hold together or has no finished run.
        RequestError: If the sample is not of at least one run.
    """
    with open_bundle(path) as bundle:
        drawn, finished = _draw(bundle, request)
        runs = [str(record.key) for _, record in drawn]
        return Prospect(bundle.manifest, runs, len(finished))


def verify(
    path: Path, request: VerifyRequest, listener: Callable[[str], object] = lambda _: None
) -> Verified:
    """Make some of a bundle's runs again, each in a process of its own; this runs its code.

    Args:
        path: The bundle.
        request: How many, and where.
        listener: Told of each run before it begins.

    Raises:
        BundleError: As :func:`prospect`.
        RequestError: As :func:`prospect`, or if weights are missing or are none of the bundle's.
    """
    with open_bundle(path) as bundle, tempfile.TemporaryDirectory(prefix="crossbench-") as folder:
        drawn, finished = _draw(bundle, request)
        files = hash_weights(request.init, (record for _, record in finished))
        inits = [initial_weights(record, files) for _, record in drawn]
        site, results = Path(folder, "site"), Path(folder, "results")
        site.mkdir()
        installed = reinstall(bundle, site)
        reruns = []
        for number, (item, init) in enumerate(zip(drawn, inits, strict=True), start=1):
            listener(f"{number} of {len(drawn)}: {item.record.key}")
            reruns.append(_made_again(item, init, request, installed, results / str(number)))
        runs = [str(record.key) for _, record in drawn]
        found = Prospect(bundle.manifest, runs, len(finished))
        return Verified(found, reruns, installed.built_in)


def _draw(bundle: Bundle, request: VerifyRequest) -> tuple[list[FoundRun], list[FoundRun]]:
    """Some of the method's finished runs, and all of them."""
    if request.sample < 1:
        raise RequestError(f"sample (={request.sample}) must be at least 1")
    name = bundle.manifest.method.name
    finished = [
        item
        for item in Store(bundle.records).scan()
        if isinstance(item, Found) and item.record.status == "ok" and item.record.key.method == name
    ]
    if not finished:
        raise BundleError(f"the bundle has no finished run of {name!r}; there is nothing to verify")
    count = min(request.sample, len(finished))
    return random.Random(request.seed).sample(finished, count), finished  # noqa: S311


def _made_again(
    item: FoundRun, init: str, request: VerifyRequest, installed: Installed, results: Path
) -> Rerun:
    """A run made again in a process of its own, and compared."""
    path, record = item
    if registered_task(record.key.task) is None:
        why = f"task {record.key.task!r} is none that is registered here"
        return Rerun(run=str(record.key), outcome="failed", detail=why)
    try:
        asked = _request(item, init, request, installed)
        _run(asked, request, installed, results)
    except CrossbenchError as error:  # such as a preset that is none here
        return Rerun(run=str(record.key), outcome="failed", detail=_in_words(error))
    made = [each for each in Store(results).scan() if isinstance(each, Found)]
    done = next((each for each in made if each.record.key.method == record.key.method), None)
    if done is None or done.record.status != "ok":
        failure = done.record.error if done is not None else None
        why = clean(failure["message"]) if failure else "it left no record"
        return Rerun(run=str(record.key), outcome="failed", detail=why)
    return compare((record, read_predictions(path)), (done.record, read_predictions(done.path)))


def _in_words(error: CrossbenchError) -> str:
    """What went wrong, and the end of what a process that died has printed."""
    printed = error.last_words[-_TAIL:].strip() if isinstance(error, ChildDiedError) else ""
    return clean("\n".join(each for each in (str(error), printed) if each))


def _request(item: FoundRun, init: str, request: VerifyRequest, installed: Installed) -> RunRequest:
    record, key = item.record, item.record.key
    settings = record.provenance.get("settings") or {}
    threads = record.provenance.get("threads")
    same = (f"compute.threads={threads}",) if isinstance(threads, int) else ()
    return RunRequest(
        methods=(key.method,),
        tasks=(key.task,),
        preset=key.preset,
        protocol=key.protocol,
        init=init,
        statistics=settings.get("statistics"),
        backbone=key.backbone,
        seeds=(key.seed,),
        folds=(key.fold,),
        settings=(*overrides_of(record), *same),
        plugins=installed.plugins,
        data_dir=request.data_dir,
        limit=1,
    )


def _run(asked: RunRequest, request: VerifyRequest, installed: Installed, results: Path) -> None:
    """Do a run in a process of its own.

    Raises:
        CrossbenchError: If it cannot be planned, or its process died.
    """
    results.mkdir(parents=True)
    isolation.call(
        "crossbench.submissions.verification:do_request",
        {
            "request": to_mapping(asked),
            "out": str(results),
            "device": request.device,
            "path": [str(folder) for folder in installed.path],
        },
    )


def do_request(request: dict[str, Any], out: str, device: str, path: list[str]) -> None:
    """Do the runs of a request in this process, which is of no more use afterwards.

    Args:
        request: A :class:`~crossbench.specs.requests.RunRequest` as JSON.
        out: Results folder.
        device: As of :class:`VerifyRequest`.
        path: Folders that go before all others of the import path.
    """
    os.chdir(out)
    sys.path[:0] = path
    importlib.invalidate_caches()
    shadowed = {each.stem for folder in path for each in Path(folder).iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in shadowed]:
        del sys.modules[name]  # the server that this process is a fork of has imported another
    store = Store(Path(out))
    execute(prepare(RunRequest.from_json(request), store), store, device=find_device(device))
