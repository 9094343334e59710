"""Records that fit themselves and not their predictions, sealed anew by one who knows how."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_records import identified
from record_files import change_record, companion, unseal

from crossbench.cli import main
from crossbench.files.hashing import hash_file
from crossbench.results.records.benches import read_benches
from crossbench.results.records.files import read_predictions, read_record
from crossbench.results.records.merge import merge
from crossbench.results.records.store import Found, Store
from crossbench.results.records.validation import examine, validate

Scored = Callable[..., Any]


def exchange(path: Path, **arrays: Any) -> None:
    """Put other arrays in a record's predictions, and their digest into the record."""
    changed = dataclasses.replace(read_predictions(path), **arrays)
    np.savez_compressed(companion(path), **changed.to_arrays())
    digest = hash_file(companion(path))
    change_record(path, lambda mapping: mapping.update(predictions_sha256=digest))


def metric(name: str, value: float | None) -> Callable[[Path], None]:
    return lambda path: change_record(path, lambda m: m["metrics"].update({name: value}))


def other_predictions(path: Path) -> None:
    exchange(path, log_probabilities=read_predictions(path).log_probabilities[::-1].copy())


def other_labels(path: Path) -> None:
    exchange(path, label=read_predictions(path).log_probabilities.argmax(axis=1))


def other_samples(path: Path) -> None:
    exchange(path, index=read_predictions(path).index + 1)


def twice(path: Path) -> None:
    exchange(path, index=np.zeros(12, np.int64))


def fewer(path: Path) -> None:
    arrays = read_predictions(path)
    exchange(path, **{name: array[:-1] for name, array in arrays.to_arrays().items()})


TAMPERED: list[tuple[Callable[[Path], None], str]] = [
    (metric("balanced_accuracy", 0.999), "its balanced_accuracy is 0.999, and 0."),
    (metric("log_loss", 0.001), "its log_loss is 0.001, and "),
    (metric("accuracy", 7.5), "its accuracy is 7.5, outside [0, 1]"),
    (metric("accuracy", -3), "its accuracy is -3, outside [0, 1]"),
    (metric("mcc", -1.5), "its mcc is -1.5, outside [-1, 1]"),
    (metric("auroc", 0.75), "its auroc is 0.75, and 0."),
    (metric("mine", 0.75), "its metric 'mine' is none that can be computed again"),
    (lambda p: change_record(p, lambda m: m["metrics"].pop("f1")), "it lacks the metric 'f1'"),
    (
        lambda p: change_record(p, lambda m: m["per_class"].update(sensitivity=[1.0, 1.0, 1.0])),
        "its sensitivity by class is [1.0, 1.0, 1.0], and [",
    ),
    (other_predictions, "by its predictions"),
    (other_labels, "its predictions have other labels than its test part"),
    (other_samples, "its predictions are of other samples than its test part"),
    (twice, "its predictions name a sample twice, or none"),
    (fewer, "its predictions are of 11 samples, and 12 were tested on"),
    (
        lambda p: change_record(p, lambda m: m["provenance"].update(classes=["a", "b"])),
        "its predictions are over 3 classes, of 2",
    ),
    (lambda p: change_record(p, lambda m: m["key"].update(seed=44)), "its seed and fold is '44/0'"),
    (lambda p: change_record(p, lambda m: m["counts"].update(test=9)), "its count of test samples"),
]


@pytest.mark.parametrize(("tamper", "match"), TAMPERED)
def test_what_was_tampered_with_is_named_by_every_reader_that_computes_again(
    tmp_path: Path, scored: Scored, tamper: Callable[[Path], None], match: str
) -> None:
    root = tmp_path / "results"
    path, other = (Store(root).write(*scored(fold=fold)) for fold in (0, 1))
    tamper(path)
    ((file, what),) = validate(root).findings
    assert file == path
    assert match in what
    assert examine(path) == (path, what)
    assert examine(other) == Found(other, read_record(other))
    merged = merge([root], tmp_path / "all")
    assert merged == (1, [(path, what)])


@pytest.mark.parametrize("schema", [1, 2])
def test_what_a_run_left_holds(tmp_path: Path, scored: Scored, failure: Any, schema: int) -> None:
    path = Store(tmp_path).write(*scored())
    Store(tmp_path).write(failure("acs"), None)
    if schema == 1:
        unseal(path)
    assert validate(tmp_path)[:3] == (2, int(schema == 1), [])


