from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from crossbench.errors import RequestError, StatisticsError
from crossbench.evaluation.metrics import METRICS
from crossbench.evaluation.statistics import (
    Comparison,
    NoClaim,
    NoVerdict,
    TasksVerdict,
    TaskVerdict,
    compare_runs,
    corrected_t,
    correlated_posterior,
    hodges_lehmann,
    holm,
    paired_runs,
    signed_rank,
    task_scores,
)

if TYPE_CHECKING:
    pass

MakeRuns = "Callable[..., pd.DataFrame]"
EIGHT = {f"task{i}": {"acs": 0.0, "crossd": 0.03 + 0.001 * i} for i in range(8)}


def compare(frame: pd.DataFrame, **settings: object) -> Comparison:
    request = {"baseline": "acs", "candidate": "crossd", "metric": "balanced_accuracy"}
    return compare_runs(frame, **(request | settings))


def test_verdicts_are_those_of_the_procedures(make_runs: MakeRuns) -> None:
    frame = make_runs(EIGHT)
    comparison = compare(frame.sample(frac=1, random_state=1))
    expected = {}
    for task in EIGHT:
        rows = frame[frame["task"] == task].sort_values(["seed", "fold"])
        pair = [rows.loc[rows["method"] == name, "score"] for name in ("acs", "crossd")]
        expected[task] = (
            corrected_t(*pair, folds=5),
            correlated_posterior(*pair, folds=5, rope=0.01),
        )
    adjusted = holm({task: test.p_value for task, (test, _) in expected.items()})
    assert [verdict.task for verdict in comparison.tasks] == sorted(EIGHT)
    for verdict in comparison.tasks:
        assert (verdict.test, verdict.posterior) == expected[verdict.task]
        assert verdict.p_holm == adjusted[verdict.task]
        assert verdict.verdict == "better"
    overall = comparison.overall
    means = frame.groupby(["task", "method"])["score"].mean().unstack()
    assert overall.test == signed_rank(means["acs"], means["crossd"])
    expected = hodges_lehmann(means["crossd"] - means["acs"])
    assert overall.gain.value == pytest.approx(expected.value)
    assert (overall.gain.low, overall.gain.high) == pytest.approx((expected.low, expected.high))
    assert (overall.verdict, overall.wins, overall.losses) == ("better", 8, 0)
    assert (overall.compared, overall.total) == (8, 8)


def test_exchanging_the_methods_reverses_the_verdicts(make_runs: MakeRuns) -> None:
    frame = make_runs(EIGHT)
    comparison = compare(frame, baseline="crossd", candidate="acs")
    assert {verdict.verdict for verdict in comparison.tasks} == {"worse"}
    assert comparison.overall.verdict == "worse"
    assert (comparison.overall.wins, comparison.overall.losses) == (0, 8)
    assert comparison.overall.improvement.value < 0.5


def test_lower_is_better_where_the_metric_says_so(make_runs: MakeRuns) -> None:
    comparison = compare(make_runs(EIGHT), metric="log_loss")
    assert {verdict.verdict for verdict in comparison.tasks} == {"worse"}
    assert comparison.overall.verdict == "worse"
    assert not comparison.higher_is_better


def test_small_differences_are_equivalent_and_noisy_ones_undecided(make_runs: MakeRuns) -> None:
    close = compare(make_runs({"task": {"acs": 0.0, "crossd": 0.001}}, noise=0.002)).tasks[0]
    noisy = compare(make_runs({"task": {"acs": 0.0, "crossd": 0.001}}, noise=0.1)).tasks[0]
    assert (close.verdict, noisy.verdict) == ("equivalent", "undecided")


def test_wider_rope_turns_a_gain_into_equivalence(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.03}})
    assert compare(frame).tasks[0].verdict == "better"
    assert compare(frame, rope=0.2).tasks[0].verdict == "equivalent"


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_region_of_equivalence_is_the_metrics_own(make_runs: MakeRuns, metric: str) -> None:
    comparison = compare(make_runs({"task": {"acs": 0.0, "crossd": 0.1}}), metric=metric)
    assert comparison.rope == comparison.tasks[0].posterior.rope == METRICS[metric].rope
    assert METRICS["log_loss"].rope != METRICS["accuracy"].rope


def drawn(frame: pd.DataFrame, *by: str) -> pd.DataFrame:
    """The runs with weights that those share which agree in these columns."""
    return frame.assign(weights=frame[["method", *by]].astype(str).agg(" ".join, axis=1))


