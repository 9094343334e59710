"""Seeds and the arithmetic environment, so that the same run gives the same bits."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from threadpoolctl import threadpool_limits

from crossbench.environment.provenance import available_cores
from crossbench.environment.state import restored
from crossbench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from crossbench.specs import ComputeSettings


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed that depends on every part and on nothing else.

    Each run derives its own streams, so a run that is resumed or run alone draws what it
    would have drawn in the full grid.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def find_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        RequestError: If the name is no device, or no such device is present.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise RequestError(f"device {name!r} is not auto, cpu, cuda or cuda:N") from error
    if device.type not in {"cpu", "cuda"}:
        raise RequestError(f"device {name!r} is not auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        msg = f"device {name!r} is not present ({torch.cuda.device_count()} CUDA devices found)"
        raise RequestError(f"{msg}; use --device cpu")
    return device


def thread_count(settings: ComputeSettings) -> int:
    """CPU threads that a run uses: the preset's, ``$OMP_NUM_THREADS``, or every core it may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return settings.threads or (int(asked) if asked.isdecimal() else 0) or available_cores()


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def arithmetic(settings: ComputeSettings) -> Iterator[None]:
    """Fix threads, TF32 and cuDNN's choice of algorithms; restore them and the rest afterwards."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    threads = thread_count(settings)
    with restored():
        torch.set_num_threads(threads)
        cudnn.deterministic, cudnn.benchmark = True, False
        cudnn.allow_tf32 = matmul.allow_tf32 = settings.tf32
        with threadpool_limits(threads):  # NumPy's and SciPy's own
            yield


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision where the preset asks for it, nothing otherwise."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
