"""Figures of a report as files for a paper, with the LaTeX that includes them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from crossbench.errors import RequestError, StatisticsError
from crossbench.files.atomic import place
from crossbench.results.boards.compare import compare_on
from crossbench.results.boards.curves import learning_curves
from crossbench.results.boards.tables import ranked
from crossbench.results.boards.titles import headings
from crossbench.results.figures.cost import costs
from crossbench.results.figures.critical_difference import critical_difference
from crossbench.results.figures.curves import curve_figure
from crossbench.results.figures.gains import gains
from crossbench.results.figures.heat_map import heat_map
from crossbench.results.figures.render import render
from crossbench.results.figures.standings import standings
from crossbench.results.report.render import escape_latex, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crossbench.results.boards.board import Board
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.render import Form

INCLUDES = "figures.tex"

_FORMS: tuple[Form, ...] = ("pdf", "svg")
_NEEDS = r"% needs \usepackage{graphicx}; \graphicspath says where the pictures lie"


class _Drawn(NamedTuple):
    """A figure, what its files are called, and the board that it is of."""

    name: str
    heading: str
    figure: Figure


def write_figures(boards: Sequence[Board], folder: Path) -> list[Path]:
    """Write the figures of boards as PDF and SVG, and ``figures.tex``, which includes them.

    Args:
        boards: The boards; those of plain baselines alone have no figures.
        folder: Where to, made as needed; files of the same names are replaced.

    Returns:
        The files that were written.

    Raises:
        RequestError: If vl-convert is not installed, or ``folder`` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"--figures {str(folder)!r} is a file; name a folder")
    drawn = [each for number in range(1, len(boards) + 1) for each in _figures(boards, number)]
    for number, curves in enumerate(learning_curves(boards), 1):
        drawn.append(_Drawn(f"curve-{number}", curves.title, curve_figure(curves)))
    folder.mkdir(parents=True, exist_ok=True)
    files = [
        _written(folder / f"{name}.{form}", render(figure, form))
        for name, _, figure in drawn
        for form in _FORMS
    ]
    includes = "\n\n".join([_NEEDS, *map(_include, drawn)])
    return [*files, _written(folder / INCLUDES, f"{includes}\n".encode())]


def _figures(boards: Sequence[Board], number: int) -> list[_Drawn]:
    """The figures of one board, named by its number where there are several."""
    board, heading = boards[number - 1], headings(boards)[number - 1]
    if not board.methods:
        return []
    rows = ranked(board)
    found = [standings(board, rows=rows), heat_map(board, rows=rows), *costs(board)]
    with suppress(StatisticsError):  # too few tasks for a claim over them
        found.append(critical_difference(board))
    found += _gains(board, [row.name for row in rows if not row.plain])
    before = f"board-{number}-" if len(boards) > 1 else ""
    return [_Drawn(f"{before}{figure.name}", heading, figure) for figure in found]


def _gains(board: Board, methods: Sequence[str]) -> Iterator[Figure]:
    """Gains of the first method over each other, on the tasks that have a verdict."""
    for other in methods[1:]:
        with suppress(RequestError, StatisticsError):  # no task that both were run on alike
            figure = gains(compare_on(board, other, methods[0]))
            if len(figure.data):
                name = re.sub(r"[^A-Za-z0-9]+", "-", other).strip("-")
                yield replace(figure, name=f"gains-over-{name}")


def _written(file: Path, content: bytes) -> Path:
    place(file, content)
    return file


def _include(drawn: _Drawn) -> str:
    caption = escape_latex(f"{printable(drawn.figure.title)}. {printable(drawn.heading)}.")
    return "\n".join(
        [
            r"\begin{figure}",
            r"\centering",
            rf"\includegraphics[width=\linewidth]{{{drawn.name}.pdf}}",
            rf"\caption{{{caption}}}",
            rf"\label{{fig:{drawn.name}}}",
            r"\end{figure}",
        ]
    )
