"""Per-layer diagnostics: small arrays beside the record of their run.

``<record>.<digest>.diagnostics.npz`` holds ``identity`` (of the run), ``index`` (N,) and
``drawn`` (S,) (the samples measured and pictured, as places in the dataset) and, for each
observed layer, float32 arrays under ``<layer>/<name>``. The record names the file, and is as
valid without it. docs/diagnostics.md says what Cross-D's layers put there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import RecordError
from crossbench.results.records.reading import MAX_ARRAYS, beside, pack, read_regular, unpack

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs import RunRecord

#: How the names of such files end.
DIAGNOSTICS = ".diagnostics.npz"

_OWN = ("identity", "index", "drawn")


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Per-layer diagnostics of one run.

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


def pack_diagnostics(diagnostics: Diagnostics) -> bytes:
    """Diagnostics as the bytes of their file."""
    arrays: dict[str, Any] = {name: np.asarray(getattr(diagnostics, name)) for name in _OWN}
    arrays |= {
        f"{layer}/{name}": values
        for layer, named in diagnostics.layers.items()
        for name, values in named.items()
    }
    return pack(arrays)


def read_diagnostics(path: Path, record: RunRecord) -> Diagnostics | None:
    """The diagnostics beside a record; None where there are none.

    Args:
        path: The record's file.
        record: What it holds.

    Raises:
        RecordError: If the file is gone, damaged or another run's.
    """
    if record.diagnostics is None:
        return None
    file = beside(path, record.diagnostics, "diagnostics")
    try:
        content = read_regular(file, MAX_ARRAYS)
        arrays = unpack(content)
        own = {name: arrays.pop(name) for name in _OWN}
        layers: dict[str, dict[str, NDArray[np.float32]]] = {}
        for key, values in arrays.items():
            layer, _, name = key.rpartition("/")
            layers.setdefault(layer, {})[name] = values.astype(np.float32)
    except KeyError as error:
        raise RecordError(f"{file}: cannot be read: no {error.args[0]}") from error
    except (OSError, ValueError, TypeError, RecordError) as error:
        raise RecordError(f"{file}: cannot be read: {error}") from error
    if record.sealed and hashlib.sha256(content).hexdigest() != record.diagnostics_sha256:
        raise RecordError(f"{file}: is not the file that the record was written with; remove it")
    if str(own["identity"]) != record.identity:
        raise RecordError(f"{file}: belongs to another run; remove it")
    return Diagnostics(
        identity=record.identity, index=own["index"], drawn=own["drawn"], layers=layers
    )
