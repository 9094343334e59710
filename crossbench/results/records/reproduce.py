"""The command that gives one record once more."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from crossbench.registry.entries import method_entries
from crossbench.registry.presets import load_presets
from crossbench.registry.tasks import registered_task
from crossbench.results.records.data_origin import import_version
from crossbench.results.records.overrides import overrides_of
from crossbench.specs.cross import task_names
from crossbench.specs.method_names import base_name
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.specs import RunRecord

#: What requests may differ in and still be united.
GRID = ("methods", "tasks", "seeds", "folds", "plugins")

_NO_FILE = ("random", "none")


def run_command(record: RunRecord, out: str) -> str:
    """The shell command of one run; plain baselines come with any method.

    What a record does not say is guessed, and named by :func:`left_to_add`.
    """
    return command_of(request_of(record), out)


def command_of(request: RunRequest, out: str) -> str:
    """The shell command of a request that writes to a folder."""
    return shlex.join(["crossbench", "run", *request.words(), "--out", out])


def united(requests: Sequence[RunRequest]) -> RunRequest:
    """The last of several requests, with the methods, tasks, seeds, folds and plugins of all."""
    grid: dict[str, Any] = {}
    for name in GRID:
        parts = (getattr(each, name) or () for each in requests)
        grid[name] = tuple(sorted({*chain.from_iterable(parts)}))
    return replace(requests[-1], **grid)


def request_of(record: RunRecord) -> RunRequest:
    """The request of one run; a plain baseline comes with the runs of every method."""
    key = record.key
    tested, *fitted = map(_task_word, task_names(key.task))
    request = RunRequest(
        tasks=(tested,),
        train_task=fitted[0] if fitted else None,
        preset=key.preset,
        seeds=(key.seed,),
        folds=(key.fold,),
        settings=(*_data(record), *overrides_of(record)),
    )
    if key.plain:
        return request
    return replace(
        request,
        methods=(key.method,),
        backbone=key.backbone,
        init=key.init,
        protocol=key.protocol,
        statistics=(record.provenance.get("settings") or {}).get("statistics"),
        plugins=(f"./{base_name(key.method)}.py",) if _has_own_method(record) else (),
    )


def _data(record: RunRecord) -> tuple[str, ...]:
    """The override of the preset's data, where the run was on the other of real and phantom."""
    preset = load_presets().get(record.key.preset)
    own = all(registered_task(name) is None for name in task_names(record.key.task))
    given = preset is None or record.source in ("embedded", preset.data) or own
    return () if given else (f"data={json.dumps(record.source)}",)


def left_to_add(record: RunRecord) -> list[str]:
    """Inputs of the command that the record does not state, a sentence each."""
    key = record.key
    found = []
    if key.preset not in load_presets():
        found.append(f"No preset {key.preset} ships with crossbench.")
    found += [
        f"No card of {name} is registered here: give the path of its file."
        for name in task_names(key.task)
        if registered_task(name) is None
    ]
    if _has_own_method(record):
        found.append(f"No method {key.method} is registered here: give the path of its plugin.")
    if key.init not in _NO_FILE:
        found.append(
            f"Where the weights {key.init} lie is not recorded: give the path of their file, "
            "unless crossbench weights lists the name."
        )
    if version := import_version(record):
        found.append(
            f"It was made on version {version} of an import: give that one, or the run is another."
        )
    if record.source == "real":
        found.append("The data is read from $CROSSBENCH_DATA: else add --data-dir.")
    return found


def _task_word(name: str) -> str:
    """A task as a request names it: by the path of its card where that is not registered here."""
    return f"./{name}.toml" if registered_task(name) is None else name


def _has_own_method(record: RunRecord) -> bool:
    return not record.key.plain and base_name(record.key.method) not in method_entries()
