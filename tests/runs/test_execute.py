"""What a run learns of its own network, its record keeps, and what becomes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossbench.cli import main
from crossbench.errors import RecordError
from crossbench.results.records.store import Store
from crossbench.runs.execute import write_success

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DULL = """\
from torch import nn
from crossbench_baselines.conv3d import Conv3d

class Dull(Conv3d):
    name = "dull"
    def layer_3d(self, layer):
        conv = super().layer_3d(layer)
        nn.init.zeros_(conv.weight)
        return conv
    draw_3d = None

method = Dull()
"""


@pytest.mark.parametrize(
    ("protocol", "part"), [("linear-probe", "training"), ("lora", "test"), ("weak-probe", "test")]
)
def test_features_that_tell_nothing_apart_are_said(
    make_task: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    protocol: str,
    part: str,
) -> None:
    (tmp_path / "dull.py").write_text(DULL)
    words = ["run", "--plugin", str(tmp_path / "dull.py"), "--method", "dull,conv3d"]
    words += ["--protocol", protocol, "--seeds", "43", "--folds", "0", "--task", str(make_task())]
    words += ["--data-dir", str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cpu"]
    words += ["--backbone", "test_resnet", "--set", "fit.epochs=1", "--set", "fit.lr=1e-9"]
    assert main([*words, "--set", "compute.threads=1"]) == 0
    note = f"100% of the network's features are the same for every sample of the {part} part"
    assert f"note: dull on blobs: {note}" in capsys.readouterr().err
    records = {record.key.method: record for record in Store(tmp_path / "out").records()}
    assert records["dull"].provenance["constant_features"] == 1.0
    assert any(warning.startswith(note) for warning in records["dull"].warnings)
    assert records["conv3d"].provenance["constant_features"] < 0.9
    assert not any(warning.startswith(note) for warning in records["conv3d"].warnings)
    assert "head" in records["conv3d"].provenance["learns"]


def test_a_success_that_cannot_be_written_is_a_failure_with_what_was_known_before(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["run", "--method", "conv3d", "--task", str(make_task()), "--seeds", "43"]
    words += ["--folds", "0", "--data-dir", str(tmp_path), "--out", str(tmp_path / "out")]
    words += ["--device", "cpu", "--backbone", "test_resnet", "--set", "fit.epochs=1"]
    assert main([*words, "--set", "compute.threads=1"]) == 0
    for record in Store(tmp_path / "out").records():
        store = Store(tmp_path / "other")
        written = write_success(store, record, lambda: store.write(record, None))  # noqa: B023
        found = store.find(record.key, record.identity)
        assert found is not None
        assert found.error == written.error
        assert found.error is not None
        assert found.error["class"] == "RecordError"
        assert found.error["message"].endswith("status 'ok' without predictions")
        assert found.status == "failed"
        assert (found.counts, found.provenance) == (record.counts, record.provenance)
        assert not found.metrics
        assert not found.timings
    nowhere = Store(tmp_path / "blobs.npz")
    with pytest.raises(RecordError, match=r"cannot be written: \[Errno 20\] Not a directory"):
        write_success(nowhere, record, lambda: nowhere.write(record, None))
