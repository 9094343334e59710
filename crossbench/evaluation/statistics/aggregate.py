"""Values over tasks, with intervals that resample tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import special  # not scipy.stats, which takes a second to import

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics.inputs import (
    MIN_TASKS,
    finite,
    require_level,
    require_tasks,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

RESAMPLES = 9999


class Statistic(Protocol):
    """A location along one axis: ``np.mean``, :func:`interquartile_mean`."""

    def __call__(self, values: Any, /, *, axis: int) -> Any:
        """Values (..., n, ...) to the statistic along ``axis``."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its interval.

    Attributes:
        value: The value.
        low: Lower end; None where the values carry no interval: they are too few, or all equal.
        high: Upper end, or None.
        confidence: Level of the interval.
    """

    value: float
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95

    def __format__(self, spec: str) -> str:
        """The value, then the interval in brackets, each number under ``spec``."""
        value = format(self.value, spec)
        if self.low is None or self.high is None:
            return value
        low, high = format(self.low, spec), format(self.high, spec)
        return f"{value} ({self.confidence * 100:g} % interval {low} to {high})"


def interquartile_mean(values: ArrayLike, *, axis: int = -1) -> Any:
    """Mean of the middle half of the values along ``axis``.

    Where the count is not a multiple of four, the two outermost values kept enter with the
    fraction of them that lies inside the middle half, so that exactly n / 2 are averaged.

    Example:
        >>> float(interquartile_mean([0, 1, 2, 3, 100]))
        2.0

    Args:
        values: Numbers (..., n, ...).
        axis: Axis along which to average.

    Source:
        Agarwal et al., NeurIPS 2021, section 4.3.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=axis)
    count = ordered.shape[axis]
    place = np.arange(count)
    inside = np.minimum(place + 1, 0.75 * count) - np.maximum(place, 0.25 * count)
    return np.average(ordered, axis=axis, weights=np.clip(inside, 0, None))


def bootstrap_interval(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Expanded percentile bootstrap interval, resampling tasks.

    The plain percentile interval is too narrow for few tasks (88 % instead of 95 % at
    N = 8), so the percentiles move out as far as Student's t lies beyond the normal:
    tail = Phi(-sqrt(N / (N - 1)) t[(1 + confidence) / 2, N - 1]).

    Example:
        >>> gains = [0.01, 0.02, 0.02, 0.03, 0.05, 0.08]
        >>> low, high = bootstrap_interval(gains, rng=np.random.default_rng(0))
        >>> 0 < low < 0.035 < high
        True

    Args:
        values: One value a task, shape (N,).
        statistic: What is computed of every resample.
        rng: Source of the resamples.
        confidence: Level of the interval.

    Raises:
        StatisticsError: The values are not 1-d and finite, or fewer than six, or
            ``confidence`` is not in (0, 1).

    Source:
        Hesterberg, The American Statistician 69 (2015).
    """
    require_level(confidence, "confidence")
    tasks = finite(values, "one value a task")
    if tasks.ndim != 1:
        raise StatisticsError(f"values have shape {tasks.shape}; pass one value a task, shape (N,)")
    require_tasks(tasks.size)
    reach = special.stdtrit(tasks.size - 1, (1 + confidence) / 2)
    tail = special.ndtr(-np.sqrt(tasks.size / (tasks.size - 1)) * reach)
    drawn = rng.choice(tasks, size=(RESAMPLES, tasks.size))
    low, high = np.quantile(statistic(drawn, axis=-1), [tail, 1 - tail])
    return float(low), float(high)


def estimate(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """A statistic of the tasks' values (N,), with its interval from six tasks on.

    Equal values have no interval: how much others would vary they do not show.

    Example:
        >>> f"{estimate([1, 2, 3, 4, 5, 6], rng=np.random.default_rng(0)):.1f}"
        '3.5 (95 % interval 1.7 to 5.3)'

    Raises:
        StatisticsError: There is no value, or one is not finite.
    """
    tasks = finite(values, "one value a task")
    value = float(statistic(tasks, axis=-1))
    if tasks.size < MIN_TASKS or np.ptp(tasks) == 0:
        return Estimate(value=value, confidence=confidence)
    low, high = bootstrap_interval(tasks, statistic, rng=rng, confidence=confidence)
    return Estimate(value=value, low=low, high=high, confidence=confidence)


def bounded_mean(
    values: ArrayLike, *, lowest: float, highest: float, confidence: float = 0.95
) -> Estimate:
    """Mean of bounded values (N,), with Clopper and Pearson's interval from N = 6 on.

    The values' shares of the range add up to the number of successes in N trials, which need not
    be whole: of all distributions between the bounds with one mean, two values at the bounds
    vary the most, so the interval covers at least as often (docs/statistics.md). Resampling a few
    ranks collapses where all but one are the best. Equal values have no interval.

    Example:
        >>> f"{bounded_mean([1, 1, 1, 1, 1, 2], lowest=1, highest=2):.2f}"
        '1.17 (95 % interval 1.00 to 1.64)'

    Args:
        values: One value a task, from ``lowest`` to ``highest``.
        lowest: Lower bound.
        highest: Upper bound.
        confidence: Level of the interval.

    Raises:
        StatisticsError: There is no value, one is not finite or outside the bounds, or
            ``confidence`` is not in (0, 1).

    Source:
        Clopper and Pearson, Biometrika 26 (1934).
    """
    require_level(confidence, "confidence")
    tasks = finite(values, "one value a task")
    if tasks.min() < lowest or tasks.max() > highest:
        found = f"[{tasks.min():g}, {tasks.max():g}]"
        raise StatisticsError(f"values lie in {found}, not [{lowest:g}, {highest:g}]")
    value = float(tasks.mean())
    if tasks.size < MIN_TASKS or np.ptp(tasks) == 0:
        return Estimate(value=value, confidence=confidence)
    width = highest - lowest
    count, tail = float(np.sum((tasks - lowest) / width)), (1 - confidence) / 2
    low = special.betaincinv(count, tasks.size - count + 1, tail)
    high = special.betaincinv(count + 1, tasks.size - count, 1 - tail)
    return Estimate(
        value=value,
        low=float(lowest + width * low),
        high=float(lowest + width * high),
        confidence=confidence,
    )
