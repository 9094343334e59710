"""Tables as one self-contained HTML page, without scripts or external links."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossbench.results.boards.table import Cell, Header, Table

#: Style of tables: figures stand below each other, marks beside them; wide ones scroll.
STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #5c5c5c; --line: #d8d8d8;
  --page: #ffffff; --band: #f4f6f8; --best: #00684a; --warn: #8f4500; --warn-band: #fdf1e3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #a3a3a3; --line: #3c4248;
  --page: #16191d; --band: #1f242a; --best: #4fd1a5; --warn: #f0b060; --warn-band: #33270f; } }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 80rem; color: var(--ink);
  background: var(--page); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; line-height: 1.35; margin: 0 0 .25rem; }
nav ol { margin: 0; padding-left: 1.25rem; }
nav a { color: inherit; }
section { margin-top: 2.5rem; }
p { margin: .25rem 0; }
.soft, .notes, small { color: var(--soft); }
.notes { font-size: .875rem; margin: .5rem 0 0; padding-left: 1.25rem; }
.caution { font-weight: 600; color: var(--warn); background: var(--warn-band);
  padding: .4rem .75rem; border-left: 4px solid currentColor; }
.wide { overflow-x: auto; margin-top: .75rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { position: relative; padding: .4rem 1.2rem .4rem .5rem; text-align: right;
  vertical-align: top; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
th small, td small { display: block; font-weight: 400; font-size: .8em; }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--soft); }
.mark { position: absolute; }
th:first-child { text-align: left; position: sticky; left: 0; z-index: 1; background: var(--page);
  white-space: normal; min-width: 6rem; max-width: 12rem; }
.aside, .aside th { color: var(--soft); font-weight: 400; }
td.aside { background: var(--band); }
td.best { color: var(--best); font-weight: 700; }
figure { margin: .75rem 0 0; }
figure img { max-width: 100%; background: #ffffff; }
.list th { text-align: left; }
.list td { text-align: left; white-space: normal; min-width: 5rem; overflow-wrap: anywhere; }
.list td:last-child { min-width: 14rem; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture that is part of a page.

    Attributes:
        title: Its heading.
        png: The picture.
        caption: What it shows.
    """

    title: str
    png: bytes
    caption: str


def to_html(
    tables: Sequence[Table], title: str = "crossbench report", figures: Sequence[Figure] = ()
) -> str:
    """Tables as a whole page, a section each, with a list of contents above.

    The page follows the reader's choice of light or dark; whatever a name holds is text.

    Args:
        tables: What to show, in this order.
        title: The page's heading.
        figures: Pictures that follow the tables.
    """
    entries = "".join(
        f'<li><a href="#table-{number}">{escape(table.title)}</a></li>\n'
        for number, table in enumerate(tables, start=1)
    )
    contents = f'<nav aria-label="Tables"><ol>\n{entries}</ol></nav>' if len(tables) > 1 else ""
    sections = [section(table, f"table-{number}") for number, table in enumerate(tables, start=1)]
    body = "\n".join([contents, *sections, *map(_figure, figures)])
    return _PAGE.format(style=STYLE, title=escape(title), body=body)


def _figure(figure: Figure) -> str:
    source = f"data:image/png;base64,{b64encode(figure.png).decode('ascii')}"
    return "\n".join(
        [
            "<section>",
            f"<h2>{escape(figure.title)}</h2>",
            f'<figure><img src="{source}" alt="{escape(figure.caption)}">',
            f'<figcaption class="soft">{escape(figure.caption)}</figcaption></figure>',
            "</section>",
        ]
    )


def section(table: Table, anchor: str, links: Mapping[str, str] | None = None) -> str:
    """A table with its heading, caution and notes as a section of a page.

    Args:
        table: What to show.
        anchor: The section's id, which links lead to.
        links: Addresses by name of a row or column; those without one are mere text.
    """
    caution = f'<p class="caution">{escape(table.caution)}</p>' if table.caution else ""
    subtitle = f'<p class="soft">{escape(table.subtitle)}</p>' if table.subtitle else ""
    notes = "".join(f"<li>{escape(note)}</li>\n" for note in table.notes)
    parts = [
        f'<section id="{escape(anchor)}">',
        f"<h2>{escape(table.title)}</h2>",
        caution,
        subtitle,
        grid(table, links),
        f'<ul class="notes">\n{notes}</ul>' if notes else "",
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def grid(table: Table, links: Mapping[str, str] | None = None) -> str:
    """The cells of a table alone, in a frame that scrolls where they are wider than the page."""
    # Focusable, so that it scrolls by keyboard too.
    frame = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.title)}">'
    return "\n".join([frame, _table(table, links or {}), "</div>"])


def _table(table: Table, links: Mapping[str, str]) -> str:
    kind = ' class="list"' if table.is_list else ""
    head = "".join(_name(column, "col", links) for column in table.columns)
    rows = [
        f"<tr{_aside(row)}>{_name(row, 'row', links)}"
        + "".join(map(_cell, table.columns, cells))
        + "</tr>"
        for row, cells in zip(table.rows, table.cells, strict=True)
    ]
    return "\n".join(
        [
            f"<table{kind}>",
            f'<thead><tr><th scope="col">{escape(table.axes[0])}</th>{head}</tr></thead>',
            "<tbody>",
            *rows,
            "</tbody>",
            "</table>",
        ]
    )


def _name(header: Header, scope: str, links: Mapping[str, str]) -> str:
    text, address = escape(header.text), links.get(header.text)
    name = text if address is None else f'<a href="{escape(address)}">{text}</a>'
    detail = f"<small>{escape(header.detail)}</small>" if header.detail else ""
    return f'<th scope="{scope}"{_aside(header)}>{name}{detail}</th>'


def _aside(header: Header) -> str:
    return ' class="aside"' if header.aside else ""


def _cell(column: Header, cell: Cell) -> str:
    names = " ".join(["aside"] * column.aside + ["best"] * cell.best)
    kind = f' class="{names}"' if names else ""
    hover = ""
    if cell.low is not None and cell.high is not None:
        hover = f' title="95 % interval: {cell.low:.3f} to {cell.high:.3f}"'
    detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
    mark = f'<span class="mark">{escape(cell.mark)}</span>' if cell.mark else ""
    return f"<td{kind}{hover}>{escape(cell.text)}{mark}{detail}</td>"
