"""Runs that share initial weights: findings then hold for these weights alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.specs import RANDOM

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.results.boards.board import Board

LINEAR_PROBE = "linear-probe"
_FROZEN_FUSION = "frozen-fusion"


def with_weights(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with what tells initial weights apart: ``weights`` and ``random_weights``.

    ``weights`` is a name of each run's initial weights, equal where runs share them; missing for
    the plain baselines, which have none. Random weights are drawn for each method, task, seed and
    fold; for all folds of a seed at once under the linear probe, and where an encoder stays frozen
    beside parts that learn. A checkpoint is known by its hash, which a run has of its own where the
    init named a file for each seed or fold.
    """
    draw = runs["task"] + " seed " + runs["seed"].astype(str)
    fold = " fold " + runs["fold"].astype(str)
    draw = draw.where(_shares_frozen(runs), draw + fold)
    file = runs["hash_weights"].where(runs["hash_weights"] != "", runs["hash_init"])
    random = _are_random(runs)
    names = draw.where(random, file)
    names = names.where((runs["protocol"] != "plain") & (names != ""))
    return runs.assign(weights=names, random_weights=random)


def is_one_random_draw(runs: pd.DataFrame) -> bool:
    """Whether all runs of a method on a task share one draw of random weights."""
    random = len(runs) > 1 and bool(runs["random_weights"].all())
    return random and runs["weights"].nunique() == 1


def share_weights(runs: pd.DataFrame) -> bool:
    """Whether some runs of a method on a task began from the same weights."""
    return bool(runs["weights"].nunique() < runs["weights"].count())


def shared_words(board: Board) -> str:
    """The caveat where a method's runs of a task share weights; else empty."""
    runs = board.runs
    counts = runs.groupby(["row", "column"])["weights"].agg(["nunique", "count"])
    shared = counts.loc[counts["nunique"] < counts["count"], "nunique"]
    shared = shared[shared > 0]
    if shared.empty:
        return ""
    fewest = int(shared.min())
    draws = "one set" if fewest == 1 else f"{fewest} sets"
    said = f"A method's runs of a task share {draws} of weights: what is shown on a task holds for"
    if fewest == 1 and runs.loc[runs["protocol"] != "plain", "random_weights"].all():
        return f"{said} these alone, and of one random draw nothing is tested."
    return f"{said} these weights."


def _shares_frozen(runs: pd.DataFrame) -> pd.Series[bool]:
    """Whether a run's frozen weights are drawn once for all folds of its seed.

    Under ``frozen-fusion`` a network that names no encoder has nothing frozen: all of it learns.
    """
    probe = runs["protocol"] == LINEAR_PROBE
    counts = ["parameters_total", "parameters_trainable"]
    if not set(counts) <= set(runs.columns):
        return probe
    total, trainable = (runs[name] for name in counts)
    return probe | ((runs["protocol"] == _FROZEN_FUSION) & (trainable < total))


def _are_random(runs: pd.DataFrame) -> pd.Series[bool]:
    """Whether weights are random: by hash, or by name where a record has none."""
    unknown = runs["hash_init"] == ""
    return (runs["hash_init"] == RANDOM) | (unknown & (runs["init"] == RANDOM))
