"""``crossbench data status``: what is here, what is missing, and what a person has to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, data_root
from crossbench.cli.output import EXIT_OK, print_json

if TYPE_CHECKING:
    import argparse

    from crossbench.data.acquire.status import Status

_WIDTH = 80
_LICENCE = 22


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "status",
        help="show what is here of tasks' data, and what is missing",
        description="Present, absent, partial, wrong checksum or unverified; for named tasks also "
        "the steps that a person takes.",
    )
    parser.set_defaults(command=_status)
    parser.add_argument(
        "tasks_wanted", nargs="*", metavar="TASK", help="tasks, or card files (all)"
    )
    add_data_dir(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _status(options: argparse.Namespace) -> int:
    from crossbench.cli.columns import table
    from crossbench.cli.data.fetch import chosen
    from crossbench.data.acquire.status import status

    root = data_root(options)
    found = [status(card, root) for card in chosen(options.tasks_wanted or ["all"])]
    if options.json:
        print_json([asdict(each) for each in found])
        return EXIT_OK
    print(table([_row(each) for each in found], width=_WIDTH))
    if options.tasks_wanted and options.tasks_wanted != ["all"]:
        for each in found:
            print("\n".join(_details(each)))
    else:
        print("crossbench data status TASK shows the steps; crossbench data fetch TASK fetches")
    return EXIT_OK


def _row(each: Status) -> dict[str, str | None]:
    from crossbench.files.sizes import amount

    licence = each.accept or each.licence
    short = licence if len(licence) <= _LICENCE else f"{licence[: _LICENCE - 1]}…"
    return {
        "name": each.task,
        "state": each.state,
        "on disk": amount(each.on_disk) if each.on_disk else None,
        "to fetch": None if each.there else amount(each.to_fetch),
        "licence": short,
    }


def _details(each: Status) -> list[str]:
    lines = ["", f"{each.task}: {each.state}" + (f", {each.why}" if each.why else "")]
    lines += [f"file: {each.file}"] if each.file else []
    lines += [f"SHA-256: {each.sha256}"] if each.sha256 else []
    lines.append(f"licence: {each.licence}")
    if each.accept:
        lines.append(f"terms {each.accept}: {'accepted' if each.accepted else 'not accepted yet'}")
    first = "delete the file, then " if each.state == "wrong checksum" else ""
    lines += [f"next: {first}{each.command}"] if each.command else []
    return [*lines, *(f"  {step}" for step in each.steps)]
