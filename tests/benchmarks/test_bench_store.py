"""Writing and reading records, beside bare JSON files without checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from made_records import identified

from crossbench.results.records.frame import to_frame
from crossbench.results.records.store import Found, Predictions, Store
from crossbench.specs import RunKey, RunRecord
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture


def run(number: int) -> tuple[RunRecord, Predictions]:
    """One finished run of 15 epochs, and its 200 predictions."""
    key = RunKey(
        preset="standard",
        task="blobs",
        method="mine",
        backbone="resnet18",
        init="random",
        protocol="weak-probe",
        seed=43 + number // 5,
        fold=number % 5,
    )
    made = RunRecord(
        identity="",
        key=key,
        status="ok",
        source="real",
        dimension=2,
        metric="accuracy",
        metrics={"accuracy": 0.5},
        curve=tuple({"epoch": epoch, "train_loss": 0.7} for epoch in range(15)),
        provenance={"hashes": {"method": "a", "task": "b"}, "settings": {}, "split": {}},
    )
    logs = np.full((200, 2), np.log(0.5), np.float32)
    index = np.arange(200)
    predictions = Predictions(index=index, label=index % 2, log_probabilities=logs)
    return identified(made, predictions), predictions


@pytest.mark.parametrize("way", ["bare", "store"])
def test_write(benchmark: BenchmarkFixture, tmp_path: Path, way: str) -> None:
    record, predictions = run(0)
    store = Store(tmp_path)

    def bare() -> None:
        (tmp_path / "record.json").write_text(json.dumps(to_mapping(record), indent=1))
        np.savez_compressed(tmp_path / "record.npz", **vars(predictions))

    benchmark.group = "writing a record and its predictions"
    benchmark(bare if way == "bare" else lambda: store.write(record, predictions))


@pytest.mark.parametrize("way", ["bare", "store", "frame"])
def test_read(benchmark: BenchmarkFixture, tmp_path: Path, way: str) -> None:
    store = Store(tmp_path)
    for number in range(3 if benchmark.disabled else 100):
        record, predictions = run(number)
        store.write(record, predictions)

    def bare() -> list[Any]:
        return [json.loads(path.read_bytes()) for path in store.files()]

    def frame() -> Any:
        return to_frame(item for item in store.scan() if isinstance(item, Found))

    benchmark.group = "reading a hundred records"
    call = {"bare": bare, "store": lambda: list(store.scan()), "frame": frame}[way]
    assert len(benchmark(call)) > 2
