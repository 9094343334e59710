"""The board that tests of tables look at from several sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from board_tables import runs_of

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.tables import leaderboards

if TYPE_CHECKING:
    from crossbench.results.boards.table import Table


@pytest.fixture
def board(frame: Any, record: Any) -> Table:
    """Two methods and a baseline on two tasks, two folds each."""
    (table,) = leaderboards(
        split_boards(
            frame(
                *runs_of(record, "acs", "blood", [0.5, 0.7]),
                *runs_of(record, "acs", "derma", [0.2, 0.4]),
                *runs_of(record, "crossd", "blood", [0.8, 0.8]),
                *runs_of(record, "crossd", "derma", [0.1, 0.2]),
                *runs_of(record, "majority", "blood", [0.25, 0.25]),
                *runs_of(record, "majority", "derma", [0.2, 0.2]),
            )
        )
    )
    return table
