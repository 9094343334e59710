"""The whole loop on a pair of tiny tasks, and what must never leak on the real ones."""

from __future__ import annotations

import dataclasses
import re
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from balls import CARD, write_balls

from crossbench import pretraining, transfer
from crossbench.api import prepare
from crossbench.cli import main
from crossbench.data.sources import open_task
from crossbench.errors import RequestError
from crossbench.execution.logs import LOGS, log_name
from crossbench.files.hashing import hash_json
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import (
    CheckpointMetadata,
    data_file,
    pack_checkpoint,
    read_facts,
    unpack_hashes,
)
from crossbench.pretraining.run import Silence as Quiet
from crossbench.pretraining.run import open_data
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.curves import learning_curves
from crossbench.results.boards.transfer import transfers
from crossbench.results.records.loading import load_results
from crossbench.results.records.pretrainings import read_pretraining
from crossbench.results.records.store import Store
from crossbench.runs.execute import Silence
from crossbench.runs.exposure import units_of
from crossbench.specs.requests import RunRequest

CPU = torch.device("cpu")
DEMO = Path(__file__).parents[1] / "docs/demo"


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A 2D and a 3D card over the same 48 balls of 24 groups."""
    return write_balls(tmp_path_factory.mktemp("balls"))


def ask(cards: dict[int, Path], out: Path, **changes: Any) -> transfer.TransferRequest:
    run = RunRequest(
        methods=("acs", "conv3d", "crossd"),
        tasks=(str(cards[3]),),
        preset="transfer",
        backbone="test_resnet",
        settings=(
            "fit.epochs=1",
            "split.folds=2",
            "split.max_labelled=16",
            "compute.threads=1",
        ),
    )
    request = transfer.TransferRequest(
        source=str(cards[2]),
        run=run,
        protocols=("linear-probe", "finetune"),
        pretrain_settings=("epochs=1", "batch_size=8", "threads=1"),
        out=str(out),
    )
    return dataclasses.replace(request, **changes)


@pytest.fixture(scope="module")
def done(cards: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """Results of a whole loop, the loop, and the records it wrote."""
    out = tmp_path_factory.mktemp("loop")
    store = Store(out)
    loop = transfer.prepare(ask(cards, out), store, CPU)
    return out, loop, play(loop, store)


def play(loop: transfer.TransferPlan, store: Store) -> list[Any]:
    written, left = transfer.run(
        loop,
        store,
        CPU,
        watch_pretraining=lambda _: nullcontext(Quiet()),
        watch_plans=lambda _: nullcontext(Silence()),
    )
    assert left == 0
    return written


def weights_of(planned: pretraining.Pretraining) -> Path:
    record = pretraining.finished(planned)
    assert record is not None
    return pretraining.checkpoint_path(planned, record)


def test_every_protocol_runs_from_both_weights(done: tuple[Path, Any, Any]) -> None:
    out, loop, written = done
    assert {record.status for record in written} == {"ok"}
    networks = [record for record in written if not record.key.plain]
    assert len(networks) == 2 * 2 * 3 * 2  # inits, protocols, methods, folds
    assert {record.key.init for record in networks} == {"random", "balls-2d"}
    assert len(loop.pretrainings) == 2 * 2  # forms of layers, folds
    stages = transfer.estimate_transfer(
        transfer.prepare(loop.request, Store(out), CPU), Store(out), CPU
    )
    assert [stage.todo for stage in stages] == [0] * 5
    assert sum(stage.count for stage in stages) == 4 + 24


def test_the_shipped_networks_are_those_that_the_demo_asks_for() -> None:
    run = RunRequest(
        methods=("acs", "conv3d", "crossd"),
        tasks=("nodule-malignancy-3d",),
        preset="smoke",
        folds=(0, 1, 2),
    )
    request = transfer.TransferRequest(
        source="nodule-malignancy-2d", run=run, protocols=("linear-probe",), out=str(DEMO)
    )
    plan = transfer.prepare(request, Store(DEMO), CPU)
    assert len(plan.pretrainings) == 2 * 3  # forms of layers, folds
    for planned in plan.pretrainings:
        record = read_pretraining(pretraining.record_path(planned))
        assert open_data(planned).identity == record.identity


def test_the_second_time_nothing_is_done(done: tuple[Path, Any, Any]) -> None:
    out, loop, _ = done
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert play(transfer.prepare(loop.request, Store(out), CPU), Store(out)) == []
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert after == before


def test_logs_of_what_is_done_are_removed(done: tuple[Path, Any, Any]) -> None:
    """A process that was killed while it watched left them."""
    out, loop, written = done
    names = [str(pretraining.record_path(each).relative_to(out)) for each in loop.pretrainings]
    (out / LOGS).mkdir()
    for identity in [written[0].identity, hash_json(names[0])]:
        (out / log_name(identity)).touch()
    play(transfer.prepare(loop.request, Store(out), CPU), Store(out))
    assert not (out / LOGS).exists()


def test_no_group_of_a_test_fold_is_seen_in_pretraining(
    done: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    _, loop, _ = done
    plan = loop.scratch[0]
    dataset = open_task(plan.tasks[0].card, data="real", data_dir=tmp_path, cache_dir=tmp_path)
    tested = {
        (run.key.seed, run.key.fold): set(dataset.groups[run.split.test].tolist())
        for run in plan.runs
    }
    for request in loop.pretrainings:
        about = read_facts(weights_of(request)).about
        (seen,) = about.seen
        assert (seen.file, seen.unit) == (dataset.file.name, "group")
        rest = set(dataset.groups.tolist()) - tested[request.seed, request.fold]
        others = dataset.as_stored.of_units(np.array(sorted(rest)))
        assert set(unpack_hashes(seen.samples)) == set(others)  # and none of these


def test_the_weights_of_another_fold_are_refused(
    done: tuple[Path, Any, Any], cards: dict[int, Path], tmp_path: Path
) -> None:
    _, loop, _ = done
    weights = weights_of(loop.pretrainings[0])
    (fold,) = {0, 1} - {loop.pretrainings[0].fold}
    with pytest.raises(RequestError, match=r"has seen 12 of the 12 groups that balls-3d tests on"):
        prepare(
            "conv3d",
            str(cards[3]),
            store=Store(tmp_path),
            init=str(weights),
            backbone="test_resnet",
            seeds=[43],
            folds=[fold],
            settings=["split.folds=2"],
        )


def test_a_source_of_the_same_groups_in_other_folds_is_refused_before_anything_runs(
    cards: dict[int, Path], tmp_path: Path
) -> None:
    moody = cards[3].with_name("moods-3d.toml")
    text = CARD.format(dimension=3).replace("balls-3d", "moods-3d").replace("radius", "mood")
    moody.write_text(text, encoding="utf-8")
    asked = ask(cards, tmp_path)
    asked = dataclasses.replace(asked, run=dataclasses.replace(asked.run, tasks=(str(moody),)))
    message = r"source 'balls-2d' trains in seed 43, fold 0 on \d+ of the 12 groups that moods-3d "
    message += "tests on, so runs from its weights would be refused; take a 2D task whose folds"
    with pytest.raises(RequestError, match=message):
        transfer.prepare(asked, Store(tmp_path), CPU)
    assert not [*tmp_path.iterdir()]


def test_gains_are_those_of_the_records(done: tuple[Path, Any, Any]) -> None:
    out, _, _ = done
    frame = load_results(out)
    (found,) = transfers(split_boards(frame))
    assert (found.task, found.init) == ("balls-3d", "balls-2d")
    assert len(found.gains) == 6
    scores = frame.groupby(["protocol", "method", "init"])["balanced_accuracy"].mean()
    for gain in found.gains:
        random = scores[gain.protocol, gain.method, "random"]
        pretrained = scores[gain.protocol, gain.method, "balls-2d"]
        scratch = scores["finetune", gain.method, "random"]
        assert gain.random == pytest.approx(random)
        assert gain.pretrained == pytest.approx(pretrained)
        for test, other in ((gain.over_random, random), (gain.over_scratch, scratch)):
            if test is None:  # with two runs it happens that both differ by the same
                assert any(f"{gain.protocol} {gain.method}: " in why for why in found.missing)
            else:
                assert test.result.gain.value == pytest.approx(pretrained - other)


def test_no_patient_of_a_nodule_fold_is_in_the_pretraining_of_its_number(tmp_path: Path) -> None:
    given: Any = {"store": Store(tmp_path), "protocol": "linear-probe", "preset": "transfer"}
    source = prepare(
        "conv2d", "nodule-malignancy-2d", settings=["split.max_labelled=2012"], **given
    )
    target = prepare("conv3d", "nodule-malignancy-3d", **given)
    images, volumes = (
        open_task(plan.tasks[0].card, data="real", data_dir=tmp_path, cache_dir=tmp_path)
        for plan in (source, target)
    )
    assert data_file(images.file) == data_file(volumes.file)
    splits = [
        {(run.key.seed, run.key.fold): run.split for run in plan.runs} for plan in (source, target)
    ]
    assert splits[0].keys() == splits[1].keys()
    assert len(splits[0]) == 5
    for fold, pretrained in splits[0].items():
        seen, _ = units_of(images, np.concatenate([pretrained.train, pretrained.val]))
        tested, unit = units_of(volumes, splits[1][fold].test)
        assert unit == "group"
        assert len(seen) > 600
        assert not set(seen.tolist()) & set(tested.tolist())


def test_asks_for_a_protocol(cards: dict[int, Path], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no protocol is asked for; name one or more of weak"):
        transfer.prepare(ask(cards, tmp_path, protocols=()), Store(tmp_path), CPU)


def command(
    loop: transfer.TransferPlan, cards: dict[int, Path], out: Path, *more: str
) -> list[str]:
    """The words that ask for this loop."""
    options = [part for each in loop.request.run.settings for part in ("--set", each)]
    options += [
        part for each in loop.request.pretrain_settings for part in ("--pretrain-set", each)
    ]
    return [
        "transfer",
        *("--source", str(cards[2]), "--target", str(cards[3]), "--out", str(out)),
        *("--method", "acs,conv3d,crossd", "--protocol", "linear-probe,finetune"),
        *("--backbone", "test_resnet", "--device", "cpu"),
        *options,
        *more,
    ]


def test_the_command_says_what_it_will_take(
    done: tuple[Path, Any, Any], cards: dict[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, loop, _ = done
    assert main(command(loop, cards, out, "--dry-run")) == 0
    assert "0 networks to do; about 0 s" in capsys.readouterr().out
    assert main(command(loop, cards, out)) == 0
    printed = capsys.readouterr().out
    assert "What pretraining on balls-2d is worth on balls-3d" in printed
    assert "finetune crossd" in printed


def test_what_the_data_lacks_is_said_once(
    cards: dict[int, Path],
    done: tuple[Path, Any, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with np.load(cards[3].with_name("balls.npz")) as stored:
        np.savez(tmp_path / "balls.npz", volumes=stored["volumes"], radius=stored["radius"])
    ungrouped = {
        dimension: shutil.copy(card, tmp_path / card.name) for dimension, card in cards.items()
    }
    _, loop, _ = done
    assert main(command(loop, ungrouped, tmp_path / "out", "--dry-run")) == 0
    assert capsys.readouterr().err.count("note: balls-3d: ungrouped: the card says group") == 1


@pytest.mark.slow
def test_two_processes_come_to_the_same(
    done: tuple[Path, Any, Any],
    cards: dict[int, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out, loop, _ = done
    assert main(command(loop, cards, tmp_path, "--jobs", "2")) == 0
    assert " in 2 processes (timed" in capsys.readouterr().out
    one, two = (
        {record.identity: record.metrics for record in Store(folder).records()}
        for folder in (out, tmp_path)
    )
    assert two == one


# ------------------------------------------------------------------------------------ curves


@pytest.fixture(scope="module")
def curved(cards: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a curve of two sizes, from random, pretrained and a file's weights."""
    out = tmp_path_factory.mktemp("curve")
    network = build_model("conv2d", dims=2, num_classes=2, backbone="test_resnet")
    about = CheckpointMetadata(
        method="conv2d", dims=2, backbone="test_resnet", num_classes=2, statistics="imagenet"
    )
    content = pack_checkpoint(network.state_dict(), about)
    (out / "mine.safetensors").write_bytes(content)
    request = ask(
        cards,
        out,
        protocols=("linear-probe",),
        inits=(str(out / "mine.safetensors"),),
        curve=("16", "all"),
    )
    run = dataclasses.replace(request.run, methods=("conv3d",))
    loop = transfer.prepare(dataclasses.replace(request, run=run), Store(out), CPU)
    stages = transfer.estimate_transfer(loop, Store(out), CPU)
    assert [stage.what for stage in stages] == [
        f"pretrain on {cards[2]}",
        "linear-probe, 16 labelled, random weights",
        "linear-probe, 16 labelled, pretrained",
        "linear-probe, all labelled, random weights",
        "linear-probe, all labelled, pretrained",
        f"linear-probe, 16 labelled, {out / 'mine.safetensors'}",
        f"linear-probe, all labelled, {out / 'mine.safetensors'}",
    ]
    assert [stage.todo for stage in stages] == [2] * 7
    assert all(stage.seconds > 0 for stage in stages)
    play(loop, Store(out))
    again = transfer.prepare(loop.request, Store(out), CPU)
    assert [stage.todo for stage in transfer.estimate_transfer(again, Store(out), CPU)] == [0] * 7
    return out


