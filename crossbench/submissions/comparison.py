"""Comparison of a recorded run with the same run made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.results.records.predictions import Predictions
    from crossbench.specs import RunRecord

#: Share of the test samples that must get the same class on another machine.
AGREEMENT = 0.9
#: How far the main metric may then be from the recorded one.
METRIC = 0.05

Outcome = Literal["equal", "agrees", "differs", "not comparable", "failed"]

_ENVIRONMENT = ("versions", "git", "hardware", "threads")


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """One recorded run, and what came of it when it was made again.

    Attributes:
        run: Which, in words.
        outcome: ``equal`` (bit for bit), ``agrees`` (within the tolerance, where machine or
            versions are others), ``differs``, ``not comparable`` (made under other conditions) or
            ``failed``.
        detail: What differs, or why nothing can be said.
        metric: Name of the main metric.
        recorded: Its recorded value.
        again: Its value now.
        agreement: Share of the samples with the same predicted class.
        deviation: Largest difference of a probability.
        alike: Whether machine, versions and commit are those of the record.
    """

    run: str
    outcome: Outcome
    detail: str = ""
    metric: str = ""
    recorded: float | None = None
    again: float | None = None
    agreement: float | None = None
    deviation: float | None = None
    alike: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether the record is confirmed within the tolerance."""
        return self.outcome in ("equal", "agrees")

    def __str__(self) -> str:
        told = f"{self.run}: {self.outcome}"
        if self.agreement is not None and self.outcome != "equal":
            told = f"{told}, {self.agreement:.1%} of the samples get the same class"
        if self.recorded is not None and self.again is not None:
            told = f"{told}, {self.metric} {self.recorded:.4f} recorded, {self.again:.4f} again"
        return f"{told} ({self.detail})" if self.detail else told


def compare(recorded: tuple[RunRecord, Predictions], again: tuple[RunRecord, Predictions]) -> Rerun:
    """Hold a run that was made again against its record.

    On a machine like the record's, with the same versions and commit of crossbench, every bit must
    be the same. Elsewhere sums are rounded otherwise, and training carries that on: there, at least
    90 % of the test samples (or all but one) must get the same class, and the main metric be within
    0.05.

    Args:
        recorded: A record and its predictions.
        again: Those of the run that was made now.
    """
    one, other = recorded[0], again[0]
    if differing := list(_conditions(one, other)):
        return Rerun(run=str(one.key), outcome="not comparable", detail="; ".join(differing))
    return _compared(recorded, again, alike=_alike(one, other))


def _compared(
    recorded: tuple[RunRecord, Predictions], again: tuple[RunRecord, Predictions], *, alike: bool
) -> Rerun:
    record, metric = recorded[0], recorded[0].metric
    one, other = (each.log_probabilities for _, each in (recorded, again))
    same = one.argmax(axis=1) == other.argmax(axis=1)
    was, now = record.metrics.get(metric), again[0].metrics.get(metric)
    outcome, detail = _outcome(bool(np.array_equal(one, other)), alike, _close(same, was, now))
    return Rerun(
        run=str(record.key),
        outcome=outcome,
        detail=detail,
        metric=metric,
        recorded=was,
        again=now,
        agreement=float(same.mean()),
        deviation=float(np.abs(np.exp(one) - np.exp(other)).max()),
        alike=alike,
    )


def _outcome(equal: bool, alike: bool, close: bool) -> tuple[Outcome, str]:
    if equal:
        return "equal", "bit for bit"
    if alike:
        return "differs", "not bit for bit, though machine and versions are those of the record"
    if close:
        return "agrees", "on another machine or with other versions"
    return "differs", "beyond the tolerance"


def _close(same: Any, was: float | None, now: float | None) -> bool:
    few = bool((~same).sum() <= 1)
    near = was is not None and now is not None and abs(was - now) <= METRIC
    return few or (bool(same.mean() >= AGREEMENT) and near)


def _conditions(one: RunRecord, other: RunRecord) -> Iterator[str]:
    """Parts of the two identities that differ, in words."""
    parts, others = (each.provenance["hashes"] for each in (one, other))
    for name in sorted(parts.keys() | others):
        if parts.get(name) != others.get(name):
            what = _WORDS.get(name, name)
            shown = f" ({parts.get(name)}, now {others.get(name)})" if name == "harness" else ""
            yield f"other {what}{shown}"


_WORDS = {
    "harness": "version of crossbench",
    "config": "settings",
    "init": "weights",
    "method": "source of the method",
    "task": "version of the task",
}


def _alike(one: RunRecord, other: RunRecord) -> bool:
    return all(one.provenance.get(name) == other.provenance.get(name) for name in _ENVIRONMENT)
