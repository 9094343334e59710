"""One process, or several that fit a network together."""

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
class World:
    """The processes that fit one network together; every method is a no-op for one alone.

    Attributes:
        size: Number of processes.
        rank: Number of this one, from 0.
    """

    size: int = 1
    rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def add_up(self, values: Tensor) -> Tensor:
        """The sums of every process's values, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each floating-point tensor by its mean over the processes."""
        if self.size > 1:
            for tensor in tensors:
                if tensor.is_floating_point():
                    self.add_up(tensor).div_(self.size)

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, in the order of their ranks."""
        values = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value)
        return values

    def told(self, value: Any) -> Any:
        """What the first process says, so that all decide alike."""
        return self.gather(value)[0]

    def lead(self, work: Callable[[], None]) -> None:
        """Have the first process do something while the others wait; its failure is everyone's.

        Raises:
            CrossbenchError: The first process's, in each.
        """
        failure: CrossbenchError | None = None
        if self.leads:
            try:
                work()
            except CrossbenchError as error:
                failure = error
        failure = self.told(failure)
        if failure is not None:
            raise failure


@contextmanager
def joined(device: str) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that ``torchrun`` started; without it, be alone.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. Of several processes, each takes the
            CUDA device of its local rank.

    Yields:
        The processes, and the device of this one.

    Raises:
        RequestError: If the device is not there.
    """
    if not distributed.is_torchelastic_launched():
        yield World(), find_device(device)
        return
    own = find_device(device)
    if own.type == "cuda":
        own = find_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield World(size=distributed.get_world_size(), rank=distributed.get_rank()), own
    finally:
        distributed.destroy_process_group()
