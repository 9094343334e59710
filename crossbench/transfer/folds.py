"""Refusal of a source whose folds train on what those of the target test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossbench import pretraining
from crossbench.errors import RequestError
from crossbench.runs.exposure import seen_in, tested_of
from crossbench.runs.samples import draw_splits, open_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.pretraining import Pretraining
    from crossbench.runs.plan import Plan


def check_folds(pretrainings: Sequence[Pretraining], plan: Plan) -> None:
    """Refuse pretrainings from whose weights every run of their fold would be refused.

    Those that are done already are passed over: their weights say what they have seen.

    Args:
        pretrainings: Of one source, a network a fold and form of layers.
        plan: The runs on the target.

    Raises:
        RequestError: If a fold of the source trains on groups, or samples, of the target's test
            part of the same fold.
        DataError: If data is missing or damaged, or the source cannot be split.
    """
    left = [each for each in pretrainings if pretraining.finished(each) is None]
    if not left or isinstance(left[0].data, Path):  # a folder of images is of nobody who is tested
        return
    card, run = left[0].data, left[0].run
    preset, folders = run.preset, (run.data_dir, run.cache_dir)
    source = open_samples(card, preset, *folders)
    folds = {(each.seed, each.fold) for each in left}
    seen = {
        (split.seed, split.fold): seen_in(source, split)
        for split in draw_splits(preset, source)
        if (split.seed, split.fold) in folds
    }
    for task in plan.tasks:
        dataset = open_samples(task.card, plan.request.preset, *folders)
        splits = {(run.key.seed, run.key.fold): run.split for run in task.runs}
        for place in sorted(splits.keys() & seen.keys()):
            if what := tested_of(seen[place], dataset, splits[place]):
                msg = f"source {card.name!r} trains in seed {place[0]}, fold {place[1]} on {what}"
                raise RequestError(
                    f"{msg} that {task.card.name} tests on, so runs from its weights would be "
                    "refused; take a 2D task whose folds hold the target's groups, such as that "
                    "of the same samples and labels"
                )
