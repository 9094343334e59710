from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from crossbench.results.boards.table import Cell, Header, Table
from crossbench.results.report.html import grid, section, to_html
from crossbench.results.report.render import render

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """What a browser would make of a page: texts, elements, and whether all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(data.strip())


def make_table(name: str = "crossd", **changes: Any) -> Table:
    best = Cell(text="0.800", best=True, value=0.8, low=0.7, high=0.9)
    fields: dict[str, Any] = {
        "title": f"Board of {name}",
        "subtitle": "Accuracy",
        "axes": ("method", "task"),
        "rows": (Header(name), Header("majority", aside=True)),
        "columns": (Header("blood"), Header("average", "2 tasks", aside=True)),
        "cells": ((best, best), (Cell(text="0.5", mark="†", detail="1/2 runs"), Cell(text="–"))),
        "notes": ("† means little.",),
    }
    return Table(**fields | changes)


def test_a_page_holds_every_table_with_its_words() -> None:
    page = Page(to_html([make_table(caution="PHANTOM DATA"), make_table("acs")]))
    assert page.open == []
    for text in (
        "Board of crossd",
        "Board of acs",
        "PHANTOM DATA",
        "Accuracy",
        "average",
        "2 tasks",
        "0.800",
        "†",
        "1/2 runs",
        "† means little.",
    ):
        assert text in page.texts


def test_contents_lead_to_the_tables() -> None:
    page = Page(to_html([make_table(), make_table("acs")]))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    places = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert links == [f"#{place}" for place in places] == ["#table-1", "#table-2"]
    assert "nav" not in [tag for tag, _ in Page(to_html([make_table()])).elements]


def test_the_page_is_self_contained() -> None:
    text = to_html([make_table()])
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?:|//|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in (
        page.elements
    )


@given(name=st.text(min_size=1, max_size=30))
@settings(max_examples=60)
def test_names_are_text_wherever_they_stand(name: str) -> None:
    table = make_table(
        f"x{name}x",
        subtitle=name,
        caution=name,
        axes=(f"x{name}x", "task"),
        columns=(Header(name, name), Header(name)),
        cells=((Cell(text=name, mark=name, detail=name),) * 2,) * 2,
        notes=(name,),
    )
    page = Page(render([table], "html"))
    assert page.open == []
    known = Page(render([make_table(caution="Beware")], "html"))
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in known.elements}
    assert {key for _, each in page.elements for key in each} <= (
        {key for _, each in known.elements for key in each}
    )


def test_markup_in_a_name_is_shown_and_not_run() -> None:
    name = '<script>alert("1")</script><img src=x onerror=y>'
    page = Page(render([make_table(name)], "html"))
    assert name in page.texts
    assert "script" not in [tag for tag, _ in page.elements]


def test_best_and_intervals_are_told() -> None:
    page = Page(render([make_table()], "html"))
    cells = [attributes for tag, attributes in page.elements if tag == "td"]
    assert cells[0] == {"class": "best", "title": "95 % interval: 0.700 to 0.900"}
    assert cells[1]["class"] == "aside best"
    assert "Bold: the best of the methods that have every run." in page.texts


@pytest.mark.parametrize("axes", [("run", ""), ("method", "task")])
def test_only_lists_wrap_their_words(axes: tuple[str, str]) -> None:
    page = Page(to_html([make_table(axes=axes)]))
    ((_, attributes),) = [element for element in page.elements if element[0] == "table"]
    assert attributes == ({} if axes[1] else {"class": "list"})


def test_names_lead_where_they_are_said_to() -> None:
    links = {"crossd": 'methods/"crossd".html', "blood": "tasks/blood.html"}
    page = Page(section(make_table(), "standings", links))
    found = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert found == ["tasks/blood.html", 'methods/"crossd".html']
    assert ("section", {"id": "standings"}) in page.elements
    assert page.open == []


def test_a_table_without_its_heading() -> None:
    page = Page(grid(make_table()))
    assert {"h2", "a", "li"}.isdisjoint(tag for tag, _ in page.elements)
    assert page.elements[0][1]["aria-label"] == "Board of crossd"