def test_a_curve_has_a_line_for_each_start_and_a_point_for_each_size(curved: Path) -> None:
    frame = load_results(curved)
    (curves,) = learning_curves(split_boards(frame))
    assert (curves.task, curves.protocol) == ("balls-3d", "linear-probe")
    names = [f"conv3d from {init}" for init in ("balls-2d", "mine", "random")]
    assert [line.name for line in curves.lines] == [*names, "logistic", "majority"]
    assert [line.one_draw for line in curves.lines] == [False, False, True, False, False]
    assert [line.plain for line in curves.lines] == [False, False, False, True, True]
    for line in curves.lines[:3]:
        few, every = line.points
        assert (few.limit, few.labelled) == (16, 14)  # whole groups
        assert (every.limit, every.labelled) == (None, 24)
        init = line.name.rpartition(" ")[2]
        own = frame[(frame["init"] == init) & (frame["samples_train"] + frame["samples_val"] == 14)]
        assert few.score.value == pytest.approx(own[curves.metric].mean())
        assert (few.runs, every.runs) == (2, 2)


def test_a_curve_stands_in_report_and_figures(
    curved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("vl_convert")
    figures = curved / "figures"
    assert main(["report", str(curved), "--figures", str(figures)]) == 0
    capsys.readouterr()
    assert main(["report", str(curved)]) == 0
    shown = capsys.readouterr().out
    assert "Labelled samples and score on balls-3d" in shown
    assert re.search(r"method, from +16 +\(all\)", shown)
    assert "One draw of random weights a point: conv3d from random." in shown
    assert (figures / "curve-1.pdf").read_bytes().startswith(b"%PDF")
    assert "conv3d from balls-2d" in (figures / "curve-1.svg").read_text(encoding="utf-8")
    assert "curve-1.pdf" in (figures / "figures.tex").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (("16", "many"), "curve part 'many' is no number; name numbers, or all"),
        (("16",), "curve '16' needs two numbers of labelled samples or more, each once"),
        (("16", "16"), "curve '16,16' needs two numbers"),
    ],
)
def test_a_curve_of_no_sizes_is_refused(
    cards: dict[int, Path], tmp_path: Path, curve: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        transfer.prepare(ask(cards, tmp_path, curve=curve), Store(tmp_path), CPU)


def test_a_curve_is_asked_for_by_a_flag(
    cards: dict[int, Path], curved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--source", str(cards[2]), "--target", str(cards[3]), "--method", "conv3d"]
    words += ["--protocol", "linear-probe", "--backbone", "test_resnet", "--curve", "16,all"]
    words += ["--init", str(curved / "mine.safetensors"), "--out", str(curved), "--device", "cpu"]
    for setting in ("fit.epochs=1", "split.folds=2", "compute.threads=1"):
        words += ["--set", setting]
    for setting in ("epochs=1", "batch_size=8", "threads=1"):
        words += ["--pretrain-set", setting]
    assert main(["transfer", *words, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "linear-probe, all labelled, pretrained" in shown
    assert "0 networks to do" in shown
    assert main(["transfer", *words]) == 0
    captured = capsys.readouterr()
    assert "conv3d from mine" in captured.out
    assert f"--figures {curved / 'figures'}" in captured.err
