"""``crossbench data remove`` and ``clean``: take data off the disk again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir
from crossbench.cli.output import EXIT_OK, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from crossbench.data.acquire.removal import Removed


def add(commands: Any) -> None:
    """Add the parsers of both commands."""
    remove = commands.add_parser(
        "remove",
        help="remove what was fetched, imported and joined of tasks",
        description="Remove what was fetched, imported and joined of tasks, and say what it was. "
        "Files elsewhere, those of the package medmnist included, are left alone.",
    )
    remove.set_defaults(command=_remove)
    remove.add_argument("tasks_wanted", nargs="+", metavar="TASK", help="tasks, or card files")
    add_data_dir(remove)
    clean = commands.add_parser(
        "clean",
        help="remove partial files, superseded versions and locks",
        description="Remove partial files, half-finished imports and unpackings, superseded "
        "versions and locks. What another process holds is left alone.",
    )
    clean.set_defaults(command=_clean)
    add_data_dir(clean)


def _remove(options: argparse.Namespace) -> int:
    from crossbench.cli.data.fetch import chosen
    from crossbench.data.acquire.removal import remove
    from crossbench.files.data_root import DataRoot
    from crossbench.files.paths import data_dir

    root = DataRoot(data_dir(options.data_dir))
    _tell([each for card in chosen(options.tasks_wanted) for each in remove(card, root)])
    return EXIT_OK


def _clean(options: argparse.Namespace) -> int:
    from crossbench.data.acquire.removal import clean
    from crossbench.files.data_root import DataRoot
    from crossbench.files.paths import data_dir

    _tell(clean(DataRoot(data_dir(options.data_dir))))
    return EXIT_OK


def _tell(removed: Sequence[Removed]) -> None:
    from crossbench.data.acquire.listening import amount

    for each in removed:
        print(f"removed {each.path} ({amount(each.bytes)})")
    versions = [each.path.stem for each in removed if each.version]
    if versions:
        say([f"records may be pinned to version {', '.join(versions)}; they stay, apart from new"])
    say([] if removed else ["nothing to remove"])
