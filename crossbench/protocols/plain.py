"""Plain baselines: predictions without a network, shown beside the methods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.evaluation.baselines import predict
from crossbench.protocols.interface import Finding, Outcome, Passes, Protocol, SampleCost

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.protocols.context import Context


@dataclass(frozen=True, kw_only=True)
class Plain(Protocol):
    """No network: majority class, logistic regression of pixels or covariates."""

    name: str = "plain"
    title: str = "A plain baseline"

    def settings(self, *_: Any) -> dict[str, Any]:
        """No setting bears on it."""
        return {}

    def passes(self, *_: Any) -> Passes:
        """No sample goes through a network."""
        return Passes()

    def rehearse(self, *_: Any) -> Finding:
        """Nothing can be in its way."""
        return Finding()

    def time(self, *_: Any) -> SampleCost:
        """Seconds of nothing."""
        return SampleCost()

    def run(self, context: Context, on_samples: Callable[[int], None]) -> Outcome:  # noqa: ARG002
        """Predict the test part from the training and validation parts."""
        dataset, split = context.dataset, context.split
        return Outcome(
            log_probabilities=predict(
                context.key.method,
                dataset,
                features=partial(context.kind.features, dataset.images),
                train=np.concatenate([split.train, split.val]),
                test=split.test,
            )
        )


PLAIN = Plain()
