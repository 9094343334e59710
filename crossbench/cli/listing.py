"""``crossbench list``: what there is to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, add_plugins
from crossbench.cli.output import EXIT_OK, print_json, say
from crossbench.errors import RequestError
from crossbench.files.paths import data_dir
from crossbench.registry.entries import package_faults
from crossbench.registry.tasks import extra_faults, task_faults

if TYPE_CHECKING:
    import argparse

_BEYOND = "--all lists controls and extra tasks too; --long says where each is from"


def add(commands: Any) -> None:
    """Add the command's parser."""
    listing = commands.add_parser("list", help="list tasks, methods, protocols, presets or tracks")
    listing.set_defaults(command=_list)
    listing.add_argument("what", choices=("tasks", "methods", "protocols", "presets", "tracks"))
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.add_argument(
        "--all",
        dest="everything",
        action="store_true",
        help="tasks: controls and extra ones too, which are not among `--task all`",
    )
    listing.add_argument(
        "--long", action="store_true", help="tasks: address, digest, citation and groups of each"
    )
    add_plugins(listing)
    add_data_dir(listing)


def _list(options: argparse.Namespace) -> int:
    if options.what == "tasks":
        return _list_tasks(options)
    if options.everything or options.long:
        raise RequestError(f"--all and --long are of tasks, not of {options.what}; leave them out")
    if options.plugins and options.what != "methods":
        raise RequestError(f"--plugin is of methods, not of {options.what}; leave it out")
    from crossbench.cli.columns import table
    from crossbench.cli.views import LISTINGS, method_rows

    methods = options.what == "methods"
    rows = method_rows(options.plugins) if methods else LISTINGS[options.what]()
    if options.json:
        print_json(rows)
    else:
        print(table(list(map(_short, rows)) if methods else rows))
    _say_faults(package_faults() if methods else ())
    return EXIT_OK


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A method's row for a table, its hyperparameters after the summary."""
    takes = row["hyperparameters"]
    known = {key: value for key, value in row.items() if key != "hyperparameters"}
    return known | {"summary": f"{row['summary']} Takes {takes}."} if takes else known


def _list_tasks(options: argparse.Namespace) -> int:
    from crossbench.cli.columns import table
    from crossbench.cli.tasks import details, short, task_rows

    rows = task_rows(data_dir(options.data_dir), everything=options.everything)
    if options.json:
        print_json(rows)
    elif options.long:
        print("\n\n".join(map(details, rows)))
    else:
        print(table(list(map(short, rows))))
        if not options.everything:
            print(f"\n{_BEYOND}")
    _say_faults(task_faults() + (extra_faults() if options.everything else ()))
    return EXIT_OK


def _say_faults(faults: tuple[str, ...]) -> None:
    say([f"not loaded: {why}" for why in faults])
