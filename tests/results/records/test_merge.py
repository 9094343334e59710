"""Several results folders in one."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import companion

from crossbench.errors import RecordError, RequestError
from crossbench.results.records.benches import BenchRecord, read_benches, write_bench
from crossbench.results.records.diagnostics import Diagnostics, read_diagnostics
from crossbench.results.records.files import read_record
from crossbench.results.records.merge import merge
from crossbench.results.records.pretrainings import (
    PretrainRecord,
    read_pretrainings,
    write_pretraining,
)
from crossbench.results.records.store import Store

Scored = Callable[..., Any]


def test_merging_copies_whole_records(tmp_path: Path, scored: Scored, failure: Any) -> None:
    for fold in range(3):
        Store(tmp_path / "a").write(*scored(fold=fold))
    for fold in range(2, 5):
        Store(tmp_path / "b").write(*scored(fold=fold))
    Store(tmp_path / "b").write(failure("acs"), None)

    merged = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert merged == (6, [])
    store = Store(tmp_path / "c")
    assert store.broken() == []
    assert sorted((record.key.method, record.key.fold) for record in store.records()) == [
        ("acs", 0),
        *(("crossd", fold) for fold in range(5)),
    ]
    source = Store(tmp_path / "a").path_of(scored()[0].key, scored()[0].identity)
    target = store.root / source.relative_to(tmp_path / "a")
    assert target.read_bytes() == source.read_bytes()
    assert companion(target).name == companion(source).name
    assert companion(target).read_bytes() == companion(source).read_bytes()


def test_merging_again_changes_nothing(tmp_path: Path, scored: Scored) -> None:
    Store(tmp_path / "a").write(*scored())
    merge([tmp_path / "a"], tmp_path / "c")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c").rglob("*.*")}
    assert merge([tmp_path / "a"], tmp_path / "c").copied == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "c").rglob("*.*")} == before


def test_merging_replaces_a_failed_run_by_a_finished_one(
    tmp_path: Path, scored: Scored, failure: Any
) -> None:
    Store(tmp_path / "c").write(failure(), None)
    Store(tmp_path / "a").write(*scored())
    assert merge([tmp_path / "a"], tmp_path / "c").copied == 1
    assert [record.status for record in Store(tmp_path / "c").records()] == ["ok"]
    shutil.rmtree(tmp_path / "a")
    Store(tmp_path / "a").write(failure(), None)
    assert merge([tmp_path / "a"], tmp_path / "c").copied == 0


def test_a_conflict_is_an_error_and_nothing_is_copied(tmp_path: Path, scored: Scored) -> None:
    Store(tmp_path / "a").write(*scored(fold=1))
    Store(tmp_path / "a").write(*scored())
    target = Store(tmp_path / "c").write(*scored(seed=1))
    before = target.read_bytes()
    with pytest.raises(RecordError, match="same run, different results"):
        merge([tmp_path / "a"], tmp_path / "c")
    assert target.read_bytes() == before
    assert len(list(Store(tmp_path / "c").records())) == 1


def test_merging_leaves_broken_files_where_they_are_and_names_them(
    tmp_path: Path, scored: Scored
) -> None:
    Store(tmp_path / "a").write(*scored())
    (tmp_path / "a" / "b.json").write_text("{")
    merged = merge([tmp_path / "a"], tmp_path / "c")
    assert merged.copied == 1
    assert [broken.path.name for broken in merged.broken] == ["b.json"]
    assert Store(tmp_path / "c").broken() == []


def test_merging_from_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="does not exist"):
        merge([tmp_path / "a"], tmp_path / "c")
    with pytest.raises(RequestError, match="no results folder given"):
        merge([], tmp_path / "c")


def test_merging_takes_diagnostics_along(tmp_path: Path, scored: Scored) -> None:
    source = Store(tmp_path / "one")
    record, predictions = scored()
    diagnostics = Diagnostics(
        identity=record.identity,
        index=np.arange(2),
        drawn=np.arange(1),
        layers={"conv": {"angle": np.zeros(2, dtype=np.float32)}},
    )
    source.write(record, predictions, diagnostics=diagnostics)
    merge([source.root], tmp_path / "all")
    copied = Store(tmp_path / "all").path_of(record.key, record.identity)
    assert read_diagnostics(copied, read_record(copied)) is not None


def test_merging_takes_weights_along(tmp_path: Path, scored: Scored) -> None:
    def write_weights(file: Path) -> None:
        file.write_bytes(b"weights")

    source = Store(tmp_path / "one")
    path = source.write(*scored(), write_weights)
    assert merge([source.root], tmp_path / "all").copied == 1
    copied = tmp_path / "all" / path.relative_to(source.root)
    assert read_record(copied) == read_record(path)
    assert companion(copied, "weights").read_bytes() == b"weights"


# ------------------------------------------------------------------- records of other kinds


def bench(**changes: Any) -> BenchRecord:
    fields: dict[str, Any] = {
        "kind": "ops",
        "workload": "forward",
        "case": "small",
        "dimension": 2,
        "shape": (8, 64, 128, 128),
        "batch": 8,
        "settings": {},
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "baseline": "",
        "measurements": (),
    }
    return BenchRecord(**fields | changes)


def pretrain(folder: Path, network: bytes, seed: int = 43) -> Path:
    """A pretrained network and its record, as ``crossbench pretrain`` leaves them in a folder."""
    path = folder / "pretrain" / "blobs" / "conv2d-resnet18-01234567" / f"seed{seed}-fold0.x"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".safetensors").write_bytes(network)
    record = PretrainRecord(
        identity=f"{seed:064}",
        recipe="01234567" * 8,
        data="blobs",
        source="embedded",
        layers="conv2d",
        backbone="resnet18",
        seed=seed,
        fold=0,
        num_classes=2,
        counts={"train": 2, "val": 2},
        settings={},
        world_size=1,
        selected_epoch=1,
        curve=(),
        throughput=1.0,
        metrics={},
        undefined={},
        parameters=1,
        checkpoint=path.with_suffix(".safetensors").name,
        checkpoint_sha256=hashlib.sha256(network).hexdigest(),
    )
    write_pretraining(path.with_suffix(".pretrain.json"), record)
    return path.with_suffix(".pretrain.json")


def test_merging_takes_benches_along(tmp_path: Path, scored: Scored) -> None:
    Store(tmp_path / "a").write(*scored())
    write_bench(tmp_path / "a", bench())
    write_bench(tmp_path / "b", bench(threads=2))
    write_bench(tmp_path / "b", bench(baseline="first stands"))
    write_bench(tmp_path / "c", bench(threads=2, baseline="what is there stays"))
    merged = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert merged == (2, [])
    found, _ = read_benches([tmp_path / "c"])
    assert sorted((each.record.threads, each.record.baseline) for each in found) == [
        (1, ""),
        (2, "what is there stays"),
    ]
    assert merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c").copied == 0


def test_merging_takes_pretrained_networks_along(tmp_path: Path) -> None:
    path = pretrain(tmp_path / "a", b"network")
    broken = pretrain(tmp_path / "a", b"another", seed=44)
    broken.with_name("seed44-fold0.safetensors").write_bytes(b"changed")
    merged = merge([tmp_path / "a" / "pretrain"], tmp_path / "c")
    assert merged.copied == 1
    assert [(each.path, each.reason) for each in merged.broken] == [
        (
            broken,
            "its checkpoint 'seed44-fold0.safetensors' is gone or another; pretrain it again",
        )
    ]
    copied = tmp_path / "c" / path.relative_to(tmp_path / "a")
    assert [each.path for each in read_pretrainings([tmp_path / "c"])[0]] == [copied]
    assert copied.with_name("seed43-fold0.safetensors").read_bytes() == b"network"
    assert merge([tmp_path / "a"], tmp_path / "c").copied == 0


def test_a_folder_with_nothing_to_merge_is_named(tmp_path: Path) -> None:
    write_bench(tmp_path / "a", bench())
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=r"empty' holds no records"):
        merge([tmp_path / "a", tmp_path / "empty"], tmp_path / "c")
    assert not (tmp_path / "c").exists()
