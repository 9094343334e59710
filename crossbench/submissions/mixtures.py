"""Mixtures: records that no board would put beside each other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from crossbench.specs import RunRecord


def mixtures(records: Iterable[RunRecord]) -> Iterator[str]:
    """Differences between records that should be of one kind, in words."""
    records = list(records)
    presets = sorted({record.key.preset for record in records})
    if len(presets) > 1:
        yield f"presets are mixed: {', '.join(presets)}"
    for what, of, part in _PARTS:
        for name, found in _grouped(records, of, part).items():
            if len(found) > 1:
                yield f"{what} are mixed: {len(found)} different ones{name and f' of {name}'}"


def _grouped(
    records: Iterable[RunRecord],
    of: Callable[[RunRecord], str],
    part: Callable[[RunRecord], Hashable],
) -> dict[str, set[Hashable]]:
    found: dict[str, set[Hashable]] = defaultdict(set)
    for record in records:
        found[of(record)].add(part(record))
    return found


def _hash(name: str) -> Callable[[RunRecord], Hashable]:
    return lambda record: record.provenance.get("hashes", {}).get(name)


def _task(record: RunRecord) -> str:
    return record.key.task


def _fit(record: RunRecord) -> str:
    """A method's fit, or a plain baseline; plain baselines have no settings."""
    key = record.key
    return f"{key.method} by {key.protocol} from {key.init}"


def division(record: RunRecord) -> Hashable:
    """Settings of a run's division into folds, without the samples that it gave."""
    facts = record.provenance.get("facts", {}).get("split", {})
    return repr(sorted((key, value) for key, value in facts.items() if not isinstance(value, dict)))


_PARTS: tuple[tuple[str, Callable[[RunRecord], str], Callable[[RunRecord], Hashable]], ...] = (
    ("versions of crossbench", lambda _: "", _hash("harness")),
    ("versions of the task", _task, _hash("task")),
    ("data", _task, _hash("data")),
    ("real data and phantoms", _task, lambda record: record.source),
    ("divisions into folds", _task, division),
    ("settings", _fit, _hash("config")),
    ("states of the code", _fit, _hash("method")),
)
