"""The page of a method: what it is, how it was checked, what it scores, and how to run it."""

from __future__ import annotations

from functools import partial
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from crossbench.hosting.site.content import board_address, bundle_address, slug
from crossbench.hosting.site.front import submissions
from crossbench.hosting.site.markup import (
    Html,
    code,
    element,
    facts,
    joined,
    link,
    list_table,
    named,
    outside,
)
from crossbench.hosting.site.spending import spending
from crossbench.hosting.site.tables import shown
from crossbench.results.boards.profile import profile
from crossbench.results.boards.tables import failures
from crossbench.results.bundles.manifest import SOURCE
from crossbench.results.figures.kernels import kernel_path
from crossbench.results.figures.profile import method_profile
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.records.reproduce import command_of, left_to_add, request_of, united

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from crossbench.hosting.site.charts import Charts
    from crossbench.hosting.site.content import Content, Shown
    from crossbench.hosting.submission import Submission
    from crossbench.results.boards.board import Board
    from crossbench.specs.conformance import ConformanceReport, Spent

ROOT = "../"
_LONGEST_SOURCE = 200_000  # bytes of a file that a page shows
_VERIFIED = 3  # runs that the command to verify draws


def method_body(content: Content, method: str, charts: Charts) -> Html:
    """All that the board knows of a method."""
    listed = content.submissions_of(method)
    parts = [_what_it_is(content, method, listed[0])]
    if listed[0].state == "removed":
        parts.append(element("p", f"Removed: {listed[0].entry.reason}", class_="caution"))
    boards = content.boards_of("method", method)
    parts += [_on_a_board(content, board, method, charts) for board in boards]
    parts += _runs(content, method)
    parts.append(_conformance(listed[0].conformance, method, charts))
    parts.append(_how_to_run(content, method, listed[0]))
    parts.append(_source(listed[0]))
    parts.append(submissions(listed, root=ROOT))
    return joined(parts, "\n")


def _what_it_is(content: Content, method: str, latest: Submission) -> Html:
    record = content.record_of(method)
    origin = MethodOrigin.of(record) if record else MethodOrigin()
    metadata, manifest = origin.metadata, latest.manifest
    distribution = " ".join(filter(None, [origin.distribution, origin.version, origin.file]))
    pairs = {
        "Submitted by": ", ".join(latest.authors),
        "Authors of the method": ", ".join(metadata.authors),
        "Paper": outside(metadata.paper, metadata.paper_url) if metadata.paper else "",
        "Home page": outside(metadata.url, metadata.url) if metadata.url else "",
        "Licence": manifest.licence,
        "Came as": distribution,
        "Built with": ", ".join(f"{key} = {value}" for key, value in origin.config.items()),
        "Identity": manifest.method.sha256[:16],
        "Note of the authors": manifest.note,
        "Bundle": link(f"{latest.id}.zip", bundle_address(latest, ROOT)),
    }
    summary = element("p", origin.summary, class_="lead") if origin.summary else None
    return joined([summary, facts(pairs)], "\n")


# ------------------------------------------------------------------------- its tasks


def _on_a_board(content: Content, board: Shown, method: str, charts: Charts) -> Html:
    """Every task of a board with its interval and place, drawn and as a table."""
    table, runs = profile(board.board, method), board.board.runs
    beside, links = board.board.beside, content.links(ROOT)
    heads = ("task", "score", "95 % interval", "place", "beside the best", "runs", *beside)
    rows = [(*_row(row, links), *_beside(board.board, str(row.task))) for row in table.itertuples()]
    name = f"{board.name}-method-{slug(method)}"
    return element(
        "section",
        element("h2", "On ", link(board.heading, board_address(board, ROOT))),
        charts.show(partial(method_profile, board.board, method), name, root=ROOT),
        list_table(f"Tasks of {board.heading}", heads, rows),
        spending(runs[runs["method"] == method], {}),
    )


def _row(row: Any, links: Mapping[str, str]) -> tuple[object, ...]:
    return (
        named(str(row.task), links),
        row.text,
        "–" if isnan(row.low) else f"{row.low:.3f} to {row.high:.3f}",
        "not placed" if isnan(row.place) else f"{row.place:.0f} of {row.of}",
        row.beside_best or ("" if row.above_majority else "no better than majority"),
        f"{row.runs} of {row.expected}",
    )


def _beside(board: Board, task: str) -> Iterator[str]:
    """What each plain baseline scores on a task, and chance."""
    scores = board.scores(board.metric)[task]
    for name in board.beside:
        mean = scores[name].mean(skipna=False) if name in scores else nan
        yield "–" if isnan(mean) else f"{mean:.3f}"


