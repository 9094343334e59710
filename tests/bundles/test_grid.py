"""Grids and their holes."""

from __future__ import annotations

from typing import Any

import pytest

from crossbench.bundles.grid import holes
from crossbench.specs import RunKey, RunRecord


def record(
    task: str = "a",
    method: str = "mine",
    *,
    seed: int = 0,
    fold: int = 0,
    protocol: str = "finetune",
    **split: Any,
) -> RunRecord:
    plain = method != "mine"
    key = RunKey(
        preset="smoke",
        task=task,
        method=method,
        backbone="none" if plain else "resnet18",
        init="none" if plain else "random",
        protocol="plain" if plain else protocol,
        seed=seed,
        fold=fold,
    )
    return RunRecord(
        identity="",
        key=key,
        status="ok",
        source="embedded",
        dimension=3,
        metric="accuracy",
        provenance={"split": {"seeds": [0], "folds": 2, "run_folds": [], **split}},
    )


def plain(task: str = "a", folds: int = 2, seeds: int = 1) -> list[RunRecord]:
    return [
        record(task, name, seed=seed, fold=fold)
        for name in ("majority", "logistic")
        for fold in range(folds)
        for seed in range(seeds)
    ]


def names(records: list[RunRecord]) -> list[str]:
    return [f"{key} {key.protocol}" for key in holes(records)]


def test_a_whole_grid_has_no_holes() -> None:
    assert names([record(fold=0), record(fold=1), *plain()]) == []
    assert names([record(run_folds=[0]), *plain(folds=1)]) == []


def test_a_fold_that_was_asked_for_is_a_hole() -> None:
    assert names([record(fold=1), *plain()]) == ["mine on a, seed 0, fold 0 finetune"]


def test_a_seed_that_any_run_was_asked_for_is_a_hole() -> None:
    runs = [record(run_folds=[0]), *plain(folds=1, seeds=2)]
    assert names([*runs[:1], *plain(folds=1)]) == []
    asked = [record(run_folds=[0], seeds=[0, 1]), *plain(folds=1, seeds=2)]
    assert names(asked) == ["mine on a, seed 1, fold 0 finetune"]


def test_every_fit_is_asked_for_on_every_task() -> None:
    runs = [
        record("a", run_folds=[0]),
        record("a", run_folds=[0], protocol="lora"),
        record("b", run_folds=[0]),
        *plain("a", folds=1),
        *plain("b", folds=1),
    ]
    assert names(runs) == ["mine on b, seed 0, fold 0 lora"]


@pytest.mark.parametrize("name", ["majority", "logistic"])
def test_plain_baselines_are_asked_for(name: str) -> None:
    rest = [each for each in plain(folds=1) if each.key.method != name]
    assert names([record(run_folds=[0]), *rest]) == [f"{name} on a, seed 0, fold 0 plain"]


def test_a_covariate_is_asked_for_where_there_is_one() -> None:
    runs = [record(fold=0), record(fold=1), *plain(), record("a", "covariate", fold=0)]
    assert names(runs) == ["covariate on a, seed 0, fold 1 plain"]
