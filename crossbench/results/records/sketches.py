"""Sketches of runs: what of a record and its predictions tells a copy, in a few hundred bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossbench.files.hashing import hash_array
from crossbench.results.records.files import read_predictions
from crossbench.specs import RunKey  # noqa: TC001  (the strict reader evaluates annotations)

if TYPE_CHECKING:
    from crossbench.results.records.predictions import Predictions
    from crossbench.results.records.store import FoundRun


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """One run without its predictions.

    Attributes:
        identity: Its identity.
        key: Its coordinates.
        dimension: Of its samples.
        metric: Name of the main metric.
        score: Its value; None where the run failed, or it is undefined.
        weights: Hashes of what the network started from.
        draws_nothing: Whether it is a linear probe of weights that are no random draw.
        content: Digest of the predictions' rows in an order of their own, whatever samples they
            are said to be of; empty where there are none, or all are the same.
    """

    identity: str
    key: RunKey
    dimension: int
    metric: str
    score: float | None
    weights: tuple[str, ...]
    draws_nothing: bool
    content: str

    @property
    def coordinates(self) -> tuple[object, ...]:
        """What two runs of one method share where they may agree to the bit."""
        key = self.key
        return key.method, key.backbone, key.protocol, key.seed, key.fold, self.weights


def sketch(item: FoundRun) -> Sketch:
    """The sketch of a run.

    Raises:
        RecordError: If its predictions cannot be read.
    """
    record = item.record
    hashes = record.provenance["hashes"]
    return Sketch(
        identity=record.identity,
        key=record.key,
        dimension=record.dimension,
        metric=record.metric,
        score=record.metrics.get(record.metric),
        weights=tuple(str(hashes.get(name, "")) for name in ("init", "weights")),
        draws_nothing=record.selected_epoch is None and record.key.init != "random",
        content="" if record.predictions is None else _content(read_predictions(item.path)),
    )


def _content(predictions: Predictions) -> str:
    rows = predictions.log_probabilities.astype(np.float64)
    if len(rows) < 2 or bool(np.all(rows == rows[0])):
        return ""
    return hash_array(rows[np.lexsort(rows.T)])
