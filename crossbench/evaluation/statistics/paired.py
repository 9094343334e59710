"""One or two methods on one task, over runs of repeated cross-validation.

The runs are not independent, because their training parts overlap. All procedures share one
scale: with n scores or paired gains of variance s2, and k folds, the squared standard error
of their mean is s2 (1/n + 1/(k - 1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import special  # not scipy.stats, which takes a second to import

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics.aggregate import Estimate
from crossbench.evaluation.statistics.inputs import (
    finite,
    paired_gains,
    require_level,
    require_whole,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from crossbench.evaluation.statistics.inputs import Array


@dataclass(frozen=True, kw_only=True)
class CorrectedT:
    """A corrected resampled t test.

    Attributes:
        runs: Paired runs n.
        folds: Folds k of one repetition.
        gain: Mean of candidate - baseline, with its Student interval; without where the gains
            have no spread.
        error: Corrected standard error of that mean.
        effect_size: Mean gain in standard deviations of the gains; None where they have none.
        statistic: t; None where the gains have no spread.
        p_value: Two-sided. t is continuous, so there is no smallest attainable p.
    """

    runs: int
    folds: int
    gain: Estimate
    error: float
    effect_size: float | None
    statistic: float | None
    p_value: float

    @property
    def identical(self) -> bool:
        """Whether both methods scored the same in every run; p is then 1 by convention."""
        return self.statistic is None

    def detectable(self, *, family: int = 1, alpha: float = 0.05, power: float = 0.8) -> float:
        """Least gain that is found with a given power, were this error the true one.

        Args:
            family: Tests that are corrected for each other. Holm's first step is what counts,
                ``alpha / family``: a gain that passes it is found whatever the others are.
            alpha: Level of the family.
            power: Probability of finding it.
        """
        return self.error * _noncentrality(self.runs, alpha / family, power)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Posterior probabilities that the candidate is worse, equivalent or better.

    Attributes:
        rope: Half-width of the region of practical equivalence.
        worse: P(gain < -rope).
        equivalent: P(-rope <= gain <= rope); 0 where ``rope`` is 0.
        better: P(gain > rope).
    """

    rope: float
    worse: float
    equivalent: float
    better: float


def corrected_t(
    baseline: ArrayLike, candidate: ArrayLike, *, folds: int, confidence: float = 0.95
) -> CorrectedT:
    """Corrected resampled t test of n paired runs, with n - 1 degrees of freedom.

    Validation samples count as training, so n_test / n_train = 1 / (folds - 1).

    Example:
        >>> test = corrected_t([0.70, 0.72, 0.71, 0.69], [0.73, 0.74, 0.75, 0.72], folds=4)
        >>> f"gain {test.gain:+.3f}, p = {test.p_value:.3f}"
        'gain +0.030 (95 % interval +0.010 to +0.050), p = 0.017'

    Args:
        baseline: Scores (n,), larger is better.
        candidate: Scores (n,) of the same runs, in the same order.
        folds: Folds of one repetition, whether or not all of them were run.
        confidence: Level of the interval.

    Raises:
        StatisticsError: The scores are not paired and finite, n < 2, folds < 2, every gain
            is the same and not zero, or ``confidence`` is not in (0, 1).

    Source:
        Nadeau and Bengio, Machine Learning 52 (2003); for repeated
        cross-validation Bouckaert and Frank, PAKDD 2004.
    """
    require_level(confidence, "confidence")
    gains = paired_gains(baseline, candidate)
    mean, scale = _location_scale(gains, folds)
    if scale == 0:
        return CorrectedT(
            runs=gains.size,
            folds=folds,
            gain=Estimate(value=0.0, confidence=confidence),
            error=0.0,
            effect_size=None,
            statistic=None,
            p_value=1.0,
        )
    margin = _student_reach(gains.size, confidence) * scale
    return CorrectedT(
        runs=gains.size,
        folds=folds,
        gain=Estimate(value=mean, low=mean - margin, high=mean + margin, confidence=confidence),
        error=scale,
        effect_size=mean / float(gains.std(ddof=1)),
        statistic=mean / scale,
        p_value=float(2 * special.stdtr(gains.size - 1, -abs(mean) / scale)),
    )


