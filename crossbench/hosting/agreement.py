"""Agreement of a new bundle with a board: one result a run, and one method for predictions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from crossbench.results.records.kinds import Found
from crossbench.results.records.plausibility import copied_pairs
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crossbench.results.records.store import FoundRun
    from crossbench.specs import RunRecord

#: What a plain baseline's main metric may differ by between machines, of a range of 1.
PLAIN_TOLERANCE = 0.01

# Sums of floats in another order.
_SUMMED = 1e-9


def disagreements(records: Path, board: Path) -> Iterator[str]:
    """What a results folder contradicts in the one of a board, one message each.

    Args:
        records: Valid records of a new bundle.
        board: The records of the board that would stay beside them.
    """
    new, known = _found(records), _found(board)
    theirs = {item.record.identity: item.record for item in known}
    for item in new:
        if item.record.identity in theirs:
            yield from _differing(item.record, theirs[item.record.identity])
    yield from _copied(new, known)


def _found(folder: Path) -> list[FoundRun]:
    """The valid records of a folder."""
    return [each for each in Store(folder).scan() if isinstance(each, Found)]


def _differing(new: RunRecord, known: RunRecord) -> Iterator[str]:
    """One message where two finished records of one run disagree about its main metric."""
    here, there = (each.metrics.get(each.metric) for each in (new, known))
    if here is None or there is None:  # failed, or undefined
        return
    if abs(here - there) > (PLAIN_TOLERANCE if new.key.plain else _SUMMED):
        yield (
            f"{new.key}: {new.metric} is {here:.6g}, and {there:.6g} in the record of the same run "
            "on the board; one of the two was changed, or made with other versions"
        )


def _copied(new: Sequence[FoundRun], known: Sequence[FoundRun]) -> Iterator[str]:
    """One message for each method of the board whose predictions the new records have."""
    theirs, own = {item.path for item in known}, {item.path for item in new}
    copies: dict[str, list[RunRecord]] = defaultdict(list)
    for earlier, item in copied_pairs([*known, *new]):
        if item.path in own and earlier.path in theirs:
            copies[earlier.record.key.method].append(item.record)
    for owner, records in copies.items():
        yield (
            f"the predictions of {len(records)} runs are, bit for bit, those of {owner} on the "
            f"board, such as {records[0].key}; a method's predictions are its own"
        )
