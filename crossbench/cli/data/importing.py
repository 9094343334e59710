"""``crossbench data import``: from an original distribution to the data file of a task."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, add_settings, data_root, path
from crossbench.cli.output import EXIT_OK, aside, counting, print_json

if TYPE_CHECKING:
    import argparse

    from crossbench.data.importers.build import Imported
    from crossbench.data.importers.request import Import
    from crossbench.files.data_root import DataRoot

_NAMED = 5  # identifiers that are shown of those that were left out for one reason


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "import",
        help="make a task's data file of its original distribution",
        description="Read an original distribution sample by sample, check it against the card, "
        "and make it the version of the task that is used. What was stopped goes on.",
    )
    parser.set_defaults(command=_import)
    parser.add_argument("task", metavar="TASK", help="task, or a card file")
    parser.add_argument(
        "--from",
        dest="folder",
        type=path,
        metavar="DIR",
        help="the distribution, or an npz file of the authors' form (what data fetch brought)",
    )
    parser.add_argument("--origin", default="", metavar="NAME", help="origin on the card (first)")
    parser.add_argument(
        "--importer", default="", metavar="NAME", help="read it by this importer (the origin's)"
    )
    add_settings(parser, name="options", example="size=96")
    parser.add_argument(
        "--allow-count-mismatch",
        action="store_true",
        help="take another number of samples than the card says",
    )
    add_data_dir(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _import(options: argparse.Namespace) -> int:
    from crossbench.data.importers.choice import choose
    from crossbench.registry.tasks import find_task

    root = data_root(options)
    asked = choose(
        find_task(options.task),
        root,
        folder=options.folder,
        origin=options.origin,
        importer=options.importer,
        options=options.options,
        allow_count_mismatch=options.allow_count_mismatch,
    )
    made = run_import(asked, root)
    if options.json:
        print_json(_as_json(asked, made))
    else:
        print("\n".join(_in_words(asked, made)))
    return EXIT_OK


def run_import(asked: Import, root: DataRoot) -> Imported:
    """Import a distribution, its progress shown."""
    from crossbench.data.importers.build import build
    from crossbench.files.paths import cache_dir

    with aside(), counting(f"importing {asked.card.name}") as listener:
        return build(asked, root, cache_dir=cache_dir(), listener=listener)


def _as_json(asked: Import, made: Imported) -> dict[str, Any]:
    return {
        "task": asked.card.name,
        "origin": asked.origin.name,
        "importer": asked.importer.name,
        "options": asked.settings,
        "file": str(made.file),
        "version": made.version,
        "content_hash": made.content,
        "supersedes": made.replaced or None,
        "samples": len(made.listing.samples),
        "classes": _counts(asked, made),
        "groups": len({sample.group for sample in made.listing.samples if sample.group}),
        "dropped": [{"id": name, "reason": why} for name, why in made.listing.dropped],
        "assumed": [*made.notes, *asked.origin.notes],
        "warnings": list(made.warnings),
    }


def _counts(asked: Import, made: Imported) -> dict[str, int]:
    counts = Counter(sample.label for sample in made.listing.samples)
    return {name: counts[label] for label, name in enumerate(asked.card.classes)}


def _in_words(asked: Import, made: Imported) -> list[str]:
    found = _as_json(asked, made)
    counts = ", ".join(f"{name} {count:,}" for name, count in found["classes"].items())
    groups = f"{found['groups']:,} groups" if found["groups"] else "ungrouped"
    lines = [
        f"{asked.card.name}: {found['samples']:,} samples ({counts}), {groups}",
        f"version {made.version}, in use from now on: {made.file}",
    ]
    if made.replaced:
        lines.append(f"supersedes version {made.replaced}, whose records stay apart")
    reasons: dict[str, list[str]] = {}
    for name, why in made.listing.dropped:
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        more = ", ..." if len(names) > _NAMED else ""
        lines.append(f"left out: {len(names)}, {why}: {', '.join(names[:_NAMED])}{more}")
    lines += [f"assumed: {note}" for note in found["assumed"]]
    return [*lines, *(f"warning: {warning}" for warning in found["warnings"])]
