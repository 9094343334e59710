"""What no run leaves behind, and what two honest runs may share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbench.results.records.plausibility import copies, implausible_times
from crossbench.results.records.store import Found, Store, read_file

Scored = Callable[..., Any]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
TIMES = {"build": 1.0, "train": 5.0, "validate": 1.0, "test": 2.0, "total": 10.0}
STAGED = {"selected_epoch": 1, "curve": ({"epoch": 1},), "timings": TIMES}


def faults(scored: Scored, **changes: Any) -> list[str]:
    return list(implausible_times(scored(**STAGED | changes)[0], NOW))


def test_what_a_run_leaves_is_plausible(scored: Scored) -> None:
    assert faults(scored) == []
    assert faults(scored, timings={}) == []
    assert faults(scored, timings={"total": 2.0}) == []


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        ({"total": 0.0}, "its run took 0 s in total"),
        ({"train": 0.0}, "its phase 'train' took 0 s"),
        ({"train": 9.0}, "its phases took 13 s, more than the 10 s of the whole run"),
    ],
)
def test_times_that_cannot_be(scored: Scored, times: dict[str, float], fault: str) -> None:
    assert faults(scored, timings=TIMES | times) == [fault]


def test_shared_features_may_take_longer_than_a_linear_probe(scored: Scored) -> None:
    probe = {"selected_epoch": None, "curve": (), "protocol": "linear-probe"}
    assert faults(scored, **probe, timings=TIMES | {"test": 100.0}) == []


def test_a_plain_baseline_may_take_no_time_to_fit(scored: Scored) -> None:
    plain = {"selected_epoch": None, "curve": (), "timings": {"train": 0.0, "total": 0.1}}
    assert list(implausible_times(scored("majority", **plain)[0], NOW)) == []


def test_more_work_than_a_device_does(scored: Scored) -> None:
    on_cpu = {"hardware": {"device": "cpu"}}
    assert faults(scored, cost={"gmacs": 1.0}, provenance=on_cpu) == []
    (fault,) = faults(scored, cost={"gmacs": 1e5}, provenance=on_cpu)
    assert fault == "it did 1e+15 multiply-adds a second on cpu; no such device does 1e+14"
    assert faults(scored, cost={"gmacs": 1e5}, provenance={"hardware": {"device": "cuda:0"}}) == []


@pytest.mark.parametrize(
    ("started", "fault"),
    [
        ("2026-06-01T00:59:00+00:00", ""),
        ("2026-06-01T02:00:00+00:00", "which is in the future"),
        ("2026-01-01T00:00:00", "of no known time zone"),
        (None, "it started at None, which is no time"),
    ],
)
def test_a_start_that_cannot_be(scored: Scored, started: str | None, fault: str) -> None:
    assert fault in "".join(faults(scored, provenance={"started": started}))
    assert bool(fault) == bool(faults(scored, provenance={"started": started}))


# --------------------------------------------------------------------------------- copies


def copied(root: Path, *runs: Any) -> list[str]:
    """The methods of records that are copies of an earlier one's."""
    store = Store(root)
    found = [item for run in runs if isinstance(item := read_file(store.write(*run)), Found)]
    return [each.path.parent.name for each in copies(found)]


@pytest.mark.parametrize("dimension", [2, 3])
def test_another_seeds_predictions_are_a_copy(
    tmp_path: Path, scored: Scored, dimension: int
) -> None:
    one, other = scored(dimension=dimension), scored(fold=1, dimension=dimension)
    assert copied(tmp_path, one, other) == ["crossd"]
    assert copied(tmp_path / "else", one, scored(fold=1, seed=1)) == []


def test_another_methods_predictions_are_a_copy_in_3d(tmp_path: Path, scored: Scored) -> None:
    one, other = scored(dimension=3), scored("mine", dimension=3)
    assert copied(tmp_path / "3d", one, other) == ["mine"]
    assert copied(tmp_path / "2d", scored(), scored("mine")) == []


def test_a_copy_in_another_order_is_one(tmp_path: Path, scored: Scored) -> None:
    one, (record, predictions) = scored(dimension=3), scored(fold=1, dimension=3)
    rows = predictions.log_probabilities[::-1].copy()
    other = record, dataclasses.replace(predictions, log_probabilities=rows)
    assert copied(tmp_path, one, other) == ["crossd"]


def test_a_baselines_predictions_are_a_copy(tmp_path: Path, scored: Scored) -> None:
    runs = [scored("logistic", dimension=3), scored(dimension=3), scored("majority", dimension=3)]
    assert copied(tmp_path, *runs) == ["crossd"]


def test_constant_predictions_are_no_copies(tmp_path: Path, scored: Scored) -> None:
    def constant(fold: int) -> Any:
        record, predictions = scored(fold=fold, dimension=3)
        rows = np.repeat(predictions.log_probabilities[:1], len(predictions.index), axis=0)
        return record, dataclasses.replace(predictions, log_probabilities=rows)

    assert copied(tmp_path, constant(0), constant(1)) == []


def test_linear_probes_of_the_same_weights_may_agree(tmp_path: Path, scored: Scored) -> None:
    probe = {"dimension": 3, "init": "ours", "protocol": "linear-probe"}
    assert copied(tmp_path / "a", scored(**probe), scored("mine", **probe)) == []
    staged = probe | {"protocol": "finetune", "selected_epoch": 1, "curve": ({},)}
    assert copied(tmp_path / "b", scored(**staged), scored("mine", **staged)) == ["mine"]


def test_a_run_made_again_may_agree(tmp_path: Path, scored: Scored) -> None:
    again = scored(dimension=3, hashes={"harness": "0.1.1"})
    assert copied(tmp_path, scored(dimension=3), again) == []
