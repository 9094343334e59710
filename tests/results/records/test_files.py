from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from made_records import identified
from record_files import change_record, companion, unseal

from crossbench.errors import RecordError
from crossbench.evaluation.metrics import METRICS
from crossbench.results.records.files import read_predictions, read_record
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.store import Store
from crossbench.specs import RunKey, RunRecord

# --------------------------------------------------------------------- round trips

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INT64 = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INT64 | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.builds(
    RunKey,
    **{name: st.text() for name in ("preset", "task", "backbone", "init", "protocol")},
    method=st.text().map(lambda name: name.replace(":", "")),  # which sets off hyperparameters
    seed=st.integers(0, 2**32),
    fold=st.integers(0, 4),
)
METRIC_NAMES = st.sampled_from(["accuracy", "f1", "mine"])
SHARES = st.none() | st.floats(0, 1)
NOT_NEGATIVE = st.floats(0, allow_infinity=False)
RECORDS = st.builds(
    RunRecord,
    identity=st.just(""),
    key=KEYS,
    status=st.sampled_from(["ok", "failed", "skipped"]),
    source=st.sampled_from(["real", "embedded", "phantom"]),
    dimension=st.sampled_from([2, 3]),
    metric=METRIC_NAMES,
    grouped=st.none() | st.booleans(),
    metrics=st.dictionaries(METRIC_NAMES, SHARES, min_size=1, max_size=3),
    undefined=st.fixed_dictionaries(dict.fromkeys(["accuracy", "f1", "mine"], st.text())),
    per_class=st.dictionaries(
        st.text(), st.lists(st.none() | NUMBERS, max_size=3).map(tuple), max_size=3
    ),
    curve=st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=3).map(tuple),
    timings=st.dictionaries(st.text(), NOT_NEGATIVE, max_size=3),
    warnings=st.lists(st.text(), max_size=3).map(tuple),
    error=st.fixed_dictionaries({"class": st.text(), "message": st.text()}),
    provenance=st.dictionaries(st.text(min_size=9), JSON, max_size=3),
)


def as_left_by_a_run(drawn: RunRecord) -> RunRecord:
    """What was drawn, with what goes with its status and nothing else."""
    done = drawn.status == "ok"
    lacking: dict[str, Any] = {"error": None} if done else {"metrics": {}, "undefined": {}}
    return identified(dataclasses.replace(drawn, **lacking))


PREDICTIONS = st.tuples(st.integers(0, 20), st.integers(2, 5), st.integers(0, 2**32 - 1))


def draw_predictions(count: int, classes: int, seed: int) -> Predictions:
    random = np.random.default_rng(seed)
    return Predictions(
        index=random.integers(0, 2**40, count),
        label=random.integers(0, classes, count),
        log_probabilities=-random.random((count, classes), dtype=np.float32),
    )


@given(record=RECORDS.map(as_left_by_a_run), shape=PREDICTIONS)
@settings(max_examples=60)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, record: RunRecord, shape: tuple[int, int, int]
) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "round-trip")
    predictions = draw_predictions(*shape) if record.status == "ok" else None
    path = store.write(record, predictions)

    found = store.find(record.key, record.identity)
    assert found == read_record(path)
    assert found is not None
    assert found.sealed
    nothing = {"predictions": None, "predictions_sha256": None, "digest": None}
    assert dataclasses.replace(found, **nothing) == record
    if predictions is not None:
        again = read_predictions(path)
        for field in dataclasses.fields(Predictions):
            one, other = getattr(predictions, field.name), getattr(again, field.name)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_every_metric_can_be_computed_again(tmp_path: Path, scored: Callable[..., Any]) -> None:
    record, predictions = scored()
    path = Store(tmp_path).write(record, predictions)
    again = read_predictions(path)
    scores = again.scores()
    stored = read_record(path)
    assert scores.metrics == stored.metrics
    assert scores.undefined == stored.undefined
    assert scores.partial == stored.partial
    assert scores.per_class == stored.per_class
    assert list(stored.metrics) == list(METRICS)


