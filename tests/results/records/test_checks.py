"""Records that contradict themselves, sealed anew by one who knows how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from record_files import change_record, unseal

from crossbench.errors import RecordError
from crossbench.results.records.checks import COLUMNS, PREFIXES
from crossbench.results.records.files import read_record
from crossbench.results.records.store import Store

Change = Callable[[dict[str, Any]], Any]


def rehashed(change: Change) -> Change:
    """A change of the identity's parts, and of the identity with them."""
    from crossbench.results.records.identity import identity_of

    def changed(mapping: dict[str, Any]) -> None:
        change(mapping)
        mapping["identity"] = identity_of(mapping["provenance"]["hashes"])

    return changed


CHANGES: list[tuple[Change, str]] = [
    (lambda m: m["metrics"].update(accuracy=7.5), r"its accuracy is 7\.5, outside \[0, 1\]"),
    (lambda m: m["metrics"].update(accuracy=-3), r"its accuracy is -3, outside \[0, 1\]"),
    (lambda m: m["metrics"].update(log_loss=-1e-9), r"its log_loss is -1e-09, outside \[0, inf\]"),
    (lambda m: m["metrics"].update(f1=None), "its f1 is undefined without a reason"),
    (lambda m: m["key"].update(seed=44), "its seed and fold is '44/0', and '43/0' in its identity"),
    (lambda m: m["key"].update(fold=1), "its seed and fold is '43/1', and '43/0' in its identity"),
    (lambda m: m["key"].update(method="acs"), "its method is 'acs', and 'crossd' in its identity"),
    (lambda m: m["key"].update(task="derma"), "its task is 'derma', and 'blood' in its identity"),
    (lambda m: m["key"].update(backbone="vgg"), "its backbone is 'vgg', and 'resnet18' in its"),
    (lambda m: m["key"].update(protocol="finetune"), "its protocol is 'finetune', and 'weak-pr"),
    (lambda m: m["key"].update(init="in1k"), "its init 'in1k' is not the one in its identity"),
    (lambda m: m.update(source="phantom"), "its source is 'phantom', and 'real' in its identity"),
    (lambda m: m.update(dimension=3), "its dimension is 3, and 2 in its identity"),
    (lambda m: m.update(grouped=False), "its grouped is False, and True in its identity"),
    (lambda m: m.update(identity="0" * 64), "its identity is not the hash of its parts"),
    (
        lambda m: m["provenance"]["hashes"].update(data="other"),
        "its identity is not the hash of its parts",
    ),
    (lambda m: m["provenance"].update(hashes="none"), "its identity is not the hash of its parts"),
    (lambda m: m["counts"].update(test=13), "its count of test samples is 13, and 12 in its ident"),
    (lambda m: m["counts"].pop("train"), "its count of train samples is None, and 80 in its ident"),
    (lambda m: m["provenance"]["split"].update(folds=3), r"its split\.folds is 3, and 5 in its"),
    (lambda m: m["provenance"]["split"].update(scheme="paper"), r"its split\.scheme is 'paper'"),
    (lambda m: m["provenance"].update(max_samples=9), "its max_samples is 9, and None in its iden"),
    (
        lambda m: m["provenance"]["facts"]["split"]["test"].update(labels=""),
        "its facts of the split are not those in its identity",
    ),
    (lambda m: m["provenance"].pop("facts"), "its facts of the task are not those in its identity"),
    (
        lambda m: m["provenance"]["settings"]["fit"].update(epochs=99),
        "its settings are not those in its identity",
    ),
    (lambda m: m["provenance"].update(settings=None), "its settings are not those in its identity"),
    (
        rehashed(
            lambda m: (
                m["key"].update(fold=7),
                m["provenance"]["hashes"].update(seed="43/7"),
            )
        ),
        "its fold 7 is none of the 5 folds of its split",
    ),
    (
        rehashed(
            lambda m: (
                m["key"].update(fold=-1),
                m["provenance"]["hashes"].update(seed="43/-1"),
            )
        ),
        "its seed 43 or fold -1 is negative",
    ),
    (lambda m: m["provenance"]["split"].update(seeds=[1]), r"its seed 43 is none of its split's"),
    (
        lambda m: m["provenance"]["split"].update(run_folds=[1]),
        r"its fold 0 is none of those that were run, \[1\]",
    ),
    (lambda m: m.update(status="failed"), "its status is 'failed' with metrics"),
    (lambda m: m.update(metrics={}), "its status is 'ok' without metrics"),
    (lambda m: m.update(predictions=None), "its status is 'ok' without predictions"),
    (lambda m: m.update(error={"class": "E", "message": ""}), "its status is 'ok' with an error"),
    (lambda m: m["metrics"].update(task=0.5), "its metric 'task' has the name of another column"),
    (lambda m: m.update(metric="path"), "its metric 'path' has the name of another column"),
    (lambda m: m["metrics"].update(hash_data=0.5), "'hash_data' has the name of another column"),
    (lambda m: m.update(timings={"fit": -1.0}), r"its timings\.fit is -1, which is negative"),
    (lambda m: m.update(selected_epoch=2), "its selected_epoch is 2, of 0 epochs"),
]