def test_one_draw_of_weights_carries_no_claim_about_the_methods(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    comparison = compare(drawn(frame, "task"))
    (task,) = comparison.tasks
    assert (task.verdict, task.found, task.draws) == ("no claim", "better", {"acs": 1, "crossd": 1})
    assert comparison.sentences()[0].startswith(
        "task: no claim about the methods (1 draw of weights each, shared by the runs); crossd "
        "with these weights is better than acs with these weights; "
    )


def test_weights_that_folds_share_are_what_is_spoken_of(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    comparison = compare(drawn(frame, "seed"))
    assert comparison.tasks[0].verdict == "better"
    assert comparison.sentences()[0].startswith(
        "task: crossd with these weights is better than acs with these weights (3 draws of weights "
        "each, shared by the runs); "
    )
    assert compare(drawn(frame, "seed", "fold")).tasks == compare(frame).tasks


def test_what_has_no_weights_shares_none(make_runs: MakeRuns) -> None:
    frame = drawn(make_runs({"task": {"acs": 0.0, "crossd": 0.1}}), "task")
    frame.loc[frame["method"] == "acs", "weights"] = None
    assert (
        compare(frame)
        .sentences()[0]
        .startswith(
            "task: no claim about the methods (crossd: 1 draw of weights, shared by the runs); "
            "crossd with these weights is better than acs; "
        )
    )


def test_over_tasks_a_draw_for_each_task_is_enough(make_runs: MakeRuns) -> None:
    frame = make_runs(EIGHT)
    assert compare(drawn(frame, "task")).overall.verdict == "better"
    overall = compare(drawn(frame)).overall  # one checkpoint a method
    assert (overall.verdict, overall.found) == ("no claim", "better")


@pytest.mark.parametrize("how", ["absent", "nan", "none", "infinite"])
def test_a_run_without_a_score_makes_the_task_not_comparable(make_runs: MakeRuns, how: str) -> None:
    frame = make_runs(EIGHT)
    cell = frame.query("task == 'task3' and method == 'crossd' and seed == 44 and fold == 2").index
    if how == "absent":
        frame = frame.drop(cell)
    else:
        frame["score"] = frame["score"].astype(object)
        frame.loc[cell, "score"] = {"nan": np.nan, "none": None, "infinite": np.inf}[how]
    comparison = compare(frame)
    assert comparison.tasks[3] == NoVerdict(
        task="task3",
        verdict="not comparable",
        reason="crossd on task3 has no score in 1 of 15 runs, the first of them seed 44, fold 2",
    )
    assert (comparison.overall.compared, comparison.overall.total) == (7, 8)
    assert comparison.sentences()[3] == (
        "task3: crossd against acs is not comparable: crossd on task3 has no score in 1 of 15 "
        "runs, the first of them seed 44, fold 2."
    )
    assert comparison.sentences()[-1].startswith("Over 7 of 8 tasks: ")


@pytest.mark.parametrize(("left_out", "count"), [("seed == 44 and fold == 2", 1), ("fold == 2", 3)])
def test_runs_that_both_lack_are_said_in_one_repetition_as_in_all(
    make_runs: MakeRuns, left_out: str, count: int
) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}}).query(f"not ({left_out})")
    comparison = compare(frame, folds=5)
    (task,) = comparison.tasks
    assert (task.verdict, task.lacking, task.test.runs) == ("better", count, 15 - count)
    said = f"N = {15 - count} paired runs of 5 folds ({count} more made by neither)"
    assert said in comparison.sentences()[0]


def test_a_task_run_by_one_method_only_is_not_comparable(make_runs: MakeRuns) -> None:
    frame = make_runs({"both": {"acs": 0.0, "crossd": 0.1}, "one": {"crossd": 0.1}})
    assert compare(frame).tasks[1].reason == "acs on one has no score in any of 15 runs"


def test_a_task_of_other_methods_is_left_out(make_runs: MakeRuns) -> None:
    frame = make_runs({"both": {"acs": 0.0, "crossd": 0.1}, "other": {"conv3d": 0.1}})
    assert [verdict.task for verdict in compare(frame).tasks] == ["both"]


