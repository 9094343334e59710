"""Grids of runs: what records ask for by being there, and the holes in it."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, NamedTuple

from crossbench.evaluation.plain import PLAIN_BASELINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossbench.specs import RunKey, RunRecord


class Fit(NamedTuple):
    """How networks are fitted: what a grid has beside tasks, seeds and folds."""

    backbone: str
    init: str
    protocol: str


def holes(records: Sequence[RunRecord], asked: Iterable[RunKey] | None = None) -> list[RunKey]:
    """The runs of a grid that no record is of, in order; a failed run is no hole.

    Beside each of a method's runs stand the plain baselines: majority and logistic everywhere,
    covariate on the tasks that have any such run.

    Args:
        records: Of one method and of plain baselines.
        asked: The method's runs, as a track names them. None asks for every task that there is a
            record of, under every backbone, init and protocol, with all seeds and folds that any
            run on the task was asked for.
    """
    there = {record.key for record in records}
    own = _shown(records) if asked is None else asked
    return [key for key in _with_baselines(own, records) if key not in there]


def _shown(records: Sequence[RunRecord]) -> Iterator[RunKey]:
    own = [record for record in records if not record.key.plain]
    fits = sorted({_fit(record.key) for record in own})
    for task in sorted({record.key.task for record in own}):
        on_task = [record for record in own if record.key.task == task]
        for seed, fold in itertools.product(_seeds(on_task), _folds(on_task)):
            at = dataclasses.replace(on_task[0].key, seed=seed, fold=fold)
            yield from (dataclasses.replace(at, **fit._asdict()) for fit in fits)


def _with_baselines(asked: Iterable[RunKey], records: Sequence[RunRecord]) -> Iterator[RunKey]:
    """A method's runs, those of each task and fold followed by the plain baselines'."""
    places = itertools.groupby(asked, lambda key: (key.task, key.seed, key.fold))
    known: set[RunKey] = set()
    for (task, _, _), keys in places:
        own = list(keys)
        yield from own
        plain = [_baseline(own[0], name) for name in _plain(records, task)]
        yield from (key for key in plain if key not in known)
        known |= set(plain)


def _fit(key: RunKey) -> Fit:
    return Fit(key.backbone, key.init, key.protocol)


def _baseline(key: RunKey, name: str) -> RunKey:
    return dataclasses.replace(key, method=name, backbone="none", init="none", protocol="plain")


def _plain(records: Iterable[RunRecord], task: str) -> list[str]:
    there = {record.key.method for record in records if record.key.task == task}
    return [
        name
        for name, baseline in PLAIN_BASELINES.items()
        if not baseline.needs_covariate or name in there
    ]


def _seeds(records: Iterable[RunRecord]) -> list[int]:
    """The seeds that runs were asked for together with those of the records."""
    asked = (record.provenance.get("split", {}).get("seeds", ()) for record in records)
    return sorted({*itertools.chain.from_iterable(asked), *(each.key.seed for each in records)})


def _folds(records: Iterable[RunRecord]) -> list[int]:
    """The folds that runs were asked for: those that were named, or all."""
    found = {record.key.fold for record in records}
    for record in records:
        split = record.provenance.get("split", {})
        found |= set(split.get("run_folds") or range(split.get("folds", 0)))
    return sorted(found)
