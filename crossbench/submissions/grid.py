"""Grids of runs: what records or a track ask for, and the holes in it."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, NamedTuple

from crossbench.evaluation.baselines import BASELINES
from crossbench.registry.presets import find_preset
from crossbench.registry.tracks import find_track, load_tracks, track_runs
from crossbench.results.records.overrides import overrides_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from crossbench.results.bundles.manifest import BundledMethod
    from crossbench.specs import RunKey, RunRecord
    from crossbench.specs.tracks import Track


class Fit(NamedTuple):
    """Backbone, init and protocol: the axes of a grid beside tasks, seeds and folds."""

    backbone: str
    init: str
    protocol: str


def holes(records: Sequence[RunRecord], asked: Iterable[RunKey] | None = None) -> list[RunKey]:
    """The runs of a grid that no record is of, in order; a failed run is no hole.

    Beside each of a method's runs stand the plain baselines: majority and logistic everywhere,
    those of covariates on the tasks that have any such run.

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
        for name, baseline in BASELINES.items()
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


# ----------------------------------------------------------------------------------------- tracks


def asked_by(name: str, method: BundledMethod) -> tuple[RunKey, ...] | None:
    """The runs that a track asks of a method; None where no track is named.

    Args:
        name: The track.
        method: The method, with the kinds of input that it takes.

    Raises:
        RequestError: If no track has this name.
    """
    return track_runs(find_track(name), method.name, method.inputs) if name else None


def labelled(label: str) -> Track | None:
    """The track with this name and version; None where none is registered here."""
    return next((each for each in load_tracks().values() if each.label == label), None)


def is_of_track(record: RunRecord, asked: Collection[RunKey]) -> bool:
    """Whether a record is of a run of a track, whose settings nobody overrides."""
    return record.key in asked and not _overridden(record)


def strangers(records: Sequence[RunRecord], asked: Collection[RunKey]) -> Iterator[str]:
    """A method's runs that are none of a track's, in words."""
    keys = frozenset(asked)
    for record in records:
        if not record.key.plain and record.key not in keys:
            fit = f"{record.key.protocol}, {record.key.init}"
            yield f"{record.key} ({fit}) is none of its track's runs"
        elif overridden := _overridden(record):
            yield f"{record.key} has other settings than its track: {overridden}"


def _overridden(record: RunRecord) -> str:
    """The settings of a run that are not its preset's; empty for none."""
    if record.source == "phantom" and find_preset(record.key.preset).data == "real":
        return "data=phantom"
    return ", ".join(overrides_of(record))
