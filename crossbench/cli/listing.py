"""``crossbench list``: what there is to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.output import EXIT_OK, print_json, say
from crossbench.registry.entries import package_faults
from crossbench.registry.tasks import task_faults

if TYPE_CHECKING:
    import argparse


def add(commands: Any) -> None:
    """Add the command's parser."""
    listing = commands.add_parser("list", help="list tasks, methods, protocols or presets")
    listing.set_defaults(command=_list)
    listing.add_argument("what", choices=("tasks", "methods", "protocols", "presets"))
    listing.add_argument("--json", action="store_true", help="print JSON")


def _list(options: argparse.Namespace) -> int:
    from crossbench.cli import views

    rows = views.listing(options.what)
    if options.json:
        print_json(rows)
    else:
        print(views.table(rows))
    faults = {"tasks": task_faults, "methods": package_faults}.get(options.what, tuple)
    say([f"not loaded: {why}" for why in faults()])
    return EXIT_OK
