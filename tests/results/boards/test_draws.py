from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from crossbench.results.boards.draws import is_one_random_draw, with_weights


def runs(protocol: str, **columns: Any) -> pd.DataFrame:
    """Two folds of one seed, from random weights."""
    same = {
        "task": "t", "seed": 0, "protocol": protocol, "init": "random", "hash_init": "random",
        "hash_weights": "",
    }  # fmt: skip
    return pd.DataFrame([same | {"fold": fold} | columns for fold in (0, 1)])


@pytest.mark.parametrize(
    ("protocol", "trainable", "draws"),
    [
        ("linear-probe", 1, 1),
        ("finetune", 10, 2),
        ("lora", 1, 2),
        ("frozen-fusion", 1, 1),  # an encoder stays frozen: it is drawn once for the seed
        ("frozen-fusion", 10, 2),  # all of the network learns: it is drawn for each fold
    ],
)
def test_folds_share_a_draw_where_weights_stay_frozen(
    protocol: str, trainable: int, draws: int
) -> None:
    found = with_weights(runs(protocol, parameters_total=10, parameters_trainable=trainable))
    assert found["weights"].nunique() == draws
    assert is_one_random_draw(found) == (draws == 1)


def test_runs_without_parameter_counts_are_of_a_draw_each() -> None:
    assert with_weights(runs("frozen-fusion"))["weights"].nunique() == 2
