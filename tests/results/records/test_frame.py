from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbench.evaluation.metrics import METRICS
from crossbench.results.records.loading import load_results
from crossbench.results.records.store import Store


def test_one_row_a_run_with_everything_a_table_needs(tmp_path: Path, scored: Any) -> None:
    record, predictions = scored(
        timings={"fit": 2.5, "test": 0.3, "total": 3.0},
        parameters={"total": 10, "trainable": 4},
        cost={"gmacs": 1.8},
        selected={"C": 0.01},
        peak_memory={"process": 1024},
        counts={"train": 30, "test": 12},
        warnings=("the validation part has one class",),
        hashes={"method": "0123456789"},
    )
    path = Store(tmp_path).write(record, predictions)
    frame = load_results(tmp_path)
    assert len(frame) == 1
    row = frame.iloc[0]
    for name in ("preset", "task", "method", "backbone", "init", "protocol", "seed", "fold"):
        assert row[name] == getattr(record.key, name)
    for name in ("status", "source", "dimension", "metric", "grouped", "identity"):
        assert row[name] == getattr(record, name)
    for name in METRICS:
        assert row[name] == record.metrics[name]
    assert row["score"] == record.metrics["balanced_accuracy"]
    assert row["seconds_fit"] == 2.5
    assert row["parameters_trainable"] == 4
    assert row["cost_gmacs"] == 1.8
    assert row["ms_per_sample"] == pytest.approx(25)
    assert row["selected_C"] == 0.01
    assert row["bytes_process"] == 1024
    assert row["samples_train"] == 30
    assert row["warnings"] == "the validation part has one class"
    assert (row["error_class"], row["error_message"]) == ("", "")
    assert row["hash_method"] == "01234567"
    assert row["path"] == str(path)


def test_a_failure_is_a_row_with_its_reason(frame: Any, failure: Any, record: Any) -> None:
    row = frame(record(), failure(fold=1)).iloc[1]
    assert (row["error_class"], row["error_message"]) == ("RuntimeError", "out of memory")
    assert np.isnan(row["score"])
    assert all(np.isnan(row[name]) for name in METRICS)


@pytest.mark.parametrize("lacking", [{"timings": {}}, {"counts": {}}, {"counts": {"test": 0}}])
def test_a_run_that_was_not_timed_has_no_time_a_sample(
    frame: Any, record: Any, lacking: Any
) -> None:
    whole: dict[str, Any] = {"timings": {"test": 1.0}, "counts": {"test": 4}}
    rows = frame(record(**whole), dataclasses.replace(record(fold=1, **whole), **lacking))
    assert rows["ms_per_sample"].tolist() == pytest.approx([250, np.nan], nan_ok=True)


def test_an_undefined_metric_is_nan(frame: Any, record: Any) -> None:
    row = frame(record(metrics={"auroc": None, "accuracy": 0.5}, metric="auroc")).iloc[0]
    assert np.isnan(row["auroc"])
    assert np.isnan(row["score"])


def test_a_metric_named_like_a_column_takes_no_columns_place(frame: Any, record: Any) -> None:
    assert frame(record(metrics={"status": 0.5, "accuracy": 0.25})).iloc[0]["status"] == "ok"


def test_settings_say_which_runs_may_be_pooled(frame: Any, record: Any) -> None:
    settings = {
        "backbone": "resnet18",
        "protocol": {"name": "weak-probe", "title": "words", "stages": [{"name": "head"}]},
        "fit": {"epochs": 15},
        "drop_keys": ["bn"],
    }
    split = {"scheme": "standard", "folds": 5, "seeds": [43], "run_folds": [0]}
    row = frame(record(settings=settings, provenance={"split": split, "max_samples": 240})).iloc[0]
    assert json.loads(row["fit_settings"]) == {
        "fit.epochs": 15,
        "protocol.stages": [{"name": "head"}],
    }
    assert json.loads(row["split_settings"]) == {
        "split.scheme": "standard",
        "split.folds": 5,
        "input.max_samples": 240,
        "crossbench": "0.1.0",
    }


@pytest.mark.parametrize(
    ("name", "digest", "shown"),
    [
        ("random", "random", "random"),
        ("random", None, "random"),  # of a record that does not say
        ("random", "ab" * 32, "random (file)"),
        ("in1k", "random", "random"),
        ("in1k", "ab" * 32, "in1k"),
    ],
)
def test_the_hash_says_which_weights_are_random(
    frame: Any, record: Any, name: str, digest: str | None, shown: str
) -> None:
    hashes = {} if digest is None else {"hashes": {"init": digest}}
    made = record(init=name, provenance=hashes)
    assert frame(made)["init"].tolist() == [shown]


@pytest.mark.parametrize("value", [None, "abc", 3, ["x"]])
def test_provenance_of_another_form_is_no_obstacle(frame: Any, record: Any, value: Any) -> None:
    odd = {"hashes": value, "split": value, "settings": value}
    row = frame(dataclasses.replace(record(), provenance=odd)).iloc[0]
    assert row["hash_method"] == ""
    assert row["fit_settings"] == "{}"


def test_reading_results_imports_no_torch(tmp_path: Path, scored: Any) -> None:
    Store(tmp_path).write(*scored())
    code = (
        "import sys; from crossbench.results.report.report import report; "
        f"report([{str(tmp_path)!r}]); sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_what_is_partial_is_in_the_frame(frame: Any, record: Any) -> None:
    reason = "class 'atypical': absent from the labels"
    runs = frame(record(), record(fold=1, partial={"f1": reason}))
    assert list(runs["partial"]) == ["", json.dumps({"f1": reason})]
