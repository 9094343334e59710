"""Tracks of bundles: the grid that a submission is held against, named beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.registry.presets import find_preset
from crossbench.registry.tracks import find_track, load_tracks, track_runs
from crossbench.results.records.overrides import overrides_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crossbench.bundles.manifest import BundledMethod
    from crossbench.specs import RunKey, RunRecord
    from crossbench.specs.tracks import Track


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
