"""What a comparison of two methods says, as data and in words to quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossbench.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from crossbench.evaluation.statistics.aggregate import Estimate
    from crossbench.evaluation.statistics.paired import CorrectedT, Posterior
    from crossbench.evaluation.statistics.pairs import SignedRank

Verdict = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True, kw_only=True)
class TaskVerdict:
    """The candidate against the baseline on one task.

    Attributes:
        task: Task.
        verdict: ``equivalent`` where the posterior gives the ROPE at least 1 - alpha, else
            ``better`` or ``worse`` where the adjusted p is at most alpha, else ``undecided``.
        test: Corrected resampled t test; its gain is positive where the candidate is better.
        posterior: Bayesian correlated t test.
        p_holm: The test's p, adjusted over the compared tasks.
        family: Compared tasks.
    """

    task: str
    verdict: Verdict
    test: CorrectedT
    posterior: Posterior
    p_holm: float
    family: int

    def sentence(self, of: Comparison) -> str:
        """The verdict in words to quote."""
        test, posterior = self.test, self.posterior
        if test.identical:
            return (
                f"{self.task}: {of.candidate} and {of.baseline} score the same in each of N = "
                f"{test.runs} paired runs (p = 1 by convention)."
            )
        return (
            f"{self.task}: {_claim(self.verdict, of)}; {of.metric_words} gain "
            f"{test.gain:+.3f}, effect size {test.effect_size:+.2f} SD; corrected resampled t "
            f"{_p(test.p_value)}, {_p(self.p_holm)} after Holm over {_count(self.family, 'task')}; "
            f"P(better) {posterior.better:.2f}, P(within ±{posterior.rope:g}) "
            f"{posterior.equivalent:.2f}, P(worse) {posterior.worse:.2f}; N = {test.runs} paired "
            f"runs of {test.folds} folds, p has no smallest value, a difference smaller than "
            f"{test.detectable:.3f} could not have been shown."
        )


@dataclass(frozen=True, kw_only=True)
class NoVerdict:
    """A task that gives no verdict of its own.

    Attributes:
        task: Task.
        verdict: ``not comparable`` where the two methods were not measured on the same
            runs; ``not testable`` where they were, so that the task counts over tasks, but
            the runs of this task alone carry no test.
        reason: What is missing.
    """

    task: str
    verdict: Literal["not comparable", "not testable"]
    reason: str

    def sentence(self, of: Comparison) -> str:
        """The reason in words to quote."""
        return (
            f"{self.task}: {of.candidate} against {of.baseline} is {self.verdict}: {self.reason}."
        )


@dataclass(frozen=True, kw_only=True)
class TasksVerdict:
    """The candidate against the baseline over tasks, one mean score a task and method.

    Attributes:
        verdict: ``better`` or ``worse`` where p is at most alpha, else ``undecided``.
        compared: Comparable tasks N.
        total: Tasks in the table.
        test: Wilcoxon signed-rank test.
        gain: Mean gain, its interval over resampled tasks.
        wins: Tasks on which the candidate's mean is higher.
        losses: Tasks on which it is lower.
        improvement: Probability of improvement.
    """

    verdict: Verdict
    compared: int
    total: int
    test: SignedRank
    gain: Estimate
    wins: int
    losses: int
    improvement: Estimate

    def sentence(self, of: Comparison) -> str:
        """The verdict in words to quote."""
        test, ties = self.test, self.compared - self.wins - self.losses
        return (
            f"Over {self.compared} of {_count(self.total, 'task')}: "
            f"{_claim(self.verdict, of)}; mean {of.metric_words} gain {self.gain:+.3f}, "
            f"{_count(self.wins, 'win')}, {_count(ties, 'tie')}, "
            f"{_count(self.losses, 'loss', 'losses')}; Wilcoxon signed-rank {_p(test.p_value)} "
            f"(two-sided, exact; N = {test.tasks - test.zeros} non-zero gains, smallest attainable "
            f"{_p(test.smallest_p)}), rank-biserial correlation {test.effect_size:+.2f}; "
            f"probability of improvement {self.improvement:.2f}. Intervals resample tasks."
        )


@dataclass(frozen=True, kw_only=True)
class NoClaim:
    """Too few comparable tasks for any statement over tasks.

    Attributes:
        reason: How many there are, and how many are needed.
        verdict: Always ``no claim``.
    """

    reason: str
    verdict: Literal["no claim"] = "no claim"

    def sentence(self, of: Comparison) -> str:
        """The reason in words to quote."""
        return f"{of.candidate} against {of.baseline}: {self.reason}."


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two methods, task by task and over tasks.

    Attributes:
        baseline: The method compared with.
        candidate: The method that is better or worse.
        metric: Name of the metric.
        higher_is_better: Its direction; a gain is positive where the candidate is better,
            whichever the direction.
        alpha: Level of the tests; intervals have 1 - alpha.
        tasks: One verdict a task, in the order of their names.
        overall: The verdict over tasks.
    """

    baseline: str
    candidate: str
    metric: str
    higher_is_better: bool
    alpha: float
    tasks: tuple[TaskVerdict | NoVerdict, ...]
    overall: TasksVerdict | NoClaim

    def sentences(self) -> tuple[str, ...]:
        """One sentence a task, then the one over tasks."""
        return tuple(each.sentence(self) for each in (*self.tasks, self.overall))

    @property
    def metric_words(self) -> str:
        """The metric's title as it stands within a sentence."""
        title = METRICS[self.metric].title
        return title[0].lower() + title[1:]


def _claim(verdict: Verdict, of: Comparison) -> str:
    return {
        "better": f"{of.candidate} is better than {of.baseline}",
        "worse": f"{of.candidate} is worse than {of.baseline}",
        "equivalent": f"{of.candidate} and {of.baseline} are practically equivalent",
        "undecided": f"no difference between {of.candidate} and {of.baseline} is shown",
    }[verdict]


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
