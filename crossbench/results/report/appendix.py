"""What a paper's appendix needs of the runs behind it: commands, methods, data, environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.results.boards.table import Cell, Header, Table
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
    rows = [(str(number), command_of(each, "results")) for number, each in enumerate(joined, 1)]
    return _list(
        "Commands",
        ("", "command"),
        rows,
        notes=("Runs that were left out of a command's grid are made too.", *lacking),
    )


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
    return _list("Methods", heads, sorted(rows))


def tasks(records: Sequence[RunRecord]) -> Table:
    """The cards, data and splits of the tasks, by their hashes."""
    counts: dict[tuple[str, ...], list[RunRecord]] = {}
    for record in records:
        hashes = _mapping(record, "hashes")
        shown = (str(hashes.get(name, ""))[:_SHORT] for name in ("task", "data"))
        version = _version(record)
        counts.setdefault((record.key.task, version, *shown), []).append(record)
    rows = [
        (*what, ", ".join(sorted({str(each.key.seed) for each in runs})))
        for what, runs in sorted(counts.items())
    ]
    return _list("Tasks", ("task", "card version", "card", "data", "seeds"), rows)


def environments(records: Sequence[RunRecord]) -> Table:
    """Machines and versions of software, with the runs made there."""
    counts: dict[tuple[str, str], int] = {}
    for record in records:
        hardware, versions = (_in_words(record, name) for name in ("hardware", "versions"))
        counts[hardware, versions] = counts.get((hardware, versions), 0) + 1
    rows = [(hardware, versions, str(count)) for (hardware, versions), count in counts.items()]
    return _list("Machines and versions", ("machine", "versions", "runs"), rows)


def _joined(requests: Iterable[RunRequest]) -> list[RunRequest]:
    """Requests that differ in tasks, methods, seeds and folds alone, as one each."""
    nothing: dict[str, Any] = dict.fromkeys(GRID, ())
    kinds: dict[RunRequest, list[RunRequest]] = {}
    for each in requests:
        kinds.setdefault(replace(each, **nothing), []).append(each)
    return [united(group) for group in kinds.values()]


def _version(record: RunRecord) -> str:
    """Version of the task's card; empty where the record does not say."""
    facts = _mapping(record, "facts").get("task")
    return str(facts.get("version", "")) if isinstance(facts, dict) else ""


def _in_words(record: RunRecord, name: str) -> str:
    return ", ".join(f"{key} {value}" for key, value in _mapping(record, name).items())


def _mapping(record: RunRecord, name: str) -> dict[str, Any]:
    value = record.provenance.get(name)
    return value if isinstance(value, dict) else {}


def _list(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str] = ()
) -> Table:
    """A list of words, whose first column names the row."""
    entries = [(Header(first), [Cell(text=text) for text in rest]) for first, *rest in rows]
    return Table.of_rows(
        map(Header, heads[1:]), entries, title=title, axes=(heads[0], ""), notes=tuple(notes)
    )
