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


def holes(records: Sequence[RunRecord]) -> list[RunKey]:
    """The runs of a grid that no record is of, in order.

    The grid is every task of one method's records, under every backbone, init and protocol, with
    all seeds and folds that any run on the task was asked for; beside each, the plain baselines:
    majority and logistic everywhere, covariate on the tasks that have any such run. A failed run is
    no hole.
    """
    there = {record.key for record in records}
    return [key for key in _grid(records) if key not in there]


def _grid(records: Sequence[RunRecord]) -> Iterator[RunKey]:
    own = [record for record in records if not record.key.plain]
    fits = sorted({_fit(record.key) for record in own})
    tasks = sorted({record.key.task for record in own})
    for task in tasks:
        on_task = [record for record in own if record.key.task == task]
        key, plain = on_task[0].key, _plain(records, task)
        for seed, fold in itertools.product(_seeds(on_task), _folds(on_task)):
            at = dataclasses.replace(key, seed=seed, fold=fold)
            yield from (dataclasses.replace(at, **fit._asdict()) for fit in fits)
            yield from (_baseline(at, name) for name in plain)


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
