"""``crossbench data fetch``: a task's data, as far as its licence lets a program go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, data_root, matching
from crossbench.cli.data.importing import run_import
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, say
from crossbench.errors import CrossbenchError
from crossbench.specs.requests import ALL

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard

_NAMED = 9  # files that are named one by one; of more their number is said


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "fetch",
        help="download a task's data, verify and import it",
        description="Download, verify, unpack and import the data of tasks. What was stopped goes "
        "on; what is there is left as it is. Proxies and HF_ENDPOINT are read from the "
        "environment.",
    )
    parser.set_defaults(command=_fetch)
    parser.add_argument("tasks_wanted", nargs="+", metavar="TASK", help="tasks, card files, or all")
    parser.add_argument("--origin", default="", metavar="NAME", help="origin on the card (first)")
    add_means(parser)
    parser.add_argument("--no-import", action="store_true", help="leave originals as they are")
    add_data_dir(parser)


def add_means(parser: Any) -> None:
    """Options of fetching."""
    parser.add_argument(
        "--accept-licence",
        dest="accepted",
        action="append",
        default=[],
        metavar="NAME",
        help="accept these terms, once for all; repeatable",
    )
    parser.add_argument("--mirror", metavar="URL", help="fetch from there ($CROSSBENCH_MIRROR)")
    parser.add_argument("--offline", action="store_true", help="leave the network alone")
    parser.add_argument(
        "--keep-archives", action="store_true", help="keep archives that were unpacked"
    )


def _fetch(options: argparse.Namespace) -> int:
    from crossbench.data.acquire.consents import accept

    cards = chosen(options.tasks_wanted)
    root = data_root(options)
    accept(root, options.accepted, cards)
    if len(cards) == 1:
        files = fetch_task(cards[0], root, options, origin=options.origin)
        _name(files)
        return EXIT_OK
    left = fetch_tasks(cards, root, options)
    return EXIT_FAILED if left else EXIT_OK


def chosen(names: Sequence[str]) -> tuple[TaskCard, ...]:
    """The cards of names; ``all`` is every task whose data does not ship with it.

    Raises:
        RequestError: If a name is unknown.
    """
    from crossbench.registry.tasks import find_task, load_tasks
    from crossbench.specs.cross import task_names

    if list(names) == [ALL]:
        return tuple(each for each in load_tasks().values() if not each.embedded)
    return tuple(find_task(part) for name in names for part in task_names(name))


def fetch_tasks(
    cards: Sequence[TaskCard], root: DataRoot, options: argparse.Namespace
) -> list[str]:
    """Fetch what can be had of several tasks; the names of those that are not there then."""
    left = []
    for card in cards:
        try:
            files = fetch_task(card, root, options)
        except CrossbenchError as error:
            say([f"{card.name}: {error}"])
            left.append(card.name)
        else:
            _name(files)
    if left:
        say([f"not there: {', '.join(left)}"])
    return left


def left_to_fetch(cards: Sequence[TaskCard], root: DataRoot) -> list[str]:
    """Preview of :func:`fetch_tasks`, a line a task."""
    from crossbench.data.acquire.status import status
    from crossbench.files.sizes import amount

    states = [each for card in cards if not (each := status(card, root)).there]
    return [f"would fetch {each.task}: {amount(each.to_fetch)}" for each in states]


def fetch_task(
    card: TaskCard, root: DataRoot, options: argparse.Namespace, *, origin: str = ""
) -> tuple[Path, ...]:
    """Fetch and import the data of a task that is not there; where it is then.

    Raises:
        CrossbenchError: If it cannot be had, with the remedy.
    """
    from crossbench.cli.progress import FetchBar
    from crossbench.data.acquire.fetch import Means, choose_origin, fetch
    from crossbench.data.acquire.status import status
    from crossbench.data.importers import find_importer

    if not origin:
        now = status(card, root)
        if now.there:
            say([f"{card.name}: {now.state}, nothing to fetch"])
            return tuple(map(type(root.root), [now.file])) if now.file else ()
    found = choose_origin(card, origin)
    imports = bool(found.importer) and not getattr(options, "no_import", False)
    if imports:
        find_importer(found.importer)  # refuses what could not be imported before it is fetched
    with FetchBar() as bar:
        got = fetch(card, found, root, Means(**matching(options, Means), listener=bar))
    unverified = [f"unverified: {name}: SHA-256 {sha}" for name, sha in got.unverified if sha]
    if len(unverified) > _NAMED:
        receipts = root.receipts(card.name, found.name)
        unverified = [f"unverified: {len(unverified)} files, whose SHA-256 are kept in {receipts}"]
    say(unverified)
    if not imports:
        return got.files
    return (_import(card, root, found.name),)


def _name(files: Sequence[Path]) -> None:
    for file in files:  # none of a task that ships with its data
        print(file, flush=True)


def _import(card: TaskCard, root: DataRoot, origin: str) -> Path:
    from crossbench.data.importers.choice import choose

    made = run_import(choose(card, root, origin=origin), root)
    say([f"{card.name}: {len(made.listing.samples):,} samples imported, version {made.version}"])
    say([f"{card.name}: {len(made.listing.dropped)} left out"] if made.listing.dropped else [])
    return made.file