@pytest.mark.parametrize(("change", "match"), CHANGES)
def test_a_record_that_contradicts_itself_is_refused_by_name(
    tmp_path: Path, scored: Callable[..., Any], change: Change, match: str
) -> None:
    path = Store(tmp_path).write(*scored())
    change_record(path, change)
    with pytest.raises(RecordError, match=match) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}: its ")
    assert [each.path for each in Store(tmp_path).broken()] == [path]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: m["key"].update(seed=44), "its seed and fold is '44/0'"),
        (lambda m: m["metrics"].update(accuracy=7.5), r"its accuracy is 7\.5"),
        (lambda m: m.update(status="skipped"), "its status is 'skipped' with metrics"),
        (lambda m: m["provenance"]["hashes"].update(data=""), "not the hash of its parts"),
    ],
)
def test_records_of_schema_1_are_held_to_what_they_tell(
    tmp_path: Path, scored: Callable[..., Any], change: Change, match: str
) -> None:
    path = Store(tmp_path).write(*scored())
    unseal(path)
    change_record(path, lambda m: m["provenance"]["hashes"].update(card="a"), seal=False)
    assert read_record(path).status == "ok"
    change_record(path, change, seal=False)
    with pytest.raises(RecordError, match=match):
        read_record(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: m.update(error=None), "its status is 'failed' without the class and message"),
        (lambda m: m.update(error={"class": "E"}), "'failed' without the class and message of an"),
        (lambda m: m.update(weights="x.safetensors"), "its status is 'failed' with weights"),
        (lambda m: m.update(status="ok"), "its status is 'ok' without metrics"),
    ],
)
def test_a_failure_is_held_to_what_failures_leave(
    tmp_path: Path, failure: Callable[..., Any], change: Change, match: str
) -> None:
    path = Store(tmp_path).write(failure(), None)
    change_record(path, change)
    with pytest.raises(RecordError, match=match):
        read_record(path)


def test_what_no_reader_takes_is_not_written(tmp_path: Path, scored: Callable[..., Any]) -> None:
    with pytest.raises(RecordError, match="crossd on blood, seed 43, fold 7: its fold 7 is none"):
        Store(tmp_path / "results").write(*scored(fold=7))
    assert not (tmp_path / "results").exists()


def test_the_columns_that_no_metric_may_be_called_are_those_of_the_frame(
    frame: Callable[..., Any], record: Callable[..., Any]
) -> None:
    from crossbench.evaluation.metrics import METRICS

    made = record(
        timings={"fit": 1.0}, parameters={"total": 1}, cost={"gmacs": 1.0}, selected={"C": 1.0}
    )
    columns = set(frame(made)) - set(METRICS)
    assert {name for name in columns if not name.startswith(PREFIXES)} == COLUMNS
    assert not {name for name in METRICS if name in COLUMNS or name.startswith(PREFIXES)}
