"""Joining groups to the data file in use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.clusters import clusters, sharing
from crossbench.data.formats.npz import NpzFile
from crossbench.data.groups.interface import Grouped, Samples, groupings, looked_up
from crossbench.data.imported import JoinedGroups, read_groups, write_groups
from crossbench.data.sources import find_file, read_file
from crossbench.data.survey import ranges
from crossbench.errors import DataError, RequestError
from crossbench.files.data_root import DataRoot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.formats.tables import Table
    from crossbench.specs import TaskCard

_IDS = ("id", "ids", "image_id")
_GROUP = "group"


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Groups that were joined.

    Attributes:
        file: The data file, which stays as it is.
        groups: Number of groups.
        samples: Number of samples.
        largest: Samples of the largest group.
        source: Where the groups are from.
        notes: What was assumed.
        before: Content hash without them.
        content: Content hash with them, which records are pinned to.
    """

    file: Path
    groups: int
    samples: int
    largest: int
    source: str
    notes: tuple[str, ...]
    before: str
    content: str


def remedies(card: TaskCard) -> tuple[str, ...]:
    """Steps for a person to have a task's samples grouped."""
    steps = [step for each in groupings() if each.applies(card) for step in each.steps(card)]
    command = f"crossbench data groups {card.name}"
    columns = f"columns index (from 0, in the order of {card.source.file}) or id, and group"
    any_table = f"From any table: {command} --from FILE.csv, a CSV file with {columns}; every"
    none = f"Without a table: {command} --near-duplicates keeps copies of a picture together, which"
    return *steps, f"{any_table} sample once.", f"{none} is less than keeping patients together."


def from_tables(
    card: TaskCard, tables: Sequence[Table], *, data_dir: Path, cache_dir: Path
) -> Joined:
    """Join the groups that tables tell.

    Raises:
        RequestError: If the data ships with the card.
        MissingDataError: If the data file is not there.
        DataError: If the tables are of an unknown style or do not fit the samples.
    """
    dataset, samples = _samples(card, data_dir, cache_dir)
    plain = [table for table in tables if _is_plain(table)]
    if len(plain) == len(tables) == 1:
        found = _of_plain(plain[0], samples)
    else:
        styles = [each for each in groupings() if each.applies(card) and each.wants(tables)]
        if not styles:
            raise DataError(_unknown(card, tables))
        found = styles[0].of_tables(card, samples, tables)
    return _join(card, dataset, found, data_dir, cache_dir)


def from_ids(card: TaskCard, *, data_dir: Path, cache_dir: Path) -> Joined:
    """Join the groups that the original identifiers of an imported file tell.

    Raises:
        DataError: If it has none, or they are of an unknown style.
    """
    dataset, samples = _samples(card, data_dir, cache_dir)
    if samples.ids is None:
        msg = f"{samples.file}: no array 'ids', which an imported file has; import the task, or"
        raise DataError(f"{msg} join groups from a table: crossbench data groups {card.name}")
    for each in groupings():
        found = each.of_ids(card, samples)
        if found is not None:
            return _join(card, dataset, found, data_dir, cache_dir)
    msg = f"{samples.file}: identifiers such as {samples.ids[0]!r} are of no style that tells a"
    raise DataError(f"{msg} group; join groups from a table: crossbench data groups {card.name}")


def from_copies(card: TaskCard, *, data_dir: Path, cache_dir: Path) -> Joined:
    """Join clusters of exact and near copies, with the groups that there are.

    Raises:
        RequestError: If the data ships with the card.
        MissingDataError: If the data file is not there.
    """
    from crossbench.data.verify.alike import exact_pairs, near_pairs
    from crossbench.data.verify.looks import look

    dataset, samples = _samples(card, data_dir, cache_dir)
    looks = look(dataset.images, ranges(dataset.images).span)
    exact = exact_pairs(looks.hashes)
    exact = exact[~looks.plain[exact].any(axis=1)]
    pairs, source = [exact, near_pairs(looks).pairs], "clusters of near copies (perceptual hashes)"
    known, before = _known_groups(card, dataset, data_dir)
    if known is not None:
        pairs.append(sharing([(code,) for code in known.tolist()]))
        source = before if source in before else f"{before}, with {source}"
    codes = clusters(samples.count, np.concatenate(pairs))
    sizes = np.bincount(codes)
    note = (
        f"{int((sizes > 1).sum()):,} groups of two samples or more hold {sizes[sizes > 1].sum():,}"
    )
    found = Grouped(groups=tuple(map(str, codes.tolist())), source=source, notes=(note,))
    return _join(card, dataset, found, data_dir, cache_dir)