def test_the_record_is_text_that_a_person_can_read(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(*scored())
    text = path.read_text(encoding="ascii")
    assert json.loads(text)["key"]["method"] == "crossd"
    assert len(text.splitlines()) > 20


# ------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"index": np.arange(3, dtype=np.int32)}, "index is int32 of shape .3,.; it must be int64"),
        ({"label": np.zeros((3, 1), np.int64)}, r"label is int64 of shape \(3, 1\).*with 1 axes"),
        ({"log_probabilities": np.zeros((3, 2), np.float16)}, "float16.*must be float32"),
        ({"log_probabilities": np.zeros(3, np.float32)}, "must be float32 with 2 axes"),
        ({"label": np.zeros(2, np.int64)}, "2 rows of label, 3 of index"),
    ],
)
def test_predictions_of_another_form_are_refused(changes: dict[str, Any], match: str) -> None:
    arrays: dict[str, Any] = {
        "index": np.arange(3),
        "label": np.zeros(3, np.int64),
        "log_probabilities": np.zeros((3, 2), np.float32),
    }
    with pytest.raises(RecordError, match=match):
        Predictions(**arrays | changes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"metrics": {"accuracy": float("nan")}}, "crossd on blood, seed 43, fold 0: .*not JSON"),
        ({"timings": {"fit": float("inf")}}, "cannot be written as JSON: .*not JSON compliant"),
        ({"provenance": {"threads": np.int64(2)}}, "type int64 is not JSON serializable"),
    ],
)
def test_what_json_cannot_hold_is_refused_and_nothing_is_written(
    tmp_path: Path, scored: Callable[..., Any], changes: dict[str, Any], match: str
) -> None:
    record, predictions = scored(**changes)
    with pytest.raises(RecordError, match=match):
        Store(tmp_path / "results").write(record, predictions)
    assert not (tmp_path / "results").exists()


def test_weights_are_named_by_the_record_and_checked(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    def write_weights(file: Path) -> None:
        file.write_bytes(b"weights")

    store = Store(tmp_path)
    path = store.write(*scored(), write_weights)
    record = read_record(path)
    digest = hashlib.sha256(b"weights").hexdigest()
    assert record.weights == f"{path.stem}.{digest[:16]}.safetensors"
    assert record.weights_sha256 == digest
    file = companion(path, "weights")
    file.write_bytes(b"other weights")
    with pytest.raises(RecordError, match=r"not the ones it was written with; .*--save-weights"):
        read_record(path)
    file.unlink()
    with pytest.raises(RecordError, match=r"its weights cannot be read: .*; run it again"):
        read_record(path)
    change_record(path, lambda mapping: mapping.update(weights="../elsewhere.safetensors"))
    with pytest.raises(RecordError, match="must be the name of a file beside it"):
        read_record(path)


def test_a_run_that_is_written_again_without_weights_has_none(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(*scored(), lambda file: file.touch())
    assert companion(path, "weights").exists()
    Store(tmp_path).write(*scored())
    assert read_record(path).weights is None
    assert sorted(path.parent.iterdir()) == sorted([path, companion(path)])


def test_predictions_come_with_a_finished_run_and_only_with_one(
    tmp_path: Path, record: Any, failure: Any, predictions: Any
) -> None:
    store = Store(tmp_path)
    with pytest.raises(RecordError, match=r"crossd on blood.*status 'ok' without predictions"):
        store.write(record(), None)
    with pytest.raises(RecordError, match="status 'failed' with predictions"):
        store.write(failure(), predictions())


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(RecordError, match=r"results/standard/.*\.json: cannot be written"):
        Store(tmp_path / "results").write(*scored())


def test_a_number_too_large_for_a_float_is_refused(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    record, predictions = scored()
    path = Store(tmp_path).write(record, predictions)
    text = re.sub(r'"accuracy": [0-9.e-]+', '"accuracy": 1e400', path.read_text())
    path.write_text(text)
    with pytest.raises(RecordError, match="1e400 is not a JSON number that a float can hold"):
        read_record(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda m: m.update(schema_version=3),
            "version 3 is unknown; this crossbench reads 1 and 2",
        ),
        (lambda m: m.update(schema_version=True), "schema version True is unknown"),
        (lambda m: m.pop("schema_version"), "no run record: it has no schema_version"),
        (lambda m: m.update(colour="red"), "unknown key 'colour'"),
        (lambda m: m.pop("status"), "required key 'status' is missing"),
        (lambda m: m["key"].pop("fold"), r"required key 'key\.fold' is missing"),
        (lambda m: m.update(status="great"), "key 'status' is 'great'; it must be one of 'ok'"),
        (lambda m: m.update(dimension="2"), "key 'dimension' is '2'"),
        (lambda m: m.update(metrics=[0.5]), r"key 'metrics' is \[0.5\]; it must be a table"),
        (lambda m: m["metrics"].update(accuracy="0.9"), "key 'metrics.accuracy' is '0.9'"),
        (lambda m: m.update(metrics={"accuracy": float("nan")}), "NaN is not a JSON number"),
        (lambda m: m.update(predictions="../x.npz"), "'../x.npz' must be the name of a file"),
        (lambda m: m.update(predictions="..\\x.npz"), "must be the name of a file beside it"),
        (lambda m: m.update(predictions="gone.npz"), "its predictions cannot be read"),
        (lambda m: m.update(predictions_sha256="0" * 64), "not the ones it was written with"),
        (lambda m: m.update(predictions_sha256=None), "not the ones it was written with"),
    ],
)
def test_a_record_that_is_not_right_is_refused_by_name(
    tmp_path: Path, scored: Callable[..., Any], change: Any, match: str
) -> None:
    store = Store(tmp_path)
    record, predictions = scored()
    path = store.write(record, predictions)
    change_record(path, change)
    with pytest.raises(RecordError, match=match) as caught:
        read_record(path)
    assert str(path) in str(caught.value)
    assert [broken.path for broken in store.broken()] == [path]
    assert str(path) not in store.broken()[0].reason.split(":")[0]
    assert store.find(record.key, record.identity) is None
    assert list(store.records()) == []


def test_a_record_that_is_changed_after_it_was_written_is_refused(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(*scored())
    for field, value in [("metric", "accuracy"), ("digest", None), ("digest", "0" * 64)]:
        Store(tmp_path).write(*scored())
        change_record(path, lambda m, f=field, v=value: m.update({f: v}), seal=False)
        with pytest.raises(RecordError, match="its digest is not that of its content; it was cha"):
            read_record(path)


def test_a_record_of_schema_1_is_read_and_is_unsealed(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(*scored())
    sealed = read_record(path)
    assert sealed.sealed
    unseal(path)
    read = read_record(path)
    assert not read.sealed
    assert dataclasses.replace(read, schema_version=2, digest=sealed.digest) == sealed
    change_record(path, lambda m: m.update(digest=None), seal=False)
    with pytest.raises(RecordError, match="unknown key 'digest' for schema version 1"):
        read_record(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "not readable as JSON"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b"[1, 2]", "no run record: it holds list, not an object"),
        (b"1", "no run record: it holds int, not an object"),
        (b"null", "no run record: it holds NoneType, not an object"),
        (b"{}", "no run record: it has no schema_version"),
        (b"[" * 100_000, "not readable as JSON"),
    ],
)
def test_a_foreign_file_is_refused_by_name(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "notes.json").write_bytes(content)
    with pytest.raises(RecordError, match=match):
        read_record(tmp_path / "notes.json")
    assert Store(tmp_path).broken()[0].path == tmp_path / "notes.json"


def test_a_truncated_record_is_never_valid(tmp_path: Path, scored: Callable[..., Any]) -> None:
    path = Store(tmp_path).write(*scored())
    content = path.read_bytes().rstrip()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(RecordError, match="not readable as JSON"):
            read_record(path)


def test_damaged_predictions_are_noticed(tmp_path: Path, scored: Callable[..., Any]) -> None:
    path = Store(tmp_path).write(*scored())
    arrays = companion(path)
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(content)
    with pytest.raises(RecordError, match=r"predictions '.*\.npz' are not the ones"):
        read_record(path)


def test_predictions_are_never_unpickled(tmp_path: Path, scored: Callable[..., Any]) -> None:
    path = Store(tmp_path).write(*scored())
    stream = io.BytesIO()
    np.savez_compressed(stream, index=np.array([object()], dtype=object))
    forge(path, stream.getvalue())
    with pytest.raises(RecordError, match=r"\.npz: Object arrays cannot be loaded"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"index": np.arange(2)}, "label"),
        ({"index": np.arange(2), "label": np.arange(2), "probabilities": np.eye(2)}, "float64"),
        ({"index": np.arange(2), "label": np.arange(2)}, "no array 'log_probabilities'"),
    ],
)
def test_predictions_that_lack_something_are_refused(
    tmp_path: Path, scored: Callable[..., Any], arrays: dict[str, Any], match: str
) -> None:
    path = Store(tmp_path).write(*scored())
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    forge(path, stream.getvalue())
    with pytest.raises(RecordError, match=match):
        read_predictions(path)


