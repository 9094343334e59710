"""Initial weights of a bundle's runs: which they are is recorded, the files are the reviewer's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import RequestError
from crossbench.files.hashing import hash_file
from crossbench.nets.weights.catalogue import known_weights
from crossbench.results.records.identity import table_of
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crossbench.specs import RunRecord


def hash_weights(files: Iterable[str], records: Iterable[RunRecord]) -> dict[str, Path]:
    """Hash the weights that a reviewer has, and find a run that starts from each.

    Args:
        files: Paths of checkpoints.
        records: The bundle's finished runs.

    Returns:
        The files by SHA-256 (hex).

    Raises:
        RequestError: If there is no such file, or no run starts from it.
    """
    recorded = {_recorded(record): record.key.init for record in records}
    found: dict[str, Path] = {}
    for file in files:
        path = Path(file).expanduser()
        if not path.is_file():
            raise RequestError(f"--init {file!r} is no file; give the checkpoint's path")
        digest = hash_file(path)
        if digest not in recorded:
            known = ", ".join(f"{name} ({sha[:12]})" for sha, name in recorded.items() if sha)
            raise RequestError(
                f"--init {file!r} has SHA-256 {digest[:12]}, which no finished run of the bundle "
                f"starts from; theirs are {known or 'random alone'}"
            )
        found[digest] = path.resolve()
    return found


def initial_weights(record: RunRecord, files: Mapping[str, Path]) -> str:
    """Find what a run starts from: ``random``, one of the files, or a name of the catalogue.

    Args:
        record: The run.
        files: As :func:`hash_weights` returns them.

    Raises:
        RequestError: If its weights are neither given nor of a known name.
    """
    recorded, name = _recorded(record), record.key.init
    if not recorded:
        return RANDOM
    if recorded in files:
        return str(files[recorded])
    if name in {each.name for each in known_weights()}:
        return name
    raise RequestError(
        f"{record.key} starts from weights {name!r} of SHA-256 {recorded}, which the bundle does "
        "not hold; add --init FILE, or draw other runs by --seed"
    )


def _recorded(record: RunRecord) -> str:
    """SHA-256 of the file that a run started from; empty for random weights.

    Of weights that were made for one seed and fold each, ``init`` is the recipe they share.
    """
    hashes = table_of(record.provenance, "hashes")
    init = hashes.get("init", RANDOM)
    return "" if init == RANDOM else str(hashes.get("weights", init))