# ------------------------------------------------------------------------ plain tables


def _is_plain(table: Table) -> bool:
    return table.has(_GROUP) and (table.has("index") or any(map(table.has, _IDS)))


def _of_plain(table: Table, samples: Samples) -> Grouped:
    """Groups by index or by original identifier."""
    if table.has("index"):
        keys, column = tuple(map(str, range(samples.count))), "index"
    else:
        column = next(filter(table.has, _IDS))
        if samples.ids is None:
            msg = f"{table.file}: column {column!r} names samples, but {samples.file} has no array"
            raise DataError(f"{msg} 'ids'; give a column index, from 0 in the order of the file")
        keys = samples.ids
    known = _once(table, column, _GROUP)
    if len(known) != len(keys):
        msg = f"{table.file}: {len(known)} rows for the {len(keys)} samples of {samples.file}"
        raise DataError(f"{msg}; give every sample once")
    groups = looked_up(keys, known, table=table.file, what=column)
    if "" in groups:
        place = groups.index("")
        raise DataError(
            f"{table.file}: sample {keys[place]!r} has no group; give it one of its own"
        )
    return Grouped(groups=groups, source=f"{table.file.name} by {column}")


def _once(table: Table, key: str, value: str) -> dict[str, str]:
    """One column by another, whose cells differ.

    Raises:
        DataError: If a cell is there twice.
    """
    known = dict(zip(table.columns[key], table.columns[value], strict=True))
    if len(known) != len(table):
        twice = next(each for each, count in Counter(table.columns[key]).items() if count > 1)
        raise DataError(f"{table.file}: {key} {twice!r} is there twice; keep one row of it")
    return known


def _unknown(card: TaskCard, tables: Sequence[Table]) -> str:
    shown = "; ".join(f"{each.file.name} ({', '.join(each.columns)})" for each in tables)
    msg = f"no style of table that is known for task {card.name!r} has these columns: {shown};"
    return f"{msg} what can be joined is said by: crossbench data groups {card.name}"


# ---------------------------------------------------------------------------- the file


def _samples(card: TaskCard, data_dir: Path, cache_dir: Path) -> tuple[Dataset, Samples]:
    """The data file in use, without groups that were joined before."""
    if card.embedded:
        msg = f"task {card.name!r} ships with its groups; groups are joined to files in a data"
        raise RequestError(f"{msg} folder")
    file = find_file(card, data="real", data_dir=data_dir, cache_dir=cache_dir)
    dataset = read_file(card, file, "real", cache_dir)
    ids: Any = None
    with NpzFile(file, verify=False) as archive:
        if "ids" in archive:
            ids = tuple(map(str, archive.read("ids").tolist()))
    samples = Samples(file=file, count=len(dataset), official=dataset.official, ids=ids)
    return dataset, samples


def _known_groups(
    card: TaskCard, dataset: Dataset, data_dir: Path
) -> tuple[NDArray[Any] | None, str]:
    """The groups in use, and where they are from."""
    joined = read_groups(DataRoot(data_dir).groups(card.name))
    if joined is not None and joined.content == dataset.content_hash:
        return joined.groups, joined.source
    return dataset.groups, "the file's groups"


def _join(
    card: TaskCard, dataset: Dataset, found: Grouped, data_dir: Path, cache_dir: Path
) -> Joined:
    """Write the groups, and read the file with them once."""
    file = DataRoot(data_dir).groups(card.name)
    groups = np.array(found.groups, np.str_)
    joined = JoinedGroups(groups=groups, content=dataset.content_hash, source=found.source)
    write_groups(file, joined)
    after = read_file(card, dataset.file, "real", cache_dir, groups=file)
    codes = np.empty(0, np.int64) if after.groups is None else after.groups
    sizes = np.unique(codes, return_counts=True)[1]
    return Joined(
        file=dataset.file,
        groups=len(sizes),
        samples=len(dataset),
        largest=int(sizes.max()),
        source=found.source,
        notes=found.notes,
        before=dataset.content_hash,
        content=after.content_hash,
    )
