"""Verdicts of a comparison of two methods, as data and as sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from crossbench.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.evaluation.statistics.aggregate import Estimate
    from crossbench.evaluation.statistics.paired import CorrectedT, Posterior
    from crossbench.evaluation.statistics.pairs import SignedRank

Verdict = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Finding of a test, and the runs it holds for.

    Attributes:
        found: What the test finds of the runs that were made.
        verdict: The same as a statement about the methods; ``no claim`` where all runs of one
            of them share one draw of weights, of which alone it can then be said.
        draws: How many weights the runs of a method began from, for each method whose runs
            share any.
    """

    found: Verdict
    draws: Mapping[str, int]
    verdict: Verdict | Literal["no claim"] = field(init=False)

    def __post_init__(self) -> None:
        one = 1 in self.draws.values()
        object.__setattr__(self, "verdict", "no claim" if one else self.found)

    def _claim(self, of: Comparison) -> str:
        """The finding, limited to the weights where runs share them."""
        words = _claim(self.found, *(self._named(name) for name in (of.candidate, of.baseline)))
        if self.verdict == "no claim":
            return f"no claim about the methods ({self._shared()}); {words}"
        return f"{words} ({self._shared()})" if self.draws else words

    def _named(self, method: str) -> str:
        return f"{method} with these weights" if method in self.draws else method

    def _shared(self) -> str:
        words = {name: f"{_count(draws, 'draw')} of weights" for name, draws in self.draws.items()}
        if len(words) == 2 and len(set(words.values())) == 1:
            return f"{next(iter(words.values()))} each, shared by the runs"
        return ", ".join(f"{name}: {draws}, shared by the runs" for name, draws in words.items())


@dataclass(frozen=True, kw_only=True)
class TaskVerdict(_Found):
    """The candidate against the baseline on one task.

    It is ``equivalent`` where the posterior gives the ROPE at least 1 - alpha, else ``better`` or
    ``worse`` where the adjusted p is at most alpha, else ``undecided``.

    Attributes:
        task: Task.
        test: Corrected resampled t test; its gain is positive where the candidate is better.
        posterior: Bayesian correlated t test.
        p_holm: The test's p, adjusted over the compared tasks.
        family: Compared tasks.
        detectable: Least gain that is found with 80 % power after that adjustment.
        lacking: Runs of the seeds and folds that neither method has.
    """

    task: str
    test: CorrectedT
    posterior: Posterior
    p_holm: float
    family: int
    detectable: float
    lacking: int

    def sentence(self, of: Comparison) -> str:
        """The verdict in words to quote."""
        test, posterior = self.test, self.posterior
        if test.identical:
            return (
                f"{self.task}: {of.candidate} and {of.baseline} score the same in each of N = "
                f"{test.runs} paired runs{self._lacking()} (p = 1 by convention)."
            )
        return (
            f"{self.task}: {self._claim(of)}; {of.metric_words} gain "
            f"{test.gain:+.3f}, effect size {test.effect_size:+.2f} SD; corrected resampled t "
            f"{_p(test.p_value)}, {_p(self.p_holm)} after Holm over {_count(self.family, 'task')}; "
            f"P(better) {posterior.better:.2f}, P(within ±{posterior.rope:g}) "
            f"{posterior.equivalent:.2f}, P(worse) {posterior.worse:.2f}; N = {test.runs} paired "
            f"runs of {test.folds} folds{self._lacking()}; at this spread a gain of "
            f"{self.detectable:.3f} is found with 80 % power (level "
            f"{_share(of.alpha, self.family)})."
        )

    def _lacking(self) -> str:
        return f" ({self.lacking} more made by neither)" if self.lacking else ""


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
class TasksVerdict(_Found):
    """The candidate against the baseline over tasks, one mean score a task and method.

    It is ``better`` or ``worse`` where p is at most alpha, else ``undecided``.

    Attributes:
        compared: Comparable tasks N.
        total: Tasks in the table.
        test: Wilcoxon signed-rank test.
        gain: Hodges and Lehmann's gain, whose sign and interval are those of the test.
        wins: Tasks on which the candidate's mean is higher.
        losses: Tasks on which it is lower.
        improvement: Probability of improvement.
    """

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
            f"{self._claim(of)}; Hodges-Lehmann {of.metric_words} gain {self.gain:+.3f}, "
            f"{_count(self.wins, 'win')}, {_count(ties, 'tie')}, "
            f"{_count(self.losses, 'loss', 'losses')}; Wilcoxon signed-rank {_p(test.p_value)} "
            f"(two-sided, exact; N = {test.tasks - test.zeros} non-zero gains, smallest attainable "
            f"{_p(test.smallest_p)}), rank-biserial correlation {test.effect_size:+.2f}; "
            f"probability of improvement {self.improvement:.2f}."
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
        rope: Half-width of the region of practical equivalence, in units of the metric.
        tasks: One verdict a task, in the order of their names.
        overall: The verdict over tasks.
    """

    baseline: str
    candidate: str
    metric: str
    higher_is_better: bool
    alpha: float
    rope: float
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


def _claim(found: Verdict, candidate: str, baseline: str) -> str:
    return {
        "better": f"{candidate} is better than {baseline}",
        "worse": f"{candidate} is worse than {baseline}",
        "equivalent": f"{candidate} and {baseline} are practically equivalent",
        "undecided": f"no difference between {candidate} and {baseline} is shown",
    }[found]


def _share(alpha: float, family: int) -> str:
    """The level of Holm's first step in words."""
    level = f"{alpha * 100:g} %"
    return level if family == 1 else f"{level} / {family}, Holm's first step"


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
