"""Running and planning a benchmark from Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.environment.arithmetic import find_device
from crossbench.execution import local
from crossbench.files.paths import named_path
from crossbench.registry.objects import add_object
from crossbench.registry.tracks import find_track, track_requests
from crossbench.results.records.loading import load_results
from crossbench.results.records.store import Store
from crossbench.specs.requests import ALL, RunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from crossbench.methods import Method
    from crossbench.runs.plan import Plan


def run(
    method: str | Method | type | Sequence[str | Method | type] = ALL,
    task: str | Sequence[str] = ALL,
    *,
    track: str | None = None,
    out: str | Path = "results",
    device: str = "auto",
    fail_fast: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Run methods over tasks and return the results, those already there included.

    Args:
        method: Name, method or class of methods, several of them, or ``"all"``. What is no name
            is registered first, see :func:`crossbench.register`.
        task: Name, path of a card, several of them, or ``"all"``.
        track: Name of a fixed grid of tasks and settings, in the place of ``task`` and of what else
            it fixes.
        out: Results folder; valid records in it are not run again.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        fail_fast: Whether the first failure ends the run.
        **options: Further fields of :class:`crossbench.specs.requests.RunRequest`, such as
            ``preset="smoke"``, ``seeds=[0]`` or ``settings=["fit.epochs=5"]``.

    Returns:
        One row a run, as from ``load_results``, failures included.

    Raises:
        RequestError: If a name is unknown, nothing applies, or a track fixes what is asked for.
        DataError: If a named task's data is missing or damaged.
    """
    store = Store(named_path(out, "out"))
    request = RunRequest.of(methods=_names(method), tasks=task, **options)
    requests = (request,) if track is None else track_requests(find_track(track), request)
    plans = local.prepare_all(requests, store)
    local.execute_all(plans, store, device=find_device(device), fail_fast=fail_fast)
    frame = load_results(Path(out))
    asked = {planned.identity for plan in plans for planned in plan.runs}
    return frame[frame["identity"].isin(asked)].reset_index(drop=True)


def prepare(
    method: str | Method | type | Sequence[str | Method | type],
    task: str | Sequence[str],
    *,
    store: Store,
    **options: Any,
) -> Plan:
    """Plan what :func:`run` would do with the same arguments; run nothing.

    Raises:
        RequestError: If a name is unknown or nothing applies.
        DataError: If a named task's data is missing or damaged.
    """
    return local.prepare(RunRequest.of(methods=_names(method), tasks=task, **options), store)


def _names(given: str | Method | type | Sequence[str | Method | type]) -> str | list[str]:
    """Methods by their names; what is no name is registered."""
    if isinstance(given, str):
        return given
    several = given if isinstance(given, Iterable) else [given]
    return [each if isinstance(each, str) else add_object(each).name for each in several]
