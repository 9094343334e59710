"""Registered task cards by name: those of the benchmark, and extra ones.

Extra tasks stand in tables of packages (``extra/*.toml`` beside their cards), are found by name and
are not among ``all``. The tables are read when one of them is asked for.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.methods import KINDS
from crossbench.registry.entries import missing_task_packages, task_folders, while_installed
from crossbench.registry.inputs import find_input_entry, input_entries
from crossbench.specs import TaskCard
from crossbench.specs.cross import cross, task_names
from crossbench.specs.extra import ExtraTasks
from crossbench.specs.reader import check, from_mapping
from crossbench.specs.toml import read_toml


def load_tasks() -> dict[str, TaskCard]:
    """All registered task cards by name, in the order of their packages and files.

    A card that cannot be read does not keep the others from loading; :func:`task_faults`
    tells what is wrong with it.
    """
    return dict(_registered()[0])


def task_faults() -> tuple[str, ...]:
    """Faults that keep registered cards from loading, one message each."""
    return _registered()[1]


def extra_tasks() -> dict[str, TaskCard]:
    """All extra tasks by name, in the order of their packages and tables."""
    return dict(_extra()[0])


def extra_faults() -> tuple[str, ...]:
    """Faults that keep extra tasks from loading, one message each."""
    return _extra()[1]


def registered_task(name: str) -> TaskCard | None:
    """The card of a registered task, extra ones included; None where there is none.

    Also that of one registered task fitted on another.
    """
    cards = [_registered()[0].get(each) or _extra()[0].get(each) for each in task_names(name)]
    found = [card for card in cards if card is not None]
    if len(found) < len(cards):
        return None
    try:
        return cross(*found) if len(found) > 1 else found[0]
    except RequestError:  # tasks whose cards have changed since
        return None


def find_run_task(name: str, train_task: str | None = None) -> TaskCard:
    """The card of a task that runs are of.

    Args:
        name: As for :func:`find_task`, or the name of one task fitted on another.
        train_task: As for :func:`find_task`: what networks are fitted on; None for the task itself.

    Raises:
        RequestError: As by :func:`find_task`, or if the two do not go together.
        CardError: If a file is malformed.
    """
    tested, *fitted = [name] if name.endswith(".toml") else task_names(name)
    if train_task is not None:
        fitted.append(train_task)
    if len(fitted) > 1:
        msg = f"task {name!r} says already what it is fitted on; leave train task {train_task!r}"
        raise RequestError(f"{msg} out, or name {tested!r}")
    return cross(find_task(tested), *map(find_task, fitted)) if fitted else find_task(tested)


def find_task(name: str) -> TaskCard:
    """The card of a registered task, or of the card file that ``name`` is a path to.

    Raises:
        RequestError: If no task has this name, with the nearest names and with what keeps
            other cards from loading.
        CardError: If the file is malformed.
    """
    if name.endswith(".toml"):
        return load_card(Path(name))
    parts = task_names(name)
    if len(parts) > 1:
        msg = f"task {name!r} is one fitted on another and has no data of its own"
        raise RequestError(f"{msg}; name {' or '.join(map(repr, parts))}")
    card = registered_task(name)
    if card is None:
        known = unknown_name("task", name, [*load_tasks(), *extra_tasks()])
        raise RequestError("\n".join([str(known), *task_faults(), *extra_faults()]))
    return card


def load_card(file: Path) -> TaskCard:
    """Read and check one task card.

    Raises:
        CardError: If the file is unreadable, or a key is missing, unknown, of the wrong
            type, or at odds with another key.
    """
    return _checked(from_mapping(TaskCard, read_toml(file), where=str(file)), file, where=str(file))


def _checked(card: TaskCard, file: Path, *, where: str) -> TaskCard:
    """The card with its kind and path, once what must hold of it does."""
    card = _with_kind(card, where=where)
    prepared = () if card.preparation is None else card.preparation.demands(card.dimension)
    check(card, *find_input_entry(card.kind).demands(card), *prepared, where=where)
    return dataclasses.replace(card, path=file.resolve())


@while_installed
def _registered() -> tuple[dict[str, TaskCard], tuple[str, ...]]:
    """The cards that load, by name, and a message for each that does not."""
    faults = list(missing_task_packages())
    found: dict[str, list[TaskCard]] = defaultdict(list)
    for folder in task_folders().values():
        for file in sorted(folder.glob("*.toml"), key=lambda file: file.stem):
            try:
                card = load_card(file)
            except CardError as error:
                faults.append(str(error))
            else:
                found[card.name].append(card)
    for name, cards in found.items():
        if len(cards) > 1:  # neither may pass for the other
            files = " and ".join(str(card.path) for card in cards)
            faults.append(f"task {name!r} is declared by {files}; remove or rename one of them")
    return {name: cards[0] for name, cards in found.items() if len(cards) == 1}, tuple(faults)


@while_installed
def _extra() -> tuple[dict[str, TaskCard], tuple[str, ...]]:
    """The extra tasks that load, by name, and a message for each that does not."""
    found, faults = load_tasks(), []
    for folder in task_folders().values():
        for file in sorted((folder / "extra").glob("*.toml")):
            try:
                table = from_mapping(ExtraTasks, read_toml(file), where=str(file))
            except CardError as error:
                faults.append(str(error))
                continue
            for name in (*table.cards, *table.sizes):
                try:
                    found[name] = _extra_card(name, table, found, file)
                except CardError as error:
                    faults.append(str(error))
    return {name: card for name, card in found.items() if name not in load_tasks()}, tuple(faults)


def _extra_card(name: str, table: ExtraTasks, known: dict[str, TaskCard], file: Path) -> TaskCard:
    """A card of a table, whose base may stand before it or be a registered task."""
    where = f"{file}: {name}"
    if name in known:  # a name must mean one thing, and records know tasks by it
        raise CardError(f"{where}: the name is taken by {known[name].path}; rename one of them")
    if name in table.cards:
        mapping = {"name": name, **table.cards[name]}
        return _checked(from_mapping(TaskCard, mapping, where=where), file, where=where)
    size = table.sizes[name]
    if size.base not in known:
        raise CardError(f"{where}: {unknown_name('base', size.base, known)}")
    try:
        return _checked(size.card(name, known[size.base]), file, where=where)
    except ValueError as error:
        raise CardError(f"{where}: key 'base': {error}") from error


def _with_kind(card: TaskCard, *, where: str) -> TaskCard:
    """The card with its kind and the dimension of that, of which it may give either."""
    kind = card.kind or KINDS.get(card.dimension, "")
    if not kind:
        given = card.dimension
        fault = f"key 'dimension' is {given}" if given else "required key 'kind' is missing"
        known = ", ".join(input_entries())
        raise CardError(f"{where}: {fault}; give kind, one of the input kinds {known}")
    try:
        dims = find_input_entry(kind).dims
    except RequestError as error:
        raise CardError(f"{where}: key 'kind' is {kind!r}; {error}") from error
    if card.dimension not in (0, dims):
        msg = f"{where}: key 'dimension' is {card.dimension}; samples of kind {kind!r} have"
        raise CardError(f"{msg} {dims}; leave it out")
    return dataclasses.replace(card, kind=kind, dimension=dims)
