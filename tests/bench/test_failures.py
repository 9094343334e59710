"""Methods that cannot be measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossbench.bench.failures import failure


def test_a_refused_allocation_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as torch_error:
        torch.empty(2**48)
    with pytest.raises(MemoryError) as numpy_error:
        np.empty(2**60, np.uint8)
    for error in (torch_error.value, numpy_error.value):
        kind, message = type(error).__name__, str(error)
        assert failure(kind, message)["status"] == "out-of-memory"
    assert failure("RuntimeError", "shapes differ")["status"] == "failed"
