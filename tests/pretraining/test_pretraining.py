"""Pretraining end to end on small data: what is made, what is never touched, what goes on."""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from crossbench.data.sources import open_task
from crossbench.errors import DataError, RecordError, RequestError, WeightsError
from crossbench.files.hashing import hash_file
from crossbench.files.paths import cache_dir
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import read_checkpoint, read_facts, unpack_hashes
from crossbench.pretraining import (
    Pretraining,
    PretrainRequest,
    checkpoint_path,
    estimate_seconds,
    files,
    finished,
    prepare,
    pretrain,
    record_path,
)
from crossbench.pretraining.request import find_data, make_settings, recipe, state_path
from crossbench.registry.presets import find_preset
from crossbench.results.records.pretrainings import write_pretraining
from crossbench.runs.samples import draw_splits
from crossbench.specs import PretrainSettings
from crossbench.specs.requests import RunRequest

QUICK = ("epochs=2", "batch_size=16", "threads=1", "crop_scale=[0.5, 1.0]")

Ask = Callable[..., Pretraining]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """A short pretraining on the CPU."""

    def make(
        data: Path,
        method: str = "conv2d",
        settings: tuple[str, ...] = (),
        *,
        seed: int = 43,
        fold: int = 0,
        out: Path = tmp_path / "out",
        device: str = "cpu",
        **run: Any,
    ) -> Pretraining:
        plain = {"backbone": "test_resnet", "data_dir": str(tmp_path)} | run
        request = PretrainRequest(
            data=str(data),
            run=RunRequest(methods=(method,), seeds=(seed,), folds=(fold,), **plain),
            settings=(*QUICK, *settings),
            out=str(out),
        )
        return prepare(request, torch.device(device))

    return make


@pytest.fixture
def task(make_task: Callable[..., Path]) -> Path:
    return make_task(dimension=2)


def equal(one: Path, other: Path) -> bool:
    first, second = read_checkpoint(one).tensors, read_checkpoint(other).tensors
    return all(torch.equal(first[key], second[key]) for key in first | second)


# --------------------------------------------------------------------------------- settings


