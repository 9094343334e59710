from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from crossbench.errors import RequestError, WeightsError
from crossbench.protocols import PROTOCOLS, find_protocol
from crossbench.protocols.interface import Rehearsal
from crossbench.protocols.linear_probe import LinearProbe
from crossbench.protocols.staged import StagedFit
from crossbench.registry.presets import find_preset
from crossbench.specs import LoraSettings
from crossbench.specs.reader import to_mapping

STAGED = [each for each in PROTOCOLS.values() if isinstance(each, StagedFit)]


def test_weak_probe_opens_batch_norm_at_epoch_ten_of_fifteen() -> None:
    protocol = find_protocol("weak-probe")
    assert isinstance(protocol, StagedFit)
    stages = [protocol.stage_at(epoch, 15).name for epoch in range(1, 16)]
    assert stages == ["head"] * 9 + ["head+norm"] * 6


@given(epochs=st.integers(2, 200))
def test_every_stage_is_reached_and_the_first_starts_at_once(epochs: int) -> None:
    assert STAGED
    for protocol in STAGED:
        played = [protocol.stage_at(epoch, epochs) for epoch in range(1, epochs + 1)]
        assert played[0] is protocol.stages[0]
        assert set(played) == set(protocol.stages)


def test_weak_probe_is_recorded_as_it_always_was() -> None:
    """Records of earlier runs are found again by the hash of this mapping."""
    head = {"name": "head", "trains": ["head"], "optimiser": "adamw"}
    norm = {"name": "head+norm", "trains": ["head", "norm"], "optimiser": "adam"}
    assert to_mapping(find_protocol("weak-probe")) == {
        "name": "weak-probe",
        "title": "Linear head, then head and BatchNorm; convolutions frozen (the paper's)",
        "stages": [
            head | {"start": 0.0, "scheduled": True},
            norm | {"start": 2 / 3, "scheduled": False},
        ],
    }


def test_lora_is_recorded_as_it_always_was() -> None:
    stage = {"name": "head+adapters", "trains": ["head", "adapters"], "optimiser": "adamw"}
    assert to_mapping(find_protocol("lora")) == {
        "name": "lora",
        "title": "Linear head and low-rank updates of the convolutions' kernels",
        "stages": [stage | {"start": 0.0, "scheduled": True}],
    }


def test_lora_alone_adapts_and_trains_batch_norm_where_told_to() -> None:
    assert [protocol.name for protocol in STAGED if protocol.adapts] == ["lora"]
    for protocol in STAGED:
        frozen, trained = (
            protocol.under(LoraSettings(batch_norm=policy)) for policy in ("frozen", "train")
        )
        assert frozen == protocol
        assert any(stage.freezes_norm for stage in frozen.stages) is protocol.adapts
        assert not any(stage.freezes_norm for stage in trained.stages)
        assert (trained == protocol) is not protocol.adapts


class Nameless(nn.Linear):
    """A network whose classifier is none of its modules."""

    def get_classifier(self) -> nn.Module:
        return nn.Identity()


def test_linear_probe_rehearses_whether_a_network_can_be_kept() -> None:
    rehearsal = Rehearsal(
        method="m",
        init="random",
        preset=find_preset("standard"),
        batch=2,
        feed=lambda *_: None,
        keeps=True,
    )
    with pytest.raises(WeightsError, match=r"Nameless does not name its classifier, so it cannot"):
        find_protocol("linear-probe").rehearse(Nameless(2, 2), rehearsal)


def test_linear_probe_tries_the_strongest_penalty_first() -> None:
    protocol = find_protocol("linear-probe")
    assert isinstance(protocol, LinearProbe)
    assert protocol.inverse_penalties == tuple(sorted(protocol.inverse_penalties))


def test_unknown_protocol_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="unknown protocol 'weak-prob'; did you mean weak-probe"):
        find_protocol("weak-prob")
