"""Plain baseline of covariates: what age, sex, motion or the site alone tell of the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import RequestError, SplitError
from crossbench.evaluation.plain import PlainBaseline
from crossbench.evaluation.probabilities import log_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.evaluation.probabilities import LogProbabilities

COVARIATES = PlainBaseline(
    name="covariates", title="Logistic regression on the covariates", needs_covariate=True
)

_C = 1.0  # inverse L2 penalty, as of one covariate: these are few
_MAX_ITER = 10_000


def predict_covariates(
    covariates: NDArray[np.float64] | None,
    site: NDArray[np.str_] | None,
    *,
    labels: NDArray[np.int64],
    num_classes: int,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> LogProbabilities:
    """Class log-probabilities of logistic regression on covariates and site.

    Unknown values become the median, and values are standardised, both of the training part. Each
    site of the training part is a column of 0 and 1; of another site all are 0. Deterministic.

    Args:
        covariates: (N, C), NaN where unknown; None for none.
        site: (N,) names; None for none.
        labels: (N,) in [0, num_classes).
        num_classes: K.
        train: Indices of the samples to learn from.
        test: Indices of the samples to predict.

    Returns:
        (len(test), K) natural logarithms; -inf for a class that training has no sample of.

    Raises:
        RequestError: If there are neither covariates nor sites.
        SplitError: If the training samples are of one class.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import

    if covariates is None and site is None:
        raise RequestError(
            "baseline 'covariates' needs covariates or sites of the samples, and the data has "
            "neither: ask for 'majority' or 'logistic'"
        )
    classes = np.unique(labels[train])
    if len(classes) < 2:
        msg = f"the training part holds class {classes[0]} alone; logistic regression needs two"
        raise SplitError(f"{msg}: use fewer folds or a stratified split")
    known, others = _features(covariates, site, train, test)
    model = LogisticRegression(C=_C, max_iter=_MAX_ITER).fit(known, labels[train])
    return log_predictions(model, others, num_classes)


def _features(
    covariates: NDArray[np.float64] | None,
    site: NDArray[np.str_] | None,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(len(train), F) and (len(test), F), by what the training part has."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    found: list[tuple[Any, Any]] = []
    if covariates is not None:
        median = SimpleImputer(strategy="median", keep_empty_features=True)
        scaled = make_pipeline(median, StandardScaler())
        found.append((scaled.fit_transform(covariates[train]), scaled.transform(covariates[test])))
    if site is not None:
        sites = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        names = site[:, None]
        found.append((sites.fit_transform(names[train]), sites.transform(names[test])))
    known, others = zip(*found, strict=True)
    return np.hstack(known), np.hstack(others)
