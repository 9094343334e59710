"""What every command pays before it begins: a bare interpreter, our start, and reading specs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from crossbench.specs import RunKey, RunRecord
from crossbench.specs.reader import from_mapping, to_mapping

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "crossbench --help": ["-P", "-m", "crossbench", "--help"],
    "crossbench list tasks": ["-P", "-m", "crossbench", "list", "tasks"],
}
MOST = 0.3  # seconds beyond a bare interpreter, the median of ten
_medians: dict[str, float] = {}


def processor_time() -> float:
    """Seconds that finished child processes computed, whatever else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with bytecode, as an installed package has it after its first start."""
    folder = str(tmp_path_factory.mktemp("bytecode"))
    kept = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": folder}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.benchmark(timer=processor_time)
def test_start(benchmark: BenchmarkFixture, compiled: dict[str, str], name: str) -> None:
    command = [sys.executable, *COMMANDS[name]]

    def start() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=compiled)

    benchmark.group = "starting"
    benchmark.pedantic(start, rounds=10, warmup_rounds=1)
    if benchmark.stats is not None:
        _medians[name] = median(benchmark.stats.stats.data)
        assert _medians[name] - _medians["python -c pass"] <= MOST


RECORD = RunRecord(
    identity="0" * 64,
    key=RunKey(
        preset="standard",
        task="blobs",
        method="mine",
        backbone="resnet18",
        init="random",
        protocol="weak-probe",
        seed=43,
        fold=0,
    ),
    status="ok",
    source="real",
    dimension=2,
    metric="accuracy",
    metrics=dict.fromkeys("abcdefgh", 0.5),
    curve=tuple({"epoch": epoch, "train_loss": 0.7} for epoch in range(15)),
)


@pytest.mark.parametrize("way", ["json alone", "from_mapping"])
def test_read_a_record(benchmark: BenchmarkFixture, way: str) -> None:
    text = json.dumps(to_mapping(RECORD))
    mapping: dict[str, Any] = json.loads(text)

    def read() -> Any:
        return (
            json.loads(text) if way == "json alone" else from_mapping(RunRecord, mapping, where="")
        )

    benchmark.group = "reading a record"
    assert benchmark(read) in (mapping, RECORD)
