"""``crossbench check-method``: the contract of a method, checked and measured."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_device, add_plugins, path
from crossbench.cli.limits import add_limits, chosen_limits
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, print_json, say, say_if_watched

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from crossbench.specs.conformance import Check, ConformanceReport, Cost

_WIDTH = 80
_INDENT = "    "
_WORDS = {"pass": "pass", "skip": "skip", "fail": "FAIL"}


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "check-method",
        help="check a method against its contract, and measure what it costs",
        description=(
            "Check a method against its contract: shapes, weights carried to 3D, gradients, "
            "repeatability, number formats, adaptation. The method's code runs in processes of "
            "its own, within limits. Exits with 0 where none fails, 1 where some fail, 2 where the "
            "method cannot be loaded. docs/check-method.md explains each check."
        ),
    )
    parser.set_defaults(command=_check)
    parser.add_argument("name", metavar="NAME|FILE.py", help="a method, or a file that holds one")
    add_plugins(parser)
    parser.add_argument(
        "--only", default="", metavar="A[,B]", help="the checks to make, by name (all)"
    )
    add_limits(parser, "each check", time="120", memory="8G")
    add_device(parser)
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="keep the report in a results folder, for its pages"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def _check(options: argparse.Namespace) -> int:
    from crossbench.conformance import LIMITS, check
    from crossbench.specs.requests import split_names

    def hear(check: Check) -> None:
        if not options.json:
            say_if_watched(f"{check.name}: {check.status}")

    report = check(
        options.name,
        plugins=options.plugins,
        limits=chosen_limits(options, LIMITS),
        device=options.device,
        only=split_names(options.only) if options.only else (),
        hear=hear,
    )
    if options.out is not None:
        from crossbench.results.records.conformances import write_report

        say([f"report kept in {write_report(options.out, report)}"])
    if options.json:
        print_json(report.to_mapping())
    else:
        print("\n".join(_lines(report)))
    return EXIT_OK if report.passed else EXIT_FAILED


# ------------------------------------------------------------------------------ printing


def _lines(report: ConformanceReport) -> Iterable[str]:
    yield f"{report.method}: {report.verdict}"
    versions = report.versions
    known = f"crossbench {versions['crossbench']} · torch {versions['torch']}"
    yield f"sha256 {report.sha256[:16]} · {known}"
    yield ""
    yield f"{'check':18}  result  {'cases':>5}  {'measured':>9}  tolerance"
    yield "─" * _WIDTH
    for check in report.checks:
        yield from _check_lines(check)
    for number, cost in enumerate(report.cost):
        yield from ["", *_cost_lines(cost, report, first=not number)]


def _check_lines(check: Check) -> Iterable[str]:
    measured = "" if check.measured is None else f"{check.measured:.1e}"
    cases = check.cases - check.refused
    row = f"{check.name:18}  {_WORDS[check.status]:6}  {cases or '':>5}  {measured:>9}  "
    yield (row + check.tolerance).rstrip()
    if check.status == "fail":
        yield from _wrapped(f"demanded: {check.demand}")
        yield from _wrapped(f"found: {check.detail}")
        yield from _wrapped(f"smallest example: {check.example}" if check.example else "")
    else:
        yield from _wrapped(check.detail)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
    )


def _cost_lines(cost: Cost, report: ConformanceReport, *, first: bool) -> Iterable[str]:
    if first:
        where = report.hardware.get("gpu") or report.hardware.get("processor", "")
        yield f"Cost of a forward pass on {report.device} ({where}), {report.threads} CPU thread"
        yield ""
    yield cost.workload
    yield f"{'':15}{report.method[:20]:>20}  {cost.reference:>14}  {'ratio':>8}"
    for name, show in _FIGURES.items():
        own, plain = (getattr(each, name, None) for each in (cost.method, cost.plain))
        ratio = "" if own is None or not plain else f"{own / plain:.2f}"
        label = name.replace("_", "-").replace("seconds", "time").replace("bytes", "memory")
        yield f"{label:15}{_shown(own, show):>20}  {_shown(plain, show):>14}  {ratio:>8}".rstrip()


def milliseconds(seconds: float) -> str:
    """A duration in milliseconds, to two digits at least: a layer on a GPU takes 0.034 ms."""
    count = seconds * 1e3
    return f"{count:,.1f} ms" if count >= 1 else f"{count:.2g} ms"


def _shown(value: float | None, show: Callable[[float], str]) -> str:
    return "" if value is None else show(value)


_FIGURES: dict[str, Callable[[float], str]] = {
    "parameters": lambda count: f"{count:,}",
    "multiply_adds": lambda count: f"{count / 1e6:,.1f} M",
    "seconds": milliseconds,
    "bytes": lambda size: f"{size / 2**20:,.1f} MiB",
}
