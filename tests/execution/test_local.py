"""Runs end to end on small data: determinism, failures, resumption after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import crossbench
from crossbench.api import prepare
from crossbench.execution.local import execute
from crossbench.protocols import find_protocol
from crossbench.protocols.linear_probe import LinearProbe
from crossbench.results.records.store import Found, Store, read_predictions
from crossbench.runs.execute import Silence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from crossbench.runs.plan import Plan, PlannedRun


@pytest.fixture
def run(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """``crossbench.run`` on a task of blobs, one seed and fold, short."""

    def call(method: str = "conv3d", *, out: str = "out", **options: Any) -> pd.DataFrame:
        defaults: dict[str, Any] = {
            "seeds": [43],
            "folds": [0],
            "settings": ["fit.epochs=2", "compute.threads=1"],
            "data_dir": tmp_path,
            "backbone": "test_resnet",
        }
        task = options.pop("task", None) or str(make_task())
        return crossbench.run(
            method, task, out=tmp_path / out, device="cpu", **(defaults | options)
        )

    return call


def whole(folder: Path) -> list[Found]:
    """The records in a folder, none of them broken."""
    found = list(Store(folder).scan())
    assert all(isinstance(each, Found) for each in found)
    return found


def test_a_record_holds_what_is_needed_to_trust_it(
    run: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    run()
    (record,) = (r for r in Store(tmp_path / "out").records() if r.key.method == "conv3d")
    assert record.status == "ok"
    assert record.source == "real"
    assert record.grouped is True
    assert record.metric == "balanced_accuracy"
    assert len(record.curve) == 2
    assert sum(record.counts.values()) == 60
    assert record.parameters["trainable"] < record.parameters["total"]
    assert set(record.cost) == {"gmacs"}
    assert 0 < record.cost["gmacs"] < 1
    assert {"build", "train", "validate", "test", "total"} == set(record.timings)
    provenance = record.provenance
    assert {"data", "split", "config", "method", "init", "task"} <= set(provenance["hashes"])
    assert len(provenance["card"]) == 64
    assert {"torch", "timm", "python"} <= set(provenance["versions"])
    assert provenance["threads"] == 1
    assert str(tmp_path) not in json.dumps(provenance)


def test_plain_baselines_accompany_every_fold(run: Callable[..., pd.DataFrame]) -> None:
    frame = run(seeds=[43, 44])
    assert sorted(frame["method"]) == ["conv3d"] * 2 + ["logistic"] * 2 + ["majority"] * 2


def test_predictions_reproduce_every_metric_bit_for_bit(
    run: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    run()
    for path, record in whole(tmp_path / "out"):
        again = read_predictions(path).scores(record.provenance["classes"])
        assert again.metrics == record.metrics
        assert again.per_class == record.per_class
        assert again.undefined == record.undefined
        assert again.partial == record.partial


def test_same_request_same_bits(run: Callable[..., pd.DataFrame], tmp_path: Path) -> None:
    one, two = run(out="one"), run(out="two")
    assert one["identity"].tolist() == two["identity"].tolist()
    assert one["log_loss"].tolist() == two["log_loss"].tolist()
    for (a, _), (b, _) in zip(whole(tmp_path / "one"), whole(tmp_path / "two"), strict=True):
        assert np.array_equal(
            read_predictions(a).log_probabilities, read_predictions(b).log_probabilities
        )


# ------------------------------------------------------------------------------ linear probe


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept features, empty."""
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def bits(folder: Path) -> dict[str, Any]:
    """What decides every number of every network's record, by identity."""
    return {
        record.identity: (
            record.curve,
            record.selected,
            record.metrics,
            read_predictions(path).log_probabilities.tobytes(),
        )
        for path, record in whole(folder)
        if not record.key.plain and record.status == "ok"
    }


def test_a_linear_probe_leaves_records_as_any_protocol(
    run: Callable[..., pd.DataFrame], tmp_path: Path, cache: Path
) -> None:
    frame = run(protocol="linear-probe")
    assert frame["status"].tolist() == ["ok"] * 3
    (record,) = (r for r in Store(tmp_path / "out").records() if not r.key.plain)
    assert record.key.protocol == "linear-probe"
    penalties = find_protocol("linear-probe")
    assert isinstance(penalties, LinearProbe)
    tried = tuple(row["C"] for row in record.curve)
    assert tried == penalties.inverse_penalties[: len(tried)]
    lowest = min(record.curve, key=lambda row: row["val_loss"])
    assert record.selected == {"C": lowest["C"]}
    assert record.selected_epoch is None
    features = record.parameters["trainable"] - 1
    assert record.parameters["total"] > features > 1
    assert record.cost["gmacs"] > 0
    assert {"extract", "train", "test", "total"} == set(record.timings)
    assert frame["ms_per_sample"].notna().sum() == 1
    assert set(record.provenance["settings"]["input"]) == {"scaling", "max_size"}


