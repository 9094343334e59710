"""Records stay whole with their files, whatever ends the process that writes them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from record_files import companion

import crossbench
from crossbench.results.records.diagnostics import read_diagnostics
from crossbench.results.records.files import read_predictions
from crossbench.results.records.store import Found, Store
from crossbench.results.records.writing import write_run

ROOT = Path(crossbench.__file__).parents[1]


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
from crossbench.files.atomic import place
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
