"""Training from scratch: the recipe, the state it goes on from, and many processes as one."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from numpy.typing import NDArray
from torch import nn

from crossbench.data.formats.folder import UNREAD
from crossbench.errors import RequestError, WeightsError
from crossbench.pretraining.distributed import ProcessGroup
from crossbench.pretraining.loop import Job, batches_of, score, step_lr, train
from crossbench.specs import PretrainSettings
from crossbench.training.fit import DivergedError

CPU = torch.device("cpu")


class Points:
    """Samples of two classes that are told apart by their mean."""

    def __init__(self, count: int, *, unread: Sequence[int] = ()) -> None:
        random = np.random.default_rng(count)
        self.labels = random.integers(0, 2, count)
        values = random.normal(size=(count, 3, 2, 2)) + self.labels[:, None, None, None]
        self.images = torch.from_numpy(values.astype(np.float32))
        self.unreadable: set[str] = set()
        self._unread = list(unread)

    def check(self, unreadable: set[str]) -> None:
        """Nothing is too much."""

    def stream(
        self, batches: Sequence[NDArray[np.int64]], seed: int | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for batch in batches:
            labels = np.where(np.isin(batch, self._unread), UNREAD, self.labels[batch])
            yield self.images[batch], torch.from_numpy(labels)


class Small(nn.Sequential):
    """A network as timm's, as far as pretraining asks."""

    num_classes = 2

    def __init__(self, *, norm: bool = True) -> None:
        super().__init__(
            nn.Conv2d(3, 4, 1),
            nn.BatchNorm2d(4) if norm else nn.Identity(),
            nn.Flatten(),
            nn.Linear(16, 2),
        )


def make_job(
    folder: Path, *, norm: bool = True, group: ProcessGroup | None = None, **given: Any
) -> Job:
    settings = {"epochs": 3, "batch_size": 8, "lr": 0.01, "step": 2, "threads": 1} | given
    torch.manual_seed(1)
    return Job(
        network=Small(norm=norm),
        settings=PretrainSettings(**settings),
        train=Points(29),
        validation=Points(11),
        group=group or ProcessGroup(),
        device=CPU,
        seed=5,
        state=folder / "job.state.pt",
        identity="this",
    )


def weights(job: Job) -> dict[str, torch.Tensor]:
    return dict(job.network.state_dict())


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one | other)


# ----------------------------------------------------------------------------------- recipe


