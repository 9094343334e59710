"""Tracks by name, from the folders that packages register, and the runs that they ask for."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache
from typing import TYPE_CHECKING

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.registry.entries import TRACK_GROUP, registered_files
from crossbench.registry.presets import find_preset
from crossbench.registry.tasks import find_task
from crossbench.specs import RunKey
from crossbench.specs.reader import check, from_mapping
from crossbench.specs.requests import RunRequest
from crossbench.specs.toml import read_toml
from crossbench.specs.tracks import Track

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


# What a track says of a request.
_FIXED = ("tasks", "preset", "protocol", "init", "backbone", "seeds", "folds", "settings")


@cache
def load_tracks() -> dict[str, Track]:
    """The registered tracks by name.

    Raises:
        CardError: If a file is malformed, or two have one name.
    """
    tracks: dict[str, Track] = {}
    for file in registered_files(TRACK_GROUP):
        track = read_track(file)
        if track.name in tracks:
            raise CardError(f"{file}: track {track.name!r} is registered already; rename it")
        tracks[track.name] = track
    return tracks


def find_track(name: str) -> Track:
    """The track with this name.

    Raises:
        RequestError: If no track has this name, with the nearest names.
        CardError: If a registered file is malformed.
    """
    tracks = load_tracks()
    if name not in tracks:
        raise unknown_name("track", name, tracks)
    return tracks[name]


def read_track(file: Path) -> Track:
    """Read and check one track's file.

    Raises:
        CardError: If a key is missing, unknown, or of the wrong type or value.
    """
    track = from_mapping(Track, read_toml(file), where=str(file))
    check(track, where=str(file))
    return track


def track_requests(track: Track, asked: RunRequest) -> tuple[RunRequest, ...]:
    """The requests that a track expands to: one an init and protocol.

    Args:
        track: The track.
        asked: What is asked for beside it: methods, plugins, and where things lie.

    Raises:
        RequestError: If something is asked for that the track fixes, or its preset does not exist.
    """
    usual = RunRequest()
    for key in _FIXED:
        if (given := getattr(asked, key)) != getattr(usual, key):
            msg = f"track {track.name!r} fixes {key}, which {given!r} would change; leave it out"
            raise RequestError(msg)
    find_preset(track.preset)
    fixed = dataclasses.replace(
        asked,
        tasks=track.tasks,
        preset=track.preset,
        seeds=track.seeds,
        backbone=track.backbone,
    )
    return tuple(
        dataclasses.replace(fixed, init=init, protocol=protocol)
        for init, protocol in itertools.product(track.inits, track.protocols)
    )


def track_runs(track: Track, method: str, inputs: Collection[str]) -> tuple[RunKey, ...]:
    """The runs that a track asks of one method, plain baselines not counted.

    Args:
        track: The track.
        method: Name of the method, hyperparameters included.
        inputs: The kinds of input that it takes (:func:`crossbench.methods.input_kinds`).

    Returns:
        Their keys; a submission is complete if there is a record of each.

    Raises:
        RequestError: If a task or the preset is not registered.
    """
    split = find_preset(track.preset).split
    folds = split.run_folds or range(1 if split.scheme == "official" else split.folds)
    tasks = [name for name in track.tasks if find_task(name).kind in inputs]
    grid = itertools.product(tasks, track.inits, track.protocols, track.seeds, folds)
    return tuple(
        RunKey(
            preset=track.preset,
            task=task,
            method=method,
            backbone=track.backbone,
            init=init,
            protocol=protocol,
            seed=seed,
            fold=fold,
        )
        for task, init, protocol, seed, fold in grid
    )
