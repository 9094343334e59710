"""The protocol on networks of volumes: which part stays, what is kept, what chooses the epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import crossbench
from crossbench.files.paths import cache_dir
from crossbench.protocols import find_protocol
from crossbench.registry.presets import choose_preset, find_preset
from crossbench.results.records.files import read_predictions, read_record

if TYPE_CHECKING:
    from collections.abc import Callable

METHOD = """
import torch
from torch import nn

class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 6)
    def forward(self, inputs):
        pooled = nn.functional.adaptive_avg_pool3d(inputs[:, :1], (2, 2, 2))
        return self.layer(pooled.flatten(3).flatten(1, 2)).tanh()

class Both(nn.Module):
    remarks = ("halves overlap in nothing",)
    def __init__(self, classes):
        super().__init__()
        self.frozen = Halves()
        self.standardise = nn.BatchNorm1d(6, affine=False)
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(24, 5))
        self.head = nn.Linear(11, classes) if classes else nn.Identity()
    def get_classifier(self):
        return self.head
    def fuse(self, inputs, embedded):
        return self.head(torch.cat([self.standardise(embedded), self.pooled(inputs)], 1))
    def forward(self, inputs):
        return self.fuse(inputs, self.frozen(inputs).mean(1))

class Alone(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool3d(2), nn.Flatten())
        self.head = nn.Linear(24, classes) if classes else nn.Identity()
    def get_classifier(self):
        return self.head
    def forward(self, inputs):
        return self.head(self.pooled(inputs))

class Fusing:
    name, inputs, image_weights, network = "fusing", ("volume",), False, Both
    def build(self, request):
        return type(self).network(request.num_classes)

class Whole(Fusing):
    name, network = "whole", Alone

"""
FIT = ["fit.epochs=3", "fit.lr=0.02", "compute.threads=1"]
LEARNS = {"pooled": 24 * 5 + 5, "head": 11 * 2 + 2}


@pytest.fixture
def run(
    tmp_path: Path, make_task: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[Path]]:
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    plugin = tmp_path / "fusing.py"
    plugin.write_text(METHOD)
    card = make_task(dimension=3)

    def once(method: str = "fusing", out: str = "results", *more: str, **options: Any) -> Any:
        table = crossbench.run(
            method,
            str(card),
            out=tmp_path / out,
            preset="fusion",
            seeds=[43],
            folds=[0, 1],
            plugins=[f"{plugin}:{method.capitalize()}"],
            settings=[*FIT, *more],
            data_dir=str(card.parent),
            device="cpu",
            **options,
        )
        rows = table[table["method"] == method].sort_values("fold")
        assert (rows["status"] == "ok").all(), rows["error_message"].tolist()
        return [Path(path) for path in rows["path"]]

    return once


def rows(path: Any) -> np.ndarray:
    return read_predictions(path).log_probabilities


def test_a_run_is_recorded_with_what_learnt_and_what_chose(run: Callable[..., Any]) -> None:
    record = read_record(run()[0])
    assert record.provenance["learns"] == LEARNS
    assert record.parameters == {
        "total": 4 * 6 + 6 + sum(LEARNS.values()),
        "trainable": sum(LEARNS.values()),
    }
    found = [row["val_mcc"] for row in record.curve]
    assert record.selected_epoch == 1 + int(np.argmax(found))
    assert record.metric == "mcc"
    assert "fusing: halves overlap in nothing" in record.warnings
    assert record.provenance["settings"]["fusion"] == {
        "standardise": True,
        "windows": "mean",
        "zero_grad": "step",
        "select": "mcc",
        "select_on": "validation",
    }


def test_the_encoder_stays_the_same_in_every_fold(run: Callable[..., Any]) -> None:
    paths = run(save_weights=True)
    first, second = (load_file(path.with_name(str(read_record(path).weights))) for path in paths)
    frozen = [key for key in first if key.startswith("frozen.")]
    assert frozen
    assert all(torch.equal(first[key], second[key]) for key in frozen)
    assert not torch.equal(first["head.weight"], second["head.weight"])
    assert not torch.equal(first["standardise.running_mean"], torch.zeros(6))


def test_embeddings_are_kept_and_give_the_same_bits(run: Callable[..., Any]) -> None:
    before = run()
    (file,) = (cache_dir() / "features").iterdir()
    kept = file.read_bytes()
    again = run("fusing", "again")
    assert file.read_bytes() == kept  # the seconds that they took included
    assert all(np.array_equal(rows(one), rows(two)) for one, two in zip(before, again, strict=True))


def test_other_settings_of_the_fit_take_the_same_embeddings(run: Callable[..., Any]) -> None:
    run()
    run("fusing", "again", "fit.lr=0.01")
    assert len(list((cache_dir() / "features").iterdir())) == 1


def test_a_network_without_an_encoder_learns_whole(run: Callable[..., Any]) -> None:
    record = read_record(run("whole")[0])
    assert record.provenance["learns"] == {"head": 50}
    assert "extract" not in record.timings


def test_choosing_on_the_test_part_is_said(run: Callable[..., Any]) -> None:
    path = run("fusing", "results", 'fusion.select_on="test"', 'fusion.select="mcc"')[0]
    record = read_record(path)
    assert any("the epoch was chosen on the test part" in each for each in record.warnings)
    best = max(row["val_mcc"] for row in record.curve)
    assert record.metrics["mcc"] == pytest.approx(best)


def test_the_code_of_the_paper_chooses_on_the_test_part_by_no_preset() -> None:
    for name in ("fmm-paper", "fusion"):
        assert find_preset(name).fusion.select_on == "validation"


def test_only_what_bears_on_the_fit_is_a_setting() -> None:
    protocol = find_protocol("frozen-fusion")
    plain, other = (
        protocol.settings(choose_preset("fusion", settings))
        for settings in ((), ("fit.milestone=0.9", "fit.gamma=0.5", "lora.rank=2"))
    )
    assert plain == other
    assert set(plain) == {"protocol", "input", "fit", "fusion"}
