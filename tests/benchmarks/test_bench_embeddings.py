"""A run of a frozen encoder over embeddings that are kept, beside one that computes them."""

from __future__ import annotations

import shutil
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pytest

import crossbench
from crossbench.files.paths import cache_dir

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

CARD = """
name = "drawn"
kind = "recording"
title = "Noise in the form of the recordings that BrainLM was trained on"
modality = "Drawn"
classes = ["first", "second"]
licence = "CC0-1.0"
citation = "Drawn"
metric = "mcc"
version = 1
group = "recording"
source = { kind = "npz", file = "drawn.npz", remedy = "It is drawn." }
input = { atlas = "drawn-424", tr = 2.0, window = 200 }
"""
RECORDINGS = 12
MOST = 0.25  # of the time of a run that computes them, the median of three
_medians: dict[str, float] = {}


@pytest.fixture
def card(benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task of recordings of 424 regions, of 12 where the suite only checks this file."""
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    regions = 12 if benchmark.disabled else 424
    images = np.random.default_rng(0).standard_normal((RECORDINGS, regions, 200), np.float32)
    np.savez(tmp_path / "drawn.npz", images=images, labels=np.arange(RECORDINGS) % 2)
    (tmp_path / "drawn.toml").write_text(CARD)
    return tmp_path / "drawn.toml"


@pytest.mark.parametrize("embeddings", ["computed", "kept"])
def test_run(benchmark: BenchmarkFixture, card: Path, embeddings: str) -> None:
    benchmark.group = f"two folds of fmm-tc-random over {RECORDINGS} recordings, one epoch"
    features, out = cache_dir() / "features", card.parent / "results"

    def prepare() -> None:
        shutil.rmtree(out, ignore_errors=True)
        if embeddings == "computed":
            shutil.rmtree(features, ignore_errors=True)

    def run() -> None:
        table = crossbench.run(
            "fmm-tc-random",
            str(card),
            out=out,
            preset="fusion",
            seeds=[43],
            settings=["split.folds=2", "fit.epochs=1", "compute.threads=1"],
            backbone="test_resnet",
            data_dir=str(card.parent),
            device="cpu",
        )
        assert (table["status"] == "ok").all()

    rounds = 1 if benchmark.disabled else 3
    benchmark.pedantic(run, setup=prepare, rounds=rounds, warmup_rounds=int(embeddings == "kept"))
    assert len(list(features.iterdir())) == 1
    if benchmark.stats is not None:
        _medians[embeddings] = median(benchmark.stats.stats.data)
        assert _medians[embeddings] <= MOST * _medians["computed"] or embeddings == "computed"
