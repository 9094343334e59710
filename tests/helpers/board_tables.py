"""Tables of hand-made records, read by the names of their rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossbench.results.boards.table import Cell, Table


def column(table: Table, name: str) -> dict[str, Cell]:
    index = [header.text for header in table.columns].index(name)
    return {row.text: cells[index] for row, cells in zip(table.rows, table.cells, strict=True)}


def texts(table: Table, name: str) -> dict[str, str]:
    return {row: cell.text for row, cell in column(table, name).items()}


def runs_of(record: Any, method: str, task: str, scores: list[float | None], **more: Any) -> Any:
    return [record(method, task, fold, score=score, **more) for fold, score in enumerate(scores)]
