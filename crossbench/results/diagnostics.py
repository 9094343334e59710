"""What a network's layers told of themselves: small arrays beside the record of their run.

``<record>.diagnostics.npz`` holds ``identity`` (of the run), ``index`` (N,) and ``drawn`` (S,)
(the samples measured and pictured, as places in the dataset) and, for each observed layer,
float32 arrays under ``<layer>/<name>``. Nothing depends on the file: the record is as valid
without it. docs/diagnostics.md says what Cross-D's layers put there.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import RecordError
from crossbench.results.files import place

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_OWN = ("identity", "index", "drawn")


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """What the layers of one run told of themselves.

    Attributes:
        identity: Of the run.
        index: (N,) int64, the samples measured, as places in the dataset.
        drawn: (S,) int64, those of them that are pictured.
        layers: Arrays by name for each layer, float32, in the network's order.
    """

    identity: str
    index: NDArray[np.int64]
    drawn: NDArray[np.int64]
    layers: dict[str, dict[str, NDArray[np.float32]]]


def diagnostics_path(record: Path) -> Path:
    """Where the diagnostics of the run recorded in ``record`` lie, or would lie."""
    return record.with_suffix(".diagnostics.npz")


def write_diagnostics(record: Path, diagnostics: Diagnostics) -> Path:
    """Put diagnostics beside a record, whole or not at all.

    Raises:
        RecordError: If the folder cannot be written.
    """
    path = diagnostics_path(record)
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(getattr(diagnostics, name)) for name in _OWN}
    arrays |= {
        f"{layer}/{name}": values
        for layer, named in diagnostics.layers.items()
        for name, values in named.items()
    }
    np.savez_compressed(stream, **arrays)
    try:
        place(path, stream.getvalue())
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error}") from error
    return path


def read_diagnostics(record: Path, identity: str) -> Diagnostics | None:
    """The diagnostics beside a record; None where there are none.

    Args:
        record: The record's file.
        identity: Of the run that it records.

    Raises:
        RecordError: If the file is damaged or another run's.
    """
    path = diagnostics_path(record)
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        own = {name: arrays.pop(name) for name in _OWN}
        layers: dict[str, dict[str, NDArray[np.float32]]] = {}
        for key, values in arrays.items():
            layer, _, name = key.rpartition("/")
            layers.setdefault(layer, {})[name] = values.astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    if str(own["identity"]) != identity:
        raise RecordError(f"{path}: belongs to another run; remove it")
    return Diagnostics(identity=identity, index=own["index"], drawn=own["drawn"], layers=layers)
