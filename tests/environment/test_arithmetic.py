from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossbench.environment.arithmetic import (
    arithmetic,
    autocast,
    derive_seed,
    find_device,
    thread_count,
)
from crossbench.environment.provenance import available_cores
from crossbench.errors import RequestError
from crossbench.specs import ComputeSettings

parts = st.lists(st.one_of(st.text(max_size=8), st.integers(0, 99)), min_size=1, max_size=4)


@given(parts)
def test_derived_seeds_fit_every_generator(values: list[str | int]) -> None:
    assert 0 <= derive_seed(*values) < 2**63
    assert derive_seed(*values) == derive_seed(*values)


def test_derived_seeds_differ_by_part() -> None:
    seeds = {derive_seed("weights", "blood", 43, fold) for fold in range(5)}
    assert len(seeds | {derive_seed("batches", "blood", 43, 0)}) == 6


def test_arithmetic_sets_and_restores() -> None:
    before = torch.get_num_threads(), torch.backends.cudnn.benchmark
    with arithmetic(ComputeSettings(threads=1, tf32=True)):
        assert torch.get_num_threads() == 1
        assert torch.backends.cudnn.deterministic
        assert torch.backends.cuda.matmul.allow_tf32
    assert (torch.get_num_threads(), torch.backends.cudnn.benchmark) == before
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("name", ["gpu", "mps", "meta"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match=f"device '{name}' is not auto, cpu, cuda or cuda:N"):
        find_device(name)


def test_absent_cuda_device_is_refused() -> None:
    with pytest.raises(RequestError, match=r"'cuda:99' is not present .*use --device cpu"):
        find_device("cuda:99")


def test_auto_finds_a_device() -> None:
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_autocast_follows_the_precision(precision: str, dtype: torch.dtype) -> None:
    matrix = torch.ones(4, 4)
    with autocast(torch.device("cpu"), precision):
        assert (matrix @ matrix).dtype is dtype


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("", None), ("0", None), ("all", None)])
def test_threads_are_the_presets_or_the_environments_or_all(
    monkeypatch: pytest.MonkeyPatch, asked: str, threads: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert thread_count(ComputeSettings(threads=1)) == 1
    assert thread_count(ComputeSettings()) == (threads or available_cores())
