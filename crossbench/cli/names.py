"""Early checks of what a command was told: names, settings and paths, before torch is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.cli.output import aside, say
from crossbench.errors import RequestError, unknown_name
from crossbench.files.paths import data_dir
from crossbench.protocols import PROTOCOLS
from crossbench.registry.claims import plugin_path
from crossbench.registry.entries import method_entries
from crossbench.registry.methods import choose_methods
from crossbench.registry.presets import choose_preset
from crossbench.registry.tasks import find_run_task, find_task
from crossbench.specs.method_names import MethodName
from crossbench.specs.requests import ALL, split_names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from crossbench.methods import Method

_CHECKPOINTS = (".pth", ".pt", ".safetensors")


def check_names(options: argparse.Namespace) -> None:
    """Refuse a mistyped name, setting or path in a second rather than in ten.

    What a command does not take is not looked at, and what needs torch to be judged, such as the
    backbone, is left to the command.

    Raises:
        RequestError: If a name is unknown, a setting is malformed or a file is not there.
        CardError: If a card file is malformed.
    """
    asked = vars(options)
    for reference in asked.get("plugins", ()):
        plugin_path(reference)
    methods = asked.get("methods") or asked.get("method")
    if methods and not asked.get("plugins"):  # a plugin's code tells its name
        _check_methods(methods)
    _check_tasks(asked)
    if asked.get("preset"):
        settings, seeds, folds = map(asked.get, ("settings", "seeds", "folds"))
        choose_preset(options.preset, settings or (), seeds=seeds, folds=folds)
    protocols = asked.get("protocols") or asked.get("protocol")
    if protocols:
        _check_known("protocol", protocols, PROTOCOLS)
    if asked.get("metric"):
        _check_metric(options.metric)
    if asked.get("data_dir"):
        data_dir(options.data_dir)
    _check_inits(asked.get("init") or ())


def _check_tasks(asked: Mapping[str, Any]) -> None:
    if "folders" in asked:  # a report is of the tasks that its records name
        return
    for key in ("task", "tasks", "source"):
        for name in split_names(asked[key]) if asked.get(key) else ():
            if name != ALL and "train_task" in asked:
                find_run_task(name, asked["train_task"])
            elif name != ALL:
                find_task(name)


def chosen_methods(options: argparse.Namespace) -> tuple[Method, ...]:
    """The methods that a command is for; what keeps registered ones out of ``all`` is said.

    Raises:
        RequestError: If a name is unknown, or a method that is asked for cannot be loaded.
    """
    with aside():
        chosen = choose_methods(split_names(options.method), options.plugins)
    say([f"not loaded: {why}" for why in chosen.left_out])
    return chosen.methods


def _check_methods(given: str) -> None:
    for name in split_names(given):
        base = MethodName.parse(name).base
        if name != ALL and base not in method_entries():
            raise unknown_name("method", base, [*method_entries(), ALL])


def _check_known(kind: str, given: str, known: Iterable[str]) -> None:
    names = dict.fromkeys([*known, ALL])
    for name in split_names(given):
        if name not in names:
            raise unknown_name(kind, name, names)


def _check_metric(name: str) -> None:
    from crossbench.evaluation.metrics import METRICS

    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)


def _check_inits(given: str | Sequence[str]) -> None:
    """Refuse paths of files that are not there; names and patterns are looked up later."""
    for init in [given] if isinstance(given, str) else given:
        is_path = init.endswith(_CHECKPOINTS) and not init.startswith("hf:")
        if is_path and not set(init) & set("{*?[") and not Path(init).expanduser().is_file():
            raise RequestError(f"no checkpoint at {init!r}; correct the path given to --init")
