"""``crossbench data card``: what a task's card says, for people and as Croissant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir
from crossbench.cli.output import EXIT_OK, print_json

if TYPE_CHECKING:
    import argparse

    from crossbench.specs import TaskCard


def add(commands: Any) -> None:
    """Add the command's parser."""
    card = commands.add_parser(
        "card",
        help="show a task's card, or print it as Croissant JSON-LD",
        description="Show what a task's card says, or print it as Croissant JSON-LD, in which the "
        "known issues are fields of responsible AI.",
    )
    card.set_defaults(command=_card)
    card.add_argument("task", metavar="TASK", help="a task's name or a card file")
    card.add_argument("--croissant", action="store_true", help="print Croissant JSON-LD")
    card.add_argument("--json", action="store_true", help="print the card as JSON")
    add_data_dir(card)


def _card(options: argparse.Namespace) -> int:
    from crossbench.registry.tasks import find_task
    from crossbench.specs.reader import to_mapping

    card = find_task(options.task)
    if options.croissant:
        from crossbench.data.croissant import croissant

        print_json(croissant(card, digests=_digests(card, options.data_dir)))
    elif options.json:
        print_json({key: value for key, value in to_mapping(card).items() if key != "path"})
    else:
        print("\n".join(_words(card)))
    return EXIT_OK


def _digests(card: TaskCard, given: str | None) -> dict[str, str]:
    """The digest of the data file, where the card states none and the file is here."""
    from crossbench.data.sources import find_file
    from crossbench.errors import MissingDataError
    from crossbench.files.hashing import hash_file
    from crossbench.files.paths import cache_dir, data_dir

    if card.checksum:
        return {}
    try:
        file = find_file(card, data="real", data_dir=data_dir(given), cache_dir=cache_dir())
    except MissingDataError:
        return {}
    return {"sha256": hash_file(file)}


def _words(card: TaskCard) -> list[str]:
    counts = card.class_counts or ("?",) * len(card.classes)
    facts = {
        "task": f"{card.name}, version {card.version}",
        "modality": card.modality,
        "samples": ", ".join(f"{number:,} ({who})" for who, number in card.samples.items()),
        "classes": ", ".join(f"{name} ({n})" for name, n in zip(card.classes, counts, strict=True)),
        "stored": "x".join(map(str, card.shape or ())),
        "group": card.group or "",
        "split": card.official_split or "",
        "licence": " ".join(
            filter(None, [card.licence, card.restrictions and f"({card.restrictions})"])
        ),
        "homepage": card.homepage or "",
        "cite": " ".join(card.citation.split()),
        "from": ", ".join(f"{each.name} ({each.kind})" for each in card.origins),
    }
    lines = [card.title, *(f"  {name:9} {text}" for name, text in facts.items() if text)]
    issues = [f"  - {' '.join(issue.split())}" for issue in card.known_issues]
    return [*lines, "Known issues", *issues] if issues else lines
