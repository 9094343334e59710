"""The page of a task: what it is by its card, and every method's scores on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossbench.hosting.site.content import board_address
from crossbench.hosting.site.markup import Html, element, facts, joined, link, outside
from crossbench.hosting.site.spending import spending
from crossbench.hosting.site.tables import shown
from crossbench.results.boards.tables import task_table

if TYPE_CHECKING:
    from crossbench.hosting.site.content import Content, Shown
    from crossbench.specs import TaskCard

ROOT = "../"


def task_body(content: Content, task: str) -> Html:
    """The card of a task, and its part of each board."""
    card = content.card_of(task)
    parts = [_from_card(card) if card else element("p", "Its card is not installed here.")]
    parts += [_on_a_board(content, board, task) for board in content.boards_of("task", task)]
    return joined(parts, "\n")


def _from_card(card: TaskCard) -> Html:
    pairs = {
        "Input": f"{card.kind} ({card.dimension}D), {card.modality}",
        "Classes": ", ".join(card.classes),
        "Samples": f"{sum(card.samples.values()):,}" if card.samples else "",
        "Kept together": card.group_by or card.group or "",
        "Main metric": card.metric.replace("_", " "),
        "Licence": card.licence,
        "Citation": card.citation,
        "Home page": outside(card.homepage, card.homepage) if card.homepage else "",
        "Version of the card": str(card.version),
    }
    issues = [element("li", issue) for issue in card.known_issues]
    known = [element("h3", "Known issues"), element("ul", *issues)] if issues else []
    return joined([element("p", card.title, class_="lead"), facts(pairs), *known], "\n")


def _on_a_board(content: Content, board: Shown, task: str) -> Html:
    """Every metric of a task on a board, version by version, and what the runs cost."""
    runs, links = board.board.runs, content.links(ROOT)
    parts = [element("h2", "On ", link(board.heading, board_address(board, ROOT)))]
    for place, column in enumerate(sorted(runs.loc[runs["task"] == task, "column"].unique())):
        named = replace(task_table(board.board, column), title=f"Every metric of {column}")
        parts.append(shown(named, f"{board.name}-{place}", links))
    return element("section", *parts, spending(runs[runs["task"] == task], links))
