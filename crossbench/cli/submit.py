"""``crossbench submit``: a method's runs and source as one file for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_folders, add_plugins, matching, path
from crossbench.cli.output import EXIT_OK, say

if TYPE_CHECKING:
    import argparse

    from crossbench.specs.conformance import ConformanceReport
    from crossbench.submissions.submission import Submitted


def add(commands: Any) -> None:
    """Add the command's parser."""
    submit = commands.add_parser(
        "submit",
        help="bundle a method's runs, source and licence for others to check",
        description="Write the valid records of one method with their predictions, those of the "
        "plain baselines beside them, the method's source and licence, and versions and machine, "
        "to one zip file. Failed runs go along. Names of this machine, its user and its folders "
        "are taken out (docs/submit.md).",
    )
    submit.set_defaults(command=_submit, watched=True)
    add_folders(submit)
    submit.add_argument("--method", required=True, metavar="NAME", help="the method's name")
    add_plugins(submit)
    submit.add_argument(
        "--authors", nargs="+", default=[], metavar="NAME", help="who submits (the method's)"
    )
    submit.add_argument(
        "--licence", default="", metavar="SPDX", help="licence of the source (the method's)"
    )
    submit.add_argument("--licence-file", type=path, metavar="FILE", help="the licence's text")
    submit.add_argument("--preset", default="", help="preset of the records, if of several")
    submit.add_argument("--track", default="", metavar="NAME", help="the track that was run")
    submit.add_argument(
        "--partial", action="store_true", help="take a grid with missing runs; boards show it"
    )
    submit.add_argument("--note", default="", metavar="TEXT", help="words for readers")
    report = submit.add_mutually_exclusive_group()
    report.add_argument(
        "--conformance",
        type=path,
        metavar="FILE",
        help="report of `check-method --json` (the method is checked now)",
    )
    report.add_argument("--no-check", action="store_true", help="bundle no conformance report")
    submit.add_argument("--out", type=path, required=True, metavar="BUNDLE.zip")


def _submit(options: argparse.Namespace) -> int:
    from crossbench.submissions.submission import SubmitRequest, submit

    request = SubmitRequest(**matching(options, SubmitRequest))
    done = submit(request, options.out, lambda: _report(options))
    say([f"note: {note}" for note in done.selected.notes])
    print(_told(done, options))
    return EXIT_OK


def _told(done: Submitted, options: argparse.Namespace) -> str:
    """One line that says what was bundled."""
    runs, plain = len(done.selected.own), len(done.selected.plain)
    missing = f", {len(done.missing)} runs of the grid missing" if done.missing else ""
    what = f"{runs} runs of {options.method} ({done.failed} failed), {plain} of plain baselines"
    told = f"{what}{missing}; licence {done.manifest.licence}, digest {done.manifest.digest[:16]}"
    return f"{options.out}: {told}"


def _report(options: argparse.Namespace) -> ConformanceReport | None:
    """The conformance report that is named, or one that is made now."""
    from crossbench.results.bundles.conformance import read_report

    if options.conformance is not None:
        return read_report(options.conformance)
    if options.no_check:
        return None
    from crossbench.conformance import check

    say(["checking the method against its contract; --no-check leaves that out"])
    report = check(options.method, plugins=options.plugins)
    say([f"conformance: {report.verdict}"])
    return report
