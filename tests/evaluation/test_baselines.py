from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbench.data.dataset import Dataset
from crossbench.evaluation.baselines import BASELINES, QUICK, applicable, predict

LABELS = np.arange(20) % 2


def dataset(**known: Any) -> Dataset:
    return Dataset(
        **{
            "images": np.zeros((20, 1, 2, 2)),
            "labels": LABELS,
            "num_classes": 2,
            "groups": None,
            "official": None,
            "covariate": None,
            "source": "real",
            "file": Path("f.npz"),
            "content_hash": "",
        }
        | known
    )


def test_data_has_the_baselines_that_it_knows_enough_for() -> None:
    ages = np.arange(20.0)
    assert applicable(dataset()) == ("majority", "logistic")
    assert applicable(dataset(covariate=ages)) == ("majority", "logistic", "covariate")
    assert applicable(dataset(site=np.array(["a"] * 20)))[-1] == "covariates"
    whole = dataset(covariate=ages, covariates=ages[:, None], covariate_names=("age",))
    assert applicable(whole) == tuple(BASELINES)


@pytest.mark.parametrize("name", BASELINES)
def test_each_predicts_and_quick_ones_look_at_no_image(name: str) -> None:
    ages = 1.0 + np.arange(20.0)

    def features(index: np.ndarray) -> np.ndarray:
        assert name not in QUICK
        return ages[index, None]

    data = dataset(covariate=ages, covariates=ages[:, None])
    part = np.arange(10)
    found = predict(name, data, features=features, train=part, test=part + 10)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
