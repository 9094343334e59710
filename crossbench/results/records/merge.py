"""Merging results folders: runs, benches, pretrained networks and conformance reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from crossbench.errors import RecordError
from crossbench.files.atomic import copy
from crossbench.results.records.benches import bench_path, read_benches
from crossbench.results.records.conformances import find_reports, report_path
from crossbench.results.records.kinds import broken_file
from crossbench.results.records.pretrainings import check_network, read_pretrainings
from crossbench.results.records.store import Broken, Store, read_folders, without_runs
from crossbench.results.records.validation import check_results
from crossbench.results.records.writing import copy_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossbench.results.records.kinds import Found
    from crossbench.results.records.pretrainings import PretrainRecord
    from crossbench.specs import RunRecord

T = TypeVar("T")


class Merged(NamedTuple):
    """Result of :func:`merge`: number of records copied, and files left out."""

    copied: int
    broken: list[Broken]


def merge(sources: Sequence[Path | str], into: Path | str) -> Merged:
    """Copy the valid records of several folders, and what lies beside them, into one.

    What ``into`` already holds stays, but for failed runs that a source has finished. Of two
    benches, pretrained networks or conformance reports of one name, the first stands.

    Raises:
        RequestError: If a source does not exist or holds no record.
        RecordError: If the same run has different results in two of the folders; then
            nothing is copied. Or if ``into`` cannot be written.
    """
    try:
        return _merge(sources, Store(Path(into)))
    except OSError as error:
        raise RecordError(f"{into}: cannot be written: {error}") from error


def _merge(sources: Sequence[Path | str], store: Store) -> Merged:
    benches, broken = read_benches(sources)
    pretrained, broken_networks = read_pretrainings(sources)
    reports, broken_reports = find_reports(sources)
    broken += [*broken_networks, *broken_reports]
    others = [path for path, _ in (*benches, *pretrained, *reports)]
    copied = 0
    with_runs = [each for each in sources if not without_runs(each, others)]
    if with_runs or not others:
        held = [store.root] if any(store.scan()) else []
        found, broken_runs = read_folders([*held, *with_runs])
        broken += broken_runs
        copied += _taken(_take_run, found, store, broken)
    copied += sum(_take_file(path, bench_path(store.root, bench)) for path, bench in benches)
    copied += sum(_take_file(path, report_path(store.root, report)) for path, report in reports)
    copied += _taken(_take_pretrained, pretrained, store, broken)
    return Merged(copied, broken)


def _taken(
    take: Callable[[Found[T], Store], bool],
    found: Iterable[Found[T]],
    store: Store,
    broken: list[Broken],
) -> int:
    """Number of records taken; those refused are added to ``broken``."""
    copied = 0
    for each in found:
        try:
            copied += take(each, store)
        except RecordError as error:
            broken.append(broken_file(each.path, error))
    return copied


def _take_run(found: Found[RunRecord], store: Store) -> bool:
    """Copy a run with all that lies beside it; False where it is there already.

    Raises:
        RecordError: If it does not hold against its predictions, or something of another run is
            in the way.
    """
    path, record = found
    if path.is_relative_to(store.root):
        return False
    check_results(path, record)
    copy_run(path, record, store.path_of(record.key, record.identity))
    return True


def _take_file(path: Path, target: Path) -> bool:
    """Copy a record that is one file; False where there is one already."""
    if target.exists():
        return False
    copy(path, target)
    return True


def _take_pretrained(found: Found[PretrainRecord], store: Store) -> bool:
    """Copy a pretrained network and its record; False where it is there already.

    Raises:
        RecordError: If the network is not the one that the record names.
    """
    path, record = found
    target = store.root.joinpath("pretrain", *path.parts[-3:])
    if target.exists():
        return False
    check_network(path, record)
    network = path.with_name(record.checkpoint)
    copy(network, target.with_name(network.name))
    copy(path, target)
    return True