def test_the_defaults_are_those_of_table_1() -> None:
    settings = PretrainSettings()
    assert (settings.epochs, settings.batch_size, settings.lr) == (90, 8 * 32, 1e-3)
    assert (settings.step, settings.gamma, settings.select) == (30, 0.1, "last")
    assert make_settings() == settings


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "'epochs' is not of the form KEY=VALUE, such as epochs=5"),
        ("epoch=3", "unknown setting 'epoch'; did you mean epochs"),
        ("epochs=many", "key 'epochs' is 'many'; it must be a whole number"),
        ("epochs=0", "key 'epochs' is 0; it must be from 1 to 100000"),
        ("batch_size=1", "key 'batch_size' is 1; it must be at least 2"),
        ("lr=inf", "key 'lr' is inf; it must be a positive number"),
        ("crop_scale=[0.5, 2.0]", "share of the area"),
        ("select=best", "key 'select' is 'best'; it must be one of 'last', 'lowest'"),
        ("max_unreadable=1", "key 'max_unreadable' is 1; it must be a share below 1"),
        ("workers=-1", "key 'workers' is -1; it must be from 0 to 1024"),
    ],
)
def test_a_setting_that_is_none_is_refused(override: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        make_settings([override])


# ------------------------------------------------------------------------- what is asked for


def test_volumes_are_refused(make_task: Callable[..., Path]) -> None:
    with pytest.raises(RequestError, match="task 'blobs' is of volumes"):
        find_data(str(make_task()))


def test_what_is_neither_task_nor_folder_is_refused() -> None:
    message = "no folder of images 'nodule-malignancy', and unknown task .* did you mean nodule-"
    with pytest.raises(RequestError, match=message):
        find_data("nodule-malignancy")


def test_a_folder_has_one_fold(ask: Ask, make_folder: Callable[..., Path]) -> None:
    with pytest.raises(RequestError, match="fold 0 alone, not 1"):
        pretrain(ask(make_folder(), fold=1))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            {"methods": ("all",), "seeds": (1,), "folds": (0,)},
            r"methods \(=\('all',\)\) of a pretr",
        ),
        ({"methods": ("acs",), "folds": (0,)}, r"seeds \(=None\) of a pretraining must name one"),
        ({"methods": ("acs",), "seeds": (1,), "folds": (0, 1)}, r"folds \(=\(0, 1\)\) of a pretr"),
    ],
)
def test_a_request_is_for_one_network(run: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        PretrainRequest(data="nodule-malignancy-2d", run=RunRequest(**run))


def test_methods_with_plain_2d_layers_share_weights(ask: Ask, task: Path) -> None:
    plain = {record_path(ask(task, method)) for method in ("conv2d", "acs", "conv3d")}
    (path,) = plain
    assert path.parent.name.startswith("plain-test_resnet-")
    own = record_path(ask(task, "crossd"))
    assert own.parent.name.startswith("crossd-test_resnet-")
    assert own.parent.parent == path.parent.parent


def test_a_recipe_is_what_makes_the_weights(ask: Ask, task: Path) -> None:
    request = ask(task)
    same = (
        ask(task, seed=44, fold=3),
        ask(task, settings=("workers=2", "threads=2", "max_unreadable=0.5")),
    )
    other = (
        ask(task, "crossd"),
        ask(task, backbone="resnet18"),
        ask(task, settings=("lr=0.1",)),
        ask(task, settings=("precision=bfloat16",)),
        ask(task, preset="smoke"),
    )
    assert {recipe(each) for each in same} == {recipe(request)}
    assert len({recipe(each) for each in (request, *other)}) == 6


# ------------------------------------------------------------------------------ what is made


def test_a_task_gives_weights_and_a_record(ask: Ask, task: Path) -> None:
    request = ask(task, seed=44, fold=1)
    assert finished(request) is None
    assert estimate_seconds(request) > 0
    record = pretrain(request)
    path = checkpoint_path(request, record)
    assert path.name == f"seed44-fold1.{record.checkpoint_sha256[:16]}.safetensors"
    assert hash_file(path) == record.checkpoint_sha256
    assert (record.data, record.source, record.layers) == ("blobs", "real", "plain")
    assert (record.seed, record.fold, record.num_classes, record.world_size) == (44, 1, 2, 1)
    assert [row["epoch"] for row in record.curve] == [1, 2]
    assert record.selected_epoch == 2
    assert {"precision", "recall", "f1", "balanced_accuracy", "accuracy"} <= set(record.metrics)
    assert record.metrics["accuracy"] == pytest.approx(record.curve[-1]["val_accuracy"])
    assert record.throughput > 0
    assert record.settings["size"] == 18  # the task's own
    assert record.settings["statistics"] == "radimagenet"
    hashes = record.provenance["hashes"]
    assert {"recipe", "data", "split"} <= set(hashes)
    assert hashes["layers"] == "plain"  # whatever method it is to serve
    assert not list(path.parent.glob("*.pt"))  # the state is of no more use
    assert finished(request) == record
    assert estimate_seconds(request) == 0


def test_what_is_there_is_not_made_again(ask: Ask, task: Path) -> None:
    request = ask(task)
    first = pretrain(request)
    weights = checkpoint_path(request, first)
    made = weights.stat().st_mtime_ns
    assert pretrain(ask(task, "acs")) == first
    assert weights.stat().st_mtime_ns == made
    weights.write_bytes(b"")
    assert finished(request) is None
    assert pretrain(request).checkpoint_sha256 == first.checkpoint_sha256


def test_a_checkpoint_says_what_it_has_seen(ask: Ask, task: Path) -> None:
    request = ask(task, fold=2)
    about = read_facts(checkpoint_path(request, pretrain(request))).about
    assert about is not None
    (seen,) = about.seen
    assert (about.method, about.dims, about.backbone) == ("plain", 2, "test_resnet")
    assert (about.statistics, about.num_classes) == ("radimagenet", 2)
    assert about.recipe == recipe(request)
    run = request.run
    dataset = open_task(request.data, data="real", data_dir=run.data_dir, cache_dir=run.cache_dir)  # type: ignore[arg-type]
    split = dataclasses.replace(find_preset("standard").split, seeds=(43,), run_folds=(2,))
    (drawn,) = draw_splits(dataclasses.replace(run.preset, split=split), dataset)
    hashes = dataset.as_stored.hashes
    assert set(unpack_hashes(seen.samples)) == set(hashes[np.append(drawn.train, drawn.val)])
    assert set(unpack_hashes(seen.samples)).isdisjoint(hashes[drawn.test])
    assert seen.unit == "group"


@pytest.mark.parametrize("preset", ["standard", "paper"])
def test_the_test_part_is_never_looked_at(
    ask: Ask, make_task: Callable[..., Path], tmp_path: Path, preset: str
) -> None:
    """Whatever its images are, the weights are the same; ``paper`` scales by the whole array."""
    chosen = find_preset(preset)
    one = ask(make_task("one", dimension=2), preset=preset, out=tmp_path / "one")
    dataset = open_task(one.data, data="real", data_dir=tmp_path, cache_dir=cache_dir())  # type: ignore[arg-type]
    split = dataclasses.replace(chosen.split, seeds=(43,), run_folds=(0,))
    (drawn,) = draw_splits(dataclasses.replace(chosen, split=split), dataset)
    images = dataset.images[:, 0].copy()
    images[drawn.test] = 255 - images[drawn.test] // 2
    kept = {"labels": dataset.labels, "groups": dataset.groups}
    first = checkpoint_path(one, pretrain(one))
    # The same name, so that seeds are the same: only the test images differ.
    other = ask(
        make_task("one", dimension=2, images=images, **kept), preset=preset, out=tmp_path / "other"
    )
    assert equal(first, checkpoint_path(other, pretrain(other)))
    records = [finished(each) for each in (one, other)]
    assert records[0] is None  # other data now: what is there is not of this request
    assert records[1] is not None


def test_the_weights_serve_a_3d_network(ask: Ask, task: Path) -> None:
    for method in ("acs", "crossd"):
        request = ask(task, method, settings=("epochs=1",))
        path = checkpoint_path(request, pretrain(request))
        network = build_model(method, dims=3, num_classes=3, init=path, backbone="test_resnet")
        mean = read_checkpoint(path).tensors["bn1.running_mean"]
        torch.testing.assert_close(network.get_buffer("bn1.running_mean"), mean)


def test_options_change_how_and_are_recorded(ask: Ask, task: Path) -> None:
    request = ask(task, settings=("precision=bfloat16", "channels_last=true", "size=24"))
    record = pretrain(request)
    assert record.settings["precision"] == "bfloat16"
    assert record.settings["channels_last"] is True
    assert record.settings["size"] == 24


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_options_serve_cuda(ask: Ask, task: Path) -> None:
    options = ("precision=bfloat16", "channels_last=true", "tf32=true")
    record = pretrain(ask(task, "crossd", settings=options, device="cuda"))
    assert record.provenance["hardware"]["device"] == "cuda"
    assert all(row["train_loss"] > 0 for row in record.curve)


def test_a_folder_gives_weights_and_names_what_is_damaged(
    ask: Ask, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder()
    (folder / "train/dark/1.png").write_bytes(b"no image")
    sized = ("size=16", "batch_size=4", "workers=2")
    with pytest.raises(DataError, match=r"1 of 12 images cannot be read \(dark/1\.png: no image\)"):
        pretrain(ask(folder, settings=sized))
    record = pretrain(ask(folder, settings=(*sized, "max_unreadable=0.2")))
    assert record.unreadable == {"train": ("dark/1.png: no image",)}
    assert (record.source, record.data) == ("folder", "images")
    assert record.settings["statistics"] == "imagenet"
    assert record.counts == {"train": 12, "val": 4}


# --------------------------------------------------- what is there stays until its successor is


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process can become larger than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Told:
    """A listener that keeps what it is told of samples."""

    def __init__(self, samples: list[int]) -> None:
        self.samples = samples

    def started(self, planned: Pretraining, samples: int) -> None: ...

    def advanced(self, samples: int) -> None:
        self.samples.append(samples)

    def epoch_done(self, row: dict[str, Any]) -> None: ...


class Filling(Told):
    """A listener that fills the disk after an epoch."""

    def __init__(self, stack: ExitStack, epoch: int, size: int) -> None:
        super().__init__([])
        self.stack, self.epoch, self.size = stack, epoch, size

    def epoch_done(self, row: dict[str, Any]) -> None:
        if row["epoch"] == self.epoch:
            self.stack.enter_context(full_disk(self.size))


@pytest.fixture
def other_data(ask: Ask, make_task: Callable[..., Path], tmp_path: Path) -> Pretraining:
    """A pretraining whose data has changed since its weights were made; these are there."""
    request = ask(make_task("blobs", dimension=2))
    pretrain(request)
    with np.load(tmp_path / "blobs.npz") as arrays:
        images = arrays["images"].copy()
    images[0] += 1
    make_task("blobs", dimension=2, images=images)
    return request


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_weights_and_record_stay_until_others_are_whole(other_data: Pretraining) -> None:
    folder = record_path(other_data).parent
    before = contents(folder)
    assert len(before) == 2
    weights = max(map(len, before.values()))
    with ExitStack() as stack:
        listener = Filling(stack, epoch=2, size=weights // 2)
        with pytest.raises(RecordError, match=r"pretrain.json: cannot be written: .*too large"):
            pretrain(other_data, listener=listener)
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {state_path(other_data).name}
    assert finished(other_data) is None
    record = pretrain(other_data)  # from the state
    assert set(contents(folder)) == {record_path(other_data).name, record.checkpoint}
    assert finished(other_data) == record


def test_a_process_that_is_killed_between_files_leaves_the_old_ones(
    other_data: Pretraining,
) -> None:
    path = record_path(other_data)
    before = contents(path.parent)
    child = os.fork()
    if child == 0:
        files.write(path, b"new weights", lambda *_: os._exit(9))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    after = contents(path.parent)
    assert {name: after[name] for name in before} == before
    assert len(after) == 3  # weights that no record names
    files.sweep(path)
    assert contents(path.parent) == before


def test_an_epoch_that_cannot_be_kept_leaves_the_one_before(ask: Ask, task: Path) -> None:
    request = ask(task)
    with ExitStack() as stack:
        listener = Filling(stack, epoch=1, size=1000)
        message = (
            r"seed43-fold0.state.pt: the state after epoch 2 cannot be written \(.*\); that of an "
            r"epoch before is kept; make room and give the command again"
        )
        with pytest.raises(WeightsError, match=message):
            pretrain(request, listener=listener)
    assert list(contents(record_path(request).parent)) == [state_path(request).name]
    assert torch.load(state_path(request), weights_only=True)["progress"]["epoch"] == 1
    told: list[int] = []
    pretrain(request, listener=Told(told))
    whole: list[int] = []
    pretrain(ask(task, fold=1), listener=Told(whole))
    assert 0 < sum(told) < sum(whole)


def test_a_disk_without_room_is_refused_before_the_first_epoch(
    ask: Ask, task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(task)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    message = r"the state of training, and its weights, needs [4-9]\S* MB more, and 2.0 MB are fr"
    told: list[int] = []
    with pytest.raises(RequestError, match=message):
        pretrain(request, listener=Told(told))
    assert told == []
    assert contents(record_path(request).parent) == {}


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_epoch(
    ask: Ask, task: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    told: list[int] = []
    message = r"folder '.*file/.*' cannot be written \(Not a directory\); choose another --out"
    with pytest.raises(RequestError, match=message):
        pretrain(ask(task, out=tmp_path / "file"), listener=Told(told))
    with full_disk(0), pytest.raises(RequestError, match=r"cannot be written \(File too large\)"):
        pretrain(ask(task), listener=Told(told))
    assert told == []


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "", ".."])
def test_a_record_that_names_weights_elsewhere_is_not_believed(
    ask: Ask, task: Path, name: str
) -> None:
    request = ask(task, settings=("epochs=1",))
    record = dataclasses.replace(pretrain(request), checkpoint=name)
    write_pretraining(record_path(request), record)
    assert finished(request) is None
    with pytest.raises(RecordError, match="must be the name of a file beside it"):
        checkpoint_path(request, record)


# --------------------------------------------------------------------------------- going on


def command(planned: Pretraining) -> list[str]:
    asked = planned.asked
    return [
        *("-m", "crossbench", "pretrain", "--method", planned.method.name, "--data", asked.data),
        *("--backbone", planned.backbone, "--out", asked.out, "--device", "cpu"),
        *("--data-dir", str(planned.run.data_dir)),
        *(f"--set={each}" for each in asked.settings),
    ]


@pytest.mark.slow
def test_a_killed_process_is_gone_on_from_bit_for_bit(
    ask: Ask, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder(train=20)
    settings = ("epochs=40", "size=16", "workers=0", "batch_size=8")
    killed = ask(folder, settings=settings, out=tmp_path / "killed")
    whole = ask(folder, settings=settings, out=tmp_path / "whole")
    state = state_path(killed)
    process = subprocess.Popen([sys.executable, *command(killed)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 900
    while not state.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = torch.load(state, weights_only=True)["progress"]["epoch"]
    assert 1 <= done < 40
    assert finished(killed) is None
    told: list[int] = []
    record = pretrain(killed, listener=Told(told))
    expected = pretrain(whole)
    assert sum(told) == (40 - done) * (40 + 4)
    assert equal(checkpoint_path(killed, record), checkpoint_path(whole, expected))
    assert record.checkpoint_sha256 == expected.checkpoint_sha256
    assert record.metrics == expected.metrics


@pytest.mark.slow
def test_torchrun_shares_the_work(ask: Ask, task: Path) -> None:
    request = ask(task)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [sys.executable, *torchrun, *command(request)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    record = finished(request)
    assert record is not None
    assert done.stdout.splitlines() == [str(checkpoint_path(request, record))]
    assert record.world_size == 2
    assert "SyncBatchNorm needs CUDA" in record.warnings[-1]
    assert record_path(request).is_file()
