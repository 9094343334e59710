"""What a paper's appendix needs of the runs behind it: commands, methods, data, environment."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.results.boards.table import Table
from crossbench.results.records.identity import table_of
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.records.reproduce import GRID, command_of, left_to_add, request_of, united

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossbench.specs import RunRecord
    from crossbench.specs.requests import RunRequest

_SHORT = 16  # hex digits of a hash


def appendix(records: Sequence[RunRecord]) -> list[Table]:
    """Tables of commands, methods, tasks, and the machines and versions of some runs."""
    return [commands(records), methods(records), tasks(records), environments(records)]


def commands(records: Sequence[RunRecord]) -> Table:
    """The commands that make the runs once more, those of one kind joined."""
    own = [record for record in records if not record.key.plain] or list(records)
    joined = _joined(map(request_of, own))
    lacking = dict.fromkeys(note for record in own for note in left_to_add(record))
    rows = enumerate((command_of(each, "results") for each in joined), 1)
    notes = ("Runs that were left out of a command's grid are made too.", *lacking)
    return Table.of_words(("", "command"), rows, title="Commands", notes=notes)


def methods(records: Sequence[RunRecord]) -> Table:
    """Where each method's code is from, and its identity."""
    rows: dict[tuple[str, ...], None] = {}
    for record in records:
        if not record.key.plain:
            origin = MethodOrigin.of(record)
            commit = origin.commit[:12] + " (changed)" * origin.dirty
            package = " ".join(filter(None, [origin.distribution, origin.version]))
            sha256 = origin.sha256[:_SHORT]
            licence = origin.metadata.licence
            rows[record.key.method, package, commit, sha256, licence] = None
    heads = ("method", "from", "commit", f"SHA-256 ({_SHORT} digits)", "licence")
    return Table.of_words(heads, sorted(rows), title="Methods")


def tasks(records: Sequence[RunRecord]) -> Table:
    """The cards, data and splits of the tasks, by their hashes."""
    counts: dict[tuple[str, ...], list[RunRecord]] = {}
    for record in records:
        hashes = table_of(record.provenance, "hashes")
        shown = (str(hashes.get(name, ""))[:_SHORT] for name in ("task", "data"))
        card = table_of(table_of(record.provenance, "facts"), "task")
        version = str(card.get("version", ""))
        counts.setdefault((record.key.task, version, *shown), []).append(record)
    rows = [
        (*what, ", ".join(sorted({str(each.key.seed) for each in runs})))
        for what, runs in sorted(counts.items())
    ]
    heads = ("task", "card version", "card", "data", "seeds")
    return Table.of_words(heads, rows, title="Tasks")


def environments(records: Sequence[RunRecord]) -> Table:
    """Machines and versions of software, with the runs made there."""
    counts = Counter((_in_words(each, "hardware"), _in_words(each, "versions")) for each in records)
    rows = [(*where, count) for where, count in counts.items()]
    return Table.of_words(("machine", "versions", "runs"), rows, title="Machines and versions")


def _joined(requests: Iterable[RunRequest]) -> list[RunRequest]:
    """Requests that differ in tasks, methods, seeds and folds alone, as one each."""
    nothing: dict[str, Any] = dict.fromkeys(GRID, ())
    kinds: dict[RunRequest, list[RunRequest]] = {}
    for each in requests:
        kinds.setdefault(replace(each, **nothing), []).append(each)
    return [united(group) for group in kinds.values()]


def _in_words(record: RunRecord, name: str) -> str:
    entries = table_of(record.provenance, name).items()
    return ", ".join(f"{key} {value}" for key, value in entries)
