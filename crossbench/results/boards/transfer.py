"""Gains from pretraining: the same runs from random and pretrained weights.

Boards never mix inits, so this is the one place where two of them meet: a method under a protocol
from pretrained weights, beside the same method and protocol from random ones, and beside the
method trained from scratch in full, on the same folds.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics import corrected_t, holm, paired_runs
from crossbench.results.boards.contents import content_notes, run_again
from crossbench.results.boards.draws import is_one_random_draw, share_weights
from crossbench.results.boards.standings import higher_is_better
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crossbench.evaluation.statistics import CorrectedT
    from crossbench.results.boards.board import Board

Key: TypeAlias = tuple[str, ...]
Weights: TypeAlias = Literal["own", "shared", "one draw"]

#: The protocol under which every weight learns: from random weights, training from scratch.
FROM_SCRATCH = "finetune"

_WEIGHTS: tuple[Weights, ...] = ("own", "shared", "one draw")
ALPHA = 0.05
_SHARED = (
    *("source", "dimension", "tasks", "edition", "fitted_on", "preset", "backbone"),
    "split_settings",
)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """One method under one protocol, from pretrained weights and from others.

    Attributes:
        random: Mean score from random weights; None where there are no such runs.
        pretrained: Mean score from pretrained weights; None where a run is missing.
        over_random: Pretrained beside random weights under this protocol; None where they
            cannot be compared.
        over_scratch: Pretrained under this protocol beside training from scratch.
    """

    protocol: str
    method: str
    random: float | None
    pretrained: float | None
    over_random: Test | None = None
    over_scratch: Test | None = None


@dataclass(frozen=True, kw_only=True)
class Test:
    """A paired comparison; gains are positive where pretraining is better.

    Attributes:
        result: Corrected resampled t over the paired runs.
        p_holm: Its p after Holm, over the comparisons of one kind on one task.
        family: How many those are.
        weights: ``own`` where each run has weights of its own; ``shared`` where runs share some,
            of which alone the test then speaks; ``one draw`` where a side has but one draw of
            random weights, so that nothing is shown of the method.
    """

    result: CorrectedT
    p_holm: float
    family: int
    weights: Weights

    @property
    def shown(self) -> bool:
        """Whether a difference is shown at 5 %."""
        return self.p_holm <= ALPHA and self.weights != "one draw"


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Paired scores of runs from two kinds of weights, larger is better."""

    before: pd.Series[float]
    after: pd.Series[float]
    weights: Weights


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Whether one method gains more from pretraining than another, under one protocol.

    ``more`` tests the gain of ``method`` less that of ``other``, paired run by run; Holm's family
    are the contrasts of one task.
    """

    protocol: str
    method: str
    other: str
    more: Test


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Every gain on one task from one pretraining.

    ``gains`` are by protocol and method, ``contrasts`` by protocol and pair of methods; ``missing``
    says what could not be compared, and why; ``data`` which data of the task is in use. ``source``
    is that of the data, and ``limited`` whether not all samples were labelled.
    """

    title: str
    source: str
    limited: bool
    task: str
    init: str
    metric: str
    gains: tuple[Gain, ...]
    contrasts: tuple[Contrast, ...]
    missing: tuple[str, ...]
    data: tuple[str, ...] = ()


def transfers(boards: Iterable[Board], metric: str | None = None) -> list[Transfer]:
    """Gains for each task and init that has runs from random weights too.

    Args:
        boards: As from :func:`crossbench.results.boards.boards.split_boards`.
        metric: What is compared, as the boards were asked for; each task's main metric where None.
    """
    groups: dict[tuple[str, ...], list[Board]] = defaultdict(list)
    for board in boards:
        if board.methods:
            groups[tuple(_of(board, name) for name in _SHARED)].append(board)
    return [
        _transfer(group, task, init, metric or _main_metric(group, task))
        for group in groups.values()
        if RANDOM in {_of(board, "init") for board in group}
        for init in sorted({_of(board, "init") for board in group} - {RANDOM})
        for task in sorted({task for board in group for task in board.tasks})
        if any(_of(board, "init") == init and task in board.tasks for board in group)
    ]


def _main_metric(boards: Sequence[Board], task: str) -> str:
    """The metric that most runs of a task declare, over all compared boards."""
    runs = pd.concat(board.runs.loc[board.runs["column"] == task, ["metric"]] for board in boards)
    return str(runs["metric"].mode().iloc[0])


def _of(board: Board, column: str) -> str:
    """A property shared by all networks of a board."""
    return str(board.runs.loc[board.runs["protocol"] != "plain", column].iloc[0])


def _transfer(boards: Sequence[Board], task: str, init: str, metric: str) -> Transfer:
    boards = [_narrowed(board, task, metric) for board in boards]
    own = [board for board in boards if _of(board, "init") == init and task in board.tasks]
    scratch = _matching(boards, protocol=FROM_SCRATCH, init=RANDOM)
    cells = [(board, method) for board in own for method in board.methods]
    others = {board.title: _from_random(board, boards) for board in own}
    pairs: dict[str, dict[Key, Paired]] = {"random": {}, "scratch": {}}
    missing: list[str] = []
    for board, method in cells:
        protocol = _of(board, "protocol")
        compared = [("random", others[board.title], protocol)]
        if scratch:  # where nothing was trained from scratch, nobody asked what that would give
            compared.append(("scratch", scratch, FROM_SCRATCH))
        for kind, found, under in compared:
            try:
                pairs[kind][protocol, method] = _paired(board, _only(found, under), method, task)
            except StatisticsError as error:
                missing.append(f"{protocol} {method}: {error}")
    folds = own[0].split_folds
    over_random, over_scratch = (
        _tested(pairs[kind], folds, missing) for kind in ("random", "scratch")
    )
    contrasts = _contrasts(pairs["random"], folds, missing)
    gains = (
        Gain(
            protocol=_of(board, "protocol"),
            method=method,
            random=_mean(others[board.title], method, task),
            pretrained=_mean([board], method, task),
            over_random=over_random.get((_of(board, "protocol"), method)),
            over_scratch=over_scratch.get((_of(board, "protocol"), method)),
        )
        for board, method in cells
    )
    return Transfer(
        title=_title(own[0], task, init),
        source=own[0].source,
        limited=own[0].labelled_limit is not None,
        task=task,
        init=init,
        metric=metric,
        gains=tuple(gains),
        contrasts=contrasts,
        missing=tuple(dict.fromkeys(missing)),
        data=tuple(content_notes(own[0], [task])),
    )


