"""Results folders as one table, from the kept one where nothing has changed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.results.records.store import read_folders

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from crossbench.results.records.kinds import Broken


def load_results(*folders: Path | str) -> pd.DataFrame:
    """The records of one or more results folders, one row a run, failures included.

    Reading is safe while a run goes on. Files that are no valid records are passed over
    here; :meth:`Store.broken` and ``crossbench report`` name them.

    Returns:
        The columns of :func:`crossbench.results.records.frame.to_frame`.

    Raises:
        RequestError: If a folder does not exist or holds no record.
        RecordError: If two folders hold the same run with different results.
    """
    return read_frame(folders)[0]


def read_frame(folders: Sequence[Path | str]) -> tuple[pd.DataFrame, list[Broken]]:
    """:func:`read_folders` as a table, kept in the cache where pyarrow is installed."""
    from crossbench.results.records.frame import to_frame

    with contextlib.suppress(ModuleNotFoundError):
        from crossbench.results.records.cache import read_cached

        records = read_cached([Path(folder) for folder in folders])
        if records.whole:
            return records.frame, list(records.broken)
    found, broken = read_folders(folders)  # says what is wrong
    return to_frame(found), broken
