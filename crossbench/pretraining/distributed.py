"""Data-parallel training: one process, or the group of processes that ``torchrun`` started."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from crossbench.environment.arithmetic import find_device
from crossbench.errors import CrossbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ProcessGroup:
    """The processes that train one network; every method is a no-op for one alone.

    Attributes:
        size: Number of processes.
        rank: Number of this one, from 0.
    """

    size: int = 1
    rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which writes the files."""
        return self.rank == 0

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum values over the processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each floating-point tensor by its mean over the processes."""
        if self.size > 1:
            for tensor in tensors:
                if tensor.is_floating_point():
                    self.all_reduce(tensor).div_(self.size)

    def gather(self, value: Any) -> list[Any]:
        """Gather every process's value, in the order of ranks."""
        values = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """Broadcast rank 0's value."""
        return self.gather(value)[0]

    def on_main(self, work: Callable[[], None]) -> None:
        """Do something in rank 0 while the others wait.

        Raises:
            CrossbenchError: Rank 0's, in every process.
        """
        failure: CrossbenchError | None = None
        if self.is_main:
            try:
                work()
            except CrossbenchError as error:
                failure = error
        failure = self.broadcast(failure)
        if failure is not None:
            raise failure


@contextmanager
def process_group(device: str) -> Iterator[tuple[ProcessGroup, torch.device]]:
    """Join the process group that ``torchrun`` started; without it, a group of one.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. Of several processes, each takes the
            CUDA device of its local rank.

    Yields:
        The group, and the device of this process.

    Raises:
        RequestError: If the device is not there.
    """
    if not distributed.is_torchelastic_launched():
        yield ProcessGroup(), find_device(device)
        return
    own = find_device(device)
    if own.type == "cuda":
        own = find_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(size=distributed.get_world_size(), rank=distributed.get_rank()), own
    finally:
        distributed.destroy_process_group()
