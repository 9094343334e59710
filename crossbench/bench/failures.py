"""What keeps a method from being measured, as a part of its outcome."""

from __future__ import annotations

from typing import Any

# What refused allocations say: PyTorch on the CPU, oneDNN, PyTorch on CUDA, C++.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")


def failure(kind: str, message: str) -> dict[str, Any]:
    """What an exception of this class and message says about a method, as a part of its outcome."""
    lacking = kind == "MemoryError" or any(words in message for words in _NO_MEMORY)
    status = "out-of-memory" if lacking else "failed"
    return {"status": status, "error": {"class": kind, "message": message}}
