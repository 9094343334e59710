"""Plausibility of records: times that no run has, and predictions that another run made.

A record may hold against its predictions and still be none of a run. What is looked for here no
honest run leaves behind; that nothing is found proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crossbench.results.records.kinds import Broken
from crossbench.results.records.sketches import sketch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.results.records.sketches import Sketch
    from crossbench.results.records.store import FoundRun
    from crossbench.specs import RunRecord

# Multiply-adds a second that no one device reaches: an H100 has at most 1e15 in 8 bits, and the
# largest server's processor 2e13 in float32.
_MOST_WORK = {"cpu": 1e14, "cuda": 2e15}
_CLOCKS = timedelta(hours=1)  # that clocks of two machines may differ
_ROUNDING = 1e-3
_PHASES = ("build", "train", "validate", "test")


def implausible_times(record: RunRecord, now: datetime | None = None) -> Iterator[str]:
    """Impossible times of a finished run, one message a fault.

    Args:
        record: The record; one that failed or tells no times passes.
        now: When it is looked at.
    """
    if record.status != "ok" or not record.timings:
        return
    seconds, total = record.timings, record.timings.get("total", 0.0)
    if total <= 0:
        yield f"its run took {total:g} s in total"
        return
    yield from _phases(record, seconds, total)
    yield from _work(record, total)
    yield from _start(record.provenance.get("started"), now or datetime.now(UTC))


def _phases(record: RunRecord, seconds: dict[str, float], total: float) -> Iterator[str]:
    if record.key.plain:
        return
    yield from (
        f"its phase {name!r} took {seconds[name]:g} s"
        for name in _PHASES
        if seconds.get(name, 1.0) <= 0
    )
    # What runs share is charged to each: the features under a linear probe, beyond its own total.
    own = [name for name in _PHASES if name != "test" or not _is_shared(record)]
    spent = sum(seconds.get(name, 0.0) for name in own)
    if spent > total * (1 + _ROUNDING) + _ROUNDING:
        yield f"its phases took {spent:g} s, more than the {total:g} s of the whole run"


def _work(record: RunRecord, total: float) -> Iterator[str]:
    """More multiply-adds than a device does, counting forward passes alone."""
    if _is_shared(record):
        return
    counts, epochs = record.counts, len(record.curve)
    passes = epochs * (counts.get("train", 0) + counts.get("val", 0)) + counts.get("test", 0)
    rate = record.cost.get("gmacs", 0.0) * 1e9 * passes / total
    device = str(record.provenance.get("hardware", {}).get("device", "cuda"))
    most = _MOST_WORK["cpu" if device == "cpu" else "cuda"]
    if rate > most:
        done = f"it did {rate:.0e} multiply-adds a second on {device}"
        yield f"{done}; no such device does {most:.0e}"


def _start(started: Any, now: datetime) -> Iterator[str]:
    try:
        begun = datetime.fromisoformat(str(started))
    except ValueError:
        yield f"it started at {started!r}, which is no time"
        return
    if begun.tzinfo is None or begun > now + _CLOCKS:
        yield f"it started at {started}, which is in the future or of no known time zone"


def _is_shared(record: RunRecord) -> bool:
    """Whether runs share what its network computes, so that its own time says little of it."""
    return record.selected_epoch is None or "extract" in record.timings


# --------------------------------------------------------------------------------- copies


def copies(found: Sequence[FoundRun]) -> Iterator[Broken]:
    """The second of each pair of :func:`copied_pairs`, and what it is a copy of."""
    for earlier, later in copied_pairs([sketch(item) for item in found]):
        first, item = found[earlier], found[later]
        why = f"its predictions are, bit for bit, those of {first.path} ({first.record.key})"
        yield Broken(item.path, f"{why}: one is a copy, or both are one method")


def copied_pairs(runs: Sequence[Sketch]) -> Iterator[tuple[int, int]]:
    """Places of networks' runs whose predictions are, bit for bit, an earlier one's.

    The samples that they are said to be of, and their order, do not count. Equal predictions are
    passed over where two honest runs can have them: where all samples have the same; of plain
    baselines among each other; of the same coordinates, as after a change of a comment; under a
    linear probe of the same weights, which draws nothing; and of 2D networks from one seed, for
    many methods' 2D networks are the same.

    Returns:
        The place of the earlier run, and that of the later one.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, run in enumerate(runs):
        if run.content:
            groups[run.content].append(place)
    for group in groups.values():
        for position, later in enumerate(group):
            for earlier in group[:position]:
                if not runs[later].key.plain and not _may_agree(runs[later], runs[earlier]):
                    yield earlier, later
                    break


def _may_agree(one: Sketch, other: Sketch) -> bool:
    if one.key.plain or other.key.plain:
        return one.key.plain and other.key.plain
    if one.coordinates == other.coordinates:
        return True
    if one.weights == other.weights and one.draws_nothing and other.draws_nothing:
        return True
    return one.dimension == 2 and (one.key.seed, one.key.fold) == (other.key.seed, other.key.fold)
