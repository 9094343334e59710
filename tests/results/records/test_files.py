from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from made_records import identified
from record_files import change_record, companion, unseal

import crossbench
from crossbench.errors import RecordError
from crossbench.evaluation.metrics import METRICS
from crossbench.results.records.diagnostics import read_diagnostics
from crossbench.results.records.files import read_predictions, read_record
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.store import Found, Store
from crossbench.results.records.writing import write_run
from crossbench.specs import RunKey, RunRecord

ROOT = Path(crossbench.__file__).parents[1]

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
    **{name: st.text() for name in ("preset", "task", "method", "backbone", "init", "protocol")},
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


# ------------------------------------------------------------------------ wholeness


def test_the_next_write_clears_what_a_killed_one_left(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    record, predictions = scored()
    path = Store(tmp_path).path_of(record.key, record.identity)
    path.parent.mkdir(parents=True)
    draft = path.with_name(f".{path.name}.{'0' * 32}.tmp")
    stale, fresh = (path.with_name(f"{path.stem}.{each * 16}.npz") for each in "01")
    for file in (draft, stale, fresh):
        file.write_text("half")  # the last one by a living process
    for file in (draft, stale):
        os.utime(file, (0, 0))
    write_run(path, record, predictions)
    assert sorted(path.parent.iterdir()) == sorted([path, companion(path), fresh])


def test_files_can_be_read_by_those_the_umask_allows(
    tmp_path: Path, scored: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(*scored())
    plain = tmp_path / "plain"
    plain.write_text("")
    for file in (path, companion(path)):
        assert file.stat().st_mode == plain.stat().st_mode


PREAMBLE = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, "tests/helpers")
import numpy as np
from made_records import identified
from crossbench.results.records.diagnostics import Diagnostics, read_diagnostics
from crossbench.results.records.files import read_predictions
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.store import Store
from crossbench.results.records.writing import place
from crossbench.specs import RunKey, RunRecord

def attempt(store, seed, status="ok", method="crossd"):
    key = RunKey(preset="smoke", task="blood", method=method, backbone="resnet18",
                 init="random", protocol="weak-probe", seed=43, fold=0)
    ok = status == "ok"
    record = identified(RunRecord(
        identity="", key=key, status=status, source="phantom", dimension=2, metric="accuracy",
        metrics={"accuracy": 0.5} if ok else {}, timings={"total": float(seed)},
        error=None if ok else {"class": "E", "message": "m"}, counts={"test": 50},
    ))
    logs = -np.random.default_rng(seed).random((50, 3), dtype=np.float32)
    predictions = Predictions(index=np.arange(50), label=np.zeros(50, np.int64),
                              log_probabilities=logs)

    def write_weights(file):
        place(file, b"weights of %d" % seed)

    diagnostics = Diagnostics(identity=record.identity, index=np.arange(2), drawn=np.arange(1),
                              layers={"conv": {"angle": np.full(2, seed, np.float32)}})
    files = [predictions, write_weights, diagnostics] if ok else [None]
    store.write(record, *files)
"""

STEPS = (
    PREAMBLE
    + """
def kill_at(step):
    left = [step]
    def trace(frame, event, argument):
        names = ("_replace_run", "_succeeding", "_place_weights", "place", "replacing", "rename")
        if frame.f_code.co_name not in names:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)

for step in range(1000):
    store = Store(Path(sys.argv[1]) / str(step))
    if sys.argv[2] != "none":
        attempt(store, 1, sys.argv[2])
    child = os.fork()
    if child == 0:
        kill_at(step)
        attempt(store, 2, sys.argv[3])
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(step)
        break
"""
)

LOOP = (
    PREAMBLE
    + """
store = Store(Path(sys.argv[1]))
for count in range(10**9):
    for method in ("acs", "conv3d", "crossd"):
        attempt(store, count, ("ok", "ok", "failed")[count % 3], method)
    print(count, flush=True)
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("before", "after"), [("ok", "ok"), ("failed", "ok"), ("ok", "failed")])
def test_a_kill_at_any_line_leaves_the_old_record_or_the_new_one_with_its_files(
    tmp_path: Path, before: str, after: str
) -> None:
    command = [sys.executable, "-c", STEPS, str(tmp_path), before, after]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    last = int(done.stdout)
    assert last > 10  # there were lines to be killed at
    seen = set()
    for step in range(last + 1):
        (found,) = Store(tmp_path / str(step)).scan()
        assert isinstance(found, Found)
        status, seed = found.record.status, found.record.timings["total"]
        seen.add((status, seed))
        if status == "ok":
            assert companion(found.path, "weights").read_bytes() == b"weights of %d" % seed
            told = read_diagnostics(found.path, found.record)
            assert told is not None
            assert told.layers["conv"]["angle"][0] == seed
    assert seen == {(before, 1.0), (after, 2.0)}


FULL = (
    PREAMBLE
    + """
from crossbench.errors import RecordError

root, size, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store = Store(root)
attempt(store, 1)
if how == "limit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
content = b"weights of 2" * (size // 12 + 1)

def write_weights(file):
    place(file, content)

(found,) = store.scan()
record, predictions = found.record, read_predictions(found.path)
try:
    store.write(record, predictions, write_weights)
except RecordError as error:
    print(error)
(found,) = store.scan()
weights = found.path.with_name(found.record.weights).read_bytes()
told = read_diagnostics(found.path, found.record)
print(found.record.timings["total"], weights, told.layers["conv"]["angle"][0])
print(len(list(found.path.parent.iterdir())))
"""
)


@pytest.mark.parametrize("how", ["limit", "disk"])
def test_a_full_disk_leaves_the_old_record_with_its_files(tmp_path: Path, how: str) -> None:
    words = [sys.executable, "-c", FULL, str(tmp_path), "300000", how]
    if how == "disk":
        mount = f"mount -t tmpfs -o size=256k none {tmp_path}"
        tried = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True)
        if tried.returncode:
            pytest.skip("a small file system cannot be mounted here")
        words = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *words]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    said, stands, files = done.stdout.splitlines()
    assert re.search(r"\.json: cannot be written: .*(No space left|File too large)", said)
    assert stands == "1.0 b'weights of 1' 1.0"
    assert files == "4"  # the record and the three that it names


@pytest.mark.parametrize("writes", [1, 2, 5])
def test_a_process_killed_while_writing_leaves_whole_records(tmp_path: Path, writes: int) -> None:
    command = [sys.executable, "-c", LOOP, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(writes):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    store = Store(tmp_path)
    assert store.broken() == []
    records = list(store.records())
    assert len(records) == 3  # none goes before the one that follows it stands
    for record in records:
        path = store.path_of(record.key, record.identity)
        assert record.status == "failed" or len(read_predictions(path).index) == 50


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