def _narrowed(board: Board, task: str, metric: str) -> Board:
    """The board with a task's runs alone, if it has any: rows are selected from them often."""
    own = board.runs[board.runs["column"] == task] if task in board.tasks else board.runs
    return replace(board, metric=metric, runs=own)


def _from_random(board: Board, boards: Sequence[Board]) -> list[Board]:
    """The board with random weights that is otherwise equal: one or none."""
    shared = {name: _of(board, name) for name in ("protocol", "fit_settings")}
    return _matching(boards, init=RANDOM, **shared)


def _matching(boards: Iterable[Board], **wanted: str) -> list[Board]:
    return [board for board in boards if all(_of(board, key) == wanted[key] for key in wanted)]


def _only(found: Sequence[Board], protocol: str) -> Board:
    """The one board of random weights under a protocol."""
    if len(found) == 1:
        return found[0]
    runs = f"runs from random weights under {protocol}"
    if found:
        raise StatisticsError(f"{runs} are of {len(found)} kinds, by their settings")
    raise StatisticsError(f"there are no {runs}")


def _paired(board: Board, other: Board, method: str, task: str) -> Paired:
    """Scores of a method on another board and on this one, larger is better.

    Raises:
        StatisticsError: If the runs cannot be paired.
    """
    _require_same_data(board, other, method, task)
    names = (f"from random weights under {_of(other, 'protocol')}", "pretrained")
    both = [each.task_runs(task, board.metric) for each in (other, board)]
    runs = pd.concat(
        each[each["method"] == method].assign(method=name)
        for name, each in zip(names, both, strict=True)
    )
    table = paired_runs(runs, task, names)
    if not higher_is_better(board.metric):
        table = -table
    before, after = (table[name] for name in names)
    own = [_runs_of(each, method, task) for each in (other, board)]
    weights: Weights = "shared" if any(map(share_weights, own)) else "own"
    if any(map(is_one_random_draw, own)):
        weights = "one draw"
    return Paired(before=before, after=after, weights=weights)


def _require_same_data(board: Board, other: Board, method: str, task: str) -> None:
    """Refuse a pretrained network whose counterpart was run on other data of the task alone."""
    own = _runs_of(board, method, task)
    others = other.runs[(other.runs["row"] == method) & other.runs["task"].isin(own["task"])]
    here, there = set(own["hash_data"]), set(others["hash_data"])
    if here and there and not here & there:
        name = str(own["task"].iloc[0])
        data, random = (", ".join(sorted(each)) for each in (here, there))
        msg = f"pretrained it was run on data {data} of {name}, from random weights on {random}"
        raise StatisticsError(
            f"{msg}; run again on the data in use: {run_again(other, name, method)}"
        )


def _runs_of(board: Board, method: str, task: str) -> pd.DataFrame:
    return board.runs[(board.runs["row"] == method) & (board.runs["column"] == task)]


def _tested(pairs: Mapping[Key, Paired], folds: int, missing: list[str]) -> dict[Key, Test]:
    """The tests of one family; impossible ones are added to ``missing``."""
    tests: dict[Key, CorrectedT] = {}
    for key, pair in pairs.items():
        try:
            tests[key] = corrected_t(pair.before, pair.after, folds=folds)
        except StatisticsError as error:
            missing.append(f"{' '.join(key)}: {error}")
    adjusted = holm({key: test.p_value for key, test in tests.items()}) if tests else {}
    return {
        key: Test(result=test, p_holm=adjusted[key], family=len(tests), weights=pairs[key].weights)
        for key, test in tests.items()
    }


def _contrasts(pairs: Mapping[Key, Paired], folds: int, missing: list[str]) -> tuple[Contrast, ...]:
    contrasted: dict[Key, Paired] = {}
    for (one, other), (two, method) in itertools.combinations(pairs, 2):
        first, second = pairs[one, other], pairs[two, method]
        if one == two and first.before.index.equals(second.before.index):
            weights = max(first.weights, second.weights, key=_WEIGHTS.index)
            contrasted[one, method, other] = Paired(
                before=first.after - first.before,
                after=second.after - second.before,
                weights=weights,
            )
    return tuple(
        Contrast(protocol=key[0], method=key[1], other=key[2], more=test)
        for key, test in _tested(contrasted, folds, missing).items()
    )


def _mean(found: Sequence[Board], method: str, task: str) -> float | None:
    if len(found) != 1:
        return None
    (board,) = found
    scores = _runs_of(board, method, task)[board.metric]
    return float(scores.mean()) if len(scores) and scores.notna().all() else None


def _title(board: Board, task: str, init: str) -> str:
    parts = [
        f"What pretraining on {init} is worth on {task}",
        f"{board.source} data",
        f"preset {_of(board, 'preset')}",
        _of(board, "backbone"),
        board.shared.get("settings", ""),
    ]
    return " · ".join(filter(None, parts))
