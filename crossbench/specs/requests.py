"""A request for runs as data: names and plain values, to JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.specs.reader import from_mapping
from crossbench.specs.settings import RANDOM, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Stands for every registered method, or every task that is no control.
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What is to be run: the one form in which the command line, Python and processes ask for it.

    Attributes:
        methods: Registered methods, or those of plugins; ``("all",)`` stands for all of both.
        tasks: Names or card files; ``("all",)`` stands for every registered one.
        train_task: Name or card file of the task whose samples fit the networks that are tested on
            each of the tasks; None fits each on its own.
        preset: ``paper``, ``standard``, ``smoke`` or another of the shipped presets.
        protocol: How networks are fitted; None takes the preset's.
        init: ``random``, a known name, ``hf:REPO/FILE@REV`` or the path of a checkpoint.
        statistics: Whose channel statistics normalise inputs: ``imagenet``, ...;
            None takes those that the weights were made with (docs/weights.md).
        backbone: timm name of the 2D network.
        seeds: Repetitions; None takes the preset's.
        folds: Folds of each repetition; None takes the preset's.
        settings: Overrides of the preset, such as ``"fit.epochs=5"``.
        plugins: Python files that define further methods.
        data_dir: Where downloaded data lies; None asks ``$CROSSBENCH_DATA``.
        limit: At most so many runs.
        strict: Whether missing data is an error even where all tasks are asked for.
        diagnostics: Whether runs write per-layer diagnostics beside their records
            (docs/diagnostics.md).
        save_weights: Whether fitted networks are kept beside their records, for
            ``crossbench predict``; a run without is then run again.
        retry_failed: Whether runs that failed before are run again.
    """

    methods: tuple[str, ...] = (ALL,)
    tasks: tuple[str, ...] = (ALL,)
    train_task: str | None = None
    preset: str = "standard"
    protocol: str | None = None
    init: str = RANDOM
    statistics: str | None = None
    backbone: str = "resnet18"
    seeds: tuple[int, ...] | None = None
    folds: tuple[int, ...] | None = None
    settings: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    data_dir: str | None = None
    limit: int | None = None
    strict: bool = False
    diagnostics: bool = False
    save_weights: bool = False
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise RequestError(f"limit (={self.limit}) must be at least 1")
        if self.train_task is not None and self.tasks == (ALL,):
            msg = f"train_task (={self.train_task!r}) is for tasks of its classes, not for all"
            raise RequestError(f"{msg}; name them")
        known = get_args(Statistics)
        if self.statistics is not None and self.statistics not in known:
            raise unknown_name("statistics", self.statistics, known)

    @classmethod
    def of(cls, **options: Any) -> RunRequest:
        """A request from a caller's values: paths, sequences, and names separated by commas.

        Raises:
            RequestError: If an option is unknown or of the wrong type.
        """
        for name in options:
            if name not in _FIELDS:
                raise unknown_name("option", name, _FIELDS)
        named = {key: split_names(options[key]) for key in ("methods", "tasks") if key in options}
        return cls.from_json({key: _plain(value) for key, value in (options | named).items()})

    def words(self) -> list[str]:
        """The arguments of ``crossbench run`` that ask for the same."""
        usual, words = RunRequest(), []
        for name in _FIELDS:
            value, flag = getattr(self, name), _FLAGS.get(name, f"--{name.replace('_', '-')}")
            if value == getattr(usual, name) and name != "preset":  # which is the first question
                continue
            if name in _REPEATED:
                words += [word for each in value for word in (flag, each)]
            elif name in _JOINED:
                words += [flag, ",".join(value)]
            elif isinstance(value, tuple):
                words += [flag, *map(str, value)]
            else:
                words += [flag] if value is True else [flag, str(value)]
        return words

    @classmethod
    def from_json(cls, mapping: dict[str, Any]) -> RunRequest:
        """The request that :func:`crossbench.specs.reader.to_mapping` made a mapping of.

        Raises:
            RequestError: If a key is unknown or a value is of the wrong type.
        """
        try:
            return from_mapping(cls, mapping, where="request")
        except CardError as error:
            raise RequestError(str(error)) from error


_FIELDS = tuple(field.name for field in fields(RunRequest))
_FLAGS = {"methods": "--method", "tasks": "--task", "settings": "--set", "plugins": "--plugin"}
_REPEATED = ("settings", "plugins")
_JOINED = ("methods", "tasks")


def split_names(given: str | Sequence[str]) -> list[str]:
    """Names from ``"a,b"`` or a sequence, each once.

    Raises:
        RequestError: If there is none, or ``all`` does not stand alone.
    """
    parts = given.split(",") if isinstance(given, str) else list(given)
    names = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not names:
        raise RequestError("no names given; pass names separated by commas, or 'all'")
    if ALL in names and len(names) > 1:
        raise RequestError("'all' stands alone; leave the other names out")
    return names


def _plain(value: Any) -> Any:
    """A path as text, any other sequence as a list."""
    if isinstance(value, Path):
        return str(value)
    return list(map(_plain, value)) if isinstance(value, (tuple, list, range)) else value
