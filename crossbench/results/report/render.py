"""Tables in the formats of ``crossbench report``.

Whatever a name or a message holds is shown as text: control characters are replaced, and
each format's own markup is escaped.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.errors import unknown_name
from crossbench.results.boards.table import SHARED, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossbench.results.boards.table import Table

FORMATS = ("table", "markdown", "latex", "csv", "json", "html")

# Beyond so many columns the page is turned: rows and columns are exchanged.
_MOST_COLUMNS = 8


def render(
    tables: Sequence[Table], form: str, *, width: int | None = None, colour: bool = False
) -> str:
    """Tables as text, without a final newline.

    Args:
        tables: What to show, in this order.
        form: One of :data:`FORMATS`.
        width: ``table`` only: columns to fit into; None asks the terminal.
        colour: ``table`` only: whether to use the terminal's colours.

    Raises:
        RequestError: If there is no such format.
    """
    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    tables = [printable(table) for table in tables]
    if form == "table":
        from crossbench.results.report.terminal import to_terminal

        return to_terminal(tables, width=width, colour=colour)
    if form == "html":
        from crossbench.results.report.html import to_html

        return to_html([replace(_turned(table), notes=_notes(table)) for table in tables])
    return {"markdown": _markdown, "latex": _latex, "csv": _csv, "json": _json}[form](tables)


def printable(value: Any) -> Any:
    """A text, tuple or dataclass on whose every text a terminal acts as on plain text."""
    if isinstance(value, str):
        line = " ".join(value.split())
        return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
    if isinstance(value, tuple):
        return tuple(printable(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return type(value)(**{each.name: printable(getattr(value, each.name)) for each in fields})
    return value


def _turned(table: Table) -> Table:
    """The table in the orientation that suits a page."""
    if table.is_list or len(table.columns) <= max(_MOST_COLUMNS, len(table.rows)):
        return table
    return table.transposed()


def _notes(table: Table) -> tuple[str, ...]:
    """The notes, with what bold print means."""
    if any(cell.best for cells in table.cells for cell in cells):
        return ("Bold: the best of the methods that have every run.", *table.notes)
    return table.notes


# ------------------------------------------------------------------------ markdown


def _markdown(tables: Sequence[Table]) -> str:
    return "\n\n".join(_markdown_table(_turned(table)) for table in tables)


def _markdown_table(table: Table) -> str:
    escape = _escape_markdown
    parts = [f"### {escape(table.title)}"]
    if table.caution:
        parts.append(f"> **{escape(table.caution)}**")
    if table.subtitle:
        parts.append(escape(table.subtitle))
    head = [table.axes[0], *(column.label for column in table.columns)]
    lines = [_markdown_row(map(escape, head)), _markdown_row([":---"] * len(head))]
    for row, cells in zip(table.rows, table.cells, strict=True):
        name = escape(row.label)
        lines.append(
            _markdown_row([f"*{name}*" if row.aside else name, *map(_markdown_cell, cells)])
        )
    parts.append("\n".join(lines))
    if notes := _notes(table):
        parts.append("\n".join(f"- {escape(note)}" for note in notes))
    return "\n\n".join(parts)


def _markdown_row(entries: Iterable[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _markdown_cell(cell: Cell) -> str:
    text = _escape_markdown(cell.text)
    detail = f" ({_escape_markdown(cell.detail)})" if cell.detail else ""
    return (f"**{text}**" if cell.best else text) + _escape_markdown(cell.mark) + detail


_MARKDOWN = {ord(sign): f"\\{sign}" for sign in "\\`*_[]#|~$"} | {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
}


def _escape_markdown(text: str) -> str:
    return text.translate(_MARKDOWN)


# --------------------------------------------------------------------------- LaTeX


def _latex(tables: Sequence[Table]) -> str:
    needs = r"% needs \usepackage{booktabs}"
    return "\n\n".join(
        [needs, *itertools.starmap(_latex_table, enumerate(map(_turned, tables), 1))]
    )


def _latex_table(number: int, table: Table) -> str:
    escape = escape_latex
    sentences = [escape(text) for text in (table.title, table.subtitle) if text]
    if table.caution:
        sentences.append(rf"\textbf{{{escape(table.caution)}}}")
    head = [table.axes[0], *(column.label for column in table.columns)]
    rows: list[str] = []
    for before, row, cells in zip((None, *table.rows), table.rows, table.cells, strict=False):
        if before is not None and before.aside != row.aside:
            rows.append(r"\midrule")
        rows.append(_latex_row([escape(row.label), *map(_latex_cell, cells)]))
    notes = [rf"\par\smallskip {escape(note)}" for note in _notes(table)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{'. '.join(sentences)}.}}",
            rf"\label{{tab:crossbench-{number}}}",
            rf"\begin{{tabular}}{{{_latex_columns(table)}}}",
            r"\toprule",
            _latex_row(map(escape, head)),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
        ]
    )


def _latex_columns(table: Table) -> str:
    """One column each; what a list's last column says may be long."""
    if table.is_list:
        return "l" * len(table.columns) + r"p{0.4\linewidth}"
    return "l" * (1 + len(table.columns))


