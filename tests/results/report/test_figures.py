from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossbench.errors import RequestError
from crossbench.results.boards.boards import split_boards
from crossbench.results.report.figures import write_figures


@pytest.fixture
def boards(record: Any, frame: Any) -> list[Any]:
    """A board of two methods, and one of another initialisation with a hostile name."""
    runs = [record(method, seed=seed) for method in ("acs", "conv3d") for seed in (0, 1)]
    return split_boards(frame(*runs, record("acs", init="50%_{}")))


def test_each_figure_is_a_pdf_an_svg_and_an_include(boards: list[Any], tmp_path: Path) -> None:
    files = write_figures(boards[:1], tmp_path / "figures")
    assert {file.parent for file in files} == {tmp_path / "figures"}
    names = {file.stem for file in files if file.suffix == ".pdf"}
    assert {"standings", "heat-map"} <= names
    assert names == {file.stem for file in files if file.suffix == ".svg"}
    includes = (tmp_path / "figures" / "figures.tex").read_text()
    for name in names:
        assert rf"\includegraphics[width=\linewidth]{{{name}.pdf}}" in includes
        assert rf"\label{{fig:{name}}}" in includes
        assert (tmp_path / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert includes.count(r"\caption{") == len(names)


def test_figures_of_several_boards_are_told_apart(boards: list[Any], tmp_path: Path) -> None:
    names = {file.stem for file in write_figures(boards, tmp_path)}
    assert {"board-1-standings", "board-2-standings"} <= names
    assert r"weights 50\%\_\{\}" in (tmp_path / "figures.tex").read_text()


def test_gains_and_mean_ranks_are_drawn_where_the_runs_allow_a_claim(
    record: Any, frame: Any, tmp_path: Path
) -> None:
    better = {"acs": 0.0, "conv3d": 0.05, "crossd": 0.1}
    runs = [
        record(method, f"task-{task}", fold, score=0.5 + gain * (1 + 0.1 * fold))
        for method, gain in better.items()
        for task in range(6)
        for fold in range(2)
    ]
    (board,) = split_boards(frame(*runs))
    names = {file.stem for file in write_figures([board], tmp_path)}
    assert {"critical-difference", "gains-over-acs", "gains-over-conv3d"} <= names


def test_a_folder_is_wanted(boards: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "figures"
    file.touch()
    with pytest.raises(RequestError, match=r"--figures '.*figures' is a file; name a folder"):
        write_figures(boards, file)
