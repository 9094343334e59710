"""Real records, written by a real store, with numbers that look like results."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
from made_records import identified

from crossbench.evaluation.probabilities import as_stored, log_softmax
from crossbench.results.records.store import Predictions, Store
from crossbench.specs import RunKey, RunRecord

#: A method whose name would be bold, red and a formula if it were taken for markup.
MARKUP = "<b>*x*</b> [y](z) $w$"
METHODS = {"crossd": 1.2, "acs": 1.0, "conv3d": 0.7, MARKUP: 0.5, "majority": 0.0}
NODULES = ("nodule-malignancy", "nodule-sphericity")
HARDWARE = {"device": "cpu", "processor": "Test processor", "cores": 2, "system": "Linux x86_64"}
SEEDS, FOLDS, SAMPLES = (43, 44), 3, 40


def make_run(
    method: str,
    task: str,
    seed: int = 43,
    fold: int = 0,
    *,
    skill: float = 1.0,
    dimension: Literal[2, 3] = 2,
    source: Literal["real", "embedded", "phantom"] = "embedded",
    **changes: Any,
) -> tuple[RunRecord, Predictions]:
    """A finished run whose predictions are as good as ``skill``, and its predictions."""
    plain = method == "majority"
    key = RunKey(
        preset="standard",
        task=task,
        method=method,
        backbone="none" if plain else "resnet18",
        init="none" if plain else "random",
        protocol="plain" if plain else "weak-probe",
        seed=seed,
        fold=fold,
    )
    predictions = _predictions(key, 0.0 if plain else skill)
    scores = predictions.scores()
    settings = {"backbone": "resnet18", "fit": {"epochs": 3, "lr": 1e-3}}
    split = {"scheme": "standard", "folds": FOLDS, "seeds": list(SEEDS), "run_folds": []}
    record = RunRecord(
        identity="",
        key=key,
        status="ok",
        source=source,
        dimension=dimension,
        metric="balanced_accuracy",
        grouped=True,
        metrics=scores.metrics,
        undefined=scores.undefined,
        per_class=scores.per_class,
        curve=() if plain else _curve(skill),
        selected_epoch=None if plain else 3,
        counts={"train": 80, "val": 20, "test": SAMPLES},
        parameters={} if plain else {"total": 11_000_000, "trainable": _trainable(method)},
        timings={"test": 0.4, "total": 9.0 + fold},
        peak_memory={"process": 10**9},
        provenance={
            "hashes": {"harness": "0.1.0", "method": method, "task": task, "data": task},
            "settings": None if plain else settings,
            "split": split,
            "max_samples": None,
            "versions": {"python": "3.11.7", "numpy": "2.4.6"},
            "hardware": HARDWARE,
            "threads": 1,
            "started": f"2026-01-01T00:0{fold}:00+00:00",
        },
    )
    return identified(dataclasses.replace(record, **changes), predictions), predictions


def _trainable(method: str) -> int:
    return 5_000 + 1_000 * len(method)


def _predictions(key: RunKey, skill: float) -> Predictions:
    """Of two classes, told apart the better the greater the skill; none is a flat guess."""
    random = np.random.default_rng([key.seed, key.fold, *map(ord, key.method + key.task)])
    label = np.arange(SAMPLES) % 2
    logit = skill * (2 * label - 1) + random.normal(size=SAMPLES) * (skill > 0)
    return Predictions(
        index=np.arange(SAMPLES) + SAMPLES * key.fold,
        label=label.astype(np.int64),
        log_probabilities=as_stored(log_softmax(np.stack([0 * logit, logit], axis=1))),
    )


def _curve(skill: float) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "stage": "probe",
            "lr": 1e-3,
            "train_loss": 0.7 - 0.1 * skill * epoch,
            "val_loss": 0.72 - 0.08 * skill * epoch,
            "val_accuracy": 0.5 + 0.05 * skill * epoch,
        }
        for epoch in range(3)
    )


def write_results(root: Path) -> None:
    """Two tasks in 2D and 3D of embedded data, and phantoms of another."""
    store = Store(root)
    for method, skill in METHODS.items():
        for seed in SEEDS:
            for fold in range(FOLDS):
                where = (method, seed, fold)
                for task in NODULES:
                    _write(store, *where, f"{task}-2d", skill=skill)
                    _write(store, *where, f"{task}-3d", skill=skill + 0.2, dimension=3)
                _write(store, *where, "blood", skill=skill, source="phantom")
    failed, _ = make_run("acs", "nodule-malignancy-3d", 44, 2, dimension=3)
    error = {"class": "OutOfMemoryError", "message": f"no memory left for {MARKUP}"}
    store.write(
        dataclasses.replace(
            failed, status="failed", metrics={}, curve=(), selected_epoch=None, error=error
        ),
        None,
    )
    (root / "standard" / "broken.json").write_text('{"half": ')


def _write(store: Store, method: str, seed: int, fold: int, task: str, **changes: Any) -> None:
    store.write(*make_run(method, task, seed, fold, **changes))
