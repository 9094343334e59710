"""Small layers and setups, and methods that go wrong in the ways that a bench must survive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crossbench.bench.cases import Layer
from crossbench.bench.jobs import Job, Setup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLUGIN = """\
import os, signal, torch
from torch import nn

class Layer(nn.Module):
    def forward(self, x):
        {body}

class Sick:
    name, dims = {name!r}, (2,)
    def layer_2d(self, conv): return Layer()
    def layer_3d(self, layer): return layer

method = Sick()
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., str]:
    """Write a method whose layer does what ``body`` says, and return its file."""

    def make(name: str, body: str) -> str:
        file = tmp_path / f"{name}.py"
        file.write_text(PLUGIN.format(name=name, body=body))
        return str(file)

    return make


@pytest.fixture
def killed(plugin: Callable[..., str]) -> str:
    """A method that is ended as the system ends a process that takes too much memory."""
    return plugin("killed", "os.kill(os.getpid(), signal.SIGKILL)")


@pytest.fixture
def greedy(plugin: Callable[..., str]) -> str:
    """A method that asks for more memory than there is."""
    return plugin("greedy", "return torch.empty(2**48)")


@pytest.fixture
def job() -> Callable[..., Job]:
    """A job about a layer of a few hundred values; further fields by name."""

    def make(
        what: str = "time", *methods: str, plugins: tuple[str, ...] = (), **fields: Any
    ) -> Job:
        setup = Setup(device="cpu", repeats=6, plugins=plugins)
        layer = Layer(name="small", shape=(2, 4, 6, 7), outputs=4)
        named: dict[str, Any] = {"layer": layer, "batch": 2, "setup": setup} | fields
        return Job(what=what, methods=methods, **named)  # type: ignore[arg-type]

    return make
