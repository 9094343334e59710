"""Every plain baseline: which of them data has, and what each predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.evaluation.covariates import COVARIATES, predict_covariates
from crossbench.evaluation.plain import PLAIN_BASELINES, applicable_plain, predict_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.evaluation.plain import PlainBaseline
    from crossbench.evaluation.probabilities import LogProbabilities

#: By name, the plainest first.
BASELINES: dict[str, PlainBaseline] = {**PLAIN_BASELINES, COVARIATES.name: COVARIATES}
#: Those that look at no image and take milliseconds.
QUICK = ("majority", "covariate", COVARIATES.name)


def applicable(dataset: Dataset) -> tuple[str, ...]:
    """Names of the baselines that data has."""
    names = applicable_plain(has_covariate=dataset.covariate is not None)
    known = dataset.covariates is not None or dataset.site is not None
    return (*names, COVARIATES.name) if known else names


def predict(
    name: str,
    dataset: Dataset,
    *,
    features: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> LogProbabilities:
    """Class log-probabilities of a plain baseline for the test part.

    Arguments, result and errors are those of :func:`crossbench.evaluation.plain.predict_plain` and
    :func:`crossbench.evaluation.covariates.predict_covariates`.
    """
    if name == COVARIATES.name:
        return predict_covariates(
            dataset.covariates,
            dataset.site,
            labels=dataset.labels,
            num_classes=dataset.num_classes,
            train=train,
            test=test,
        )
    return predict_plain(
        name,
        features=features,
        labels=dataset.labels,
        covariate=dataset.covariate,
        num_classes=dataset.num_classes,
        train=train,
        test=test,
    )