def test_the_rate_is_torchs_step_lr() -> None:
    settings = PretrainSettings()
    optimiser = torch.optim.AdamW(nn.Linear(1, 1).parameters(), lr=settings.lr)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, settings.step, settings.gamma)
    for epoch in range(1, settings.epochs + 1):
        assert step_lr(settings, epoch) == pytest.approx(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()


def test_training_is_plain_adamw_over_the_batches(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    torch.manual_seed(1)
    expected = Small()
    optimiser = torch.optim.AdamW(expected.parameters(), lr=0.01, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 2, 0.1)
    for epoch in range(1, 4):
        for batch in batches_of(29, 8, 2, seed=5, epoch=epoch):
            optimiser.zero_grad()
            labels = torch.from_numpy(job.train.labels[batch])
            nn.functional.cross_entropy(expected(job.train.images[batch]), labels).backward()  # type: ignore[attr-defined]
            optimiser.step()
        schedule.step()
    progress = train(job)
    assert [row["lr"] for row in progress.curve] == pytest.approx([0.01, 0.01, 0.001])
    assert progress.selected == 3
    for key, tensor in expected.state_dict().items():
        torch.testing.assert_close(weights(job)[key], tensor)


def test_the_curve_is_what_the_network_does(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    rows: list[dict[str, Any]] = []
    progress = train(job, on_epoch=rows.append)
    assert rows == progress.curve
    labels, logits = score(job)
    np.testing.assert_array_equal(labels, job.validation.labels)
    loss = nn.functional.cross_entropy(logits.double(), torch.from_numpy(labels))
    assert rows[-1]["val_loss"] == pytest.approx(float(loss))
    hits = logits.argmax(1).numpy() == labels
    assert rows[-1]["val_accuracy"] == pytest.approx(hits.mean())


def test_what_cannot_be_read_is_not_scored(tmp_path: Path) -> None:
    job = dataclasses.replace(make_job(tmp_path), validation=Points(11, unread=[0, 4]))
    progress = train(job)
    labels, logits = score(job)
    assert len(labels) == len(logits) == 9
    loss = nn.functional.cross_entropy(logits.double(), torch.from_numpy(labels))
    assert progress.curve[-1]["val_loss"] == pytest.approx(float(loss))


def test_the_lowest_loss_selects_where_it_is_asked_to(tmp_path: Path) -> None:
    selected = []
    for number, lr in enumerate((0.01, 0.5, 2.0, 8.0)):
        job = make_job(tmp_path / str(number), select="lowest", lr=lr, epochs=6, step=9)
        progress = train(job)
        losses = [row["val_loss"] for row in progress.curve]
        assert progress.selected == 1 + int(np.argmin(losses))
        labels, logits = score(job)
        loss = nn.functional.cross_entropy(logits.double(), torch.from_numpy(labels))
        assert float(loss) == pytest.approx(min(losses))
        selected.append(progress.selected)
    assert min(selected) < 6  # else this would show nothing


def test_a_loss_that_leaves_the_numbers_ends_training(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"became (nan|inf) in epoch 1; .*--set lr="):
        train(make_job(tmp_path, lr=1e30, norm=False))


def test_a_step_must_hold_two_samples_a_process(tmp_path: Path) -> None:
    job = make_job(tmp_path, batch_size=7, group=ProcessGroup(size=4))
    with pytest.raises(RequestError, match="7 samples a step for 4 processes"):
        train(job)


@given(st.integers(2, 200), st.integers(2, 64), st.integers(1, 8))
def test_every_sample_comes_once_and_no_process_gets_one_alone(
    count: int, size: int, processes: int
) -> None:
    least = 2 * processes
    if min(count, size) < least:
        return
    batches = batches_of(count, size, least, seed=3, epoch=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    assert all(least <= len(batch) < size + least for batch in batches)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_a_compiled_step_is_the_same_step(tmp_path: Path) -> None:
    plain = make_job(tmp_path / "plain", norm=False)
    compiled = make_job(tmp_path / "compiled", norm=False, compile=True)
    train(plain)
    train(compiled)
    for key, tensor in weights(plain).items():
        torch.testing.assert_close(weights(compiled)[key], tensor, rtol=1e-4, atol=1e-5)


# --------------------------------------------------------------------------------- going on


def test_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole, stopped = make_job(tmp_path / "whole"), make_job(tmp_path / "stopped")
    curve = train(whole).curve

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, on_epoch=stop)
    again = make_job(tmp_path / "stopped")
    rows = train(again).curve
    assert equal(weights(whole), weights(again))
    timed = ("images_per_second", "train_seconds", "val_seconds")
    assert [{key: row[key] for key in row if key not in timed} for row in rows] == [
        {key: row[key] for key in row if key not in timed} for row in curve
    ]


def test_a_state_of_something_else_is_not_gone_on_from(tmp_path: Path) -> None:
    train(make_job(tmp_path, lr=0.02))
    other = dataclasses.replace(make_job(tmp_path), identity="other")
    expected = make_job(tmp_path / "fresh")
    train(expected)
    assert len(train(other).curve) == 3
    assert equal(weights(other), weights(expected))


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    job.state.write_bytes(b"not a state")
    with pytest.raises(WeightsError, match=r"job\.state\.pt cannot be gone on from .*remove it"):
        train(job)


# ------------------------------------------------------------------------ several processes


SCRIPT = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, {tests!r})
from test_loop import make_job, score, train, weights
from crossbench.pretraining.distributed import process_group

with process_group("cpu") as (group, device):
    for norm in (False, True):
        job = make_job(Path({folder!r}) / str(norm), norm=norm, group=group)
        curve = train(job).curve
        labels, logits = score(job)
        found = {{"weights": weights(job), "loss": curve[-1]["train_loss"], "logits": logits}}
        torch.save(found, Path({folder!r}) / f"{{norm}}-{{group.rank}}.pt")
"""


@pytest.mark.slow
def test_two_processes_end_with_equal_weights(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    found = {
        (norm, rank): torch.load(tmp_path / f"{norm}-{rank}.pt", weights_only=True)
        for norm in (False, True)
        for rank in range(2)
    }
    for norm in (False, True):
        assert equal(found[norm, 0]["weights"], found[norm, 1]["weights"])
        assert torch.equal(found[norm, 0]["logits"], found[norm, 1]["logits"])
    # Without BatchNorm two processes do what one does, up to the order of sums.
    alone = make_job(tmp_path / "alone", norm=False)
    curve = train(alone).curve
    assert found[False, 0]["loss"] == pytest.approx(curve[-1]["train_loss"], rel=1e-4)
    for key, tensor in weights(alone).items():
        torch.testing.assert_close(found[False, 0]["weights"][key], tensor, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[False, 0]["logits"], score(alone)[1], rtol=1e-4, atol=1e-5)
