from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20241105)


@pytest.fixture
def make_runs(rng: np.random.Generator) -> Callable[..., pd.DataFrame]:
    """Three repetitions of five folds; each method's score is a fold's level plus its gain."""

    def make(gains: dict[str, dict[str, float]], noise: float = 0.01) -> pd.DataFrame:
        rows = []
        for task, methods in gains.items():
            for seed in (43, 44, 45):
                for fold in range(5):
                    level = 0.7 + rng.normal(scale=0.03)
                    rows += [
                        (task, method, seed, fold, level + gain + rng.normal(scale=noise))
                        for method, gain in methods.items()
                    ]
        return pd.DataFrame(rows, columns=["task", "method", "seed", "fold", "score"])

    return make
