"""Kept tables of many records, so that only what has changed is read again.

Reading a record and the files it names takes about a third of a millisecond; from the second time
on, sizes and times of files say which to read. There is one parquet file for each results folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet

from crossbench.errors import RecordError
from crossbench.evaluation.metrics import METRICS
from crossbench.files import cache
from crossbench.files.paths import cache_dir
from crossbench.results.records.folders import run_states
from crossbench.results.records.frame import to_frame
from crossbench.results.records.store import Broken, Found, read_file, unite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crossbench.results.records.store import FoundRun

    Progress: TypeAlias = Callable[[Path, int, int], None]

#: Raise when a column of the tables is added, removed or filled in another way, or when a record
#: is checked otherwise.
VERSION = 7

# Columns beside those of `to_frame`; of a file that is no valid record, only its path and
# these are filled.
_STATE, _REASON, _DIGEST = "cache_state", "cache_reason", "cache_predictions"
_OWN = [_STATE, _REASON, _DIGEST]


@dataclass(frozen=True, eq=False)
class Records:
    """Content of several results folders.

    Attributes:
        frame: The valid records, one row for each run, as from
            :func:`~crossbench.results.records.loading.load_results`; without columns if there is
            none.
        broken: The files that are no valid records, and those that contradict one another
            about the results of one run.
        whole: Whether every folder holds a file, one of them a valid record, and no two
            contradict each other.
    """

    frame: pd.DataFrame
    broken: tuple[Broken, ...]
    whole: bool


def read_cached(folders: Sequence[Path], *, progress: Progress = lambda *_: None) -> Records:
    """The records of several folders; those that have not changed come from the cache.

    Other than :func:`~crossbench.results.records.store.read_folders`, this never fails: a folder
    that does not exist holds nothing, and where two records of one run contradict each other,
    both are broken, for neither may pass for the other.

    Args:
        folders: Results folders; of two equal records the first stands.
        progress: Called with the folder, the number of records read and that to read.
    """
    tables = [_table(folder, progress) for folder in dict.fromkeys(folders)]
    table = _joined(tables)
    if not table.num_rows:
        return Records(pd.DataFrame(), (), whole=False)
    valid = table.column(_REASON).is_null()
    outside = table.filter(compute.invert(valid)).select(["path", _REASON]).to_pylist()
    broken = [Broken(Path(row["path"]), row[_REASON]) for row in outside]
    runs, contradicting = _united(table.filter(valid).to_pandas(ignore_metadata=True))
    return Records(
        frame=runs,
        broken=tuple(dict.fromkeys([*broken, *contradicting])),
        whole=all(each.num_rows for each in tables) and len(runs) > 0 and not contradicting,
    )


# ------------------------------------------------------------------ one folder's table


def _table(folder: Path, progress: Progress) -> pa.Table:
    """The table of one folder, true to its files as they were when this was called."""
    states = run_states(folder)
    key = [VERSION, str(folder.resolve()), str(folder)]
    file = cache.entry(cache_dir() / "tables", key, ".parquet")
    kept = cache.load(file, _read)
    known = {} if kept is None else _entries(kept)
    if kept is not None and known == states:
        return kept
    true = {path for path, state in known.items() if states.get(path) == state}
    changed = {path: state for path, state in states.items() if path not in true}
    items = []
    for count, path in enumerate(changed):
        progress(folder, count, len(changed))
        items.append(read_file(Path(path)))
    parts = [_tabulated([item for item in items if item is not None], changed)]
    if kept is not None:
        parts.append(kept.filter(pa.array([path in true for path in known], pa.bool_())))
    table = _joined(parts)
    if table.num_rows:
        table = table.sort_by("path")
        cache.keep(file, lambda draft: _write(draft, table))
    return table


def _entries(table: pa.Table) -> dict[str, str]:
    """The state of each file when it was read."""
    columns = (table.column(name).to_pylist() for name in ("path", _STATE))
    return dict(zip(*columns, strict=True))


def _tabulated(items: Sequence[FoundRun | Broken], states: dict[str, str]) -> pa.Table:
    found = [item for item in items if isinstance(item, Found)]
    broken = [item for item in items if isinstance(item, Broken)]
    rows = [{"path": str(path), _REASON: reason} for path, reason in broken]
    table = _joined([_runs(found), pa.Table.from_pylist(rows)])
    if not table.num_rows:
        return table
    own = [states[path] for path in table.column("path").to_pylist()]
    return table.append_column(_STATE, pa.array(own, pa.string()))


def _runs(found: Sequence[FoundRun]) -> pa.Table:
    """Valid records as a table."""
    runs = to_frame(found)
    runs[_DIGEST] = [item.record.predictions_sha256 or "" for item in found]
    table = pa.Table.from_pandas(runs, preserve_index=False).replace_schema_metadata(None)
    return table.append_column(_REASON, pa.nulls(len(table), pa.string()))


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    filled = [table for table in tables if table.num_rows]
    return pa.concat_tables(filled, promote_options="permissive") if filled else pa.table({})


def _read(file: Path) -> pa.Table:
    table = parquet.read_table(file, page_checksum_verification=True)
    return table if table.schema.names[-1:] == [_STATE] else None


def _write(draft: Path, table: pa.Table) -> None:
    parquet.write_table(table, draft, write_page_checksum=True)


# ------------------------------------------------------------------- several folders


def _united(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Broken]]:
    """One row for each run and preset, and the records that contradict one another."""
    if table.empty:
        return pd.DataFrame(), []
    results = [name for name in METRICS if name in table]
    equal = ["identity", "status", _DIGEST, *results]
    told = table.drop_duplicates(equal)
    contested = told.loc[told.duplicated("identity"), "identity"]
    table = table.drop_duplicates([*equal, "preset"])
    several = table[table["identity"].isin(contested)]
    if several.empty:
        return table.drop(columns=_OWN).reset_index(drop=True), []
    standing, broken = set(table["path"]) - set(several["path"]), []
    for _, paths in several.groupby("identity", sort=False)["path"]:
        stands, contradicting = _settled(paths)
        standing |= stands
        broken += contradicting
    runs = table[table["path"].isin(standing)].drop(columns=_OWN)
    return runs.reset_index(drop=True), broken


def _settled(paths: pd.Series[Any]) -> tuple[set[str], list[Broken]]:
    """The valid ones of several records of a run, and contradicting records."""
    found = [item for path in paths if isinstance(item := read_file(Path(path)), Found)]
    try:
        kept, conflicts = unite(found)
    except RecordError as error:
        return set(), [Broken(item.path, f"cannot be compared: {error}") for item in found]
    broken = [
        Broken(each.path, f"same run as {other.path}, different results; remove one of the two")
        for pair in conflicts
        for each, other in (pair, pair[::-1])
    ]
    return {str(item.path) for item in kept} - {str(path) for path, _ in broken}, broken