def _latex_row(entries: Iterable[str]) -> str:
    return " & ".join(entries) + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text.replace(" ± ", "±"))
    detail = rf" {{\tiny ({escape_latex(cell.detail)})}}" if cell.detail else ""
    return (rf"\textbf{{{text}}}" if cell.best else text) + escape_latex(cell.mark) + detail


_LATEX = {ord(sign): f"\\{sign}" for sign in "&%$#_{}"} | {
    ord("\\"): r"\textbackslash{}",
    ord("~"): r"\textasciitilde{}",
    ord("^"): r"\textasciicircum{}",
    ord("<"): r"\textless{}",
    ord(">"): r"\textgreater{}",
    ord("|"): r"\textbar{}",
    # At the start of a row these would be read as arguments of the row before.
    ord("["): "{[}",
    ord("]"): "{]}",
    ord("*"): "{*}",
    ord("±"): r"$\pm$",
    ord("×"): r"$\times$",
    ord("·"): r"$\cdot$",
    ord("†"): r"$^\dagger$",
    ord("‡"): r"$^\ddagger$",
    ord("§"): r"$^{\S}$",
    ord("↑"): r"$\uparrow$",
    ord("ᵇ"): r"$^{\mathrm{b}}$",
    ord("–"): "--",
    ord("\N{REPLACEMENT CHARACTER}"): "?",
}


def escape_latex(text: str) -> str:
    """A text as LaTeX prints it."""
    return text.translate(_LATEX)


# ------------------------------------------------------------------- for programs


def _csv(tables: Sequence[Table]) -> str:
    """One line a cell, so that tables of any shape share one file."""
    stream = io.StringIO()
    entries = [entry for table in tables for entry in _entries(table)]
    fields = [field.name for field in dataclasses.fields(Cell)]
    what = ["row", "column", "column_detail", "metric", "aside"]
    head = ["table", "caution", *SHARED, *what, *fields]
    writer = csv.DictWriter(stream, head, lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    return stream.getvalue().rstrip("\n")


def _entries(table: Table) -> Iterator[dict[str, Any]]:
    for row, cells in zip(table.rows, table.cells, strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            yield {
                "table": table.title,
                "caution": table.caution,
                **dict(table.shared),
                "row": row.text,
                "column": column.text,
                "column_detail": column.detail,
                "metric": column.metric,
                "aside": row.aside or column.aside,
                **dataclasses.asdict(cell),
            }


def _json(tables: Sequence[Table]) -> str:
    mappings = [_mapping(table) for table in tables]
    return json.dumps({"tables": mappings}, indent=1, allow_nan=False)


def _mapping(table: Table) -> dict[str, Any]:
    """A table as nested dicts, each row with its cells by column name."""
    mapping = dataclasses.asdict(table) | {"shared": dict(table.shared)}
    texts = Counter(column.text for column in table.columns)
    columns = [column.text if texts[column.text] == 1 else column.label for column in table.columns]
    for row, cells in zip(mapping["rows"], mapping.pop("cells"), strict=True):
        row["cells"] = dict(zip(columns, cells, strict=True))
    return mapping