def test_lora_leaves_a_network_of_the_usual_size_and_says_what_it_trained(
    run: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    settings = ["fit.epochs=1", "compute.threads=1", "lora.rank=3", "lora.batch_norm=train"]
    for out in ("once", "again"):
        run("acs,conv3d", out=out, protocol="lora", settings=settings)
    records = {r.key.method: r for r in Store(tmp_path / "once").records() if not r.key.plain}
    for method, record in records.items():
        network = crossbench.build_model(method, dims=3, num_classes=2, backbone="test_resnet")
        total = sum(tensor.numel() for tensor in network.parameters())
        assert record.parameters["total"] == total > record.parameters["trainable"]
        assert record.provenance["settings"]["lora"]["rank"] == 3
    assert len({record.parameters["trainable"] for record in records.values()}) == 2
    assert bits(tmp_path / "once") == bits(tmp_path / "again")


def test_folds_of_a_linear_probe_share_features_and_need_not(
    run: Callable[..., pd.DataFrame], tmp_path: Path, cache: Path
) -> None:
    """Together from a cold cache, again from a warm one, and one fold alone from a cold one."""
    options: dict[str, Any] = {"protocol": "linear-probe", "folds": [0, 1]}
    run("conv3d,acs", out="cold", **options)
    assert len(list(cache.iterdir())) == 2
    run("conv3d,acs", out="warm", **options)
    assert len(list(cache.iterdir())) == 2
    assert bits(tmp_path / "cold") == bits(tmp_path / "warm")
    assert len(bits(tmp_path / "cold")) == 4
    for file in cache.iterdir():
        file.unlink()
    run("acs", out="alone", protocol="linear-probe", folds=[1])
    assert bits(tmp_path / "alone").items() < bits(tmp_path / "cold").items()


def test_a_range_of_the_training_part_gives_each_fold_its_features(
    run: Callable[..., pd.DataFrame], make_task: Callable[..., Path], cache: Path
) -> None:
    images = np.random.default_rng(0).integers(60, 150, (60, 18, 18, 18)).astype(np.uint8)
    images[:, 0, 0, 0] = 150 + np.arange(60)  # the brightest is tested in one of two folds
    run(
        protocol="linear-probe",
        folds=[0, 1],
        settings=["compute.threads=1", "split.folds=2", 'input.scaling="train"'],
        task=str(make_task(images=images)),
    )
    assert len(list(cache.iterdir())) == 2


class Counter(Silence):
    """Counts the samples that go through networks."""

    def __init__(self) -> None:
        self.samples = 0

    def advanced(self, run: PlannedRun, samples: int) -> None:
        self.samples += samples


@pytest.mark.parametrize("protocol", ["weak-probe", "linear-probe"])
@pytest.mark.parametrize("state", ["cold", "warm"])
def test_progress_ends_where_the_plan_said(
    make_task: Callable[..., Path], tmp_path: Path, cache: Path, protocol: str, state: str
) -> None:
    for turn in ["cold", "warm"][: 1 + (state == "warm")]:
        plan = prepare(
            "conv3d",
            str(make_task()),
            store=Store(tmp_path / turn),
            protocol=protocol,
            seeds=[43],
            folds=[0, 1],
            settings=["fit.epochs=1", "compute.threads=1"],
            data_dir=tmp_path,
            backbone="test_resnet",
        )
        counter = Counter()
        execute(plan, Store(tmp_path / turn), device=torch.device("cpu"), listener=counter)
        assert counter.samples == sum(run.passes.total for run in plan.runs) > 0


def test_methods_see_the_same_batches(run: Callable[..., pd.DataFrame], tmp_path: Path) -> None:
    """Two names for one method differ in the weights drawn, and in nothing of the data."""
    run("conv3d,acs")
    records = {r.key.method: r for r in Store(tmp_path / "out").records()}
    hashes = [records[name].provenance["hashes"] for name in ("conv3d", "acs")]
    assert hashes[0]["split"] == hashes[1]["split"]
    assert hashes[0]["method"] != hashes[1]["method"]


def test_a_failed_run_is_recorded_and_tried_again_where_asked(
    run: Callable[..., pd.DataFrame], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    plugin = tmp_path / "moody.py"
    plugin.write_text(
        "from pathlib import Path\n"
        "from crossbench_baselines.conv3d import Conv3d\n"
        "class Moody(Conv3d):\n"
        "    name = 'moody'\n"
        "    def layer_3d(self, layer):\n"
        f"        if not Path({str(tmp_path / 'mended')!r}).exists():\n"
        "            raise RuntimeError('not today')\n"
        "        return super().layer_3d(layer)\n"
        "method = Moody()\n"
    )
    card = str(make_task())
    first = run("moody", plugins=[str(plugin)], task=card).set_index("method")
    assert first.loc["moody", "status"] == "failed"
    assert "not today" in first.loc["moody", "error_message"]
    (tmp_path / "mended").touch()
    left = run("moody", plugins=[str(plugin)], task=card).set_index("method")
    assert left.loc["moody", "status"] == "failed"
    second = run("moody", plugins=[str(plugin)], task=card, retry_failed=True).set_index("method")
    assert second.loc["moody", "status"] == "ok"
    assert second.loc["moody", "identity"] == first.loc["moody", "identity"]


def test_fail_fast_stops_at_the_first_failure(
    run: Callable[..., pd.DataFrame],
) -> None:
    frame = run(
        "conv3d",
        seeds=[43, 44],
        settings=["fit.epochs=1", "fit.lr=1e30"],
        fail_fast=True,
        protocol="finetune",
    )
    assert frame["status"].tolist() == ["failed"]
    assert "training loss became" in frame["error_message"][0]


def test_damaged_data_is_named(
    run: Callable[..., pd.DataFrame], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    card = make_task()
    file = tmp_path / "blobs.npz"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(crossbench.errors.DataError, match=r"blobs.*blobs\.npz"):
        run(task=str(card))


def test_a_one_class_test_part_is_refused(
    run: Callable[..., pd.DataFrame], make_task: Callable[..., Path]
) -> None:
    labels = np.zeros(60, int)
    labels[:2] = 1
    card = make_task(labels=labels, groups=np.arange(60) // 2)
    with pytest.raises(crossbench.errors.DataError, match=r"blobs\.npz.*class"):
        run(task=str(card))


@pytest.mark.parametrize(
    ("signal_sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_a_stopped_run_resumes_to_the_same_records(
    run: Callable[..., pd.DataFrame],
    make_task: Callable[..., Path],
    tmp_path: Path,
    signal_sent: signal.Signals,
    code: int,
) -> None:
    card = str(make_task())
    killed = tmp_path / "killed"
    command = [
        sys.executable, "-m", "crossbench", "run", "--method", "conv3d", "--task", card,
        "--seeds", "43", "--folds", "0", "1", "2", "--out", str(killed), "--device", "cpu",
        "--data-dir", str(tmp_path), "--backbone", "test_resnet",
        "--set", "fit.epochs=2", "--set", "compute.threads=1",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stderr=subprocess.DEVNULL,
        # a parent that ignores the signal must not hand that down
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 600
    while not list(killed.rglob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal_sent)
    assert process.wait() == code
    before = {file: file.read_bytes() for file in killed.rglob("*.json")}
    assert before
    assert len(before) < 9

    resumed = run(out="killed", folds=[0, 1, 2], task=card)
    assert len(resumed) == 9
    assert all(file.read_bytes() == text for file, text in before.items())
    fresh = run(out="fresh", folds=[0, 1, 2], task=card)
    assert resumed["identity"].tolist() == fresh["identity"].tolist()
    assert resumed["log_loss"].tolist() == fresh["log_loss"].tolist()


def test_what_another_process_has_done_since_is_not_done_again(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    store, plan = planned(make_task, tmp_path)
    first = execute(plan, store, device=torch.device("cpu"))
    watch = Starts()
    again = execute(plan, store, device=torch.device("cpu"), listener=watch)
    assert [record.metrics for record in again] == [record.metrics for record in first]
    assert watch.runs == []


def test_of_failures_to_be_tried_again_one_of_since_is_not(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    cpu = torch.device("cpu")
    store, plan = planned(make_task, tmp_path, "acs,conv3d", settings=["fit.lr=1e30"])
    failed = {record.key.method: record for record in execute(plan, store, device=cpu)}
    assert [failed[name].status for name in ("acs", "conv3d")] == ["failed", "failed"]

    class Busy(Starts):
        def started(self, run: PlannedRun) -> None:
            super().started(run)
            store.write(failed["conv3d"], None)  # as another process would meanwhile

    _, left = planned(make_task, tmp_path, "acs,conv3d", settings=["fit.lr=1e30"])
    assert left.todo == ()
    assert [run.key.method for run in left.left_failed] == ["acs", "conv3d"]
    _, again = planned(
        make_task, tmp_path, "acs,conv3d", settings=["fit.lr=1e30"], retry_failed=True
    )
    watch = Busy()
    execute(again, store, device=cpu, listener=watch)
    assert [run.key.method for run in watch.runs] == ["acs"]


def test_runs_without_the_asked_for_weights_are_done_again(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    cpu = torch.device("cpu")
    store, plan = planned(make_task, tmp_path)
    _, keeping = planned(make_task, tmp_path, save_weights=True)
    execute(plan, store, device=cpu)
    watch = Starts()
    execute(keeping, store, device=cpu, listener=watch)
    assert [run.key.plain for run in watch.runs] == [False]
    networks = [record for record in store.records() if not record.key.plain]
    assert [record.weights is not None for record in networks] == [True]


class Starts(Silence):
    """Notes which runs begin."""

    def __init__(self) -> None:
        self.runs: list[PlannedRun] = []

    def started(self, run: PlannedRun) -> None:
        self.runs.append(run)


def planned(
    make_task: Callable[..., Path], tmp_path: Path, methods: str = "conv3d", **options: Any
) -> tuple[Store, Plan]:
    """Methods on one fold of blobs, and the plain baselines."""
    store = Store(tmp_path / "out")
    settings = ["fit.epochs=1", "compute.threads=1", *options.pop("settings", [])]
    plan = prepare(
        methods, str(make_task()), store=store, seeds=[43], folds=[0], settings=settings,
        data_dir=tmp_path, backbone="test_resnet", **options,
    )  # fmt: skip
    return store, plan


MEDDLER = """\
import random
import numpy
import torch
from torch import nn
from crossbench_baselines.conv3d import Conv3d
{at_import}
class Layer(nn.Conv3d):
    def forward(self, x):
        {forward}
        return super().forward(x)

class Meddler(Conv3d):
    name = "a-meddler"
    def layer_3d(self, layer):
        {layer}
        made = super().layer_3d(layer)
        made.__class__ = Layer
        return made

method = Meddler()
"""


@pytest.mark.parametrize("protocol", ["finetune", "linear-probe"])
@pytest.mark.parametrize("where", ["layer", "forward"])
def test_a_method_that_changes_shared_state_fails_and_the_others_do_not_notice(
    run: Callable[..., pd.DataFrame], tmp_path: Path, cache: Path, protocol: str, where: str
) -> None:
    """Each fold of it fails, those that share features too, and leaves nothing to any other run."""
    change = "torch.set_default_dtype(torch.float64) or torch.set_num_threads(2)"
    change += " or random.seed(1) or numpy.random.seed(1) or torch.manual_seed(1)"
    bodies = {"at_import": "", "layer": "pass", "forward": "pass"} | {where: change}
    plugin = tmp_path / "meddler.py"
    plugin.write_text(MEDDLER.format(**bodies))
    options: dict[str, Any] = {"protocol": protocol, "folds": [0, 1]}
    options["settings"] = ["fit.epochs=1", "compute.threads=1"]
    run("conv3d", out="alone", **options)
    for file in cache.glob("*"):
        file.unlink()
    frame = run("a-meddler,conv3d", out="beside", plugins=[str(plugin)], **options)
    failed = frame[frame["method"] == "a-meddler"]
    assert failed["status"].tolist() == ["failed"] * 2
    for message in failed["error_message"]:
        assert "torch's default dtype (from torch.float32 to torch.float64)" in message
        assert "torch's number of threads (from 1 to 2)" in message
    assert bits(tmp_path / "beside").items() >= bits(tmp_path / "alone").items()


def test_what_a_plugin_changes_at_import_is_put_back(
    run: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    change = "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)"
    change += "; torch.manual_seed(1); numpy.random.seed(1); random.seed(1)"
    plugin = tmp_path / "meddler.py"
    plugin.write_text(MEDDLER.format(at_import=change, layer="pass", forward="pass"))
    run("conv3d", out="alone")
    with pytest.warns(UserWarning, match=r"importing a-meddler, conv3d, .* put back: .*dtype"):
        frame = run("a-meddler,conv3d", out="beside", plugins=[str(plugin)])
    assert set(frame["status"]) == {"ok"}
    assert bits(tmp_path / "beside").items() > bits(tmp_path / "alone").items()
