"""The front page, and the page of each board."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from crossbench.hosting.site.content import (
    board_address,
    bundle_address,
    method_address,
    task_address,
)
from crossbench.hosting.site.markup import (
    Html,
    element,
    joined,
    link,
    list_table,
    outside,
    paragraphs,
)
from crossbench.hosting.site.tables import shown
from crossbench.results.boards.groups import task_groups
from crossbench.results.boards.tables import leaderboard
from crossbench.results.boards.titles import setting_line
from crossbench.results.figures.cost import costs
from crossbench.results.figures.heat_map import heat_map
from crossbench.results.figures.standings import standings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crossbench.hosting.site.charts import Charts
    from crossbench.hosting.site.content import Content, Shown
    from crossbench.hosting.submission import Submission
    from crossbench.results.boards.board import Board
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

_ABOUT = (
    "A leaderboard of methods that carry what a network has learnt in 2D to 3D medical volumes. "
    "Each submission is a bundle of runs with their predictions and the method's source; it was "
    "validated before it was accepted, and every figure here is computed from it."
)


def front_body(content: Content, charts: Charts) -> Html:
    """What this is, the standings of the board that covers most, methods, tasks, submissions."""
    settings = content.hosted.settings
    about = paragraphs(settings.description or _ABOUT)
    contact = element("p", "To submit: ", outside(settings.contact, settings.contact))
    parts = [
        element("div", about, contact if settings.contact else None, class_="lead"),
        _counts(content),
        _standings(content, charts),
        _others(content),
        _methods(content),
        _tasks(content),
        submissions(content.hosted.submissions[::-1]),
    ]
    return joined(parts, "\n")


def board_body(content: Content, board: Shown, charts: Charts) -> Html:
    """A board's standings, heat map, table and costs."""
    return _whole(content, board, charts, root="../")


def submissions(listed: Iterable[Submission], *, root: str = "") -> Html:
    """A table of submissions with what has become of each."""
    rows = [
        (
            each.date,
            link(each.method, method_address(each.method, root)),
            ", ".join(each.authors),
            each.entry.grid + " (partial)" * each.manifest.partial,
            each.manifest.crossbench,
            element("span", each.fate, class_=each.state.replace(" ", "-")),
            link(f"{each.id}.zip", bundle_address(each, root)),
        )
        for each in listed
    ]
    heads = ("date", "method", "authors", "track or preset", "crossbench", "state", "bundle")
    table = list_table("Submissions", heads, rows) if rows else element("p", "None yet.")
    return element("section", element("h2", "Submissions"), table, id="submissions")


def _counts(content: Content) -> Html:
    frame = content.frame
    networks = frame[frame["protocol"] != "plain"] if len(frame) else frame
    latest = max((each.entry.added for each in content.hosted.submissions), default="")
    counts = {
        "methods": str(networks["method"].nunique() if len(frame) else 0),
        "tasks": str(len(content.tasks)),
        "runs": f"{len(networks):,}",
        "last submission": latest[:10] or "none yet",
    }
    items = (
        element("li", element("b", count), element("span", what, class_="soft"))
        for what, count in counts.items()
    )
    return element("ul", *items, class_="counts")


def _standings(content: Content, charts: Charts) -> Html:
    if not content.boards:
        body = element("p", "There are no results in force yet.")
        return element("section", element("h2", "Standings"), body, id="standings")
    first = content.boards[0]
    head = element("h2", f"Standings: {first.heading}")
    return element("section", head, _whole(content, first, charts), id="standings")


def _whole(content: Content, board: Shown, charts: Charts, *, root: str = "") -> Html:
    """Settings, pictures and table of a board."""
    own = board.board
    table = replace(leaderboard(own, task_groups(), board.rows), title="Scores")
    first: dict[str, Callable[..., Figure]] = {
        "standings": partial(standings, own, rows=board.rows),
        "heat-map": partial(heat_map, own, rows=board.rows),
    }
    by_theme = cache(partial(_costs, own))
    cost = {name: partial(_cost, by_theme, name) for name in by_theme("light")}
    return joined(
        [
            element("p", setting_line(own), class_="soft"),
            _pictures(board, first, charts, root),
            shown(table, "scores", content.links(root)),
            element("h3", "Scores against cost") if cost else None,
            _pictures(board, cost, charts, root),
        ],
        "\n",
    )


def _pictures(
    board: Shown, drawn: Mapping[str, Callable[..., Figure]], charts: Charts, root: str
) -> Html:
    """Pictures of a board beside each other, where there is room."""
    pictures = [
        charts.show(draw, f"{board.name}-{name}", root=root) for name, draw in drawn.items()
    ]
    return element("div", *pictures, class_="charts")


def _costs(board: Board, theme: Theme) -> dict[str, Figure]:
    """The figures of a board's costs by name."""
    return {figure.name: figure for figure in costs(board, theme=theme)}


def _cost(by_theme: Callable[[Theme], dict[str, Figure]], name: str, *, theme: Theme) -> Figure:
    return by_theme(theme)[name]


def _others(content: Content) -> Html | None:
    others: Sequence[Shown] = content.boards[1:]
    if not others:
        return None
    items = (
        element(
            "li",
            link(each.heading, board_address(each)),
            f" (methods: {len(each.board.methods)}, tasks: {len(each.board.tasks)})",
        )
        for each in others
    )
    return element("section", element("h2", "Further standings"), element("ul", *items))


def _methods(content: Content) -> Html:
    items = (element("li", link(name, method_address(name))) for name in content.methods)
    body = element("ul", *items) if content.methods else element("p", "None yet.")
    return element("section", element("h2", "Methods"), body, id="methods")


def _tasks(content: Content) -> Html:
    def said(name: str) -> str:
        card = content.card_of(name)
        return f": {card.title}" if card else ""

    items = (element("li", link(name, task_address(name)), said(name)) for name in content.tasks)
    body = element("ul", *items) if content.tasks else element("p", "None yet.")
    return element("section", element("h2", "Tasks"), body, id="tasks")
