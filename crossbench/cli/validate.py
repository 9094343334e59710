"""``crossbench validate``: whether records hold, each against its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import path
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, print_json, tracked

if TYPE_CHECKING:
    import argparse

    from crossbench.results.records.validation import Validated


def add(commands: Any) -> None:
    """Add the command's parser."""
    validate = commands.add_parser(
        "validate",
        help="check records, and compute every metric again from its predictions",
        description=(
            "Check every record below a folder: its seal and identity, the files it names, every "
            "metric computed again from the predictions, counts and split sizes, duplicates. Exits "
            "with 0 where all hold, 1 where some do not, 2 where there is nothing to check."
        ),
    )
    validate.set_defaults(command=_validate)
    validate.add_argument("folder", type=path, metavar="DIR", help="a results folder")
    validate.add_argument("--json", action="store_true", help="the findings as JSON")


def _validate(options: argparse.Namespace) -> int:
    from crossbench.results.records.validation import validate

    done = validate(options.folder, lambda paths: tracked(paths, "checking", total=len(paths)))
    if options.json:
        print_json(
            {
                "verdict": _verdict(done),
                "holds": not done.findings,
                "records": done.records,
                "unsealed": done.unsealed,
                "findings": [{"file": str(file), "what": what} for file, what in done.findings],
            }
        )
    else:
        print(_verdict(done))
        for file, what in done.findings:
            print(f"  {file}: {what}")
    return EXIT_FAILED if done.findings else EXIT_OK


def _verdict(done: Validated) -> str:
    """One line that says what holds."""
    faulty = len({file for file, _ in done.findings})
    holding = f"all {done.records} records hold"
    if faulty:
        holding = f"{faulty} of {done.records} records do not hold"
    if not done.unsealed:
        return holding
    return f"{holding}; {done.unsealed} are of schema 1 and unsealed"
