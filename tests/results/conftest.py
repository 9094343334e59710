"""Hand-made runs: a record is written in one line, and its numbers are chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_records import identified

from crossbench.evaluation.probabilities import as_stored, log_of
from crossbench.files.hashing import hash_json
from crossbench.results.records.frame import to_frame
from crossbench.results.records.store import Predictions
from crossbench.specs import RunKey, RunRecord

PLAIN = ("majority", "logistic", "covariate")
FIT = {"backbone": "resnet18", "fit": {"epochs": 15, "lr": 1e-3}, "drop_keys": []}
SPLIT = {"scheme": "standard", "folds": 5, "seeds": [43], "run_folds": []}


def make_record(
    method: str = "crossd",
    task: str = "blood",
    fold: int = 0,
    *,
    score: float | None = 0.5,
    settings: dict[str, Any] | None = None,
    hashes: dict[str, str] | None = None,
    provenance: dict[str, Any] | None = None,
    predictions: Predictions | None = None,
    **changes: Any,
) -> RunRecord:
    """A record of a finished run with this balanced accuracy; further fields by name.

    Fields of the key and of the record may both be given; the identity follows from all.
    """
    plain = method in PLAIN
    key_fields = {field.name for field in dataclasses.fields(RunKey)}
    key = RunKey(
        **{
            "preset": "standard",
            "task": task,
            "method": method,
            "backbone": "none" if plain else "resnet18",
            "init": "none" if plain else "random",
            "protocol": "plain" if plain else "weak-probe",
            "seed": 43,
            "fold": fold,
        }
        | {name: value for name, value in changes.items() if name in key_fields}
    )
    origin: dict[str, Any] = {
        "hashes": {"harness": "0.1.0", "method": method, "task": task, "data": task}
        | (hashes or {}),
        "settings": None if plain else (settings if settings is not None else FIT),
        "split": SPLIT,
        "max_samples": None,
        "started": "2026-01-01T00:00:00+00:00",
    } | (provenance or {})
    fields: dict[str, Any] = {
        "status": "ok",
        "source": "real",
        "dimension": 2,
        "metric": "balanced_accuracy",
        "grouped": True,
        "metrics": {"balanced_accuracy": score, "accuracy": score, "log_loss": 0.7},
    } | {name: value for name, value in changes.items() if name not in key_fields}
    if fields["status"] != "ok":
        fields["metrics"] = {}
    origin["hashes"]["key"] = hash_json(repr((key, origin)))  # as different as they are
    made = RunRecord(**{"identity": "", "key": key, "provenance": origin} | fields)
    return identified(made, make_predictions() if predictions is None else predictions)


def make_failure(*where: Any, message: str = "out of memory", **changes: Any) -> RunRecord:
    error = {"class": "RuntimeError", "message": message}
    return make_record(*where, **{"status": "failed", "error": error} | changes)


def make_frame(*records: RunRecord) -> pd.DataFrame:
    return to_frame((Path(f"{number}.json"), record) for number, record in enumerate(records))


def make_predictions(seed: int = 0, count: int = 12, classes: int = 3) -> Predictions:
    """Predictions by seed, of the same samples whatever the seed."""
    samples, random = np.random.default_rng(0), np.random.default_rng(seed)
    return Predictions(
        index=np.sort(samples.permutation(10 * count)[:count]),
        label=samples.integers(0, classes, count),
        log_probabilities=as_stored(log_of(random.dirichlet(np.ones(classes), count))),
    )


@pytest.fixture
def record() -> Callable[..., RunRecord]:
    return make_record


@pytest.fixture
def failure() -> Callable[..., RunRecord]:
    return make_failure


@pytest.fixture
def frame() -> Callable[..., pd.DataFrame]:
    return make_frame


@pytest.fixture
def predictions() -> Callable[..., Predictions]:
    return make_predictions


@pytest.fixture
def scored() -> Callable[..., tuple[RunRecord, Predictions]]:
    """A record and the predictions that its metrics were computed from."""

    def make(*where: Any, seed: int = 0, **changes: Any) -> tuple[RunRecord, Predictions]:
        predictions = make_predictions(seed)
        scores = predictions.scores()
        fields = {
            "metrics": scores.metrics,
            "undefined": scores.undefined,
            "partial": scores.partial,
            "per_class": scores.per_class,
        }
        return make_record(*where, predictions=predictions, **fields | changes), predictions

    return make
