"""Two methods compared on every board that holds both, and comparisons as tables."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crossbench.errors import RequestError, unknown_name
from crossbench.evaluation.metrics import title_of
from crossbench.evaluation.statistics import TaskVerdict, compare_runs
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.contents import apart, content_notes
from crossbench.results.boards.table import NOTHING
from crossbench.results.boards.tables import PHANTOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.evaluation.statistics import Comparison, NoVerdict
    from crossbench.results.boards.board import Board

_ROUNDING = 12  # scores that differ by less do so by rounding alone


@dataclass(frozen=True, kw_only=True)
class BoardComparison:
    """Two methods on one board.

    Attributes:
        title: What may be compared there, in words.
        caution: What no reader may overlook, or empty.
        comparison: The verdicts.
        notes: What a reader must know of the tasks, a sentence each.
    """

    title: str
    caution: str
    comparison: Comparison
    notes: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Title, caution, one sentence a task and the one over tasks, each to quote."""
        said = self.comparison.sentences()
        said += tuple(f"({note})" for note in self.notes)
        return tuple(filter(None, (self.title, self.caution, *said)))

    def to_mapping(self) -> dict[str, Any]:
        """The same as plain data."""
        comparison = dataclasses.asdict(self.comparison)
        return {
            "title": self.title,
            "caution": self.caution,
            "notes": self.notes,
            **comparison,
            "sentences": self.comparison.sentences(),
        }


def compare_boards(
    frame: pd.DataFrame,
    *,
    baseline: str,
    candidate: str,
    metric: str | None = None,
    rope: float | None = None,
) -> list[BoardComparison]:
    """Compare two methods on each board that holds both.

    The folds of a repetition are those of the board's split, whether or not all were run.

    Args:
        frame: As from :func:`crossbench.results.records.loading.load_results`.
        baseline: The method compared with, as it is named on the boards; a plain baseline may
            be given too.
        candidate: The method in question.
        metric: What is compared; each board's main metric where None.
        rope: Half-width of the region of practical equivalence; the metric's own where None.

    Raises:
        RequestError: If a name is unknown, both methods are the same, no board holds both, or they
            were run on different data of every task that both were run on.
        StatisticsError: If ``rope`` is negative.
    """
    boards = split_boards(frame, metric)
    known = {name for board in boards for name in (*board.methods, *board.plain)}
    for method in (baseline, candidate):
        if method not in known:
            raise unknown_name("method", method, known)
    shared = [board for board in boards if _holds(board, baseline) and _holds(board, candidate)]
    if not shared:
        raise _apart(boards, baseline, candidate)
    refused = [refusal(board, baseline, candidate) for board in shared]
    shared = [board for board, why in zip(shared, refused, strict=True) if not why]
    if not shared:
        raise RequestError("\n".join(filter(None, refused)))
    return [
        BoardComparison(
            title=board.title,
            caution=PHANTOM if board.source == "phantom" else "",
            comparison=compare_on(board, baseline, candidate, rope=rope),
            notes=comparison_notes(board, baseline, candidate),
        )
        for board in shared
    ]


def refusal(board: Board, baseline: str, candidate: str) -> str:
    """Why two methods of a board cannot be compared on any task; empty where they can on some.

    They cannot where the data of each task that both were run on is another for each of them.
    """
    reasons = apart(board, (baseline, candidate))
    rows = board.named_runs.groupby("task")["method"].agg(set)
    if not reasons or any({baseline, candidate} <= names for names in rows):
        return ""
    said = ". ".join(reasons.values())
    return f"{board.title}: {baseline} and {candidate} cannot be compared. {said}"


def comparison_notes(board: Board, baseline: str, candidate: str) -> tuple[str, ...]:
    """Limits of a comparison: data and versions left out, means over fewer classes."""
    notes = [f"Not compared: {each}." for each in apart(board, (baseline, candidate)).values()]
    notes += content_notes(board)
    if board.earlier:
        which = ", ".join(board.earlier)
        notes.append(f"Left out, being earlier versions of tasks: {which}.")
    if where := board.lacking(board.metric):
        what = f"{title_of(board.metric)} is a mean over fewer classes"
        notes.append(f"{what} where test parts lack one: {where}.")
    return tuple(notes)


def compare_on(
    board: Board, baseline: str, candidate: str, *, rope: float | None = None
) -> Comparison:
    """Compare two methods of one board; see :func:`compare_boards`."""
    return compare_runs(
        board.named_runs,
        baseline=baseline,
        candidate=candidate,
        metric=board.metric,
        folds=board.split_folds,
        rope=rope,
    )


def _holds(board: Board, method: str) -> bool:
    return method in (*board.methods, *board.plain)


def _apart(boards: Sequence[Board], baseline: str, candidate: str) -> RequestError:
    """The error for two methods that share no board, with the boards of each."""
    where = "\n".join(
        f"  {method}: {board.title}"
        for method in (baseline, candidate)
        for board in boards
        if _holds(board, method)
    )
    return RequestError(
        f"no board holds both {baseline} and {candidate}; run both with the same preset, "
        f"protocol, backbone, init and settings. They are on:\n{where}"
    )


# ------------------------------------------------------------------------- as tables


def verdict_frame(comparison: Comparison) -> pd.DataFrame:
    """One row a task of a comparison of two methods.

    Columns: ``task verdict``; ``found``, the same of the weights that the runs share where they
    do; ``gain low high``, the mean gain with its interval; ``better equivalent worse``, the
    posterior probabilities; ``p p_holm detectable runs``; and ``reason``, why a task gives no
    verdict. A number that is not there is NaN.
    """
    columns = {
        "found": "", "gain": np.nan, "low": np.nan, "high": np.nan,
        "better": np.nan, "equivalent": np.nan, "worse": np.nan,
        "p": np.nan, "p_holm": np.nan, "detectable": np.nan, "runs": np.nan, "reason": "",
    }  # fmt: skip
    rows = [
        {"task": verdict.task, "verdict": verdict.verdict} | columns | _entries(verdict)
        for verdict in comparison.tasks
    ]
    return pd.DataFrame(rows)


def _entries(verdict: TaskVerdict | NoVerdict) -> dict[str, Any]:
    if not isinstance(verdict, TaskVerdict):
        return {"reason": verdict.reason}
    gain, posterior = verdict.test.gain, verdict.posterior
    return {
        "found": verdict.found,
        "gain": gain.value,
        "low": np.nan if gain.low is None else gain.low,
        "high": np.nan if gain.high is None else gain.high,
        "better": posterior.better,
        "equivalent": posterior.equivalent,
        "worse": posterior.worse,
        "p": verdict.test.p_value,
        "p_holm": verdict.p_holm,
        "detectable": verdict.detectable,
        "runs": verdict.test.runs,
    }


def win_matrix(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Wins, ties and losses over tasks of the row against the column, such as ``3 / 0 / 1``.

    Scores have a row a task and a column a method. Where a method lacks a run of a task, its score
    is NaN, and the task does not count for its pairs.
    """
    values = scores.to_numpy(dtype=np.float64) * (1 if higher_is_better else -1)
    gains = np.round(values[:, :, None] - values[:, None, :], _ROUNDING)
    counts = [
        each.sum(axis=0).astype(str).astype(object) for each in (gains > 0, gains == 0, gains < 0)
    ]
    words = counts[0] + " / " + counts[1] + " / " + counts[2]
    np.fill_diagonal(words, NOTHING.text)
    return pd.DataFrame(words, index=scores.columns.rename("name"), columns=scores.columns)
