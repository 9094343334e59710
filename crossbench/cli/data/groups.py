"""``crossbench data groups``: what must not be separated, joined to a data file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, path
from crossbench.cli.output import EXIT_OK, print_json

if TYPE_CHECKING:
    import argparse

    from crossbench.data.groups import Joined
    from crossbench.specs import TaskCard


def add(commands: Any) -> None:
    """Add the command's parser."""
    groups = commands.add_parser(
        "groups",
        help="join patients, lesions or scans to a task's data file",
        description=(
            "Join groups, such as patients, to the data file in use, without a new copy: preset "
            "standard then keeps them together. Without a choice of where they come from, the "
            "steps that get them are printed."
        ),
    )
    groups.set_defaults(command=_groups)
    groups.add_argument("task", metavar="TASK", help="a task's name or a card file")
    ways = groups.add_mutually_exclusive_group()
    ways.add_argument(
        "--from",
        dest="tables",
        type=path,
        nargs="+",
        metavar="FILE",
        help="CSV files, or a folder of them: index or id, and group; or a publisher's tables",
    )
    ways.add_argument(
        "--from-ids",
        action="store_true",
        help="by the original identifiers that an imported file holds",
    )
    ways.add_argument(
        "--near-duplicates",
        action="store_true",
        help="clusters of exact and near copies, added to the groups that there are",
    )
    ways.add_argument("--remove", action="store_true", help="take joined groups away again")
    add_data_dir(groups)
    groups.add_argument("--json", action="store_true", help="print JSON")


def _groups(options: argparse.Namespace) -> int:
    from crossbench.data import groups
    from crossbench.files.paths import cache_dir, data_dir
    from crossbench.registry.tasks import find_task

    card, folder = find_task(options.task), data_dir(options.data_dir)
    where = {"data_dir": folder, "cache_dir": cache_dir()}
    if options.remove:
        return _remove(card, folder)
    if options.tables:
        joined = groups.from_tables(card, groups.read_tables(options.tables), **where)
    elif options.from_ids:
        joined = groups.from_ids(card, **where)
    elif options.near_duplicates:
        joined = groups.from_copies(card, **where)
    else:
        return _steps(card, as_json=options.json)
    if options.json:
        print_json(asdict(joined) | {"file": str(joined.file)})
    else:
        print("\n".join(_words(joined)))
    return EXIT_OK


def _steps(card: TaskCard, *, as_json: bool) -> int:
    from crossbench.data.groups import remedies

    steps = remedies(card)
    if as_json:
        print_json({"task": card.name, "steps": steps})
    else:
        print(f"{card.name}: ways to have its samples grouped")
        print("\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1)))
    return EXIT_OK


def _remove(card: TaskCard, folder: Any) -> int:
    from crossbench.errors import RequestError
    from crossbench.files.data_root import DataRoot

    file = DataRoot(folder).groups(card.name)
    if not file.is_file():
        raise RequestError(f"task {card.name!r}: no groups were joined; there is no {file}")
    file.unlink()
    print(f"{card.name}: {file} is removed; records made with it keep their content hash")
    return EXIT_OK


def _words(joined: Joined) -> list[str]:
    counts = f"{joined.groups:,} groups of {joined.samples:,} samples"
    changed = f"content {joined.before[:16]} became {joined.content[:16]}"
    return [
        f"{counts}, the largest of {joined.largest:,}: {joined.source}",
        *(f"note: {note}" for note in joined.notes),
        f"joined to {joined.file}, which stays as it is",
        f"{changed}: records that were made without these groups are of another content",
    ]
