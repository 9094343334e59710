"""Predictions of a run on its test part, and their metrics."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.environment.spans import span
from crossbench.errors import RecordError
from crossbench.evaluation.metrics import evaluate_log
from crossbench.evaluation.probabilities import log_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from crossbench.evaluation.metrics import Scores

_FORMS = {
    "index": (("int64",), 1),
    "label": (("int64",), 1),
    "log_probabilities": (("float32", "float64"), 2),
}


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions for every sample of a test part.

    Attributes:
        index: (N,) int64, the sample's place in the dataset.
        label: (N,) int64 in [0, K).
        log_probabilities: (N, K) natural logarithms of the class probabilities, -inf for 0:
            float32, and float64 where they are those of the float32 probabilities of schema 1.

    Raises:
        RecordError: If a dtype or a shape is not that.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    log_probabilities: NDArray[np.float32] | NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, (dtypes, axes) in _FORMS.items():
            array = getattr(self, name)
            if array.dtype.name not in dtypes or array.ndim != axes:
                msg = (
                    f"predictions: {name} is {array.dtype} of shape {array.shape}; "
                    f"it must be {dtypes[0]} with {axes} axes"
                )
                raise RecordError(msg)
            if len(array) != len(self.index):
                msg = f"predictions: {len(array)} rows of {name}, {len(self.index)} of index"
                raise RecordError(msg)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Predictions:
        """Predictions from a file's arrays, of schema 1 if it has ``probabilities``.

        Raises:
            RecordError: If an array is missing, or is not what it should be.
        """
        named = {name: arrays[name] for name in (*_FORMS, "probabilities") if name in arrays}
        if "probabilities" in named:
            given = named.pop("probabilities")
            if given.dtype != np.float32:
                msg = f"predictions: probabilities is {given.dtype}; it must be float32"
                raise RecordError(msg)
            named["log_probabilities"] = log_of(given)
        if missing := [name for name in _FORMS if name not in named]:
            raise RecordError(f"predictions: no array {missing[0]!r}")
        return cls(**named)

    def to_arrays(self) -> dict[str, Any]:
        """The arrays of a file, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.log_probabilities.shape[1])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(N, K) class probabilities."""
        return np.exp(self.log_probabilities, dtype=np.float64)

    @span("evaluate", fine=True)
    def scores(self, classes: Sequence[str] | None = None) -> Scores:
        """Every metric, computed from exactly what is kept.

        Args:
            classes: Names of the K classes, for the reasons; their numbers where None.

        Raises:
            EvaluationError: If a label is no class, or the rows are no log-probabilities.
        """
        return evaluate_log(self.label, self.log_probabilities, classes)