def test_the_edited_metric_of_an_unsealed_record_is_named(tmp_path: Path, scored: Scored) -> None:
    path = Store(tmp_path).write(*scored())
    unseal(path)
    change_record(path, lambda m: m["metrics"].update(accuracy=0.999), seal=False)
    ((_, what),) = validate(tmp_path).findings
    assert what.startswith("its accuracy is 0.999, and ")


def test_an_area_that_schema_1_ranked_by_probabilities_holds(
    tmp_path: Path, scored: Scored
) -> None:
    """In float32 two of three probabilities are 1: a tie then, and told apart since."""
    record, predictions = scored()
    logs = np.log(np.array([[0.5, 0.5], [1e-9, 1 - 1e-9], [1e-12, 1 - 1e-12]]))
    arrays = {"index": np.arange(3), "label": np.array([0, 0, 1]), "log_probabilities": logs}
    predictions = dataclasses.replace(predictions, **arrays)
    scores = predictions.scores()
    fields = {"metrics": scores.metrics, "undefined": scores.undefined}
    record = identified(
        dataclasses.replace(
            record, counts={}, per_class=scores.per_class, partial=scores.partial, **fields
        ),
        predictions,
    )
    path = Store(tmp_path).write(record, predictions)
    assert scores.metrics["auroc"] == 1.0
    change_record(path, lambda m: m["metrics"].update(auroc=0.75))
    assert "its auroc is 0.75, and 1.0" in validate(tmp_path).findings[0].reason
    unseal(path)
    assert validate(tmp_path).findings == []


def test_a_duplicate_and_a_contradiction_are_named(tmp_path: Path, scored: Scored) -> None:
    path = Store(tmp_path).write(*scored())
    (tmp_path / "copy").mkdir()
    for file in (path, companion(path)):
        shutil.copy(file, tmp_path / "copy" / file.name)
    ((_, what),) = validate(tmp_path).findings
    assert what.startswith("a duplicate: ")
    Store(tmp_path / "copy").write(*scored(seed=1))
    shutil.rmtree(tmp_path / "standard")
    path = Store(tmp_path).write(*scored())
    findings = validate(tmp_path).findings
    assert path in [file for file, _ in findings]
    assert any("another file has other results of the same run" in what for _, what in findings)


def test_other_labels_of_the_same_samples_are_named(tmp_path: Path, scored: Scored) -> None:
    Store(tmp_path).write(*scored("acs"))
    record, predictions = scored("crossd")
    changed = dataclasses.replace(predictions, label=predictions.label[::-1].copy())
    scores = changed.scores()
    record = dataclasses.replace(
        record,
        metrics=scores.metrics,
        undefined=scores.undefined,
        per_class=scores.per_class,
    )
    path = Store(tmp_path).write(identified(record, changed), changed)
    ((file, what),) = validate(tmp_path).findings
    assert file == path
    assert what.startswith("its samples have other labels than in ")


def test_the_command_says_one_verdict_and_what_does_not_hold(
    tmp_path: Path, scored: Scored, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "results"
    path = Store(root).write(*scored())
    unsealed = Store(root).write(*scored(fold=1, seed=1))
    assert main(["validate", str(root)]) == 0
    assert capsys.readouterr().out == "all 2 records hold\n"
    unseal(unsealed)
    assert main(["validate", str(root)]) == 0
    assert capsys.readouterr().out == "all 2 records hold; 1 are of schema 1 and unsealed\n"
    other_predictions(path)
    assert main(["validate", str(root)]) == 1
    verdict, finding = capsys.readouterr().out.splitlines()
    assert verdict == "1 of 2 records do not hold; 1 are of schema 1 and unsealed"
    assert finding.startswith(f"  {path}: its ")
    assert main(["validate", str(root), "--json"]) == 1
    done = json.loads(capsys.readouterr().out)
    assert (done["holds"], done["records"], done["unsealed"]) == (False, 2, 1)
    assert done["findings"][0]["file"] == str(path)


def test_nothing_to_check_is_a_wrong_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["validate", str(tmp_path)]) == 2
    assert "holds no records" in capsys.readouterr().err


def test_damaged_bench_records_and_diagnostics_are_findings(tmp_path: Path, scored: Scored) -> None:
    (tmp_path / "x.bench.json").write_text("{}")
    assert read_benches([tmp_path])[1]
    assert "no bench record" in validate(tmp_path).findings[0].reason
