"""State that all runs share: each part is found where it changed, and put back."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from crossbench.environment.state import _PARTS, importing, own_randomness, unchanged
from crossbench.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGES: dict[str, Callable[[], Any]] = {
    "torch's default dtype (from torch.float32 to torch.float64)": (
        lambda: torch.set_default_dtype(torch.float64)
    ),
    "torch's default device (from cpu to meta)": lambda: torch.set_default_device("meta"),
    "torch's gradient mode (from True to False)": lambda: torch.set_grad_enabled(False),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch's precision of matrix products (from highest to medium)": (
        lambda: torch.set_float32_matmul_precision("medium")
    ),
    "torch's anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "torch's flushing of denormals": lambda: torch.set_flush_denormal(True),
    "torch's autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "torch's global module hooks": lambda: register_module_forward_hook(lambda *_: None),
    "torch.backends.cudnn.benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch.backends.mkldnn.enabled": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "NumPy's handling of errors": lambda: np.seterr(all="raise"),
    "the working folder": lambda: os.chdir("/"),
    "environment variables that torch reads (OMP_NUM_THREADS)": (
        lambda: os.environ.update(OMP_NUM_THREADS="7")
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_is_named_and_put_back(what: str) -> None:
    before = [part.read() for part in _PARTS]
    with (
        pytest.raises(StateError, match=r"changed what all runs share: .*put it back$") as told,
        unchanged(),
    ):
        CHANGES[what]()
    assert what in str(told.value)
    assert [part.read() for part in _PARTS] == before


def test_what_fails_for_a_change_names_both() -> None:
    with pytest.raises(StateError, match=r"gradient mode .*; then ValueError: no grad$"):
        _fail(lambda: torch.set_grad_enabled(False))
    assert torch.is_grad_enabled()


def test_what_changes_nothing_passes_with_its_errors() -> None:
    with unchanged(), torch.no_grad():
        pass
    with pytest.raises(ValueError, match=r"^no grad$"):
        _fail(lambda: None)


def _fail(first: Callable[[], object]) -> None:
    with unchanged():
        first()
        raise ValueError("no grad")


def test_randomness_is_ones_own_and_repeats() -> None:
    drawn = []
    for others in (1, 2):
        _seed(others)
        with own_randomness(2**62):
            drawn.append(_draw())
        after = _draw()
        _seed(others)
        assert after == _draw()
    assert drawn[0] == drawn[1]


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def _draw() -> tuple[float, float, float]:
    return random.random(), np.random.random(), float(torch.rand(()))  # noqa: NPY002


def test_an_import_that_changes_something_is_told_of() -> None:
    with pytest.warns(UserWarning, match=r"importing mine.py changed .* put back: .*default dtype"):
        _import(lambda: torch.set_default_dtype(torch.float64))
    assert torch.get_default_dtype() is torch.float32


def _import(body: Callable[[], object]) -> None:
    with importing("mine.py"):
        body()
