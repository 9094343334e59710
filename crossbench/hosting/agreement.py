"""Agreement of a new bundle with a board: one result a run, and one method for predictions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from crossbench.results.records.kinds import Found
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from crossbench.results.records.store import FoundRun
    from crossbench.specs import RunRecord

    Runs: TypeAlias = dict[str, RunRecord]

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
    new, known = _runs(records), _runs(board)
    for identity, record in new.items():
        if identity in known:
            yield from _differing(record, known[identity])
    yield from _copied(new, known)


def _runs(folder: Path) -> Runs:
    """The valid records of a folder by identity."""
    found: Iterator[FoundRun] = (each for each in Store(folder).scan() if isinstance(each, Found))
    return {record.identity: record for _, record in found}


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


def _copied(new: Runs, known: Runs) -> Iterator[str]:
    """One message for each method of the board whose predictions the new records have."""
    owners = {_digest(each): each.key.method for each in known.values() if _counts(each)}
    copies: Mapping[str, list[RunRecord]] = defaultdict(list)
    for record in filter(_counts, new.values()):
        owner = owners.get(_digest(record), record.key.method)
        if owner != record.key.method:
            copies[owner].append(record)
    for owner, records in copies.items():
        yield (
            f"the predictions of {len(records)} runs are, byte for byte, those of {owner} on the "
            f"board, such as {records[0].key}; a method's predictions are its own"
        )


def _counts(record: RunRecord) -> bool:
    return not record.key.plain and record.predictions_sha256 is not None


def _digest(record: RunRecord) -> tuple[str, str]:
    return record.key.task, str(record.predictions_sha256)