def test_runs_of_other_settings_make_the_task_not_comparable(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    twice = pd.concat([frame, frame[frame["method"] == "acs"]])
    assert compare(twice).tasks[0].reason == (
        "acs has several scores on task for seed 43, fold 0; select one preset, init, backbone "
        "and protocol"
    )


@pytest.mark.parametrize("column", ["hash_data", "hash_split"])
def test_runs_on_other_samples_are_not_comparable(make_runs: MakeRuns, column: str) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    frame[column] = [f"{seed}-{fold}" for seed, fold in zip(frame.seed, frame.fold, strict=True)]
    assert compare(frame).tasks[0].verdict == "better"
    frame.loc[frame.query("method == 'acs' and seed == 45 and fold == 1").index, column] = "other"
    assert compare(frame).tasks[0].reason == (
        f"runs on task with seed 45, fold 1 differ in {column}: they were not tested on the same "
        "samples; run again those on the older data or split"
    )


def test_a_column_of_the_metrics_name_is_what_is_compared(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    frame = frame.assign(auroc=-frame["score"])
    assert compare(frame).tasks[0].verdict == "better"
    assert compare(frame, metric="auroc").tasks[0].verdict == "worse"


def test_one_run_is_not_comparable(make_runs: MakeRuns) -> None:
    frame = make_runs(EIGHT).query("seed == 43 and fold == 0")
    comparison = compare(frame)
    assert {verdict.verdict for verdict in comparison.tasks} == {"not comparable"}
    assert comparison.tasks[0].reason == "1 run on task0; a comparison needs at least two"
    assert isinstance(comparison.overall, NoClaim)


def test_one_fold_is_not_testable_but_counts_over_tasks(make_runs: MakeRuns) -> None:
    comparison = compare(make_runs(EIGHT).query("fold == 0"))
    assert {verdict.verdict for verdict in comparison.tasks} == {"not testable"}
    assert "a single split shows the spread over seeds" in comparison.tasks[0].reason
    assert isinstance(comparison.overall, TasksVerdict)
    assert comparison.overall.compared == 8


def test_folds_that_were_not_run_are_declared(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.03}}).query("fold < 2")
    found, declared = compare(frame).tasks[0], compare(frame, folds=5).tasks[0]
    assert (found.test.folds, declared.test.folds) == (2, 5)
    assert declared.test.p_value < found.test.p_value
    with pytest.raises(StatisticsError, match="task was run on 2 folds, not 1"):
        compare(frame, folds=1)


def test_five_tasks_carry_no_claim(make_runs: MakeRuns) -> None:
    frame = make_runs({task: EIGHT[task] for task in list(EIGHT)[:5]})
    comparison = compare(frame)
    assert all(isinstance(verdict, TaskVerdict) for verdict in comparison.tasks)
    assert comparison.overall.verdict == "no claim"
    assert comparison.sentences()[-1] == (
        "crossd against acs: no claim over tasks: N = 5 comparable tasks, 6 are needed (the "
        "smallest attainable two-sided p at N = 5 is 0.062)."
    )


def test_identical_methods(make_runs: MakeRuns) -> None:
    frame = make_runs({task: {"acs": 0.0} for task in EIGHT})
    comparison = compare(pd.concat([frame, frame.assign(method="crossd")]))
    assert {verdict.verdict for verdict in comparison.tasks} == {"equivalent"}
    assert comparison.sentences()[0] == (
        "task0: crossd and acs score the same in each of N = 15 paired runs (p = 1 by convention)."
    )
    assert comparison.overall.verdict == "undecided"
    assert comparison.overall.test.smallest_p == 1.0
    assert comparison.overall.improvement.value == 0.5


def test_tied_tasks_leave_fewer_to_claim_with(make_runs: MakeRuns) -> None:
    frame = make_runs({task: {"acs": 0.0} for task in EIGHT})
    better = frame["score"] + 0.03 * ~frame["task"].isin(["task0", "task1"])
    frame = pd.concat([frame, frame.assign(method="crossd", score=better)])
    overall = compare(frame).sentences()[-1]
    assert "6 wins, 2 ties, 0 losses; Wilcoxon signed-rank p = 0.031" in overall
    assert "N = 6 non-zero gains, smallest attainable p = 0.031" in overall