def corrected_mean(scores: ArrayLike, *, folds: int, confidence: float = 0.95) -> Estimate:
    """Mean score of repeated cross-validation, with its corrected Student interval.

    Equal scores have no interval: how much others would vary they do not show. It has the scale
    of :func:`corrected_t`. Two methods are not compared by their intervals: their runs are paired,
    and the gain has an interval of its own.

    Example:
        >>> f"{corrected_mean([0.70, 0.72, 0.71, 0.69], folds=4):.3f}"
        '0.705 (95 % interval 0.674 to 0.736)'

    Args:
        scores: Scores (n,) of one method.
        folds: Folds of one repetition, whether or not all of them were run.
        confidence: Level of the interval.

    Raises:
        StatisticsError: A score is not finite, n < 2, folds < 2, or ``confidence`` is not in
            (0, 1).

    Source:
        Nadeau and Bengio, Machine Learning 52 (2003).
    """
    require_level(confidence, "confidence")
    runs = finite(scores, "scores of the runs")
    _require_folds(folds)
    if runs.ndim != 1 or runs.size < 2:
        raise StatisticsError(f"scores have shape {runs.shape}; an interval needs two runs, (n,)")
    mean = float(runs.mean())
    if np.ptp(runs) == 0:
        return Estimate(value=mean, confidence=confidence)
    margin = _student_reach(runs.size, confidence) * _corrected_error(runs, folds)
    return Estimate(value=mean, low=mean - margin, high=mean + margin, confidence=confidence)


def correlated_posterior(
    baseline: ArrayLike, candidate: ArrayLike, *, folds: int, rope: float
) -> Posterior:
    """Bayesian correlated t test: posterior of the mean gain, cut at the ROPE.

    Example:
        >>> found = correlated_posterior([0.70, 0.72], [0.75, 0.76], folds=2, rope=0.01)
        >>> f"{found.worse:.2f} {found.equivalent:.2f} {found.better:.2f}"
        '0.05 0.03 0.92'

    Args:
        baseline: Scores (n,), larger is better.
        candidate: Scores (n,) of the same runs, in the same order.
        folds: Folds of one repetition.
        rope: Half-width of the region of practical equivalence, in units of the metric.

    Raises:
        StatisticsError: See :func:`corrected_t`; or ``rope`` is negative.

    Source:
        Corani and Benavoli, Machine Learning 100 (2015); Benavoli, Corani, Demšar and
        Zaffalon, JMLR 18 (2017). At rope 0, twice the smaller of the two
        probabilities is the p of :func:`corrected_t`.
    """
    if not rope >= 0:
        raise StatisticsError(f"rope is {rope}; give a half-width of 0 or more")
    gains = paired_gains(baseline, candidate)
    mean, scale = _location_scale(gains, folds)
    if scale == 0:
        apart = 0.0 if rope else 0.5
        return Posterior(rope=rope, worse=apart, equivalent=1 - 2 * apart, better=apart)
    df = gains.size - 1
    worse = float(special.stdtr(df, (-rope - mean) / scale))
    better = float(special.stdtr(df, (mean - rope) / scale))
    # The complement may miss 0 by rounding when one tail holds everything.
    equivalent = max(0.0, 1 - worse - better) if rope else 0.0
    return Posterior(rope=rope, worse=worse, equivalent=equivalent, better=better)


@cache
def _noncentrality(runs: int, alpha: float, power: float) -> float:
    """Noncentrality at which a two-sided t test of n runs has this power."""
    # Imported here, for with it comes scipy.stats, which takes a second.
    from scipy.optimize import brentq
    from statsmodels.stats.power import ttest_power

    def lacking(mean: float) -> float:
        effect = mean / np.sqrt(runs)
        return float(ttest_power(effect, runs, alpha / 2, alternative="larger")) - power

    # TTestPower.solve_power would look for the root, and for few runs returns what is none.
    upper = 1.0
    while lacking(upper) < 0:
        upper *= 2
    return float(brentq(lacking, 0, upper))


def _student_reach(runs: int, confidence: float) -> float:
    """Half-width of the interval in standard errors."""
    return float(special.stdtrit(runs - 1, (1 + confidence) / 2))


def _location_scale(gains: Array, folds: int) -> tuple[float, float]:
    """Mean of the gains (n,), and its corrected standard error."""
    _require_folds(folds)
    if np.ptp(gains) == 0:
        if gains[0] != 0:
            raise StatisticsError(
                f"all {gains.size} runs differ by exactly {gains[0]:+g}: "
                "there is no spread to test the gain against"
            )
        return 0.0, 0.0
    return float(gains.mean()), _corrected_error(gains, folds)


def _corrected_error(values: Array, folds: int) -> float:
    """Standard error of the mean of runs (n,) whose training parts overlap."""
    variance = values.var(ddof=1) * (1 / values.size + 1 / (folds - 1))
    return float(np.sqrt(variance))


def _require_folds(folds: int) -> None:
    require_whole(folds, "folds")
    if folds < 2:
        raise StatisticsError(
            f"{folds} fold: a single split shows the spread over seeds, not over samples; "
            "compare on two or more folds"
        )
