"""``crossbench validate``: whether a bundle or the records of a folder hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crossbench.cli.arguments import add_data_dir, path
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, print_json, say, tracked
from crossbench.errors.foreign import clean

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from crossbench.results.records.validation import Validated


class _Told(NamedTuple):
    """What is said of a bundle or a folder.

    Attributes:
        verdict: One line.
        findings: File and fault of what does not hold.
        notes: What could not be told, and what else readers should know.
        counts: How many there were, by kind.
    """

    verdict: str
    findings: list[tuple[str, str]]
    notes: list[str]
    counts: dict[str, int]


def add(commands: Any) -> None:
    """Add the command's parser."""
    validate = commands.add_parser(
        "validate",
        help="check a bundle or records: every hash, every metric, every split",
        description=(
            "Check a bundle, or every record below a folder: seals and identities, the files they "
            "name, every metric computed again from the predictions, test samples and labels drawn "
            "again where the data is here, duplicates, copies and impossible times; of a bundle "
            "also its layout, its source and whether runs are missing. No code of a bundle is "
            "run. Exits with 0 where all hold, 1 where some do not, 2 where there is nothing to "
            "check."
        ),
    )
    validate.set_defaults(command=_validate)
    validate.add_argument(
        "place", type=path, metavar="BUNDLE|DIR", help="a bundle (.zip), or a results folder"
    )
    validate.add_argument("--json", action="store_true", help="the findings as JSON")
    add_data_dir(validate)


def _validate(options: argparse.Namespace) -> int:
    bundled = options.place.suffix == ".zip" or (options.place / "manifest.json").is_file()
    told = (_bundle if bundled else _folder)(options.place, options.data_dir)
    say([clean(f"note: {note}") for note in told.notes])
    if options.json:
        print_json(
            {
                "verdict": told.verdict,
                "holds": not told.findings,
                **told.counts,
                "findings": [{"file": file, "what": what} for file, what in told.findings],
                "notes": told.notes,
            }
        )
    else:
        print(told.verdict)
        for file, what in told.findings:
            print(clean(f"  {file}: {what}"))
    return EXIT_FAILED if told.findings else EXIT_OK


def _bundle(place: Path, data_dir: str | None) -> _Told:
    from crossbench.submissions.validation import validate_bundle

    found = validate_bundle(place, data_dir)
    counts = {"records": found.records, "held": found.held}
    return _Told(
        str(found), [(each.where, each.what) for each in found.findings], [*found.notes], counts
    )


def _folder(place: Path, data_dir: str | None) -> _Told:
    from crossbench.submissions.validation import validate_results

    done, held = validate_results(
        place, data_dir, lambda paths: tracked(paths, "checking", total=len(paths))
    )
    every = sorted([*done.findings, *held.findings])
    counts = {"records": done.records, "unsealed": done.unsealed, "held": held.held}
    return _Told(
        _verdict(done, {file for file, _ in every}),
        [(str(file), what) for file, what in every],
        held.notes,
        counts,
    )


def _verdict(done: Validated, faulty: set[Path]) -> str:
    """One line that says what holds."""
    holding = f"all {done.records} records hold"
    if faulty:
        holding = f"{len(faulty)} of {done.records} records do not hold"
    if not done.unsealed:
        return holding
    return f"{holding}; {done.unsealed} are of schema 1 and unsealed"