def test_no_archive_at_all_is_refused(tmp_path: Path, scored: Callable[..., Any]) -> None:
    path = Store(tmp_path).write(*scored())
    forge(path, b"PK\x03\x04 no archive")
    with pytest.raises(RecordError, match=r"\.npz: "):
        read_predictions(path)


def forge(path: Path, content: bytes) -> None:
    """Other predictions with a record to match."""
    companion(path).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    change_record(path, lambda mapping: mapping.update(predictions_sha256=digest))


def test_a_failed_run_has_no_predictions(tmp_path: Path, failure: Any) -> None:
    path = Store(tmp_path).write(failure(), None)
    with pytest.raises(RecordError, match="a run that is 'failed' has no predictions"):
        read_predictions(path)


def test_what_schema_1_says_of_its_metrics_is_computed_anew(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(*scored(provenance={"classes": ["a", "b", "c"]}))
    sealed = read_record(path)
    unseal(path)
    change_record(path, lambda m: m["metrics"].update(accuracy=0.999), seal=False)
    assert read_record(path).metrics == sealed.metrics
    change_record(path, lambda m: m["metrics"].pop("auroc_ovo"), seal=False)
    assert read_record(path).metrics == sealed.metrics


def test_schema_1_with_predictions_that_cannot_be_scored_is_refused(
    tmp_path: Path, record: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(record(), draw_predictions(3, 2, 0))
    assert read_record(path).sealed
    unseal(path)
    with pytest.raises(RecordError, match=r"its predictions cannot be scored: row \d of probabil"):
        read_record(path)
