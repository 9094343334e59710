"""``crossbench report``: results as tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_folders
from crossbench.cli.output import EXIT_OK
from crossbench.results.report.render import FORMATS

if TYPE_CHECKING:
    import argparse


def add(commands: Any) -> None:
    """Add the command's parser."""
    report = commands.add_parser("report", help="print the results of one or more folders")
    report.set_defaults(command=_report)
    add_folders(report)
    report.add_argument("--format", choices=FORMATS, default="table")
    report.add_argument(
        "--html",
        action="store_const",
        const="html",
        dest="format",
        help="one self-contained page, the same as --format html",
    )
    report.add_argument("--task", help="every metric of one task instead of the boards")
    report.add_argument(
        "--metric", metavar="NAME", help="rank by this metric, not the preset's or the cards' own"
    )
    report.add_argument(
        "--board",
        type=int,
        metavar="N",
        help="one board alone, counted from 1 as printed",
    )
    report.add_argument(
        "--columns",
        type=_names,
        default=(),
        metavar="NAME,NAME",
        help="boards with these columns alone: tasks, average, mean-rank, ms-per-sample, …",
    )
    report.add_argument("--cost", action="store_true", help="boards with a column for each cost")
    report.add_argument(
        "--appendix", action="store_true", help="add commands, hashes, versions and hardware"
    )
    report.add_argument(
        "--bibtex", action="store_true", help="what to cite, as BibTeX, in place of tables"
    )
    report.add_argument(
        "--figures",
        type=Path,
        metavar="DIR",
        help="write standings, heat maps, costs, mean ranks and gains as PDF and SVG, and LaTeX",
    )
    report.add_argument(
        "--published", action="store_true", help="add the paper's tables, as reported"
    )


def _report(options: argparse.Namespace) -> int:
    from crossbench.results.report.report import choose_boards, records_of, report

    if options.bibtex:
        from crossbench.results.report.bibtex import bibtex

        print(bibtex(records_of(choose_boards(options.folders, options.metric, options.board))))
        return EXIT_OK
    text = report(
        options.folders,
        options.format,
        task=options.task,
        metric=options.metric,
        board=options.board,
        columns=options.columns,
        costs=options.cost,
        with_appendix=options.appendix,
        published=options.published,
        colour=sys.stdout.isatty(),
    )
    if options.figures:
        from crossbench.results.report.figures import write_figures

        boards = choose_boards(options.folders, options.metric, options.board)
        files = write_figures(boards, options.figures)
        print(f"{len(files)} files written to {options.figures}", file=sys.stderr)
    print(text)
    return EXIT_OK


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))
