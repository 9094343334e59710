"""Agreement of a new bundle with a board: one result a run, and one method for predictions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from crossbench.results.records.plausibility import copied_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.results.records.sketches import Sketch

#: What a plain baseline's main metric may differ by between machines, of a range of 1.
PLAIN_TOLERANCE = 0.01

# Sums of floats in another order.
_SUMMED = 1e-9


def disagreements(new: Sequence[Sketch], board: Sequence[Sketch]) -> Iterator[str]:
    """What the runs of a new bundle contradict in those of a board, one message each.

    Args:
        new: Of the bundle.
        board: Of what would stay beside it; of one run, the first stands.
    """
    theirs = {run.identity: run for run in reversed(board)}
    for run in new:
        if run.identity in theirs:
            yield from _differing(run, theirs[run.identity])
    yield from _copied(new, list(theirs.values())[::-1])


def _differing(new: Sketch, known: Sketch) -> Iterator[str]:
    """One message where two finished records of one run disagree about its main metric."""
    if new.score is None or known.score is None:  # failed, or undefined
        return
    if abs(new.score - known.score) > (PLAIN_TOLERANCE if new.key.plain else _SUMMED):
        yield (
            f"{new.key}: {new.metric} is {new.score:.6g}, and {known.score:.6g} in the record of "
            "the same run on the board; one of the two was changed, or made with other versions"
        )


def _copied(new: Sequence[Sketch], known: Sequence[Sketch]) -> Iterator[str]:
    """One message for each method of the board whose predictions the new runs have."""
    both = [*known, *new]
    copies: dict[str, list[Sketch]] = defaultdict(list)
    for earlier, later in copied_pairs(both):
        if earlier < len(known) <= later:
            copies[both[earlier].key.method].append(both[later])
    for owner, runs in copies.items():
        yield (
            f"the predictions of {len(runs)} runs are, bit for bit, those of {owner} on the "
            f"board, such as {runs[0].key}; a method's predictions are its own"
        )
