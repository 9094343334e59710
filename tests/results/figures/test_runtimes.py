from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from crossbench.results.figures.runtimes import runtimes, workloads


def row(method: str = "crossd", **changes: Any) -> dict[str, Any]:
    return {
        "kind": "models",
        "workload": "forward",
        "case": "224x224",
        "dimension": 2,
        "shape": (8, 3, 224, 224),
        "batch": 8,
        "settings": "{}",
        "machine": "Some CPU, 2 cores",
        "fingerprint": "aaaa",
        "dtype": "float32",
        "threads": 1,
        "torch": "2.9",
        "method": method,
        "baseline": "nn.Conv2d",
        "ms": 20.0,
        "repeats": 8,
        "ratio": 2.0,
        "ratio_low": 1.9,
        "ratio_high": 2.2,
        "started": "2026-01-01",
    } | changes


FRAME = pd.DataFrame(
    [
        row("nn.Conv2d", ratio=1.0),
        row("crossd"),
        row("crossd", ratio=2.5, started="2026-02-01"),
        row("acs", case="64x64", ratio=float("nan")),
        row("conv3d", kind="ops", dimension=3, workload="train-step"),
        row("crossd", machine="A GPU", fingerprint="bbbb"),
    ]
)


def test_what_was_timed_is_named() -> None:
    assert workloads(FRAME) == ["2D network, forward", "3D layer, train-step"]
    assert workloads(pd.DataFrame()) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_there_is_a_chart_a_machine_of_the_latest_times(valid: Any, theme: Any) -> None:
    gpu, cpu = runtimes(FRAME, "2D network, forward", theme=theme)
    assert valid(gpu)
    assert valid(cpu)
    assert [gpu.name, cpu.name] == ["runtimes-1", "runtimes-2"]
    assert "on A GPU" in gpu.alt
    assert cpu.data[["method", "ratio"]].to_numpy().tolist() == [["crossd", 2.5]]


def test_the_baseline_is_named_and_not_drawn() -> None:
    (figure,) = runtimes(FRAME, "3D layer, train-step")
    assert figure.title == "Time against nn.Conv2d"
    assert list(figure.data["method"]) == ["conv3d"]
