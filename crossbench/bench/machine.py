"""What a machine is and can do: fingerprint, free memory, speed of a matrix product."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import mean
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

import torch

from crossbench.environment.arithmetic import finish
from crossbench.environment.provenance import hardware, package_versions
from crossbench.files.checkout import git_state

if TYPE_CHECKING:
    from crossbench.bench.jobs import Setup

_SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
_TRIES = 5
_CGROUP = Path("/sys/fs/cgroup")


def describe(setup: Setup, device: torch.device) -> dict[str, Any]:
    """The facts that every record of a command shares."""
    return {
        "provenance": {
            "hardware": hardware(device),
            "versions": package_versions(),
            "git": git_state(),
        },
        "peak_flops": peak_flops(device, setup.dtype),
        "free_memory": free_memory(device),
    }


def peak_flops(device: torch.device, dtype: str) -> float:
    """Operations a second of a large square matrix product, the best of five."""
    side = _SIDE[device.type]
    one = torch.randn(
        side, side, device=device, dtype=torch.bfloat16 if dtype == "bfloat16" else torch.float32
    )
    seconds = []
    for _ in range(_TRIES):
        finish(device)
        begin = perf_counter()
        one @ one
        finish(device)
        seconds.append(perf_counter() - begin)
    return 2 * side**3 / min(seconds)


def load() -> float:
    """Threads that others keep running on this machine, the mean over a second."""
    others = []
    for _ in range(10):
        try:
            running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0]
        except OSError:  # not Linux
            return os.getloadavg()[0]
        others.append(max(0, int(running) - 1))  # one is this thread
        sleep(0.1)
    return mean(others)


def free_memory(device: torch.device) -> int:
    """Bytes that may still be allocated: on the device, or in this machine or its container."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    group = _group_memory()
    return _system_memory() if group is None else min(group, _system_memory())


def _system_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux: all there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _group_memory() -> int | None:
    """What this container may still take, its cached files given up; None without a limit."""
    try:
        limit, used = (int((_CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # no such group, or a limit of "max"
        return None
    cached = sum(int(line.split()[1]) for line in stat if line.startswith("file "))
    return limit - used + cached