def _runs(content: Content, method: str) -> Iterator[Html]:
    """How many runs there are, and those without a result."""
    frame: pd.DataFrame = content.frame
    own = frame[frame["method"] == method] if len(frame) else frame
    lost = own[own["status"] != "ok"] if len(own) else own
    said = f"{len(own):,} runs count, {len(lost):,} of them without a result."
    yield element("section", element("h2", "Runs and failures"), element("p", said))
    for table in failures(own) if len(own) else ():
        yield shown(table, "failures", {})


# --------------------------------------------------------------------- conformance


def _conformance(report: ConformanceReport | None, method: str, charts: Charts) -> Html:
    head = element("h2", "Conformance")
    if report is None:
        none = "The bundle holds no report of crossbench check-method."
        return element("section", head, element("p", none), id="conformance")
    heads = ("check", "result", "demand", "tolerance", "measured", "detail")
    rows = [
        (
            check.name,
            element("span", check.status, class_=check.status),
            check.demand,
            check.tolerance,
            "" if check.measured is None else f"{check.measured:.3g}",
            joined([check.detail, check.example], " "),
        )
        for check in report.checks
    ]
    counts = [
        f"{sum(check.status == status for check in report.checks)} {words}"
        for status, words in (("pass", "passed"), ("skip", "skipped"), ("fail", "failed"))
    ]
    said = f"{', '.join(counts)}; by the submitters' own run on {report.device}."
    draw = partial(kernel_path, method, report.kernels)
    return element(
        "section",
        head,
        element("p", said),
        list_table("Conformance", heads, rows),
        charts.show(draw, f"kernel-{slug(method)}", root=ROOT) if report.kernels else None,
        _measured(report),
        id="conformance",
    )


def _measured(report: ConformanceReport) -> Html | None:
    """Cost of layers and networks beside a plain convolution's."""
    if not report.cost:
        return None
    heads = ("workload", "against", "parameters", "multiply-adds", "seconds", "bytes")
    rows = [
        (each.workload, each.reference, *_ratios(each.method, each.plain)) for each in report.cost
    ]
    words = element("h3", f"Cost on {report.device}, and as a ratio to the reference")
    return joined([words, list_table("Cost of its layers", heads, rows)])


def _ratios(method: Spent, plain: Spent | None) -> Iterator[str]:
    for name in ("parameters", "multiply_adds", "seconds", "bytes"):
        own, other = getattr(method, name), getattr(plain, name, None)
        ratio = f" ({own / other:.2f}×)" if own is not None and other else ""
        yield "–" if own is None else f"{own:,.{0 if own >= 1000 else 3}f}{ratio}"


# ------------------------------------------------------------------- how to run it


def _how_to_run(content: Content, method: str, latest: Submission) -> Html:
    file = f"{latest.id}.zip"
    verify = f"crossbench verify {file} --sample {_VERIFIED} --trust"
    parts = [
        element("h2", "How to run it"),
        element("p", "Check the bundle, and make some of its runs again (this runs its code):"),
        code(f"crossbench validate {file}\n{verify}", wrapped=True),
    ]
    for board in content.boards_of("method", method):
        parts += _all_runs(content, board, method)
    return element("section", *parts, id="run")


def _all_runs(content: Content, board: Shown, method: str) -> Iterator[Html]:
    """The command of a method's runs on a board, and what it leaves open."""
    runs = board.board.runs
    own = [content.records[path] for path in runs.loc[runs["method"] == method, "path"]]
    request = united([request_of(each) for each in own])
    yield element("p", f"All its runs on {board.heading}:")
    yield code(command_of(request, "results"), wrapped=True)
    for said in dict.fromkeys(said for each in own for said in left_to_add(each)):
        yield element("p", said, class_="soft")


def _source(latest: Submission) -> Html:
    """The files of its source and its licence, as text."""
    with latest.open() as bundle:
        files = sorted(each for each in bundle.source.rglob("*") if each.is_file())
        parts = [
            _file(each.relative_to(bundle.source).as_posix(), each.read_bytes()) for each in files
        ]
        licence = _file("LICENSE", bundle.licence.encode())
    words = f"As bundled under {SOURCE}/; shown as text, and never run by this board."
    return element(
        "section",
        element("h2", "Source and licence"),
        element("p", words, class_="soft"),
        *parts,
        licence,
        id="source",
    )


def _file(name: str, content: bytes) -> Html:
    words = content[:_LONGEST_SOURCE].decode("utf-8", "replace")
    cut = "\n[cut here; the bundle has the whole file]" * (len(content) > _LONGEST_SOURCE)
    return element("details", element("summary", name), code(words + cut))
