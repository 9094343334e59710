"""Every plain baseline: which of them data has, and what each predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from crossbench.evaluation.covariates import COVARIATES, predict_covariates
from crossbench.evaluation.plain import PLAIN_BASELINES, applicable_plain, predict_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from crossbench.evaluation.plain import PlainBaseline
    from crossbench.evaluation.probabilities import LogProbabilities

#: By name, the plainest first.
BASELINES: dict[str, PlainBaseline] = {**PLAIN_BASELINES, COVARIATES.name: COVARIATES}
#: Those that look at no image and take milliseconds.
QUICK = ("majority", "covariate", COVARIATES.name)


class Samples(Protocol):
    """What baselines know of N samples beside their features."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) classes, in [0, num_classes)."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""

    @property
    def covariate(self) -> NDArray[np.float64] | None:
        """(N,) values that one baseline predicts from, such as a diameter in mm."""

    @property
    def covariates(self) -> NDArray[np.float64] | None:
        """(N, C) values that another does, NaN where unknown."""

    @property
    def site(self) -> NDArray[np.str_] | None:
        """(N,) names of the sites of acquisition."""


def applicable(samples: Samples) -> tuple[str, ...]:
    """Names of the baselines that data has."""
    names = applicable_plain(has_covariate=samples.covariate is not None)
    known = samples.covariates is not None or samples.site is not None
    return (*names, COVARIATES.name) if known else names


def predict(
    name: str,
    samples: Samples,
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
            samples.covariates,
            samples.site,
            labels=samples.labels,
            num_classes=samples.num_classes,
            train=train,
            test=test,
        )
    return predict_plain(
        name,
        features=features,
        labels=samples.labels,
        covariate=samples.covariate,
        num_classes=samples.num_classes,
        train=train,
        test=test,
    )
