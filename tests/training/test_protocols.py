from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.errors import RequestError
from crossbench.training.protocols import PROTOCOLS, find_protocol


def test_weak_probe_opens_batch_norm_at_epoch_ten_of_fifteen() -> None:
    stages = [PROTOCOLS["weak-probe"].stage_at(epoch, 15).name for epoch in range(1, 16)]
    assert stages == ["head"] * 9 + ["head+norm"] * 6


@given(epochs=st.integers(2, 200))
def test_every_stage_is_reached_and_the_first_starts_at_once(epochs: int) -> None:
    for protocol in PROTOCOLS.values():
        played = [protocol.stage_at(epoch, epochs) for epoch in range(1, epochs + 1)]
        assert played[0] is protocol.stages[0]
        assert set(played) == set(protocol.stages)


def test_unknown_protocol_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="unknown protocol 'weak-prob'; did you mean weak-probe"):
        find_protocol("weak-prob")