def test_sentences() -> None:
    gains = np.array([0.01, 0.02, 0.03, 0.03, 0.04, 0.05])
    rows = [
        (f"task{task}", method, 43, fold, 0.5 + (method == "crossd") * gains[(task + fold) % 6])
        for task in range(6)
        for fold in range(4)
        for method in ("acs", "crossd")
    ]
    frame = pd.DataFrame(rows, columns=["task", "method", "seed", "fold", "score"])
    comparison = compare(frame)
    # p is 0.017 and 0.014 on task1 and task2, but Holm's p is 0.086.
    assert [verdict.test.p_value < 0.05 for verdict in comparison.tasks[1:3]] == [True, True]
    assert {verdict.verdict for verdict in comparison.tasks} == {"undecided"}
    first, *_, last = comparison.sentences()
    assert first == (
        "task0: no difference between crossd and acs is shown; balanced accuracy gain +0.022 "
        "(95 % interval -0.001 to +0.046), effect size +2.35 SD; corrected resampled t p = 0.054, "
        "p = 0.22 after Holm over 6 tasks; P(better) 0.91, P(within ±0.01) 0.08, P(worse) 0.01; "
        "N = 4 paired runs of 4 folds; at this spread a gain of 0.058 is found with 80 % power "
        "(level 5 % / 6, Holm's first step)."
    )
    assert last == (
        "Over 6 of 6 tasks: crossd is better than acs; Hodges-Lehmann balanced accuracy gain "
        "+0.030 (95 % interval +0.022 to +0.037), 6 wins, 0 ties, 0 losses; Wilcoxon signed-rank "
        "p = 0.031 (two-sided, exact; N = 6 non-zero gains, smallest attainable p = 0.031), "
        "rank-biserial correlation +1.00; probability of improvement 1.00."
    )


def test_comparison_is_reproducible_and_plain_json(make_runs: MakeRuns) -> None:
    frame = make_runs(EIGHT | {"lone": {"acs": 0.0}})
    first, second = compare(frame), compare(frame)
    assert first == second
    assert json.loads(json.dumps(asdict(first), allow_nan=False))["overall"]["verdict"] == "better"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baseline": "asc"}, "unknown method 'asc'; did you mean acs"),
        ({"candidate": "acs"}, "baseline and candidate are both 'acs'; name two methods"),
        ({"metric": "acuracy"}, "unknown metric 'acuracy'; did you mean accuracy"),
    ],
)
def test_unusable_requests_are_refused(
    make_runs: MakeRuns, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        compare(make_runs({"task": {"acs": 0.0, "crossd": 0.1}}), **settings)


def test_unusable_settings_are_refused(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    with pytest.raises(StatisticsError, match="alpha is 0; give a value between 0 and 1"):
        compare(frame, alpha=0)
    with pytest.raises(StatisticsError, match=r"folds is 5\.5; give a whole number"):
        compare(frame, folds=5.5)
    with pytest.raises(StatisticsError, match="rope is -1; give a half-width"):
        compare(frame, rope=-1)


@pytest.mark.parametrize(
    ("column", "values"),
    [("source", ("phantom", "real")), ("dimension", (2, 3)), ("preset", ("paper", "standard"))],
)
def test_boards_are_never_mixed(
    make_runs: MakeRuns, column: str, values: tuple[object, object]
) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    frame[column] = np.where(frame["method"] == "acs", *values)
    message = rf"runs of different {column} \({values[0]}, {values[1]}\) are never compared"
    with pytest.raises(StatisticsError, match=message):
        compare(frame)
    with pytest.raises(StatisticsError, match=message):
        task_scores(frame, ["acs", "crossd"])


def test_missing_columns_are_named(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}}).drop(columns=["fold", "score"])
    with pytest.raises(StatisticsError, match="the table of runs lacks the columns fold, score"):
        compare(frame)


def test_paired_runs_are_in_order(make_runs: MakeRuns) -> None:
    frame = make_runs({"task": {"acs": 0.0, "crossd": 0.1}})
    table = paired_runs(frame.sample(frac=1, random_state=0), "task", ["crossd", "acs"])
    assert list(table.columns) == ["crossd", "acs"]
    assert list(table.index) == [(seed, fold) for seed in (43, 44, 45) for fold in range(5)]
    rows = frame[frame["method"] == "acs"].sort_values(["seed", "fold"])
    np.testing.assert_array_equal(table["acs"], rows["score"])


def test_task_scores_are_means_of_paired_runs(make_runs: MakeRuns) -> None:
    frame = make_runs({task: {"acs": 0.0, "crossd": 0.1, "conv3d": 0.2} for task in ("b", "a")})
    scores = task_scores(frame, ["conv3d", "acs"])
    assert list(scores.index) == ["a", "b"]
    expected = frame.groupby(["task", "method"])["score"].mean().unstack()[["conv3d", "acs"]]
    np.testing.assert_allclose(scores, expected)
    lacking = frame.drop(frame.query("task == 'a' and method == 'acs'").index[0])
    with pytest.raises(StatisticsError, match="acs on a has no score in 1 of 15 runs"):
        task_scores(lacking, ["conv3d", "acs"])
