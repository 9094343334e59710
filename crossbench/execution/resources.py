"""Resources that runs ask of a machine or cluster: asked for, or measured from earlier runs."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from crossbench.execution.sweep import Item
    from crossbench.specs import RunRecord

_SPARE = 1.25  # of measured memory: what allocators keep, and runs that differ
_CUDA_CONTEXT = 2**30  # bytes that a process holds on a GPU before it holds any tensor
_SHARES = 100  # of a GPU


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one task asks for.

    Attributes:
        cpus: Threads that its runs compute on.
        gpus: GPUs, or a share of one.
        memory: Bytes; 0 asks for none.
    """

    cpus: int
    gpus: float = 0.0
    memory: int = 0

    def fit(self, node: Mapping[str, float]) -> int:
        """How many such tasks fit into the resources of a node at once."""
        each = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return min(int(node.get(name, 0) / need + 1e-9) for name, need in each.items() if need)

    def among(self, nodes: Iterable[Mapping[str, float]]) -> int:
        """How many fit into all nodes."""
        return sum(map(self.fit, nodes))

    def __str__(self) -> str:
        words = [f"{self.cpus} CPU"]
        words += [f"{self.gpus:g} GPU"] if self.gpus else []
        words += [f"{self.memory / 2**30:.1f} GiB of memory"] if self.memory else []
        return ", ".join(words)


class Needs:
    """What runs of each kind need, the more closely the more of them are done.

    The first run of a kind gets a GPU of its own, and asks for no memory but its limit.

    Args:
        gpu: Whether runs use a GPU.
        limit: Bytes that a run may hold; None does not limit.
    """

    def __init__(self, *, gpu: bool, limit: int | None) -> None:
        self._gpus, self._limit = float(gpu), limit
        self._held: dict[Hashable, int] = {}
        self._shares: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def of(self, kind: Hashable, *, cpus: int) -> Resources:
        """What a run of a kind asks for.

        Args:
            kind: What runs have in common that hold the same memory.
            cpus: Threads that it computes on.
        """
        with self._lock:
            return Resources(
                cpus=cpus,
                gpus=self._shares.get(kind, self._gpus),
                memory=self._limit or math.ceil(_SPARE * self._held.get(kind, 0)),
            )

    def learn(self, kind: Hashable, record: RunRecord) -> None:
        """Take in what a run that succeeded has held."""
        if record.status != "ok":
            return
        held: dict[str, Any] = record.peak_memory or {}
        with self._lock:
            self._held[kind] = max(self._held.get(kind, 0), held.get("process", 0))
            whole = record.provenance.get("hardware", {}).get("gpu_memory")
            if self._gpus and whole and "cuda" in held:
                share = gpu_share(held["cuda"], whole)
                self._shares[kind] = max(self._shares.get(kind, 0.0), share)


def kind_of(group: Sequence[Item]) -> Hashable:
    """What runs have in common that hold the same memory."""
    _, task, run = group[0]
    return run.key.method, task.card.name, run.key.protocol


def gpu_share(held: int, whole: int) -> float:
    """The share of a GPU that a run takes, in hundredths, rounded up.

    Args:
        held: Bytes of its tensors at most.
        whole: Bytes of the GPU.
    """
    part = (_SPARE * held + _CUDA_CONTEXT) / whole
    return min(1.0, math.ceil(part * _SHARES) / _SHARES)
