"""Tables of many records, kept, so that only what has changed is read again.

Reading a record and checking its predictions takes about a millisecond. Ten thousand are
read once; from then on the sizes and times of their files say which to read anew. There is
one parquet file for each results folder, in the cache folder. It can be deleted at any
time; one that is damaged or was made by other code is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet

from crossbench import specs
from crossbench.errors import RecordError
from crossbench.evaluation import curves, metrics, probabilities
from crossbench.files.paths import cache_dir
from crossbench.results.records import files, frame, predictions, reading, store, writing
from crossbench.results.records.store import Broken, Found, Store, read_file, unite
from crossbench.specs import reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Progress: TypeAlias = Callable[[Path, int, int], None]

# Columns beside those of `to_frame`; of a file that is no valid record, only its path and
# these are filled.
_STATE, _REASON, _DIGEST = "cache_state", "cache_reason", "cache_predictions"
_OWN = [_STATE, _REASON, _DIGEST]
_MADE_BY = b"made_by"


@dataclass(frozen=True, eq=False)
class Records:
    """What several results folders hold.

    Attributes:
        frame: The valid records, one row for each run, as from
            :func:`~crossbench.results.records.store.load_results`; without columns if there is
            none.
        broken: The files that are no valid records, and those that contradict one another
            about the results of one run.
    """

    frame: pd.DataFrame
    broken: tuple[Broken, ...]


def read_cached(folders: Sequence[Path], *, progress: Progress | None = None) -> Records:
    """The records of several folders; those that have not changed come from the cache.

    Other than :func:`~crossbench.results.records.store.read_folders`, this never fails: a folder
    that does not exist holds nothing, and where two records of one run contradict each other,
    both are broken, for neither may pass for the other.

    Args:
        folders: Results folders; of two equal records the first stands.
        progress: Called with the folder, the number of records read and that to read.
    """
    tables = [_table(folder, progress or _silent) for folder in dict.fromkeys(folders)]
    table = _joined(tables)
    if not table.num_rows:
        return Records(frame=pd.DataFrame(), broken=())
    whole = table.column(_REASON).is_null()
    outside = table.filter(compute.invert(whole)).select(["path", _REASON]).to_pylist()
    broken = [Broken(Path(row["path"]), row[_REASON]) for row in outside]
    runs, contradicting = _united(table.filter(whole).to_pandas(ignore_metadata=True))
    return Records(frame=runs, broken=tuple(dict.fromkeys([*broken, *contradicting])))


def _silent(folder: Path, done: int, total: int) -> None:
    """Progress for nobody."""


# ------------------------------------------------------------------ one folder's table


def _table(folder: Path, progress: Progress) -> pa.Table:
    """The table of one folder, true to its files as they were when this was called."""
    states = Store(folder).states()
    file = _kept_file(folder)
    kept = _load(file)
    if kept is None:
        kept = pa.table({})
    elif _entries(kept) == states:
        return kept
    else:
        true = [states.get(path) == state for path, state in _entries(kept).items()]
        kept = kept.filter(pa.array(true, pa.bool_()))
    known = _entries(kept)
    changed = {path: state for path, state in states.items() if path not in known}
    items = []
    for count, path in enumerate(changed):
        progress(folder, count, len(changed))
        items.append(read_file(Path(path)))
    table = _joined([kept, _tabulated([item for item in items if item is not None], changed)])
    if table.num_rows:
        table = table.sort_by("path")
        _save(file, table)
    return table


def _entries(table: pa.Table) -> dict[str, str]:
    """The state of each file when it was read."""
    if not table.num_rows:
        return {}
    columns = (table.column(name).to_pylist() for name in ("path", _STATE))
    return dict(zip(*columns, strict=True))


def _tabulated(items: Sequence[Found | Broken], states: dict[str, str]) -> pa.Table:
    found = [item for item in items if isinstance(item, Found)]
    broken = [item for item in items if isinstance(item, Broken)]
    runs, unfit = _runs(found)
    rows = [{"path": str(path), _REASON: reason} for path, reason in [*broken, *unfit]]
    table = _joined([runs, pa.Table.from_pylist(rows)])
    if not table.num_rows:
        return table
    own = [states[path] for path in table.column("path").to_pylist()]
    return table.append_column(_STATE, pa.array(own, pa.string()))


def _runs(found: Sequence[Found]) -> tuple[pa.Table, list[Broken]]:
    """Valid records as a table, and those with a number that no table holds, such as 10^30."""
    runs = frame.to_frame(found)
    runs[_DIGEST] = [item.record.predictions_sha256 or "" for item in found]
    try:
        table = pa.Table.from_pandas(runs, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, OverflowError) as error:
        if len(found) == 1:
            return pa.table({}), [Broken(found[0].path, f"does not fit into a table: {error}")]
        halves = [_runs(found[: len(found) // 2]), _runs(found[len(found) // 2 :])]
        return _joined([table for table, _ in halves]), [each for _, out in halves for each in out]
    return table.append_column(_REASON, pa.nulls(len(table), pa.string())), []


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    filled = [table for table in tables if table.num_rows]
    return pa.concat_tables(filled, promote_options="permissive") if filled else pa.table({})


# --------------------------------------------------------------------- on the disk


def _kept_file(folder: Path) -> Path:
    name = hashlib.sha256(f"{folder.resolve()}\n{folder}".encode()).hexdigest()[:32]
    return cache_dir() / "tables" / f"{name}.parquet"


def _load(file: Path) -> pa.Table | None:
    """A kept table; None if there is none, or none that can be believed."""
    try:
        table = parquet.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return None
    made_here = (table.schema.metadata or {}).get(_MADE_BY) == _made_by()
    return table.replace_schema_metadata(None) if made_here else None


def _save(file: Path, table: pa.Table) -> None:
    """Keep a table; a cache that cannot be written costs time, not correctness."""
    stream = io.BytesIO()
    marked = table.replace_schema_metadata({_MADE_BY: _made_by()})
    parquet.write_table(marked, stream, write_page_checksum=True)
    with contextlib.suppress(OSError):
        writing.place(file, stream.getvalue())


@cache
def _made_by() -> bytes:
    """Digest of the code that decides what is in a table."""
    code = [
        Path(module.__file__ or "")
        for module in (
            reader,
            curves,
            files,
            frame,
            metrics,
            predictions,
            probabilities,
            reading,
            specs,
            store,
        )
    ]
    digest = hashlib.sha256(f"{pd.__version__} {pa.__version__}".encode())
    for path in [*code, Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest().encode()


# ------------------------------------------------------------------- several folders


def _united(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Broken]]:
    """One row for each run, and the records that contradict one another."""
    if table.empty:
        return pd.DataFrame(), []
    results = [name for name in metrics.METRICS if name in table]
    table = table.drop_duplicates(["identity", "status", _DIGEST, *results])
    several = table[table.duplicated("identity", keep=False)]
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
    """Which of several records of one run stands, and those that contradict another."""
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
