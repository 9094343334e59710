"""``crossbench data remove`` and ``clean``: take data off the disk again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, data_root, path
from crossbench.cli.output import EXIT_OK, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence
    from pathlib import Path

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
    _add_results(remove)
    clean = commands.add_parser(
        "clean",
        help="remove partial files, superseded versions and locks",
        description="Remove partial files, half-finished imports and unpackings, superseded "
        "versions and locks. What another process holds is left alone.",
    )
    clean.set_defaults(command=_clean)
    add_data_dir(clean)
    _add_results(clean)


def _remove(options: argparse.Namespace) -> int:
    from crossbench.cli.data.fetch import chosen
    from crossbench.data.acquire.removal import remove

    root = data_root(options)
    removed = [each for card in chosen(options.tasks_wanted) for each in remove(card, root)]
    _tell(removed, options.results)
    return EXIT_OK


def _clean(options: argparse.Namespace) -> int:
    from crossbench.data.acquire.removal import clean

    _tell(clean(data_root(options)), options.results)
    return EXIT_OK


def _tell(removed: Sequence[Removed], results: Sequence[Path]) -> None:
    from crossbench.files.sizes import amount

    for each in removed:
        print(f"removed {each.path} ({amount(each.bytes)})")
    versions = {(each.path.parent.name, each.path.stem) for each in removed if each.version}
    if versions:
        say(_pinned(versions, results))
    say([] if removed else ["nothing to remove"])


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results",
        type=path,
        nargs="+",
        default=[path("results")],
        metavar="FOLDER",
        help="where records are looked for that are pinned to removed versions (results)",
    )


def _pinned(versions: Collection[tuple[str, str]], results: Sequence[Path]) -> list[str]:
    """Removed versions with the records that are pinned to them."""
    from crossbench.results.records.data_origin import pinned_versions

    pins = pinned_versions(results)
    where = ", ".join(map(str, results))
    said = []
    for task, version in sorted(versions):
        count = pins.get((task, version), 0)
        records = f"{count} record{'s' * (count != 1)} in {where}"
        said.append(f"{task} version {version}: {records} pinned to it, which stay as they are")
    return said
