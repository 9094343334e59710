from __future__ import annotations

from typing import Any

import pytest

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.transfer import transfers
from crossbench.results.figures.pretraining import SHOWN, pretraining_gains

NOISE = (0.00, 0.02, -0.01, 0.01, -0.02)


@pytest.fixture
def transfer(record: Any, frame: Any) -> Any:
    """Pretraining helps crossd, and does nothing for acs."""
    made = []
    for method, gain in (("crossd", 0.2), ("acs", 0.0)):
        for init, more, wobble in (("random", 0.0, 1.0), ("nodules", gain, -0.5)):
            made += [
                record(method, fold=fold, score=0.6 + more + wobble * NOISE[fold], init=init)
                for fold in range(5)
            ]
    (found,) = transfers(split_boards(frame(*made)))
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_gains_have_intervals_and_a_colour_where_they_are_shown(
    transfer: Any, valid: Any, theme: Any
) -> None:
    figure = pretraining_gains(transfer, theme=theme)
    assert valid(figure)
    better, nothing, _ = SHOWN
    told = figure.data.set_index("run")
    assert list(told["shown"]) == [nothing, better]  # acs, crossd
    assert (told["low"] < told["gain"]).all()
    assert told["gain"].iloc[1] == pytest.approx(0.2)
    assert "crossd +0.200, pretrained is better" in figure.alt
