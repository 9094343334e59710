"""SHA-256 of values and of files. Nothing here imports anything heavy."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_json(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def hash_array(array: NDArray[Any]) -> str:
    """SHA-256 (hex) of an array's dtype, shape and values."""
    form = f"{array.dtype.newbyteorder('<').str} {array.shape}".encode()
    values = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return hashlib.sha256(form + b"\n" + values).hexdigest()


def hash_file(file: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in pieces."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
