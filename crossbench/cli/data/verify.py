"""``crossbench data verify``: a verdict on a task's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, path
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, aside, print_json, say_if_watched

if TYPE_CHECKING:
    import argparse


def add(commands: Any) -> None:
    """Add the command's parser."""
    verify = commands.add_parser(
        "verify",
        help="check a task's data against its card, for copies, leaks and shortcuts",
        description=(
            "Check a task's data: against its card; blank, broken and copied samples; copies and "
            "groups across the folds of preset standard, the official split and classes; and what "
            "plain models get from the acquisition alone. Exits with 0 where the data holds, 1 "
            "where it does not."
        ),
    )
    verify.set_defaults(command=_verify)
    verify.add_argument("task", metavar="TASK", help="a task's name or a card file")
    add_data_dir(verify)
    verify.add_argument("--json", action="store_true", help="the verdict as JSON")
    verify.add_argument(
        "--html", type=path, metavar="FILE", help="write the verdict as a page, with a montage"
    )


def _verify(options: argparse.Namespace) -> int:
    from crossbench.data.verify import verify
    from crossbench.files.paths import cache_dir, data_dir
    from crossbench.registry.tasks import find_task
    from crossbench.results.report.render import render
    from crossbench.results.report.verdict import verdict_page, verdict_tables

    card, folder = find_task(options.task), data_dir(options.data_dir)
    with aside():
        verdict, dataset = verify(
            card,
            data_dir=folder,
            cache_dir=cache_dir(),
            listener=lambda doing: say_if_watched(f"{options.task}: {doing}"),
        )
    if options.html:
        from crossbench.data.montage import montage
        from crossbench.files.atomic import replacing

        picture = b"" if dataset is None else montage(card, dataset)
        with replacing(options.html) as draft:
            draft.write_text(verdict_page(verdict, picture), encoding="utf-8")
    if options.json:
        print_json(verdict.mapping())
    else:
        print(render(verdict_tables(verdict), "table"))
    return EXIT_OK if verdict.holds else EXIT_FAILED
