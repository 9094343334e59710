"""Comparisons of methods: from arrays or runs to numbers and sentences.

Three layers, each in its own module:

* one task, two methods, repeated cross-validation: :mod:`.paired`;
* many tasks: :mod:`.aggregate` (values with intervals), :mod:`.pairs` (two methods) and
  :mod:`.ranking` (all methods of a board); corrections over a family: :mod:`.families`;
* the whole comparison of two methods, from a table of runs: :mod:`.compare`, which returns
  :mod:`.verdicts`.

Scores that are unpaired, missing, not finite or too few raise
:class:`~crossbench.errors.StatisticsError`, or become an explicit "not comparable" or
"no claim over tasks", never a number. docs/statistics.md has the formulas and sources.
"""

from crossbench.evaluation.statistics.aggregate import (
    RESAMPLES,
    Estimate,
    bootstrap_interval,
    bounded_mean,
    estimate,
    interquartile_mean,
)
from crossbench.evaluation.statistics.compare import compare_runs
from crossbench.evaluation.statistics.families import holm, rejected
from crossbench.evaluation.statistics.inputs import (
    MIN_TASKS,
    paired_runs,
    smallest_p,
    task_scores,
)
from crossbench.evaluation.statistics.paired import (
    CorrectedT,
    Posterior,
    corrected_mean,
    corrected_t,
    correlated_posterior,
)
from crossbench.evaluation.statistics.pairs import (
    SignedRank,
    hodges_lehmann,
    probability_of_improvement,
    signed_rank,
)
from crossbench.evaluation.statistics.ranking import (
    Friedman,
    MethodSummary,
    PairTest,
    critical_difference,
    friedman,
    pairwise,
    summarise,
    tied_groups,
)
from crossbench.evaluation.statistics.verdicts import (
    Comparison,
    NoClaim,
    NoVerdict,
    TasksVerdict,
    TaskVerdict,
)

__all__ = [
    "MIN_TASKS",
    "RESAMPLES",
    "Comparison",
    "CorrectedT",
    "Estimate",
    "Friedman",
    "MethodSummary",
    "NoClaim",
    "NoVerdict",
    "PairTest",
    "Posterior",
    "SignedRank",
    "TaskVerdict",
    "TasksVerdict",
    "bootstrap_interval",
    "bounded_mean",
    "compare_runs",
    "corrected_mean",
    "corrected_t",
    "correlated_posterior",
    "critical_difference",
    "estimate",
    "friedman",
    "hodges_lehmann",
    "holm",
    "interquartile_mean",
    "paired_runs",
    "pairwise",
    "probability_of_improvement",
    "rejected",
    "signed_rank",
    "smallest_p",
    "summarise",
    "task_scores",
    "tied_groups",
]
