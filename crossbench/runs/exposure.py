"""What weights have seen, told by the content of samples, and that none of it is tested on.

Of weights that do not say what they have seen, the catalogue may name cohorts: then there is a
warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import RequestError
from crossbench.nets.weights.checkpoint import (
    TrainingSamples,
    data_file,
    pack_hashes,
    unpack_hashes,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.nets.weights.init import Init
    from crossbench.specs import TaskCard


def check_unseen(init: Init, dataset: Dataset, split: Split, *, task: str) -> None:
    """Refuse weights that were fitted to, or selected by, anything in a run's test part.

    A sample that the data has outside of the test part too does not count: there the data leaks,
    and not the weights.

    Raises:
        RequestError: If they were; the message counts what was seen.
    """
    if what := tested_of(_seen_by(init), dataset, split):
        msg = (
            f"init {str(init.source)!r} has seen {what} "
            f"that {task} tests on in seed {split.seed}, fold {split.fold}; take weights that "
            "were made without them, such as those of the same seed and fold ({seed} and "
            "{fold} in --init stand for the run's own)"
        )
        raise RequestError(msg)


def tested_of(seen: tuple[TrainingSamples, ...], dataset: Dataset, split: Split) -> str:
    """How much of a test part was seen, such as ``3 of the 12 groups``; empty for nothing."""
    if not seen:
        return ""
    units, word = units_of(dataset, split.test)
    count = len(_shared(seen, dataset, units))
    return f"{count} of the {len(units)} {word}s" if count else ""


def check_apart(dataset: Dataset, *, task: str) -> None:
    """Refuse to fit networks on another task that has samples or groups of the tested one.

    Raises:
        RequestError: If it has; the message counts them.
    """
    if not dataset.parts:
        return
    tested = np.arange(len(dataset.parts[0]))
    units, word = units_of(dataset, tested)
    others, _ = units_of(dataset, np.arange(len(tested), len(dataset)))
    shared = dataset.as_stored.units_with(dataset.as_stored.of_units(others), units)
    if len(shared):
        msg = f"task {task!r}: {len(shared)} of the {len(units)} {word}s to test are among those"
        raise RequestError(f"{msg} to fit; take a train task of other data")


def suspicion(init: Init, card: TaskCard) -> tuple[str, ...]:
    """The warning that weights may have seen a task's groups, where the catalogue says so.

    It cannot be told whether they have: no list of what they were fitted to is at hand.
    """
    known = init.known
    if known is None or card.cohort not in known.may_have_seen:
        return ()
    trained = f" (trained on {known.trained_on})" if known.trained_on else ""
    may = (
        f"the weights {init.name!r}{trained} may have seen some of the {card.group}s that "
        f"{card.name} tests on, of cohort {card.cohort!r}; which, if any, is not known"
    )
    return (may,)


def seen_in(
    dataset: Dataset, split: Split, init: Init | None = None
) -> tuple[TrainingSamples, ...]:
    """What a network has seen that is fitted to a split: its training and validation part.

    Args:
        dataset: The samples.
        split: What it is fitted to and selected by.
        init: The weights it starts from, whose samples it has seen as well.
    """
    units, word = units_of(dataset, np.concatenate([split.train, split.val]))
    hashes = dataset.as_stored.of_units(units)
    own = TrainingSamples(
        file=dataset.file.name, unit=word, count=len(units), samples=pack_hashes(hashes)
    )
    return (own, *_seen_by(init))


def units_of(dataset: Dataset, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
    """The distinct groups that samples belong to, or the samples where there are no groups."""
    if dataset.groups is None:
        return np.unique(indices), "sample"
    return np.unique(dataset.groups[indices]), "group"


def _seen_by(init: Init | None) -> tuple[TrainingSamples, ...]:
    return init.about.seen if init is not None and init.about is not None else ()


def _shared(
    seen: tuple[TrainingSamples, ...], dataset: Dataset, units: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those of the units of a test part that weights have seen."""
    every, word = units_of(dataset, np.arange(len(dataset)))
    stored = dataset.as_stored
    found = [unpack_hashes(each.samples) for each in seen]
    hashes = np.unique(np.concatenate(found))
    elsewhere = stored.of_units(np.setdiff1d(every, units)) if len(hashes) else hashes
    # Checkpoints of 0.1 know a file by name and size, and samples by their place in it.
    place = (data_file(dataset.file), word)
    codes = [each.codes for each in seen if each.codes and (each.file, each.unit) == place]
    return np.unique(
        np.concatenate(
            [
                stored.units_with(np.setdiff1d(hashes, elsewhere), units),
                *(np.intersect1d(units, each) for each in codes),
            ]
        )
    )
