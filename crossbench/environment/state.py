"""State that all runs of a process share: what a method's code changes of it is found and put back.

A method that sets the default dtype, the number of threads or a seed would otherwise change the
numbers of the runs after its own, whose identities say nothing of it.
"""

from __future__ import annotations

import os
import random
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn.modules import module as hooks

from crossbench.errors import StateError
from crossbench.errors.foreign import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VARIABLES = ("OMP_", "MKL_", "CUBLAS_", "CUDA_", "CUDNN_", "TORCH_", "PYTORCH_", "NVIDIA_")
_HOOKS = (
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
)


class _Part(NamedTuple):
    """One part of the state.

    Attributes:
        name: What it is called in messages.
        read: Its value.
        write: Sets it to a value that was read.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _attribute(owner: Any, name: str, title: str) -> _Part:
    return _Part(title, lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def _read_deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _write_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _write_device(value: torch.device) -> None:
    """None takes the mode away that a default device is; the CPU needs none."""
    torch.set_default_device(None if value.type == "cpu" else value)


def _read_denormals() -> bool:
    """Whether the smallest numbers are taken for 0, which torch sets and does not tell."""
    return bool((torch.full((), 1e-310, dtype=torch.float64, device="cpu") * 1).item() == 0)


def _read_anomalies() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _read_autocast() -> tuple[bool, bool]:
    return torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")


def _write_autocast(value: tuple[bool, bool]) -> None:
    for kind, enabled in zip(("cpu", "cuda"), value, strict=True):
        torch.set_autocast_enabled(kind, enabled)


def _read_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}


def _write_variables(value: dict[str, str]) -> None:
    for name in set(_read_variables()) - set(value):
        del os.environ[name]
    os.environ.update(value)


def _read_hooks() -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(getattr(hooks, name, ())) for name in _HOOKS)


def _write_hooks(value: tuple[tuple[int, ...], ...]) -> None:
    for name, kept in zip(_HOOKS, value, strict=True):
        found = getattr(hooks, name, {})
        for key in set(found) - set(kept):
            del found[key]


_CUDNN, _MKLDNN = torch.backends.cudnn, torch.backends.mkldnn
_PARTS = (
    _Part("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    _Part("torch's default device", torch.get_default_device, _write_device),
    _Part("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    _Part("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    _Part("torch's deterministic algorithms", _read_deterministic, _write_deterministic),
    _Part(
        "torch's precision of matrix products",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    _Part(
        "torch's anomaly detection",
        _read_anomalies,
        lambda value: torch.autograd.set_detect_anomaly(*value),
    ),
    _Part("torch's flushing of denormals", _read_denormals, torch.set_flush_denormal),
    _Part("torch's autocast", _read_autocast, _write_autocast),
    _Part("torch's global module hooks", _read_hooks, _write_hooks),
    *(
        _attribute(_CUDNN, name, f"torch.backends.cudnn.{name}")
        for name in ("enabled", "deterministic", "benchmark", "allow_tf32")
    ),
    _attribute(_MKLDNN, "enabled", "torch.backends.mkldnn.enabled"),
    _Part("NumPy's handling of errors", np.geterr, lambda value: np.seterr(**value)),
    _Part("the working folder", os.getcwd, os.chdir),
    _Part("environment variables that torch reads", _read_variables, _write_variables),
)


@contextmanager
def restored() -> Iterator[list[str]]:
    """Put the state back at the end as it was.

    Yields:
        A list, which says at the end what had been changed, from what to what.
    """
    before = [part.read() for part in _PARTS]
    changed: list[str] = []
    try:
        yield changed
    finally:
        for part, value in zip(_PARTS, before, strict=True):
            if (now := part.read()) != value:
                part.write(value)
                changed.append(_in_words(part, value, now))


def _in_words(part: _Part, before: Any, now: Any) -> str:
    if part.read is _read_variables:
        names = sorted(dict(before.items() ^ now.items()))
        return f"{part.name} ({', '.join(names)})"
    if part.read is _read_hooks:
        return part.name
    return f"{part.name} (from {before} to {now})"


@contextmanager
def unchanged() -> Iterator[None]:
    """Run code of a method, which may change nothing of the state; put it back if it does.

    Raises:
        StateError: If something was changed; it names what.
    """
    changed: list[str] = []
    try:
        with restored() as changed:
            yield
    except Exception as error:
        if changed:
            raise _changed(changed, f"; then {describe(error)}") from error
        raise
    if changed:
        raise _changed(changed)


def _changed(changed: list[str], more: str = "") -> StateError:
    return StateError(
        f"the method's code changed what all runs share: {'; '.join(changed)}; change it in your "
        f"layers for as long as they need it, and put it back{more}"
    )


@contextmanager
def importing(what: str) -> Iterator[None]:
    """Import foreign code; state that it changes is put back, with a warning that names it.

    Args:
        what: Whose code, for the warning.
    """
    with restored() as changed, own_randomness(0):
        yield
    if changed:
        warnings.warn(
            f"importing {what} changed what all runs share, which was put back: "
            f"{'; '.join(changed)}",
            stacklevel=3,
        )


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch, and put them back at the end.

    Args:
        seed: From 0 to 2**63 - 1; NumPy takes its lower 32 bits.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (it is global state)
    begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count() if begun else 0))):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
